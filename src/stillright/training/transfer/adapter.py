"""One PEFT adapter that is the new task adapter, exactly, and a share of the transferred factors beside it."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import LoraConfig
from safetensors.torch import save_file
from torch import Tensor

from stillright.models import ModelRef
from stillright.training.transfer.factors import Factors
from stillright.training.transfer.weights import PREFIX, Change, TaskWeights


def write_adapter(new: TaskWeights, factors: dict[str, Factors], share: float, out: Path) -> None:
    """Writes to `out` the adapter whose change of every layer is the new adapter's plus `share` of the factors.

    share: 0 leaves the new adapter, with nothing beside it.
    """
    layers = {name: _joined(new.change(name), found, share) for name, found in factors.items()}
    rank = max(len(down) for _, down in layers.values())
    out.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    for name, (up, down) in layers.items():
        tensors[f"{PREFIX}{name}.lora_B.weight"] = torch.nn.functional.pad(up, (0, rank - up.shape[1])).contiguous()
        tensors[f"{PREFIX}{name}.lora_A.weight"] = torch.nn.functional.pad(
            down, (0, 0, 0, rank - len(down))
        ).contiguous()
    save_file(tensors, out / "adapter_model.safetensors", metadata={"format": "pt"})
    _config(new.ref, sorted(layers), rank).save_pretrained(out)


def _joined(change: Change | None, factors: Factors, share: float) -> tuple[Tensor, Tensor]:
    """Both side by side; the share goes into what is transferred."""
    if change is None:
        return share * factors.up, factors.down
    if not share:
        return change.up, change.down
    return torch.cat([change.up, share * factors.up], 1), torch.cat([change.down, factors.down], 0)


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
