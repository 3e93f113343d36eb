"""Finds a task by name, among those shipped here and those of lm-evaluation-harness, and loads its configuration."""

from __future__ import annotations

import difflib
from functools import cache
from pathlib import Path
from typing import Any

from stillright.errors import TaskError
from stillright.upstream.lm_eval import entry_in_file, full_config, kind_of, own_file, own_files_naming

SHIPPED = Path(__file__).parent / "harness"  # tasks that the harness lacks, in its own format


def _entry_in_files(name: str) -> Any:
    """The entry of the only file of the harness with this task; None where there is no such file, or are several."""
    found = [entry for path in own_files_naming(name) if (entry := entry_in_file(path, name)) is not None]
    return found[0] if len(found) == 1 else None


@cache
def _manager() -> Any:
    """Parses all of the harness's files of tasks, which takes many seconds."""
    from lm_eval.tasks import TaskManager

    return TaskManager()


def _entry_in_index(name: str) -> Any:
    manager = _manager()
    entry = manager.task_index.get(name)
    if entry is None:
        known = [*manager.all_subtasks, *(path.stem for path in SHIPPED.glob("*.yaml"))]
        close = difflib.get_close_matches(name, known, n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else "; `lm-eval ls tasks` lists them"
        raise TaskError(f"task {name}: lm-evaluation-harness has no task of this name{hint}")
    return entry


def harness_config(name: str) -> dict[str, Any]:
    """The configuration of the task `name`, one that ships here first. Raises TaskError where it is unknown, a group or
    a class, or lacks a library."""
    entry = entry_in_file(SHIPPED / f"{name}.yaml", name) or entry_in_file(own_file(name), name)
    entry = entry or _entry_in_files(name) or _entry_in_index(name)
    if (kind := kind_of(entry)) != "task":
        raise TaskError(f"task {name}: is a {kind} of the harness; give a single task")
    try:
        config = full_config(entry)
    except ImportError as error:  # of the task's own code
        raise TaskError(f"task {name}: its code cannot be loaded ({error}); install what it needs") from None
    if "class" in config:
        raise TaskError(f"task {name}: is a Python class of the harness; only tasks written in YAML are supported")
    return {key: value for key, value in config.items() if key not in ("tag", "group", "task_list")}
