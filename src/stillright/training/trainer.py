"""AdapterTrainer: TRL's SFTTrainer with a loss made of hidden states, inside the model's forward.

Inside it, because a loss computed beside it would bypass the hooks of DDP and FSDP; of hidden states, because logits of
a whole batch are the largest tensor of a training step.
"""

from __future__ import annotations

import functools
import types
from typing import Any, Protocol

from torch import Tensor
from trl import SFTTrainer

from stillright.training.head_loss import LossSums
from stillright.training.heads import LMHead, lm_head

IGNORED = -100


class HiddenLoss(Protocol):
    """A loss of the hidden states before the LM head."""

    def batch_sums(self, head: LMHead, student: Tensor, labels: Tensor, sequence: Tensor, **taught: Tensor) -> LossSums:
        """Sums over N positions: student (N, H), labels (N,), sequence (N,) number of the text within the batch."""


def add_loss(model: Any, loss: HiddenLoss) -> None:
    """Makes `model(..., labels, loss_sums=True, **taught)` return LossSums; any other call is unchanged."""
    plain_forward = model.forward

    @functools.wraps(type(model).forward)  # `generate` reads the signature
    def forward(self: Any, *args: Any, loss_sums: bool = False, **kwargs: Any) -> Any:
        if not loss_sums:
            return plain_forward(*args, **kwargs)
        labels = kwargs.pop("labels")[:, 1:]
        scored = labels != IGNORED
        taught = {name: kwargs.pop(name) for name in list(kwargs) if name.startswith("taught_")}
        states = self.base_model(*args, **kwargs).last_hidden_state[:, :-1]
        return loss.batch_sums(lm_head(self), states[scored], labels[scored], scored.nonzero()[:, 0], **taught)

    model.forward = types.MethodType(forward, model)


class AdapterTrainer(SFTTrainer):
    """Trains an adapter on pre-tokenized rows (input_ids, labels, text) by any HiddenLoss.

    Columns of a batch whose name begins with "taught_" go to the loss.
    """

    def __init__(self, loss: HiddenLoss, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        add_loss(self.model.get_base_model(), loss)

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = ["input_ids", "labels", "text"]

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Sum of token losses over the number of scored tokens in the whole optimizer step."""
        sums: LossSums = model(**inputs, use_cache=False, loss_sums=True)
        tokens = (inputs["labels"][:, 1:] != IGNORED).sum()
        parts = self._metrics["train" if self.model.training else "eval"]
        for name, value in self.parts_of(sums, int(tokens)).items():
            parts[name].append(value)
        loss = sums.loss / (tokens if num_items_in_batch is None else num_items_in_batch)
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes  # DDP averages gradients, the count is of all processes
        return (loss, {}) if return_outputs else loss

    def parts_of(self, sums: LossSums, tokens: int) -> dict[str, float]:
        """What is logged beside the loss."""
        return {"cross_entropy": float(sums.cross_entropy) / tokens}
