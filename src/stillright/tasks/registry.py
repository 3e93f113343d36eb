"""Finds a task by name, among those shipped here and those of lm-evaluation-harness, and loads its configuration."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from stillright.errors import TaskError

SHIPPED = Path(__file__).parent / "harness"  # tasks that the harness lacks, in its own format


def _entry_in_file(path: Path, name: str) -> Any:
    """The entry of one YAML file, if it has this name. Avoids the index of all tasks, which takes seconds."""
    from lm_eval.tasks._index import TaskIndex

    entry = TaskIndex.entry_from_path(path)
    return entry if entry is not None and entry.name == name else None


def _entry_beside_its_name(name: str) -> Any:
    """The entry of our own NAME.yaml, or of the harness's NAME/NAME.yaml, if there is one."""
    import lm_eval.tasks

    of_harness = Path(lm_eval.tasks.__file__).parent / name / f"{name}.yaml"
    return _entry_in_file(SHIPPED / f"{name}.yaml", name) or _entry_in_file(of_harness, name)


def _entry_in_index(name: str) -> Any:
    from lm_eval.tasks import TaskManager

    manager = TaskManager()
    entry = manager.task_index.get(name)
    if entry is None:
        known = [*manager.all_subtasks, *(path.stem for path in SHIPPED.glob("*.yaml"))]
        close = difflib.get_close_matches(name, known, n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else "; `lm-eval ls tasks` lists them"
        raise TaskError(f"task {name}: lm-evaluation-harness has no task of this name{hint}")
    return entry


def harness_config(name: str) -> dict[str, Any]:
    """The configuration of the task `name`. Raises TaskError where it is unknown, a group or a class, or
    lacks a library."""
    from lm_eval.tasks._factory import TaskFactory

    entry = _entry_beside_its_name(name) or _entry_in_index(name)
    if entry.kind.name != "TASK":
        raise TaskError(f"task {name}: is a {entry.kind.name.lower()} of the harness; give a single task")
    try:
        config: dict[str, Any] = TaskFactory()._load_full_config(entry, None)
    except ImportError as error:  # of the task's own code
        raise TaskError(f"task {name}: its code cannot be loaded ({error}); install what it needs") from None
    if "class" in config:
        raise TaskError(f"task {name}: is a Python class of the harness; only tasks written in YAML are supported")
    return {key: value for key, value in config.items() if key not in ("tag", "group", "task_list")}
