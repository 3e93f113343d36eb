"""Ctrl-C where Python's KeyboardInterrupt does harm: in a finaliser, while libraries are imported, after the end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stillright import ranks
from stillright.events import complain

AGAIN_AFTER = 0.05  # seconds, in which the finaliser ends
INTERRUPTED = 130  # exit code


def say_interrupted() -> None:
    """Prints the one line that follows an interruption, by the main process alone."""
    if ranks.is_main():
        complain("stillright: ", "interrupted; run the same command again to continue", "interrupted")


@contextmanager
def interrupts_end_at_once() -> Iterator[None]:
    """An interruption within ends the process, with nothing to clean up: for imports of large libraries, whose native
    parts abort where an exception comes out of the Python that they run."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler or not _is_main_thread():
        yield
        return

    def end(*_: Any) -> None:
        say_interrupted()
        os._exit(INTERRUPTED)

    usual = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


def interrupts_end_silently() -> None:
    """From here on an interruption ends the process without a word: all is done, and Python itself is ending."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler and _is_main_thread():
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def interrupts_are_heard() -> Iterator[None]:
    """An interruption that a finaliser swallows within comes once more, after it."""
    usual, again = sys.unraisablehook, list[threading.Timer]()

    def hook(unraisable: Any) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            again.append(threading.Timer(AGAIN_AFTER, os.kill, (os.getpid(), signal.SIGINT)))
            again[-1].start()
        else:
            usual(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = usual
        for timer in again:
            timer.cancel()
