"""How a model scores the choices of samples: one number per choice, and from them who is right and what flips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from stillright import ranks
from stillright.forward.lean import slim_layers
from stillright.forward.passes import autocast, check_head, evaluating
from stillright.forward.trees import Trees, log_likelihoods, plant, reads_trees
from stillright.models import ModelRef, load_model, load_tokenizer
from stillright.progress import Progress
from stillright.training.choice.loss import is_right
from stillright.training.choice.texts import ABSENT, ChoiceText
from stillright.training.means import Mean
from stillright.training.memory import frees_memory
from stillright.training.text import batches

SCORES = "scores"  # name of the tensor in a file


class ScoreFiles(NamedTuple):
    """Where the teachers' scores are kept, of the training samples and then of the validation samples."""

    old: Path
    new: Path | None  # None: not asked


class Reading(NamedTuple):
    """How a model reads its texts."""

    pad_token_id: int
    apart: bool  # whether the prompt is repeated for every choice

    def plant(self, texts: list[ChoiceText]) -> Trees:
        """The texts as one batch."""
        return plant(texts, self.pad_token_id, self.apart)


class Samples(NamedTuple):
    """n samples whose choices are scored."""

    texts: list[ChoiceText]
    old_right: Tensor  # (n,) bool
    reading: Reading

    def batch(self, rows: list[int]) -> dict[str, Any]:
        """The trees of B samples, the lengths (B, K) that normalize them, and which choices are right."""
        texts = [self.texts[row] for row in rows]
        return {
            **self.reading.plant(texts)._asdict(),
            "lengths": padded([text.lengths for text in texts], 0),
            "accepted": accepted(texts),
            "old_right": self.old_right[rows],
        }


def accepted(texts: list[ChoiceText]) -> Tensor:
    """(B, K) bool, which choices are right."""
    return padded([[k in text.accepted for k in range(len(text.choices))] for text in texts], False)


def padded(rows: Sequence[Sequence[int]], fill: int) -> Tensor:
    """Rows of different lengths as one tensor."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows])


def normalized(sums: Tensor, lengths: Tensor) -> Tensor:
    """Scores (B, K) of summed log-likelihoods: divided by the metric's lengths, ABSENT where those are 0."""
    return torch.where(lengths > 0, sums / lengths.clamp_min(1), ABSENT)


def tree_scores(model: Any, *, shape: Sequence[int], **inputs: Any) -> Tensor:
    """`shape` (B, K) log-likelihoods, for the fields of Trees; anything else comes from PEFT and is empty."""
    return log_likelihoods(model, Trees(*(inputs[name] for name in Trees._fields)), shape)


def batch_scores(model: Any, batch: dict[str, Any]) -> Tensor:
    """(B, K) scores of a batch of Samples by a model that answers with `tree_scores`."""
    trees, lengths = {name: batch[name] for name in Trees._fields}, batch["lengths"]
    return normalized(model(**trees, shape=lengths.shape, computed=True), lengths)


def flips(scores: Tensor, batch: dict[str, Any]) -> dict[str, Mean]:
    """Of a batch of Samples: those answered right, and those answered wrong that the old model answers right (NFR).
    Samples whose right answer is not known are not counted."""
    right = is_right(scores.detach(), batch["accepted"])
    lost, known = batch["old_right"] & ~right, batch["accepted"].any(dim=-1).sum()
    return {"right": Mean(right.sum(), known), "lost": Mean(lost.sum(), known)}


def first_samples(batch: dict[str, Any], samples: int) -> dict[str, Any]:
    """The first samples of the batch; a sample has one row in the fields of Trees, or several."""
    rows = batch["sample"] < samples
    of_rows = {"attention_mask", *Trees._fields}
    return {
        name: values if name == "apart" else values[rows if name in of_rows else slice(samples)]
        for name, values in batch.items()
    }


def reading_of(model: Any, texts: list[ChoiceText], pad_token_id: int, progress: Progress, label: str) -> Reading:
    """As trees, where `model` (base or PeftModel) can read them; where it cannot, that is printed.

    Raises ModelError, see `check_head`.
    """
    check_head(model)
    slim_layers(model)
    with evaluating(model) as base, autocast(base):
        apart = not reads_trees(base, texts, pad_token_id)
    if apart:
        progress.console.print(
            f"  {label}: scores choices in a tree differently from choices apart, so the prompt is repeated for each",
            highlight=False,
        )
    return Reading(pad_token_id, apart)


@torch.no_grad()
def choice_scores(model: Any, texts: list[ChoiceText], reading: Reading, progress: Progress, label: str) -> Tensor:
    """(n, K) scores of the choices by `model` (base or PeftModel); processes share the batches."""
    lengths = padded([text.lengths for text in texts], 0)
    sizes = [text.tokens(reading.apart) for text in texts]
    todo, found = ranks.share(list(batches(sizes))), []
    with progress.bar(label, sum(sizes[i] for batch in todo for i in batch)) as bar, evaluating(model) as base:
        for batch in todo:
            trees = reading.plant([texts[i] for i in batch]).to(base.device)
            with autocast(base):
                found.append((batch, log_likelihoods(base, trees, (len(batch), lengths.shape[1])).cpu()))
            bar.advance(tokens=sum(sizes[i] for i in batch))
    sums = torch.zeros(lengths.shape)
    for batch, values in ranks.gather(found):
        sums[batch] = values
    return normalized(sums, lengths)


@frees_memory
def teacher_scores(
    ref: ModelRef, texts: list[ChoiceText], dtype: torch.dtype, progress: Progress, label: str
) -> Tensor:
    """(n, K) scores by a model that is loaded for them, and gone from memory afterwards."""
    model = load_model(ref, dtype)
    reading = reading_of(model, texts, load_tokenizer(ref.base).pad_token_id, progress, label)
    return choice_scores(model, texts, reading, progress, label)


def write_scores(scores: Tensor, file: Path) -> None:
    """Keeps scores (n, K); of several processes the main one writes."""
    ranks.on_main(lambda: save_file({SCORES: scores.contiguous()}, file))


def read_scores(file: Path) -> Tensor:
    """(n, K) what `write_scores` has kept."""
    return load_file(file)[SCORES]
