"""What is read of models, and the only callers of `from_pretrained` beside TRL.

Weights are safetensors only, no code of a model repository is run, and of a hub id the commit is loaded that stages
are named by.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, TypeVar

from stillright.digest import Stamp, stamp
from stillright.errors import ModelError, refusing
from stillright.models.device import device
from stillright.models.ref import ModelRef, Source

if TYPE_CHECKING:
    import torch
    from peft import PeftConfig, PeftModel
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

T = TypeVar("T")


def _shared(load: Callable[[Source], T]) -> Callable[[Source], T]:
    """`load`, which loads what a source holds once, and a folder again when it has been edited."""

    @cache
    def loaded(source: Source, _: Stamp | None) -> T:
        return load(source)

    return wraps(load)(lambda source: loaded(source, stamp(source.path) if source.path else None))


@_shared
def load_config(source: Source) -> PretrainedConfig:
    """The configuration of a base, loaded once and shared: change only a copy. Raises ModelError."""
    from transformers import AutoConfig

    with refusing(ModelError, f"base {source}: its configuration cannot be loaded"):
        return AutoConfig.from_pretrained(source.location, revision=source.commit)


@_shared
def load_tokenizer(source: Source) -> PreTrainedTokenizerBase:
    """The tokenizer of a base, loaded once and shared: change only a copy. Raises ModelError."""
    from transformers import AutoTokenizer

    with refusing(ModelError, f"base {source}: its tokenizer cannot be loaded"):
        tokenizer = AutoTokenizer.from_pretrained(source.location, revision=source.commit)
    end = tokenizer.eos_token or tokenizer.bos_token
    if end is None:  # which stands before a text without a prompt, and ends one
        raise ModelError(f"base {source}: its tokenizer has neither eos_token nor bos_token; name one in its settings")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = end
    return tokenizer


def vocabulary_size(source: Source) -> int:
    """Number of vocabulary entries of a base's head, padding included. Raises ModelError."""
    return int(load_config(source).get_text_config().vocab_size)


def shared_vocabulary(sources: Iterable[Source]) -> int:
    """Number of the first vocabulary entries that all of these bases have; one may be padded further."""
    return min(map(vocabulary_size, sources))


def longest_text(sources: Iterable[Source], wanted: int) -> int:
    """The tokens, `wanted` at most, that all of these bases read. Raises ModelError."""
    limits = [getattr(load_config(source).get_text_config(), "max_position_embeddings", None) for source in sources]
    return min([wanted, *map(int, filter(None, limits))])  # states and biases by distance have no limit


def load_skeleton(source: Source) -> PreTrainedModel:
    """The causal language model in `source` without weights: its tensors are on the meta device. Raises ModelError."""
    import torch
    from transformers import AutoModelForCausalLM

    config = deepcopy(load_config(source))  # which becomes the model's
    with refusing(ModelError, f"base {source}: not a causal language model"), torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


def load_adapter_config(adapter: Source) -> PeftConfig:
    """The configuration of an adapter, as one that is trained on. Raises ModelError."""
    from peft import PeftConfig

    with refusing(ModelError, f"adapter {adapter}: its configuration cannot be loaded"):
        return PeftConfig.from_pretrained(adapter.location, revision=adapter.commit, inference_mode=False)


def load_base(source: Source, dtype: torch.dtype, **options: Any) -> PreTrainedModel:
    """The causal language model in `source`, on this process's device. Raises ModelError.

    options: of `from_pretrained`; where they have a device_map, it places the model.
    """
    from transformers import AutoModelForCausalLM

    options = {"revision": source.commit, "use_safetensors": True, **options}
    with refusing(ModelError, f"base {source}: cannot be loaded"):
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

    from stillright.upstream.transformers import tie_no_more

    with refusing(ModelError, f"adapter {ref.adapter}: does not fit the base {ref.base}"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Model has `tie_word_embeddings")  # see stillright.models.merge
        adapted = PeftModel.from_pretrained(
            model,
            ref.adapter.location,
            revision=ref.adapter.commit,
            is_trainable=trainable,
            autocast_adapter_dtype=adapter_in_float32,
        )
    if any(hasattr(table, "base_layer") for table in (model.get_input_embeddings(), model.get_output_embeddings())):
        tie_no_more(model)
    return adapted
