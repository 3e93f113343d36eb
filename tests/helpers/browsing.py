"""A real browser for tests of pages: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page

NEEDED = "STILLRIGHT_NEEDS_BROWSER"  # set where a test must not be skipped for want of a browser, as in CI
# what keeps a browser without a window from asking anything of the network
QUIET = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


def lacking() -> str:
    """What is not installed, and how to install it; empty where nothing is."""
    if find_spec("playwright") is None or find_spec("axe_playwright_python") is None:
        return "no Playwright: pip install axe-playwright-python"
    return "" if shutil.which("chromium") else "no Chromium: apt-get install chromium"


def is_needed() -> bool:
    """Whether a missing browser is a failure."""
    return bool(os.environ.get(NEEDED))


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window, that asks nothing of any network."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        yield browser
        browser.close()


# of the rows that are drawn, from the top
IDS = (
    "[...document.querySelectorAll('.row')].sort((a, b) => a.dataset.at - b.dataset.at)"
    ".map((row) => row.firstChild.lastChild.textContent)"
)


class Visit:
    """A page in a context of its own, offline; said: whatever it wrote to the console, asked or failed at."""

    def __init__(self, browser: Browser, file: Path, fragment: str = "", **settings: Any) -> None:
        self.context = browser.new_context(offline=True, accept_downloads=True, **settings)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(20_000)  # milliseconds
        self.said: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", self._asked)
        self.page.goto(file.as_uri() + fragment)

    def _asked(self, dialog: Dialog) -> None:
        self.said.append(dialog.message)
        dialog.dismiss()

    def ready(self) -> Visit:
        """Once the samples are listed."""
        self.page.wait_for_selector("#explorer:not([hidden])")
        return self

    def ids(self) -> list[str]:
        """Of the rows that are drawn, from the top."""
        found: list[str] = self.page.evaluate(IDS)
        return found

    def lists(self, *ids: str) -> None:
        """Waits until the rows that are drawn are these, from the top; a busy machine draws them later."""
        self.page.wait_for_function(f"(ids) => {IDS}.join() === ids", arg=",".join(ids))

    def count(self, text: str) -> None:
        """Waits until this is said of how many samples fit."""
        self.page.wait_for_function("(text) => document.getElementById('count').textContent === text", arg=text)
