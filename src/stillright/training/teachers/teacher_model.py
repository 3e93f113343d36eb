"""Where a teacher comes from: a model in memory, or one by name; what determines it, and where it is while it runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper

from stillright.models import ModelRef, load_model, vocabulary_size
from stillright.upstream.peft import without_adapter

PLACES = {"_name_or_path", "base_model_name_or_path", "revision", "inference_mode", "transformers_version"}
ADAPTED = (BaseTunerLayer, AuxiliaryTrainingWrapper)  # layers with adapters, and those that are saved whole


class InMemoryTeacher(NamedTuple):
    """A teacher in memory: base or PeftModel."""

    model: Any

    @property
    def key(self) -> str:
        """What determines it."""
        return model_digest(self.model)

    @property
    def vocabulary(self) -> int:
        """Number of vocabulary entries of its head, padding included."""
        return int(self.model.config.get_text_config().vocab_size)

    def load(self) -> Any:
        return self.model


class NamedTeacher(NamedTuple):
    """A teacher by name, in memory only when it is needed."""

    ref: ModelRef
    dtype: torch.dtype  # to load it in

    @property
    def key(self) -> str:
        return self.ref.fingerprint()

    @property
    def vocabulary(self) -> int:
        return vocabulary_size(self.ref.base)

    def load(self) -> Any:
        return load_model(self.ref, self.dtype)


@contextmanager
def on_device(load: Callable[[], Any], device: Any) -> Iterator[Callable[[], Any]]:
    """`load`, whose model is on `device` for as long as the context lasts; one with a placement of its own stays."""
    places: list[tuple[Any, Any]] = []

    def loaded() -> Any:
        model = load()
        if not is_placed(model):
            places.append((model, model.device))
            model.to(device)
        return model

    try:
        yield loaded
    finally:
        for model, place in places:
            model.to(place)


def is_placed(model: Any) -> bool:
    """Whether a model (base or PeftModel) must stay where it is: quantized, or over several devices."""
    base = without_adapter(model)
    return getattr(base, "quantization_method", None) is not None or hasattr(base, "hf_device_map")


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
        # what a script may have changed in an adapter's layer, though it is neither a weight nor in the configuration
        "layers": {
            name: [layer.disable_adapters, layer.active_adapters, getattr(layer, "scaling", None)]
            for name, layer in model.named_modules()
            if isinstance(layer, ADAPTED)
        },
    }


def _determining(config: Any) -> dict[str, Any]:
    return {key: value for key, value in config.to_dict().items() if key not in PLACES}


def _plain(value: Any) -> Any:
    """Sets have no order of their own; what else JSON does not know is named."""
    return sorted(value) if isinstance(value, set) else str(value)
