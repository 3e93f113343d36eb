"""AdapterTrainer: trains an adapter on the tokens of texts, by any loss of hidden states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from stillright.forward.heads import LMHead, lm_head
from stillright.forward.passes import Collate, without_right_padding
from stillright.training.forward_loss import ForwardLossTrainer
from stillright.training.head_loss import LossSums
from stillright.training.means import Mean
from stillright.training.text import IGNORED
from stillright.upstream.trl import is_end_to_end


class HiddenLoss(Protocol):
    """A loss of the hidden states before the LM head."""

    def batch_sums(self, head: LMHead, student: Tensor, labels: Tensor, sequence: Tensor, **teacher: Any) -> LossSums:
        """Sums over N positions: student (N, H), labels (N,), sequence (N,) number of the text within the batch."""


Ask = Callable[[Any, dict[str, Any], Tensor], dict[str, Any]]  # (model, its inputs, labels shifted) -> teacher_...


def text_numbers(position_ids: Tensor | None, labels: Tensor) -> Tensor:
    """(B, L - 1) the number within the batch of the text that each label (B, L - 1) belongs to.

    position_ids: (B, L), which begin anew with every text of a row; None: a row is a text.
    """
    begins = torch.zeros(len(labels), labels.shape[1] + 1, dtype=torch.bool, device=labels.device)
    begins[:, 0] = True
    if position_ids is not None:
        begins[:, 1:] = position_ids[:, 1:] != position_ids[:, :-1] + 1
    return (begins.flatten().cumsum(0) - 1).view_as(begins)[:, 1:]


def token_sums(loss: HiddenLoss, ask: Ask | None, model: Any, *, labels: Tensor, **inputs: Any) -> LossSums:
    """Sums over the scored positions of a batch; inputs whose name begins with "teacher_" go to the loss.

    ask: gives them for a batch that has none.
    """
    labels = labels[:, 1:]
    scored = (labels != IGNORED).nonzero(as_tuple=True)  # once: each time the device must tell how many they are
    teacher = {name: inputs.pop(name) for name in list(inputs) if name.startswith("teacher_")}
    inputs["attention_mask"] = without_right_padding(inputs.get("attention_mask"))
    if ask is not None:
        teacher = ask(model, inputs, labels)
    states = model.base_model(**inputs).last_hidden_state[:, :-1]
    sequence = text_numbers(inputs.get("position_ids"), labels)[scored]
    return loss.batch_sums(lm_head(model), states[scored], labels[scored], sequence, **teacher)


def cut(values: Any, count: int) -> Any:
    """The first rows of a tensor, or of each tensor in a mapping."""
    return {name: value[:count] for name, value in values.items()} if isinstance(values, dict) else values[:count]


SIZES = "tokens_of_rows"


class SizesCollator:
    """A collator that lays rows end to end, and under SIZES how many tokens each has: (n,)."""

    def __init__(self, collate: Collate) -> None:
        self.collate = collate

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        sizes = torch.tensor([len(example["input_ids"]) for example in examples])
        return {**self.collate(examples), SIZES: sizes}


class AdapterTrainer(ForwardLossTrainer):
    """Trains an adapter on tokenized rows (input_ids, labels) by any HiddenLoss; its means are over tokens.

    Columns of a batch whose name begins with "teacher_" go to the loss; ask: see `token_sums`. loss: None where it is
    set as an attribute before the first batch.
    """

    columns = ("input_ids", "labels", "seq_lengths", "text")
    compute = staticmethod(token_sums)  # what `model(..., computed=True)` returns, for loss, ask and a batch

    def __init__(self, loss: HiddenLoss | None, ask: Ask | None = None, **kwargs: Any) -> None:
        self.loss = loss
        self.ask = ask
        super().__init__(self._computed, **kwargs)
        self.data_collator: Collate
        self.collate = self.data_collator
        if is_end_to_end(self):
            self.data_collator = SizesCollator(self.collate)

    def _computed(self, model: Any, **inputs: Any) -> Any:
        assert self.loss is not None
        return self.compute(self.loss, self.ask, model, **inputs)

    def means(self, model: Any, inputs: dict[str, Any]) -> dict[str, Mean]:
        """See ForwardLossTrainer."""
        inputs.pop(SIZES, None)
        sums: LossSums = model(**inputs, use_cache=False, computed=True)
        return self.means_of(sums, (inputs["labels"][:, 1:] != IGNORED).sum())

    def keep_first(self, inputs: dict[str, Any], texts: int) -> dict[str, Any]:
        """See ForwardLossTrainer; others stay in the batch, and are not scored.

        Teachers' columns have one row per scored position, text after text.
        """
        labels = inputs["labels"].clone()
        if SIZES in inputs:
            labels[:, int(inputs[SIZES][:texts].sum()) :] = IGNORED
        else:
            labels[texts:] = IGNORED
        positions = int((labels[:, 1:] != IGNORED).sum())
        teacher = {name: cut(values, positions) for name, values in inputs.items() if name.startswith("teacher_")}
        return {**inputs, "labels": labels, **teacher}

    def means_of(self, sums: LossSums, tokens: Tensor) -> dict[str, Mean]:
        """The loss, and what is logged beside it."""
        return {"loss": Mean(sums.loss, tokens), "cross_entropy": Mean(sums.cross_entropy, tokens)}
