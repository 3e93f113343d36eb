"""One PEFT adapter that is the new task adapter, exactly, and a share of the transferred factors beside it."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import LoraConfig
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import pad

from stillright.models import ModelRef
from stillright.training.transfer.factors import Factors
from stillright.training.transfer.weights import PREFIX, Change, TaskWeights

LINEAR = ("lora_B.weight", "lora_A.weight")  # what PEFT calls up and down
EMBEDDING = ("lora_embedding_B", "lora_embedding_A")  # of down and up, each transposed


def write_adapter(
    new: TaskWeights, factors: dict[str, Factors], share: float, out: Path, embedding: str | None = None
) -> None:
    """Writes to `out` the adapter whose change of every module is the new adapter's plus `share` of the factors.

    share: 0 leaves the new adapter, with nothing beside it. embedding: which of the modules is one.
    """
    joined = {name: _joined(new.change(name), found, share) for name, found in factors.items()}
    changes = {name: change for name, change in joined.items() if change is not None}
    rank = max(len(down) for _, down in changes.values())
    out.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    for name, (up, down) in changes.items():
        up, down = pad(up, (0, rank - up.shape[1])), pad(down, (0, 0, 0, rank - len(down)))
        names = EMBEDDING if name == embedding else LINEAR
        parts = (down.mT, up.mT) if name == embedding else (up, down)
        tensors |= {f"{PREFIX}{name}.{part}": values.contiguous() for part, values in zip(names, parts, strict=True)}
    save_file(tensors, out / "adapter_model.safetensors", metadata={"format": "pt"})
    _config(new.ref, sorted(changes), rank).save_pretrained(out)


def _joined(change: Change | None, factors: Factors, share: float) -> Change | None:
    """Both side by side; the share goes into what is transferred. None: no change at all."""
    if not share:
        return change
    if change is None:
        return Change(share * factors.up, factors.down)
    return Change(torch.cat([change.up, share * factors.up], 1), torch.cat([change.down, factors.down], 0))


def _config(new: ModelRef, layers: list[str], rank: int) -> LoraConfig:
    """A scale of one: what the products are multiplied by is in them already."""
    return LoraConfig(
        r=rank,
        lora_alpha=rank,
        lora_dropout=0.0,
        target_modules=layers,
        task_type="CAUSAL_LM",
        base_model_name_or_path=new.base.location,
        revision=new.base.revision,
        inference_mode=True,
    )
