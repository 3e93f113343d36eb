"""ChoiceTrainer: distils the distribution over the choices of a sample from two teachers that have run already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import datasets
import torch
from torch import Tensor
from torch.nn import functional
from trl import SFTConfig

from stillright import ranks
from stillright.config import StrategyConfig
from stillright.forward.lean import slim_layers
from stillright.forward.passes import autocast, check_head, evaluating
from stillright.forward.trees import PADDING, Trees, log_likelihoods, plant, reads_trees
from stillright.models import ModelRef, load_model, load_tokenizer
from stillright.progress import Progress
from stillright.training.checkpoints import RULES
from stillright.training.choice.loss import CHOICE_STRATEGIES, LABELS_ALONE, Beliefs, choice_sums, is_right
from stillright.training.choice.texts import ABSENT, ChoiceText
from stillright.training.loop import Job, TrainingResult, frees_memory, train_adapter, training_arguments
from stillright.training.text import IGNORED, Texts, batches
from stillright.training.trainer import ForwardLossTrainer, Mean


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
        """The trees of B samples, the lengths (B, K) that normalise them, and which choices are right."""
        texts = [self.texts[row] for row in rows]
        return {
            **self.reading.plant(texts)._asdict(),
            "lengths": padded([text.lengths for text in texts], 0),
            "accepted": accepted(texts),
            "old_right": self.old_right[rows],
        }


class ChoiceCollator:
    """A batch of samples, and what is to be learnt of them: target (B, K), gold (B,)."""

    def __init__(self, samples: Samples, target: Tensor) -> None:
        self.samples = samples
        self.target = target

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        rows = [example["text"] for example in examples]
        batch = self.samples.batch(rows)
        return {
            **batch,
            "attention_mask": (batch["branch"] != PADDING).long(),  # counts tokens; the model gets one made of branch
            "labels": torch.tensor([[IGNORED, 0]] * len(rows)),  # the trainer counts those not ignored: one a sample
            "target": self.target[rows],
            "gold": torch.tensor([self.samples.texts[row].gold for row in rows]),
        }


def accepted(texts: list[ChoiceText]) -> Tensor:
    """(B, K) bool, which choices are right."""
    return padded([[k in text.accepted for k in range(len(text.choices))] for text in texts], False)


def padded(rows: Sequence[Sequence[int]], fill: int) -> Tensor:
    """Rows of different lengths as one tensor."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows])


def normalised(sums: Tensor, lengths: Tensor) -> Tensor:
    """Scores (B, K) of summed log-likelihoods: divided by the metric's lengths, ABSENT where those are 0."""
    return torch.where(lengths > 0, sums / lengths.clamp_min(1), ABSENT)


def tree_scores(model: Any, *, shape: Sequence[int], **inputs: Any) -> Tensor:
    """`shape` (B, K) log-likelihoods, for the fields of Trees; what else there is comes from PEFT and is empty."""
    return log_likelihoods(model, Trees(*(inputs[name] for name in Trees._fields)), shape)


def batch_scores(model: Any, batch: dict[str, Any]) -> Tensor:
    """(B, K) scores of a batch of Samples by a model that answers with `tree_scores`."""
    trees, lengths = {name: batch[name] for name in Trees._fields}, batch["lengths"]
    return normalised(model(**trees, shape=lengths.shape, computed=True), lengths)


def flips(scores: Tensor, batch: dict[str, Any]) -> dict[str, Mean]:
    """Of a batch of Samples: those answered right, and those answered wrong which the old model has right (NFR).
    Samples whose answer is not known are not counted."""
    right = is_right(scores.detach(), batch["accepted"])
    lost, known = batch["old_right"] & ~right, batch["accepted"].any(dim=-1).sum()
    return {"right": Mean(right.sum(), known), "lost": Mean(lost.sum(), known)}


def first_samples(batch: dict[str, Any], samples: int) -> dict[str, Any]:
    """The batch without all but its first samples; a sample has one row in the fields of Trees, or several."""
    rows = batch["sample"] < samples
    of_rows = {"attention_mask", *Trees._fields}
    return {
        name: values if name == "apart" else values[rows if name in of_rows else slice(samples)]
        for name, values in batch.items()
    }


class ChoiceTrainer(ForwardLossTrainer):
    """Trains an adapter of the new base towards a target distribution over choices; its means are over samples.

    Data sets hold rows (input_ids, text): the ids of a tree for their length alone, and the number of its sample.
    """

    def __init__(self, temperature: float, ce_weight: float, **kwargs: Any) -> None:
        super().__init__(tree_scores, **kwargs)
        self.temperature = temperature
        self.ce_weight = ce_weight

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = ["input_ids", "text"]

    def means(self, model: Any, inputs: dict[str, Any]) -> dict[str, Mean]:
        """See ForwardLossTrainer."""
        scores = batch_scores(model, inputs)
        target = inputs["target"][:, : scores.shape[1]]
        sums = choice_sums(scores, target, inputs["gold"], self.temperature, self.ce_weight)
        means = {name: Mean(value, len(scores)) for name, value in sums._asdict().items()}
        means["cross_entropy"] = Mean(sums.cross_entropy, (inputs["gold"] != IGNORED).sum())
        return {**means, **flips(scores, inputs)}

    def keep_first(self, inputs: dict[str, Any], texts: int) -> dict[str, Any]:
        """See ForwardLossTrainer."""
        return first_samples(inputs, texts)


def reading_of(model: Any, texts: list[ChoiceText], pad_token_id: int, progress: Progress, label: str) -> Reading:
    """As trees, where `model` (base or PeftModel) can; where it cannot, that is said.

    Raises ModelError, see `check_head`.
    """
    check_head(model)
    slim_layers(model)
    with evaluating(model) as base, autocast(base):
        apart = not reads_trees(base, texts, pad_token_id)
    if apart:
        progress.console.print(
            f"  {label}: reads choices in a tree otherwise than apart; the prompt is repeated for each",
            highlight=False,
        )
    return Reading(pad_token_id, apart)


@torch.no_grad()
def choice_scores(model: Any, texts: list[ChoiceText], reading: Reading, progress: Progress, label: str) -> Tensor:
    """(n, K) scores of the choices by `model` (base or PeftModel); processes share the batches."""
    lengths = padded([text.lengths for text in texts], 0)
    sizes = [text.tokens(reading.apart) for text in texts]
    todo, said = ranks.share(list(batches(sizes))), []
    with progress.bar(label, sum(sizes[i] for batch in todo for i in batch)) as bar, evaluating(model) as base:
        for batch in todo:
            trees = reading.plant([texts[i] for i in batch]).to(base.device)
            with autocast(base):
                said.append((batch, log_likelihoods(base, trees, (len(batch), lengths.shape[1])).cpu()))
            bar.advance(tokens=sum(sizes[i] for i in batch))
    sums = torch.zeros(lengths.shape)
    for batch, values in ranks.gather(said):
        sums[batch] = values
    return normalised(sums, lengths)


@frees_memory
def align_choices(
    old: ModelRef,
    new: ModelRef,
    old_texts: Texts[ChoiceText],
    new_texts: Texts[ChoiceText],
    strategy: StrategyConfig,
    job: Job,
) -> TrainingResult:
    """Trains the compat adapter on the choices of samples, from the new task adapter on.

    old_texts, new_texts: the same samples, each tokenized for its model; the tokenizers may differ.
    """
    texts = [*new_texts.train, *new_texts.validation]
    gold = torch.tensor([text.gold for text in texts])
    old_scores = scores_of_old(old, [*old_texts.train, *old_texts.validation], job)
    student, tokenizer = load_model(new, job.dtype, trainable=True), load_tokenizer(new.base)
    reading = reading_of(student, texts, tokenizer.pad_token_id, job.progress, job.label)
    if strategy.mask in LABELS_ALONE:
        new_scores, ce_weight = torch.zeros_like(old_scores), 1.0
    else:
        new_scores, ce_weight = choice_scores(student, texts, reading, job.progress, "new teacher"), strategy.ce_weight
    old_spread, new_spread = (_spread(scores, strategy.temperature) for scores in (old_scores, new_scores))
    target = CHOICE_STRATEGIES[strategy.mask](Beliefs(old_spread, new_spread, gold, accepted(texts)))
    samples = Samples(texts, is_right(old_scores, accepted(texts)), reading)
    trainer = ChoiceTrainer(
        strategy.temperature,
        ce_weight,
        model=student,
        args=SFTConfig(**training_arguments(job, len(new_texts.train))),
        data_collator=ChoiceCollator(samples, target),
        train_dataset=_rows(new_texts.train),
        eval_dataset=_rows(new_texts.validation, first=len(new_texts.train)),
        processing_class=tokenizer,
    )
    return train_adapter(trainer, job, RULES[strategy.choose])


def scores_of_old(old: ModelRef, texts: list[ChoiceText], job: Job) -> Tensor:
    """(n, K) scores by the old model, which is gone from memory afterwards."""
    model, label = load_model(old, job.dtype), "old teacher"
    reading = reading_of(model, texts, load_tokenizer(old.base).pad_token_id, job.progress, label)
    return choice_scores(model, texts, reading, job.progress, label)


def _spread(scores: Tensor, temperature: float) -> Tensor:
    return functional.log_softmax(scores / temperature, dim=-1)


def _rows(texts: list[ChoiceText], first: int = 0) -> datasets.Dataset:
    return datasets.Dataset.from_dict(
        {"input_ids": [text.ids for text in texts], "text": list(range(first, first + len(texts)))}
    )
