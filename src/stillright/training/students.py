"""Models that are trained and that teach: in memory or by name, which of them can be, and where they are meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from stillright import ranks
from stillright.errors import ModelError
from stillright.forward.heads import lm_head
from stillright.models import ModelRef, load_model, vocabulary_size
from stillright.training.model_digest import model_digest


class Held(NamedTuple):
    """A teacher in memory: base or PeftModel."""

    model: Any

    @property
    def key(self) -> str:
        """What determines it."""
        return ranks.on_main(lambda: model_digest(self.model))

    @property
    def vocabulary(self) -> int:
        """Pieces that its head knows, padding counted."""
        return int(self.model.config.get_text_config().vocab_size)

    def load(self) -> Any:
        """The model."""
        return self.model


class Named(NamedTuple):
    """A teacher by name, which is in memory only where it is asked for."""

    ref: ModelRef
    dtype: Any  # torch.dtype to load it in

    @property
    def key(self) -> str:
        """See Held."""
        return self.ref.fingerprint()

    @property
    def vocabulary(self) -> int:
        """See Held."""
        return vocabulary_size(self.ref.base)

    def load(self) -> Any:
        """See Held. Raises ModelError."""
        return load_model(self.ref, self.dtype)


def refuse_untrainable(model: Any, form: str) -> None:
    """Raises ModelError for a `model` without an adapter that can be trained here, from teachers of `form`."""
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    if not trained:
        raise ModelError("model: its adapter is frozen; load it with PeftModel.from_pretrained(..., is_trainable=True)")
    if model.active_peft_config.is_prompt_learning:
        raise ModelError(f"model: {model.active_peft_config.peft_type} puts no weights into layers; use LoRA")
    if form in ("hidden", "live") and lm_head(model.get_base_model()).weight.requires_grad:
        raise ModelError(
            f"model: its LM head is trained, and teachers={form!r} reads the new teacher through it; freeze it, or "
            "use teachers='topk' or 'sampled'"
        )


def refuse_shared_weights(old: Any, model: Any) -> None:
    """Raises ModelError where `old`, unless it is a name, holds weights of `model`: adapters go into their layers."""
    if isinstance(old, str):
        return
    ours = {id(weight) for weight in model.parameters()}
    if any(id(weight) in ours for weight in old.parameters()):
        raise ModelError(
            "old_model: shares weights with model, whose adapter changes them; load it anew, or give its name"
        )


@contextmanager
def on_device(load: Callable[[], Any], device: Any) -> Iterator[Callable[[], Any]]:
    """`load`, whose model comes to `device` for as long as the context lasts; one that is placed otherwise stays."""
    places: list[tuple[Any, Any]] = []

    def loaded() -> Any:
        model = load()
        if is_placed(model):
            return model
        places.append((model, model.device))
        return model.to(device)

    try:
        yield loaded
    finally:
        for model, place in places:
            model.to(place)


def is_placed(model: Any) -> bool:
    """Whether a model (base or PeftModel) lies where it must: quantised, or over several devices."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return getattr(base, "quantization_method", None) is not None or hasattr(base, "hf_device_map")
