"""Ctrl-C, wherever it lands."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

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
