"""Ctrl-C, wherever it lands."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from samples import environment
from stillright.cli.interrupts import interrupts_are_heard


class Interrupted:
    """Whose finaliser is interrupted."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Workers of pytest ignore Ctrl-C."""
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, usual)


def run_on() -> None:
    Interrupted()
    threading.Event().wait(60)


@pytest.mark.usefixtures("_interruptible")
def test_an_interruption_within_a_finaliser_is_not_lost() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts_are_heard():
        run_on()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_other_errors_of_finalisers_do_not_end_a_command() -> None:
    class Failing:
        def __del__(self) -> None:
            raise ValueError

    with interrupts_are_heard():
        Failing()


def command(*words: str, before: str) -> subprocess.CompletedProcess[str]:
    """The installed command in a process of its own; before: lines of Python that it runs first."""
    start = ["import signal, sys", "from stillright.cli import command_line"]
    start += ["signal.signal(signal.SIGINT, signal.default_int_handler)", before, f"sys.argv[1:] = {list(words)}"]
    script = "\n".join([*start, ""])
    return subprocess.run(
        [sys.executable, "-c", f"{script}command_line()"], capture_output=True, text=True, env=environment(), timeout=60
    )


def test_an_interruption_while_libraries_are_imported_ends_at_once() -> None:
    # native code that the KeyboardInterrupt leaves through aborts: "terminate called after throwing an instance of ..."
    imports = """
from stillright.cli import train
def import_module(name):
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        sys.exit("not at once")
train.import_module = import_module
"""
    done = command("demo", before=imports)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "stillright: interrupted; run the same command again to continue\n"


def test_an_interruption_after_the_end_shows_no_traceback() -> None:
    before = "import atexit\natexit.register(signal.raise_signal, signal.SIGINT)"
    done = command("compare", "--example", before=before)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
    assert "is better than" in done.stdout
