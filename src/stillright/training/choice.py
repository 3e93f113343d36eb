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
from stillright.models import ModelRef, load_model, load_tokenizer
from stillright.progress import Progress
from stillright.training.choice_loss import CHOICE_STRATEGIES, LABELS_ALONE, Beliefs, choice_sums
from stillright.training.choices import ABSENT, PADDING, ChoiceText, Trees, log_likelihoods, plant, reads_trees
from stillright.training.forward import autocast, check_head, evaluating
from stillright.training.lean import lean
from stillright.training.loop import Job, TrainingResult, frees_memory, train_adapter, training_arguments
from stillright.training.text import Texts, batches
from stillright.training.trainer import Mean, MeansTrainer


class Reading(NamedTuple):
    """How a model reads its texts."""

    pad_token_id: int
    apart: bool  # whether the prompt is repeated for every choice

    def plant(self, texts: list[ChoiceText]) -> Trees:
        """The texts as one batch."""
        return plant(texts, self.pad_token_id, self.apart)


class ChoiceCollator:
    """Trees of a batch, and what is known of its samples: normalised lengths (B, K), target (B, K), gold, old_right."""

    def __init__(self, texts: list[ChoiceText], target: Tensor, old_right: Tensor, reading: Reading) -> None:
        self.texts = texts
        self.target = target
        self.old_right = old_right
        self.reading = reading

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Tensor]:
        rows = [example["text"] for example in examples]
        texts = [self.texts[row] for row in rows]
        trees = self.reading.plant(texts)
        return {
            **trees._asdict(),
            "attention_mask": (trees.branch != PADDING).long(),  # counts tokens; the model gets one made of branch
            "labels": torch.tensor([[-100, 0]] * len(rows)),  # the trainer counts those not ignored: one a sample
            "lengths": padded([text.lengths for text in texts], 0),
            "target": self.target[rows],
            "gold": torch.tensor([text.gold for text in texts]),
            "old_right": self.old_right[rows],
        }


def padded(rows: list[list[int]], fill: int) -> Tensor:
    """Rows of different lengths as one tensor."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows])


def normalised(sums: Tensor, lengths: Tensor) -> Tensor:
    """Scores (B, K) of summed log-likelihoods: divided by the metric's lengths, ABSENT where those are 0."""
    return torch.where(lengths > 0, sums / lengths.clamp_min(1), ABSENT)


def tree_scores(model: Any, *, shape: Sequence[int], **inputs: Any) -> Tensor:
    """`shape` (B, K) log-likelihoods, for the fields of Trees; what else there is comes from PEFT and is empty."""
    return log_likelihoods(model, Trees(*(inputs[name] for name in Trees._fields)), shape)


class ChoiceTrainer(MeansTrainer):
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
        """See MeansTrainer."""
        trees, lengths = {name: inputs[name] for name in Trees._fields}, inputs["lengths"]
        scores = normalised(model(**trees, shape=lengths.shape, computed=True), lengths)
        known = inputs["target"][:, : lengths.shape[1]], inputs["gold"], inputs["old_right"]
        sums = choice_sums(scores, *known, self.temperature, self.ce_weight)
        return {name: Mean(value, len(scores)) for name, value in sums._asdict().items()}

    def first(self, inputs: dict[str, Any], texts: int) -> dict[str, Any]:
        """See MeansTrainer; a sample has one row in the fields of Trees, or several."""
        rows = inputs["sample"] < texts
        of_rows = {"attention_mask", *Trees._fields}
        return {
            name: values if name == "apart" else values[rows if name in of_rows else slice(texts)]
            for name, values in inputs.items()
        }


def reading_of(model: Any, texts: list[ChoiceText], pad_token_id: int, progress: Progress, label: str) -> Reading:
    """As trees, where `model` (base or PeftModel) can; where it cannot, that is said.

    Raises ModelError, see `check_head`.
    """
    check_head(model)
    lean(model)
    with evaluating(model) as base, autocast(base):
        apart = not reads_trees(base, texts, pad_token_id)
    if apart:
        progress.console.print(
            f"  {label}: reads choices in a tree otherwise than apart; the prompt is repeated for each",
            highlight=False,
        )
    return Reading(pad_token_id, apart)


@torch.no_grad()
def teach(model: Any, texts: list[ChoiceText], reading: Reading, progress: Progress, label: str) -> Tensor:
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
    old_scores = _old_scores(old, [*old_texts.train, *old_texts.validation], job)
    student, tokenizer = load_model(new, job.dtype, trainable=True), load_tokenizer(new.base)
    reading = reading_of(student, texts, tokenizer.pad_token_id, job.progress, job.label)
    if strategy.mask in LABELS_ALONE:
        new_scores, ce_weight = torch.zeros_like(old_scores), 1.0
    else:
        new_scores, ce_weight = teach(student, texts, reading, job.progress, "new teacher"), strategy.ce_weight
    beliefs = Beliefs(_spread(old_scores, strategy.temperature), _spread(new_scores, strategy.temperature), gold)
    target = CHOICE_STRATEGIES[strategy.mask](beliefs)
    trainer = ChoiceTrainer(
        strategy.temperature,
        ce_weight,
        model=student,
        args=SFTConfig(**training_arguments(job, len(new_texts.train))),
        data_collator=ChoiceCollator(texts, target, old_scores.argmax(dim=-1) == gold, reading),
        train_dataset=_rows(new_texts.train),
        eval_dataset=_rows(new_texts.validation, first=len(new_texts.train)),
        processing_class=tokenizer,
    )
    return train_adapter(trainer, job)


def _old_scores(old: ModelRef, texts: list[ChoiceText], job: Job) -> Tensor:
    """(n, K) scores by the old model, which is gone from memory afterwards."""
    model, label = load_model(old, job.dtype), "old teacher"
    reading = reading_of(model, texts, load_tokenizer(old.base).pad_token_id, job.progress, label)
    return teach(model, texts, reading, job.progress, label)


def _spread(scores: Tensor, temperature: float) -> Tensor:
    return functional.log_softmax(scores / temperature, dim=-1)


def _rows(texts: list[ChoiceText], first: int = 0) -> datasets.Dataset:
    return datasets.Dataset.from_dict(
        {"input_ids": [text.ids for text in texts], "text": list(range(first, first + len(texts)))}
    )
