"""What determines a model in memory: its weights, and the settings that they are computed with."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch

PLACES = {"_name_or_path", "base_model_name_or_path", "revision", "inference_mode", "transformers_version"}


def model_digest(model: Any) -> str:
    """SHA-256 over configuration, active adapter and weights of `model` (base or PeftModel), wherever it lies."""
    digest = hashlib.sha256(json.dumps(_settings(model), sort_keys=True, default=_plain).encode())
    for name, values in model.state_dict().items():
        digest.update(name.encode())
        if isinstance(values, torch.Tensor):
            digest.update(f"{values.dtype} {tuple(values.shape)}".encode())
            digest.update(values.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _settings(model: Any) -> dict[str, Any]:
    adapters = {name: model.peft_config[name].to_dict() for name in getattr(model, "active_adapters", [])}
    settings = {"base": model.config.to_dict(), **adapters}
    return {key: {k: v for k, v in part.items() if k not in PLACES} for key, part in settings.items()}


def _plain(value: Any) -> Any:
    """Sets have no order of their own; what else JSON does not know is named."""
    return sorted(value) if isinstance(value, set) else str(value)
