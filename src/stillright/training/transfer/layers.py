"""The factors of all layers, one file a layer: an interrupted transfer goes on, and processes share the layers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from stillright import ranks
from stillright.progress import Progress
from stillright.training.transfer.differences import Differences
from stillright.training.transfer.factors import Factors, low_rank


def layer_factors(
    differences: Differences,
    rank: int,
    moments: Mapping[str, Tensor],
    folder: Path,
    progress: Progress,
    label: str,
) -> dict[str, Factors]:
    """Module -> low-rank factors of its difference, weighted by the moments of what it reads where there are any.

    folder: keeps those that are done, between interrupted attempts at the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{name}.safetensors" for name in differences.carried}
    todo = ranks.on_main(lambda: [name for name, file in files.items() if not file.exists()])
    with progress.bar(label, len(todo), "layers") as bar:
        for name in ranks.share(todo):
            _write(low_rank(differences.of(name), rank, moments.get(name)), files[name])
            bar.advance(1)
    ranks.wait()
    return {name: _read(file) for name, file in files.items()}


def _write(factors: Factors, file: Path) -> None:
    part = file.with_suffix(".part")
    tensors = {"up": factors.up.contiguous(), "down": factors.down.contiguous()}
    save_file(tensors, part, metadata={"kept": json.dumps(factors.kept)})
    part.replace(file)  # a file that is there is whole


def _read(file: Path) -> Factors:
    with safe_open(file, framework="pt") as opened:
        kept = json.loads(opened.metadata()["kept"])
        return Factors(opened.get_tensor("up"), opened.get_tensor("down"), kept)
