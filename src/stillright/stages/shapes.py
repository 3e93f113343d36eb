"""The sizes of the models that stages read and make."""

from __future__ import annotations

from stillright.config import UpdateConfig
from stillright.estimate.shape import Shape, shape_of
from stillright.models import ModelRef, load_adapter_config
from stillright.stages.stage import Model
from stillright.training.lora import lora_config


def shape_of_model(model: Model, config: UpdateConfig) -> Shape:
    """With the adapter that it has, or that `config` gives it. Raises ModelError where there is no such base."""
    ref = model if isinstance(model, ModelRef) else ModelRef(model.base)
    adapter = lora_config(config.lora, ref) if ref.adapter is None else load_adapter_config(ref.adapter)
    return shape_of(ref.base, adapter)
