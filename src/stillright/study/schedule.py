"""Building stages one after another in this process."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import NamedTuple

from rich.console import Console

from stillright.errors import StillrightError
from stillright.events import say
from stillright.folder.files import write_first
from stillright.stages.stage import Stage
from stillright.study.store import Store

ERROR = "error.txt"  # the traceback of a failed attempt, beside the result


class Outcome(NamedTuple):
    """A stage that was tried."""

    stage: Stage
    error: str | None = None  # one line; None: it is done


def error_line(error: BaseException) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())[:300]
    return text if isinstance(error, StillrightError) else f"{type(error).__name__}: {text}"


def failure_of_needs(stage: Stage, failed: dict[str, str]) -> str | None:
    """Why a stage cannot be built: a stage it needs has failed."""
    return next((failed[need.key] for need in stage.needs.values() if need.key in failed), None)


def attempt(stage: Stage, store: Store, console: Console) -> str | None:
    """Builds a stage. Returns an error in one line, and leaves its traceback beside the result."""
    try:
        store.build(stage, console)
    except Exception as error:
        write_first(store.folder(stage) / ERROR, traceback.format_exc())
        return f"{stage.label}: {error_line(error)}"
    return None


def begin_anew(stage: Stage, store: Store) -> None:
    """Forgets the error of an earlier attempt; called once an attempt, however many processes work at it."""
    (store.folder(stage) / ERROR).unlink(missing_ok=True)


def run_here(stages: list[Stage], store: Store, console: Console) -> Iterator[Outcome]:
    """Builds one stage after another; a stage that needs a failed one is not tried."""
    failed: dict[str, str] = {}
    for number, stage in enumerate(stages, start=1):
        error = failure_of_needs(stage, failed)
        if error is None:
            line = f"[{number}/{len(stages)}] {stage.label}"
            say(console, line, "stage", stage=stage.label, status="running", number=number, of=len(stages))
            begin_anew(stage, store)
            error = attempt(stage, store, console)
        if error is not None:
            failed[stage.key] = error
        yield Outcome(stage, error)
