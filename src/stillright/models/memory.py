"""What is known of a model in memory: where its base comes from, and whether it is one with another."""

from __future__ import annotations

from typing import Any

from stillright.errors import ModelError
from stillright.models.ref import Source


def source_of(model: Any) -> Source:
    """The folder or hub id that the base of a model (base or PeftModel) was loaded from. Raises ModelError for none."""
    name = model.config.name_or_path
    if not name:
        raise ModelError(
            f"model {type(model).__name__}: was not loaded from a folder or hub id, so it has no tokenizer; save both "
            "with save_pretrained, and load it from there"
        )
    return Source(name)


def shares_weights(model: Any, other: Any) -> bool:
    """Whether some weights of one are those of the other, so that an adapter in one changes both."""
    ours = {id(weight) for weight in model.parameters()}
    return any(id(weight) in ours for weight in other.parameters())
