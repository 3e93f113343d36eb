"""Caches as stages of a folder: one that is there from the same inputs is read, an interrupted one goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stillright import ranks
from stillright.folder.workspace import Workspace
from stillright.progress import Progress
from stillright.stages.inputs import cache_inputs
from stillright.training.teachers.cache_writing import CacheSpec, write_cache


def cache_stage(
    workspace: Workspace,
    name: str,
    result: str,
    model: str,
    load: Callable[[], Any],
    spec: CacheSpec,
    progress: Progress,
) -> Path:
    """The folder `result` with the outputs of the model that `load` gives.

    name: what the log calls the teacher. model: what determines it.
    """

    def build(work: Path, out: Path) -> None:
        write_cache(load(), spec, work / "outputs", progress, f"{name} teacher")
        ranks.on_main(lambda: (work / "outputs").replace(out))

    inputs = cache_inputs(model, spec.key, spec.form._asdict(), spec.vocabulary)
    return workspace.stage(f"teach-{Path(result).name}", result, inputs, build)
