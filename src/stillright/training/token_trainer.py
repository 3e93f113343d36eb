"""AdapterTrainer: trains an adapter on the tokens of texts, by any loss of hidden states before the LM head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from stillright.forward.heads import lm_head
from stillright.forward.passes import Collate, without_right_padding
from stillright.training.forward_loss import ForwardLossTrainer
from stillright.training.head_loss import CrossEntropy, HeadLoss, LossSums, part_of
from stillright.training.means import Mean
from stillright.training.text import IGNORED
from stillright.upstream.trl import is_end_to_end

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


SIZES = "tokens_of_rows"


class SizesCollator:
    """A collator that lays rows end to end, and under SIZES how many tokens each has: (n,)."""

    def __init__(self, collate: Collate) -> None:
        self.collate = collate

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        sizes = torch.tensor([len(example["input_ids"]) for example in examples])
        return {**self.collate(examples), SIZES: sizes}


class AdapterTrainer(ForwardLossTrainer):
    """Trains an adapter on tokenized rows (input_ids, labels) by its `loss`; its means are over tokens.

    Columns of a batch whose name begins with "teacher_" go to the loss.
    """

    columns = ("input_ids", "labels", "seq_lengths", "text")
    loss: HeadLoss = CrossEntropy()
    ask: Ask | None = None  # gives what begins with "teacher_", for batches that have none

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_collator: Collate
        self.collate = self.data_collator
        if is_end_to_end(self):
            self.data_collator = SizesCollator(self.collate)

    def computed(self, model: Any, **inputs: Any) -> Any:
        """Sums over the scored positions of a batch."""
        labels = inputs.pop("labels")[:, 1:]
        scored = (labels != IGNORED).nonzero(as_tuple=True)  # once: each time the device must tell how many they are
        teacher = {name: inputs.pop(name) for name in list(inputs) if name.startswith("teacher_")}
        inputs["attention_mask"] = without_right_padding(inputs.get("attention_mask"))
        if self.ask is not None:
            teacher = self.ask(model, inputs, labels)
        states = model.base_model(**inputs).last_hidden_state[:, :-1]
        sequence = text_numbers(inputs.get("position_ids"), labels)[scored]
        return self.loss.batch_sums(lm_head(model), states[scored], labels[scored], sequence, **teacher)

    def means(self, model: Any, inputs: dict[str, Any]) -> dict[str, Mean]:
        inputs.pop(SIZES, None)
        sums: LossSums = model(**inputs, use_cache=False, computed=True)
        return self.means_of(sums, (inputs["labels"][:, 1:] != IGNORED).sum())

    def keep_first(self, inputs: dict[str, Any], texts: int) -> dict[str, Any]:
        """The others stay in the batch, and are not scored.

        Teachers' columns have one row per scored position, text after text.
        """
        labels = inputs["labels"].clone()
        if SIZES in inputs:
            labels[:, int(inputs[SIZES][:texts].sum()) :] = IGNORED
        else:
            labels[texts:] = IGNORED
        positions = slice(int((labels[:, 1:] != IGNORED).sum()))
        teacher = {name: part_of(values, positions) for name, values in inputs.items() if name.startswith("teacher_")}
        return {**inputs, "labels": labels, **teacher}

    def means_of(self, sums: LossSums, tokens: Tensor) -> dict[str, Mean]:
        """The loss, and what is logged beside it."""
        return {"loss": Mean(sums.loss, tokens), "cross_entropy": Mean(sums.cross_entropy, tokens)}
