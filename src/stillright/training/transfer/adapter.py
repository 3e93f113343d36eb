"""One PEFT adapter that is the sum of several changes, exactly, such as the new adapter and a share of what is old."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from peft import LoraConfig
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import pad

from stillright.models import Source
from stillright.training.result import sets_in_order
from stillright.training.transfer.weights import DOWN, PREFIX, UP, Change

EMBEDDING = (".lora_embedding_B", ".lora_embedding_A")  # what PEFT calls down and up of a table, each transposed


def write_adapter(
    base: Source, parts: Sequence[tuple[float, Mapping[str, Change]]], out: Path, embedding: str | None = None
) -> None:
    """Writes to `out` an adapter of `base` whose change of every module is the sum of `parts`, each times its number.

    embedding: which of the modules is one.
    """
    changes = side_by_side([(by, part) for by, part in parts if by])
    rank = max(len(change.down) for change in changes.values())
    out.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    for name, (up, down) in changes.items():
        up, down = pad(up, (0, rank - up.shape[1])), pad(down, (0, 0, 0, rank - len(down)))
        ends, values = (EMBEDDING, (down.mT, up.mT)) if name == embedding else ((UP, DOWN), (up, down))
        tensors |= {f"{PREFIX}{name}{end}": value.contiguous() for end, value in zip(ends, values, strict=True)}
    save_file(tensors, out / "adapter_model.safetensors", metadata={"format": "pt"})
    config = _config(base, sorted(changes), rank)
    with sets_in_order(config):
        config.save_pretrained(out)


def side_by_side(parts: Sequence[tuple[float, Mapping[str, Change]]]) -> dict[str, Change]:
    """The sum of `parts`, each times its number. A and B of each stay together, and ranks add up: a product of sums
    would mix the parts."""
    found: dict[str, list[Change]] = {}
    for by, part in parts:
        for name, (up, down) in part.items():
            found.setdefault(name, []).append(Change(by * up, down))
    return {
        name: Change(torch.cat([each.up for each in changes], 1), torch.cat([each.down for each in changes], 0))
        for name, changes in found.items()
    }


def _config(base: Source, layers: list[str], rank: int) -> LoraConfig:
    """A scale of one: what the products are multiplied by is in them already."""
    return LoraConfig(
        r=rank,
        lora_alpha=rank,
        lora_dropout=0.0,
        target_modules=layers,
        task_type="CAUSAL_LM",
        base_model_name_or_path=base.location,
        revision=base.revision,
        inference_mode=True,
    )
