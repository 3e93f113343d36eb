"""Where a teacher comes from: a model in memory, or one by name; and the device it is on while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch

from stillright.models import ModelRef, load_model, vocabulary_size
from stillright.training.model_digest import model_digest
from stillright.upstream.peft import without_adapter


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
        """The model."""
        return self.model


class NamedTeacher(NamedTuple):
    """A teacher by name, in memory only when it is needed."""

    ref: ModelRef
    dtype: torch.dtype  # to load it in

    @property
    def key(self) -> str:
        """See InMemoryTeacher."""
        return self.ref.fingerprint()

    @property
    def vocabulary(self) -> int:
        """See InMemoryTeacher."""
        return vocabulary_size(self.ref.base)

    def load(self) -> Any:
        """See InMemoryTeacher. Raises ModelError."""
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
