"""Models: their names, the commits of those on the hub, and loading them."""

from stillright.models.device import compute_dtype, device
from stillright.models.load import (
    load_adapter_config,
    load_base,
    load_config,
    load_model,
    load_skeleton,
    load_tokenizer,
    longest_text,
    shared_vocabulary,
    vocabulary_size,
)
from stillright.models.ref import ModelRef, Source

__all__ = [
    "ModelRef",
    "Source",
    "compute_dtype",
    "device",
    "load_adapter_config",
    "load_base",
    "load_config",
    "load_model",
    "load_skeleton",
    "load_tokenizer",
    "longest_text",
    "shared_vocabulary",
    "vocabulary_size",
]
