"""Caches as stages of a folder: one that is there from the same inputs is read, an interrupted one goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stillright import ranks
from stillright.folder.workspace import Workspace
from stillright.progress import Progress
from stillright.training.teachers.cache_writing import CacheSpec, write_cache

CACHE_FORMAT = 2  # of teachers' outputs; raise it when the same model and texts give other ones


def cache_inputs(
    model: str, read: Mapping[str, Any], form: Mapping[str, Any], vocabulary: int | None
) -> dict[str, Any]:
    """What determines a teacher's outputs; read: what it reads, and in which precision."""
    versions = {name: version(name) for name in ("torch", "transformers", "peft")}
    kept = {"form": form, "vocabulary": vocabulary, "cache_format": CACHE_FORMAT}
    return {"model": model, **read, **kept, "versions": versions}


def build_cache(
    load: Callable[[], Any], spec: CacheSpec, work: Path, out: Path, progress: Progress, label: str
) -> None:
    """The folder `out` with the outputs of the model that `load` gives; an interrupted attempt left its part in
    `work`."""
    write_cache(load(), spec, work / "outputs", progress, label)
    ranks.on_main(lambda: (work / "outputs").replace(out))


def cache_stage(
    workspace: Workspace, name: str, model: Callable[[], str], load: Callable[[], Any], spec: CacheSpec
) -> Path:
    """The folder `name` of a workspace with the outputs of a model; model: gives what determines it."""
    return workspace.stage(
        f"teach-{name}",
        name,
        lambda: cache_inputs(model(), spec.key, spec.form._asdict(), spec.vocabulary),
        lambda work, out: build_cache(load, spec, work, out, Progress(workspace.console), f"{name} teacher"),
    )
