"""ModelRef, one string that names a base and perhaps an adapter; and the only callers of `from_pretrained` beside TRL.

Weights are safetensors only, and no code of a model repository is run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stillright import ranks
from stillright.digest import folder_digest
from stillright.errors import ModelError

if TYPE_CHECKING:
    import torch
    from peft import PeftConfig, PeftModel
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Source:
    """A folder, or a hub id with perhaps a revision."""

    name: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> Source:
        """ "folder", "id" or "id@revision"."""
        if Path(text).exists() or "@" not in text:
            return cls(text)
        name, _, revision = text.rpartition("@")
        return cls(name, revision)

    def __str__(self) -> str:
        return f"{self.name}@{self.revision}" if self.revision else self.name

    @property
    def path(self) -> Path | None:
        """The folder, where it is one."""
        folder = Path(self.name)
        return folder if folder.exists() else None

    @property
    def location(self) -> str:
        """What `from_pretrained` takes: an absolute folder or the hub id."""
        return str(self.path.resolve()) if self.path else self.name

    def fingerprint(self) -> str:
        """What determines the content: of a folder its files, of a hub id its name and resolved commit."""
        return folder_digest(self.path) if self.path else f"{self.name}@{_commit(self)}"


@dataclass(frozen=True)
class ModelRef:
    """`base[@revision][+adapter[@revision]]`; parses and prints back."""

    base: Source
    adapter: Source | None = None

    @classmethod
    def parse(cls, text: str) -> ModelRef:
        """Raises ModelError for an empty base or adapter."""
        if Path(text).exists():
            return cls(Source(text))
        base, plus, adapter = text.partition("+")
        if not base or (plus and not adapter):
            raise ModelError(f"model {text!r}: expected base[@revision][+adapter]")
        return cls(Source.parse(base), Source.parse(adapter) if adapter else None)

    def __str__(self) -> str:
        return f"{self.base}+{self.adapter}" if self.adapter else str(self.base)

    def with_adapter(self, folder: Path) -> ModelRef:
        """The same base with another adapter."""
        return ModelRef(self.base, Source(str(folder)))

    def fingerprint(self) -> str:
        """What determines the model's weights and tokenizer."""
        return f"{self.base.fingerprint()}+{self.adapter.fingerprint() if self.adapter else None}"


@cache
def _commit(source: Source) -> str:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        return str(HfApi().model_info(source.name, revision=source.revision).sha)
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError, ValueError):
        return _cached_commit(source)


def _cached_commit(source: Source) -> str:
    """Without the hub, the commit in its local cache."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        for name in ("config.json", "adapter_config.json"):
            path = try_to_load_from_cache(source.name, name, revision=source.revision)
            if isinstance(path, str):
                return Path(path).parent.name
    except HFValidationError:
        raise ModelError(
            f"model {source}: neither a folder nor a hub id, which is OWNER/NAME; check the path"
        ) from None
    raise ModelError(
        f"model {source}: neither a folder nor in the local cache, and the hub cannot be reached or does not have it; "
        "give a folder, or download it first"
    )


def compute_dtype(wanted: str) -> torch.dtype:
    """The torch dtype of weights and activations: bfloat16 where the processor computes in it, else float32."""
    import torch

    if wanted != "auto":
        dtype: torch.dtype = getattr(torch, wanted)
        return dtype
    if torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported()
    else:
        fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if fast else torch.float32


def device() -> torch.device:
    """The device of this process."""
    found: torch.device = ranks.state().device
    return found


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def load_config(source: Source) -> PretrainedConfig:
    """The configuration of a base; no weights are read. Raises ModelError."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(source.location, revision=source.revision)
    except Exception as error:  # transformers raises all kinds here
        raise ModelError(f"base {source}: its configuration cannot be loaded: {_reason(error)}") from None


def vocabulary_size(source: Source) -> int:
    """Number of vocabulary entries of a base's head, padding included; no weights are read. Raises ModelError."""
    return int(load_config(source).get_text_config().vocab_size)


def shared_vocabulary(sources: Iterable[Source]) -> int:
    """Number of the first vocabulary entries that all of these bases have; one may be padded further."""
    return min(map(vocabulary_size, sources))


def longest_text(sources: Iterable[Source], wanted: int) -> int:
    """The tokens, `wanted` at most, that all of these bases read; no weights are read. Raises ModelError."""
    limits = [getattr(load_config(source).get_text_config(), "max_position_embeddings", None) for source in sources]
    return min([wanted, *map(int, filter(None, limits))])  # states and biases by distance have no limit


def load_skeleton(source: Source) -> PreTrainedModel:
    """The causal language model in `source` without weights: its tensors are on the meta device. Raises ModelError."""
    import torch
    from transformers import AutoModelForCausalLM

    config = load_config(source)
    try:
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config)
    except Exception as error:  # transformers raises all kinds here
        raise ModelError(f"base {source}: not a causal language model: {_reason(error)}") from None


def load_adapter_config(adapter: Source) -> PeftConfig:
    """The configuration of an adapter, as one that is trained on. Raises ModelError."""
    from peft import PeftConfig

    try:
        return PeftConfig.from_pretrained(adapter.location, revision=adapter.revision, inference_mode=False)
    except Exception as error:  # peft raises all kinds here
        raise ModelError(f"adapter {adapter}: its configuration cannot be loaded: {_reason(error)}") from None


def load_tokenizer(source: Source) -> PreTrainedTokenizerBase:
    """The tokenizer of a base. Raises ModelError."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(source.location, revision=source.revision)
    except Exception as error:  # transformers raises all kinds here
        raise ModelError(f"base {source}: its tokenizer cannot be loaded: {_reason(error)}") from None
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_base(source: Source, dtype: torch.dtype, **options: Any) -> PreTrainedModel:
    """The causal language model in `source`, on this process's device. Raises ModelError.

    options: of `from_pretrained`; where they have a device_map, it places the model.
    """
    from transformers import AutoModelForCausalLM

    options = {"revision": source.revision, "use_safetensors": True, **options}
    try:
        model = AutoModelForCausalLM.from_pretrained(source.location, dtype=dtype, **options)
    except Exception as error:  # transformers raises all kinds here
        raise ModelError(f"base {source}: cannot be loaded: {_reason(error)}") from None
    return model if options.get("device_map") else model.to(device())


def load_model(
    ref: ModelRef, dtype: torch.dtype, trainable: bool = False, **options: Any
) -> PreTrainedModel | PeftModel:
    """The base with its adapter, if it has one; options: see `load_base`. Raises ModelError."""
    model = load_base(ref.base, dtype, **options)
    if ref.adapter is None:
        return model
    from peft import PeftModel

    try:
        return PeftModel.from_pretrained(
            model, ref.adapter.location, revision=ref.adapter.revision, is_trainable=trainable
        )
    except Exception as error:  # peft raises all kinds here
        raise ModelError(f"adapter {ref.adapter}: does not fit the base {ref.base}: {_reason(error)}") from None
