"""Finds a task of lm-evaluation-harness by name and loads its configuration."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from stillright.errors import TaskError


def _entry_beside_its_name(name: str) -> Any:
    """The entry of tasks/NAME/NAME.yaml, if there is one. Spares the index of all tasks, which takes seconds."""
    import lm_eval.tasks
    from lm_eval.tasks._index import TaskIndex

    path = Path(lm_eval.tasks.__file__).parent / name / f"{name}.yaml"
    entry = TaskIndex.entry_from_path(path) if path.is_file() else None
    return entry if entry is not None and entry.name == name else None


def _entry_in_index(name: str) -> Any:
    from lm_eval.tasks import TaskManager

    manager = TaskManager()
    entry = manager.task_index.get(name)
    if entry is None:
        close = difflib.get_close_matches(name, manager.all_subtasks, n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else "; `lm-eval ls tasks` lists them"
        raise TaskError(f"task {name}: lm-evaluation-harness has no task of this name{hint}")
    return entry


def harness_config(name: str) -> dict[str, Any]:
    """The configuration of the harness task `name`. Raises TaskError where it is unknown, a group or a class."""
    from lm_eval.tasks._factory import TaskFactory

    entry = _entry_beside_its_name(name) or _entry_in_index(name)
    if entry.kind.name != "TASK":
        raise TaskError(f"task {name}: is a {entry.kind.name.lower()} of the harness; give one single task")
    config: dict[str, Any] = TaskFactory()._load_full_config(entry, None)
    if "class" in config:
        raise TaskError(f"task {name}: is a Python class of the harness; only tasks written in YAML are supported")
    return {key: value for key, value in config.items() if key not in ("tag", "group", "task_list")}
