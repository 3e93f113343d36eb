"""What determines a model in memory: its weights, and the settings that they are computed with."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper

PLACES = {"_name_or_path", "base_model_name_or_path", "revision", "inference_mode", "transformers_version"}
ADAPTED = (BaseTunerLayer, AuxiliaryTrainingWrapper)  # layers with adapters, and those that are saved whole


def model_digest(model: Any) -> str:
    """SHA-256 over configuration, weights and state of the adapters of `model` (base or PeftModel), on any device."""
    digest = hashlib.sha256(json.dumps(_settings(model), sort_keys=True, default=_plain).encode())
    for name, values in model.state_dict().items():
        digest.update(name.encode())
        if isinstance(values, torch.Tensor):
            digest.update(f"{values.dtype} {tuple(values.shape)}".encode())
            digest.update(values.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _settings(model: Any) -> dict[str, Any]:
    active = model.active_adapters if isinstance(model, PeftModel) else []  # of a base, it is a method
    return {
        "base": _determining(model.config),
        "adapters": {name: _determining(model.peft_config[name]) for name in active},
        "layers": {name: _state(layer) for name, layer in model.named_modules() if isinstance(layer, ADAPTED)},
    }


def _determining(config: Any) -> dict[str, Any]:
    return {key: value for key, value in config.to_dict().items() if key not in PLACES}


def _state(layer: Any) -> list[Any]:
    """What a script may have changed in an adapter's layer: it is neither a weight nor in the configuration."""
    return [layer.disable_adapters, layer.active_adapters, getattr(layer, "scaling", None)]


def _plain(value: Any) -> Any:
    """Sets have no order of their own; what else JSON does not know is named."""
    return sorted(value) if isinstance(value, set) else str(value)
