"""Which files of lm-evaluation-harness hold the samples of a task, of a group of tasks, or of all that fit a pattern.

Since 0.4.3 a task's samples are samples_TASK_DATE.jsonl (.json in early 2024), beside a file of the same date with the
results of the run. Before, they were MODEL_TASK.jsonl beside results.json.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from stillright.errors import DataError, spelled
from stillright.importers.selection import choose, listed
from stillright.jsonl import Keys, read_json

SAMPLES = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d[.\d]*)\.jsonl?(\.gz)?")
OLD_RESULTS = "results.json"
Results = dict[str, Any]


class Chosen(NamedTuple):
    """The file of each task, whose name may be unknown; as one task, or as a group whose ids name the task too."""

    files: Mapping[str | None, Path]
    is_group: bool


def find_samples(folder: Path) -> list[Path]:
    """All files of samples in a folder and below it."""
    found = [path for path in folder.rglob("samples_*") if SAMPLES.fullmatch(path.name) and path.is_file()]
    return sorted(found) or sorted(
        path
        for results in folder.rglob(OLD_RESULTS)
        if _is_of_harness(results)
        for path in results.parent.glob("*_*.jsonl")
    )


def files_read(path: Path) -> list[Path]:
    """All files of samples in a folder, or this one, each with the results beside it; no samples are read."""
    return [each for file in (find_samples(path) if path.is_dir() else [path]) for each in (file, *_beside(file))]


def results_of(file: Path) -> Results:
    """The results of the run that wrote these samples; empty without them."""
    return next((read_json(beside, Results) for beside in _beside(file)), {})


def choose_files(path: Path, wanted: str | None) -> Chosen:
    """The samples of the wanted task in a file or folder, or of a group or a pattern of tasks.

    Raises DataError if there are none, several tasks to choose from, or several runs of one.
    """
    runs = _by_task(find_samples(path) if path.is_dir() else [path])
    names = [name for name in runs if name is not None]
    if not names:  # a file of another name: its task is what the user says
        return Chosen({wanted: _only(runs[None], path)}, is_group=False)
    group = [] if wanted is None or wanted in names else _tasks_of(wanted, names, runs, path)
    if group:
        return Chosen({name: _only(runs[name], path) for name in group}, is_group=True)
    if wanted is None and len(names) > 1:
        each = spelled(command="", python="; or compare each, with compare_suite()")
        several = f"several tasks, choose one with {spelled(command='--task NAME', python='task=NAME')}"
        raise DataError(
            f"{path}: {several}: {listed(names)}; or a group, or all that fit a pattern, such as 'mmlu_*'{each}"
        )
    name = choose("task", names, wanted, str(path))
    return Chosen({name: _only(runs[name], path)}, is_group=False)


def files_by_task(folder: Path, wanted: str | None) -> dict[str, Path]:
    """The file of each task in a folder: of all, or of the wanted one, group or pattern.

    Raises DataError if there are none, or several runs of one.
    """
    runs = _by_task(find_samples(folder))
    names = [name for name in runs if name is not None]
    chosen = names if wanted is None else [wanted] if wanted in names else _tasks_of(wanted, names, runs, folder)
    return {name: _only(runs[name], folder) for name in chosen or [choose("task", names, wanted, str(folder))]}


def _by_task(files: Iterable[Path]) -> dict[str | None, list[Path]]:
    runs: dict[str | None, list[Path]] = {}
    for file in files:
        runs.setdefault(_task_of(file), []).append(file)
    return runs


def _task_of(file: Path) -> str | None:
    """The task in the file's name; in an old one that task of the results beside it in which the name ends."""
    if match := SAMPLES.fullmatch(file.name):
        return match["task"]
    configs = results_of(file).get("configs")
    tasks = [task for task in configs if file.name.endswith(f"_{task}.jsonl")] if isinstance(configs, dict) else []
    return max(tasks, key=len, default=None)


def _beside(file: Path) -> list[Path]:
    """The files with the results of the whole run."""
    match = SAMPLES.fullmatch(file.name)
    if match is None:
        old = file.parent / OLD_RESULTS
        return [old] if "_" in file.name and old != file and _is_of_harness(old) else []
    same_date = file.parent.glob(f"*_{match['date']}.json")
    return sorted(path for path in same_date if not SAMPLES.fullmatch(path.name))


def _is_of_harness(results: Path) -> bool:
    with suppress(DataError):
        return results.is_file() and {"results", "configs"} <= read_json(results, Keys).keys()
    return False


def _tasks_of(wanted: str, names: list[str], runs: Mapping[str | None, list[Path]], path: Path) -> list[str]:
    """The tasks that fit a pattern, or those of a group as the results define it; none if it is neither.

    Raises DataError for a group of which some task has no samples.
    """
    if any(sign in wanted for sign in "*?["):
        return sorted(name for name in names if fnmatchcase(name, wanted))
    groups: dict[str, list[str]] = {}
    for files in runs.values():
        for file in files:
            groups |= _groups(results_of(file))
        if wanted in groups:
            break
    tasks = _leaves(wanted, groups) if groups.get(wanted) else []
    lacking = [task for task in tasks if task not in names]
    if lacking:
        raise DataError(f"{path}: group {wanted}: no samples of {listed(lacking)}; choose tasks by a pattern instead")
    return tasks


def _groups(results: Results) -> dict[str, list[str]]:
    """What each group is made of: tasks, and other groups."""
    groups = results.get("group_subtasks")
    lists = groups.items() if isinstance(groups, dict) else ()
    return {name: [str(each) for each in below] for name, below in lists if isinstance(below, list)}


def _leaves(name: str, groups: Mapping[str, list[str]]) -> list[str]:
    """The tasks of a group and of the groups in it, each once."""
    below: dict[str, None] = {}
    open_groups = [name]
    seen = {name}
    while open_groups:
        for child in groups.get(open_groups.pop()) or ():
            if child not in seen:
                seen.add(child)
                (open_groups.append if groups.get(child) else below.setdefault)(child)
    return sorted(below)


def _only(files: list[Path], path: Path) -> Path:
    if len(files) > 1:
        names = listed([str(file.relative_to(path)) for file in files])
        raise DataError(f"{path}: several runs of one task, name one of these files: {names}")
    return files[0]
