"""Batches of samples with choices, their scores by a model, and from them who is right and what flips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from stillright.events import say
from stillright.forward.lean import slim_layers
from stillright.forward.passes import autocast, check_head, evaluating
from stillright.forward.trees import Trees, log_likelihoods, padded, plant, reads_trees
from stillright.progress import Progress
from stillright.tasks.ranking import normalized
from stillright.training.choice.choice_loss import is_right
from stillright.training.means import Mean
from stillright.training.text import ChoiceText


class Reading(NamedTuple):
    """How a model reads its texts."""

    pad_token_id: int
    apart: bool  # whether the prompt is repeated for every choice

    def plant(self, texts: list[ChoiceText]) -> Trees:
        return plant(texts, self.pad_token_id, self.apart)


def reading_of(model: Any, texts: list[ChoiceText], pad_token_id: int, progress: Progress, label: str) -> Reading:
    """As trees, where `model` (base or PeftModel) can read them; where it cannot, that is printed.

    Raises ModelError, see `check_head`.
    """
    check_head(model)
    slim_layers(model)
    with evaluating(model) as base, autocast(base):
        apart = not reads_trees(base, texts, pad_token_id)
    if apart:
        line = f"  {label}: scores choices in a tree differently from choices apart, so the prompt is repeated for each"
        say(progress.console, line, "settings", label=label)
    return Reading(pad_token_id, apart)


class Samples(NamedTuple):
    """n samples whose choices are scored."""

    texts: list[ChoiceText]
    old_right: Tensor | None  # (n,) bool; None: the old model was not asked
    reading: Reading

    def batch(self, rows: list[int]) -> dict[str, Any]:
        """The trees of B samples, the lengths (B, K) that normalize them, and which choices are right."""
        texts = [self.texts[row] for row in rows]
        known = {} if self.old_right is None else {"old_right": self.old_right[rows]}
        return {
            **self.reading.plant(texts)._asdict(),
            "lengths": padded([text.lengths for text in texts], 0),
            "accepted": accepted(texts),
            **known,
        }


def accepted(texts: list[ChoiceText]) -> Tensor:
    """(B, K) bool, which choices are right."""
    return padded([[k in text.accepted for k in range(len(text.choices))] for text in texts], False)


def tree_scores(model: Any, *, shape: Sequence[int], **inputs: Any) -> Tensor:
    """`shape` (B, K) log-likelihoods, for the fields of Trees; anything else comes from PEFT and is empty."""
    return log_likelihoods(model, Trees(*(inputs[name] for name in Trees._fields)), shape)


def batch_scores(model: Any, batch: dict[str, Any]) -> Tensor:
    """(B, K) scores of a batch of Samples by a model that answers with `tree_scores`."""
    trees, lengths = {name: batch[name] for name in Trees._fields}, batch["lengths"]
    return normalized(model(**trees, shape=lengths.shape, computed=True), lengths)


def flips(scores: Tensor, batch: dict[str, Any]) -> dict[str, Mean]:
    """Of a batch of Samples: those answered right and, where the old model was asked, those answered wrong that it
    answers right (NFR). Samples whose right answer is not known are not counted."""
    right = is_right(scores.detach(), batch["accepted"])
    known = batch["accepted"].any(dim=-1).sum()
    means = {"right": Mean(right.sum(), known)}
    return means if "old_right" not in batch else {**means, "lost": Mean((batch["old_right"] & ~right).sum(), known)}


def first_samples(batch: dict[str, Any], samples: int) -> dict[str, Any]:
    """The first samples of the batch; a sample has one row in the fields of Trees, or several."""
    rows = batch["sample"] < samples
    of_rows = {"attention_mask", *Trees._fields}
    return {
        name: values if name == "apart" else values[rows if name in of_rows else slice(samples)]
        for name, values in batch.items()
    }
