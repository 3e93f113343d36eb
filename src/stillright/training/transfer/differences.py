"""What the layers of the new task model lack to be those of the old one."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor, nn

from stillright.errors import ModelError
from stillright.models import ModelRef, Source, load_config, load_skeleton, vocabulary_size
from stillright.training.combine import refuse_other_shapes
from stillright.training.transfer.norms import gain, norms_before
from stillright.training.transfer.weights import TaskWeights

UNREAD = 1e-6  # a gain so small lets nothing of a channel through
MOVABLE = (nn.Linear, nn.Embedding)  # what LoRA can change


class Differences:
    """Module by module; of both models together one module is in memory. Raises ModelError where shapes differ."""

    def __init__(self, old: ModelRef, new: ModelRef) -> None:
        refuse_unlike(old.base, new.base)
        self.skeleton = load_skeleton(new.base)
        names = {id(module): name for name, module in self.skeleton.named_modules()}
        self.embedding = names[id(self.skeleton.get_input_embeddings())]
        self.head = names[id(self.skeleton.get_output_embeddings())]
        self.old, self.new = (TaskWeights(ref, self.skeleton.base_model_prefix, self._tied(ref)) for ref in (old, new))
        self.norms = norms_before(self.skeleton)

    def _tied(self, ref: ModelRef) -> dict[str, str]:
        """The head, where it has the embedding's weight."""
        tied = load_config(ref.base).get_text_config().tie_word_embeddings
        return {self.head: self.embedding} if tied else {}

    @property
    def layers(self) -> list[str]:
        """The linear layers before the head, in the order of the model."""
        modules = self.skeleton.named_modules()
        return [name for name, module in modules if isinstance(module, nn.Linear) and name != self.head]

    @cached_property
    def outside(self) -> list[str]:
        """The embedding and the head, each where it is another in old; after a re-quantisation of layers neither is."""
        tables = (self.embedding, self.head)
        return [
            name for name in tables if isinstance(self.skeleton.get_submodule(name), MOVABLE) and self.of(name).any()
        ]

    @property
    def carried(self) -> list[str]:
        """All that an adapter changes."""
        return [*self.layers, *self.outside]

    def of(self, module: str) -> Tensor:
        """(out, in) what is added to the new module so that it does to its inputs what the old one does to its own.

        Where both read what a norm gives: W_old diag(g_old) = W diag(g_new) for W = W_old diag(g_old / g_new). Of an
        embedding (V, H).
        """
        wanted = self.old.of_task(module)
        if module in self.norms:
            old, new = (self._gain(weights, self.norms[module]) for weights in (self.old, self.new))
            wanted = wanted * torch.where(new.abs() > UNREAD, old / new, 0.0)
        return wanted - self.new.of_task(module)

    def _gain(self, weights: TaskWeights, norm: str) -> Tensor:
        return gain(self.skeleton.get_submodule(norm), weights.of_base(norm))

    def left_out(self) -> dict[str, float]:
        """What the adapter does not carry: parameter -> |old - new| / |new|, where it is not 0."""
        carried = {f"{module}.weight" for module in (*self.norms.values(), *self.carried)}
        found: dict[str, float] = {}
        for parameter, _ in self.skeleton.named_parameters():  # tied ones once
            if parameter in carried:
                continue
            old, new = (weights.stored(parameter) for weights in (self.old, self.new))
            if (change := float((old - new).norm() / new.norm().clamp_min(UNREAD))) > 0:
                found[parameter] = change
        return found


def refuse_unlike(old: Source, new: Source) -> None:
    """Raises ModelError, with the first difference, for bases between which weights cannot move."""
    for base in (old, new):
        if getattr(load_config(base), "quantization_config", None) is not None:
            raise ModelError(f"base {base}: is quantised, and weights move only between plain ones; dequantise it")
    refuse_other_shapes(old, new)
    sizes = [vocabulary_size(base) for base in (old, new)]
    if sizes[0] != sizes[1]:
        raise ModelError(
            f"base {new}: has {sizes[1]:,} vocabulary entries, {old} has {sizes[0]:,}; weights move only between bases "
            "of the same shapes"
        )


def why_unlike(old: Source, new: Source) -> str | None:
    """What `refuse_unlike` says; None where weights can move."""
    try:
        refuse_unlike(old, new)
    except ModelError as error:
        return str(error)
    return None
