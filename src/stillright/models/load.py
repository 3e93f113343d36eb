"""The only callers of `from_pretrained` beside TRL.

Weights are safetensors only, no code of a model repository is run, and of a hub id the commit is loaded that stages
are named by.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING, Any

from stillright.digest import Stamp, stamp
from stillright.errors import ModelError, one_line
from stillright.models.device import device
from stillright.models.ref import ModelRef, Source

if TYPE_CHECKING:
    import torch
    from peft import PeftConfig, PeftModel
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Any error becomes a ModelError that says `what`; transformers and peft raise all kinds."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"{what}: {one_line(error)[:300]}") from None


def _stamp(source: Source) -> Stamp | None:
    """Changes when a folder is edited, so that what has been loaded of it is not taken for what is there."""
    return None if source.path is None else stamp(source.path)


def load_config(source: Source) -> PretrainedConfig:
    """The configuration of a base, loaded once and shared: change only a copy. Raises ModelError."""
    return _config(source, _stamp(source))


@cache
def _config(source: Source, _: Stamp | None) -> PretrainedConfig:
    from transformers import AutoConfig

    with _refusing(f"base {source}: its configuration cannot be loaded"):
        return AutoConfig.from_pretrained(source.location, revision=source.commit)


def load_tokenizer(source: Source) -> PreTrainedTokenizerBase:
    """The tokenizer of a base, loaded once and shared: change only a copy. Raises ModelError."""
    return _tokenizer(source, _stamp(source))


@cache
def _tokenizer(source: Source, _: Stamp | None) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    with _refusing(f"base {source}: its tokenizer cannot be loaded"):
        tokenizer = AutoTokenizer.from_pretrained(source.location, revision=source.commit)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_skeleton(source: Source) -> PreTrainedModel:
    """The causal language model in `source` without weights: its tensors are on the meta device. Raises ModelError."""
    import torch
    from transformers import AutoModelForCausalLM

    config = deepcopy(load_config(source))  # which becomes the model's
    with _refusing(f"base {source}: not a causal language model"), torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


def load_adapter_config(adapter: Source) -> PeftConfig:
    """The configuration of an adapter, as one that is trained on. Raises ModelError."""
    from peft import PeftConfig

    with _refusing(f"adapter {adapter}: its configuration cannot be loaded"):
        return PeftConfig.from_pretrained(adapter.location, revision=adapter.commit, inference_mode=False)


def load_base(source: Source, dtype: torch.dtype, **options: Any) -> PreTrainedModel:
    """The causal language model in `source`, on this process's device. Raises ModelError.

    options: of `from_pretrained`; where they have a device_map, it places the model.
    """
    from transformers import AutoModelForCausalLM

    options = {"revision": source.commit, "use_safetensors": True, **options}
    with _refusing(f"base {source}: cannot be loaded"):
        model = AutoModelForCausalLM.from_pretrained(source.location, dtype=dtype, **options)
    return model if options.get("device_map") else model.to(device())


def load_model(
    ref: ModelRef, dtype: torch.dtype, trainable: bool = False, adapter_in_float32: bool = True, **options: Any
) -> PreTrainedModel | PeftModel:
    """The base in `dtype` with its adapter, if it has one. Raises ModelError.

    adapter_in_float32: as it is trained and kept; else it is in `dtype` too. options: see `load_base`.
    """
    model = load_base(ref.base, dtype, **options)
    if ref.adapter is None:
        return model
    from peft import PeftModel

    with _refusing(f"adapter {ref.adapter}: does not fit the base {ref.base}"):
        return PeftModel.from_pretrained(
            model,
            ref.adapter.location,
            revision=ref.adapter.commit,
            is_trainable=trainable,
            autocast_adapter_dtype=adapter_in_float32,
        )
