"""The only callers of `from_pretrained` beside TRL.

Weights are safetensors only, no code of a model repository is run, and of a hub id the commit is loaded that stages
are named by.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING

from stillright.digest import Stamp, stamp
from stillright.errors import ModelError
from stillright.models.device import device
from stillright.models.ref import ModelRef, Source

if TYPE_CHECKING:
    import torch
    from peft import PeftConfig, PeftModel
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _stamp(source: Source) -> Stamp | None:
    """Changes when a folder is edited, so that what has been loaded of it is not taken for what is there."""
    return None if source.path is None else stamp(source.path)


def load_config(source: Source) -> PretrainedConfig:
    """The configuration of a base, loaded once and shared: change only a copy. Raises ModelError."""
    return _config(source, _stamp(source))


@cache
def _config(source: Source, _: Stamp | None) -> PretrainedConfig:
    from transformers import AutoConfig

    revision = source.commit
    try:
        return AutoConfig.from_pretrained(source.location, revision=revision)
    except Exception as error:  # transformers raises all kinds here
        raise ModelError(f"base {source}: its configuration cannot be loaded: {_reason(error)}") from None


def load_tokenizer(source: Source) -> PreTrainedTokenizerBase:
    """The tokenizer of a base, loaded once and shared: change only a copy. Raises ModelError."""
    return _tokenizer(source, _stamp(source))


@cache
def _tokenizer(source: Source, _: Stamp | None) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    revision = source.commit
    try:
        tokenizer = AutoTokenizer.from_pretrained(source.location, revision=revision)
    except Exception as error:  # transformers raises all kinds here
        raise ModelError(f"base {source}: its tokenizer cannot be loaded: {_reason(error)}") from None
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_skeleton(source: Source) -> PreTrainedModel:
    """The causal language model in `source` without weights: its tensors are on the meta device. Raises ModelError."""
    import torch
    from transformers import AutoModelForCausalLM

    config = deepcopy(load_config(source))  # which becomes the model's
    try:
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config)
    except Exception as error:  # transformers raises all kinds here
        raise ModelError(f"base {source}: not a causal language model: {_reason(error)}") from None


def load_adapter_config(adapter: Source) -> PeftConfig:
    """The configuration of an adapter, as one that is trained on. Raises ModelError."""
    from peft import PeftConfig

    revision = adapter.commit
    try:
        return PeftConfig.from_pretrained(adapter.location, revision=revision, inference_mode=False)
    except Exception as error:  # peft raises all kinds here
        raise ModelError(f"adapter {adapter}: its configuration cannot be loaded: {_reason(error)}") from None


def load_base(source: Source, dtype: torch.dtype) -> PreTrainedModel:
    """The causal language model in `source`, on this process's device. Raises ModelError."""
    from transformers import AutoModelForCausalLM

    revision = source.commit
    try:
        model = AutoModelForCausalLM.from_pretrained(
            source.location, revision=revision, dtype=dtype, use_safetensors=True
        )
    except Exception as error:  # transformers raises all kinds here
        raise ModelError(f"base {source}: cannot be loaded: {_reason(error)}") from None
    return model.to(device())


def load_model(
    ref: ModelRef, dtype: torch.dtype, trainable: bool = False, adapter_in_float32: bool = True
) -> PreTrainedModel | PeftModel:
    """The base in `dtype` with its adapter, if it has one. Raises ModelError.

    adapter_in_float32: as it is trained and kept; else it is in `dtype` too.
    """
    model = load_base(ref.base, dtype)
    if ref.adapter is None:
        return model
    from peft import PeftModel

    revision = ref.adapter.commit
    try:
        return PeftModel.from_pretrained(
            model,
            ref.adapter.location,
            revision=revision,
            is_trainable=trainable,
            autocast_adapter_dtype=adapter_in_float32,
        )
    except Exception as error:  # peft raises all kinds here
        raise ModelError(f"adapter {ref.adapter}: does not fit the base {ref.base}: {_reason(error)}") from None
