"""What the layers of the new task model lack to be those of the old one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stillright.errors import ModelError
from stillright.models import ModelRef, load_skeleton, vocabulary_size
from stillright.training.combine import refuse_other_shapes
from stillright.training.transfer.norms import gain, norms_before
from stillright.training.transfer.weights import TaskWeights

UNREAD = 1e-6  # a gain so small lets nothing of a channel through


class Differences:
    """Layer by layer; of both models together one layer is in memory. Raises ModelError where shapes differ."""

    def __init__(self, old: ModelRef, new: ModelRef) -> None:
        refuse_other_shapes(old.base, new.base)
        _refuse_other_vocabularies(old, new)
        self.skeleton = load_skeleton(new.base)
        prefix = self.skeleton.base_model_prefix
        self.old, self.new = TaskWeights(old, prefix), TaskWeights(new, prefix)
        self.norms = norms_before(self.skeleton)

    @property
    def layers(self) -> list[str]:
        """The linear layers before the head, in the order of the model."""
        head = self.skeleton.get_output_embeddings()
        modules = self.skeleton.named_modules()
        return [name for name, module in modules if isinstance(module, nn.Linear) and module is not head]

    def of(self, layer: str) -> Tensor:
        """(out, in) what is added to the new layer so that it does to its inputs what the old one does to its own.

        Both read what a norm gives: W_old diag(g_old) = W diag(g_new) for W = W_old diag(g_old / g_new).
        """
        wanted = self.old.of_task(layer)
        if layer in self.norms:
            old, new = (self._gain(weights, self.norms[layer]) for weights in (self.old, self.new))
            wanted *= torch.where(new.abs() > UNREAD, old / new, 0.0)
        return wanted - self.new.of_task(layer)

    def _gain(self, weights: TaskWeights, norm: str) -> Tensor:
        return gain(self.skeleton.get_submodule(norm), weights.of_base(norm))

    def left_out(self) -> dict[str, float]:
        """What the adapter does not carry: module -> |old - new| / |new| of its weight, where it is not 0.

        A head that is tied to the embeddings is one with them.
        """
        carried = {*self.norms.values(), *self.layers}
        found: dict[str, float] = {}
        for parameter, _ in self.skeleton.named_parameters():  # tied ones once
            module, _, kind = parameter.rpartition(".")
            if kind != "weight" or module in carried:
                continue
            old, new = self.old.of_base(module), self.new.of_base(module)
            if (change := float((old - new).norm() / new.norm())) > 0:
                found[module] = change
        return found


def _refuse_other_vocabularies(old: ModelRef, new: ModelRef) -> None:
    sizes = [vocabulary_size(ref.base) for ref in (old, new)]
    if sizes[0] != sizes[1]:
        raise ModelError(
            f"base {new.base}: has {sizes[1]:,} vocabulary entries, {old.base} has {sizes[0]:,}; weights move "
            "only between bases of the same shapes"
        )
