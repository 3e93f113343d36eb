"""Ctrl-C that arrives in a finaliser of some library, where Python would swallow it and the command would run on."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

AGAIN_AFTER = 0.05  # seconds, in which the finaliser ends


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
