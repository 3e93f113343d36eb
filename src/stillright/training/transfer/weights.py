"""The weights of a task model (a base, and perhaps its adapter), read layer by layer from its files."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import safe_open
from torch import Tensor

from stillright.errors import ModelError
from stillright.models import ModelRef, Source, load_adapter_config

PREFIX = "base_model.model."  # of the names of an adapter's weights
UP, DOWN = ".lora_B.weight", ".lora_A.weight"  # ends of the names


class Change(NamedTuple):
    """What an adapter adds to a layer: up @ down."""

    up: Tensor  # (out, rank), scaled
    down: Tensor  # (rank, in)


class TensorFiles:
    """The tensors of a folder's safetensors files, by name; none is in memory before it is asked for."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._stack = ExitStack()

    @cached_property
    def _places(self) -> dict[str, Any]:
        """Name -> the open file that holds it."""
        files = sorted(_folder(self.source).glob("*.safetensors"))
        if not files:
            raise ModelError(f"model {self.source}: has no safetensors files; convert it first")
        opened = [self._stack.enter_context(safe_open(file, framework="pt")) for file in files]
        return {name: file for file in opened for name in file.keys()}  # noqa: SIM118 - not a mapping

    @property
    def names(self) -> list[str]:
        """Of all tensors."""
        return [*self._places]

    def get(self, *names: str) -> Tensor:
        """The first of these that is there, in float32. Raises ModelError where none is, or it is quantised."""
        for name in names:
            if name in self._places:
                tensor: Tensor = self._places[name].get_tensor(name)
                if not tensor.is_floating_point() or tensor.dtype.itemsize < 2:
                    raise ModelError(f"model {self.source}: {name} is quantised ({tensor.dtype}); dequantise it first")
                return tensor.float()
        raise ModelError(f"model {self.source}: has no {names[0]}; its files and its architecture do not agree")

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of a tensor; None where there is none."""
        return tuple(self._places[name].get_slice(name).get_shape()) if name in self._places else None


class AdapterWeights:
    """What an adapter changes, by the names of modules; None: nothing. Raises ModelError for more than plain LoRA."""

    def __init__(self, adapter: Source | None) -> None:
        self.source = adapter
        self.files = None if adapter is None else TensorFiles(adapter)
        self.scale = 0.0 if adapter is None else _scale(adapter)

    @property
    def modules(self) -> list[str]:
        """The linear layers that it changes."""
        names = [] if self.files is None else self.files.names
        return [name.removeprefix(PREFIX).removesuffix(UP) for name in names if name.endswith(UP)]

    @property
    def changes(self) -> dict[str, Change]:
        """Module -> what is added to it."""
        found = {module: self.change(module) for module in self.modules}
        return {module: change for module, change in found.items() if change is not None}

    def change(self, module: str) -> Change | None:
        """What is added to a linear layer; None where it is left alone."""
        if self.files is None:
            return None
        if self.files.shape(f"{PREFIX}{module}.lora_embedding_A"):
            raise ModelError(f"adapter {self.source}: changes {module}; only one of linear layers can be transferred")
        if self.files.shape(f"{PREFIX}{module}{UP}") is None:
            return None
        up, down = (self.files.get(f"{PREFIX}{module}{part}") for part in (UP, DOWN))
        return Change(self.scale * up, down)


class TaskWeights:
    """Weights by the names of modules.

    prefix: of the base within its own names, which files may leave out. tied: modules that have another's weight.
    """

    def __init__(self, ref: ModelRef, prefix: str, tied: Mapping[str, str]) -> None:
        self.ref = ref
        self.prefix = prefix
        self.tied = tied
        self.base = TensorFiles(ref.base)
        self.adapter = AdapterWeights(ref.adapter)

    def of_base(self, module: str) -> Tensor:
        """The base's weight of a module, float32: (out, in) of a linear layer."""
        return self.stored(f"{self.tied.get(module, module)}.weight")

    def stored(self, parameter: str) -> Tensor:
        """A parameter of the base, float32."""
        return self.base.get(parameter, parameter.removeprefix(f"{self.prefix}."))

    def of_task(self, module: str) -> Tensor:
        """The weight (out, in) of a linear layer with the adapter merged in."""
        weight, change = self.of_base(module), self.adapter.change(module)
        return weight if change is None else weight + change.up @ change.down


def _folder(source: Source) -> Path:
    if source.path is not None:
        return source.path
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(source.name, revision=source.revision, allow_patterns=["*.safetensors", "*.json"]))


def _scale(adapter: Source) -> float:
    """What its products are multiplied by. Raises ModelError for anything but plain LoRA of one scale."""
    config: Any = load_adapter_config(adapter)
    odd = [
        name for name in ("use_dora", "rank_pattern", "alpha_pattern", "modules_to_save") if getattr(config, name, None)
    ]
    if config.peft_type != "LORA" or odd:
        raise ModelError(
            f"adapter {adapter}: {odd[0] if odd else config.peft_type}: only plain LoRA adds up with weights; give "
            "such an adapter, or another strategy.mask"
        )
    return float(config.lora_alpha / (config.r**0.5 if config.use_rslora else config.r))
