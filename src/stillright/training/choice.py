"""ChoiceTrainer: distils the distribution over the choices of a sample from two teachers that have run already."""

from __future__ import annotations

import functools
import types
from typing import Any

import datasets
import torch
from torch import Tensor
from torch.nn import functional
from trl import SFTTrainer

from stillright.config import StrategyConfig
from stillright.models import ModelRef, load_model, load_tokenizer
from stillright.progress import Progress
from stillright.training.choice_loss import CHOICE_STRATEGIES, Beliefs, ChoiceSums, choice_sums
from stillright.training.choices import ABSENT, PADDING, ChoiceText, Trees, log_likelihoods, plant
from stillright.training.compat import CompatConfig
from stillright.training.loop import Job, TrainingResult, train_adapter, training_arguments
from stillright.training.teachers import autocast, evaluating
from stillright.training.text import Texts, batches


class ChoiceCollator:
    """Trees of a batch, and what is known of its samples: normalised lengths (B, K), target (B, K), gold, old_right."""

    def __init__(self, texts: list[ChoiceText], target: Tensor, old_right: Tensor, pad_token_id: int) -> None:
        self.texts = texts
        self.target = target
        self.old_right = old_right
        self.pad_token_id = pad_token_id

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Tensor]:
        rows = [example["text"] for example in examples]
        texts = [self.texts[row] for row in rows]
        trees = plant(texts, self.pad_token_id)
        return {
            **trees._asdict(),
            "attention_mask": (trees.branch != PADDING).long(),  # counts tokens; the model gets one made of branch
            "labels": _one_label_each(trees.input_ids),
            "lengths": padded([text.lengths for text in texts], 0),
            "target": self.target[rows],
            "gold": torch.tensor([text.gold for text in texts]),
            "old_right": self.old_right[rows],
        }


def _one_label_each(input_ids: Tensor) -> Tensor:
    """Labels for the trainer, which averages over those that are not ignored: one a sample."""
    labels = torch.full_like(input_ids, -100)
    labels[:, 1] = 0
    return labels


def padded(rows: list[list[int]], fill: int) -> Tensor:
    """Rows of different lengths as one tensor."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows])


def normalised(sums: Tensor, lengths: Tensor) -> Tensor:
    """Scores (B, K) of summed log-likelihoods: divided by the metric's lengths, ABSENT where those are 0."""
    return torch.where(lengths > 0, sums / lengths.clamp_min(1), ABSENT)


def add_choice_scores(model: Any) -> None:
    """Makes `model(..., choice_scores=K, branch, before)` return (B, K) log-likelihoods; other calls are unchanged."""
    plain_forward = model.forward

    @functools.wraps(type(model).forward)  # `generate` reads the signature
    def forward(self: Any, *args: Any, choice_scores: int = 0, **kwargs: Any) -> Any:
        if not choice_scores:
            return plain_forward(*args, **kwargs)
        return log_likelihoods(self, Trees(**{name: kwargs[name] for name in Trees._fields}), choice_scores)

    model.forward = types.MethodType(forward, model)


class ChoiceTrainer(SFTTrainer):
    """Trains an adapter of the new base towards a target distribution over choices.

    Data sets hold rows (input_ids, text): the ids of a tree for their length alone, and the number of its sample.
    """

    def __init__(self, args: CompatConfig, **kwargs: Any) -> None:
        super().__init__(args=args, **kwargs)
        add_choice_scores(self.model.get_base_model())

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = ["input_ids", "text"]

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Sum of sample losses over the number of samples in the whole optimizer step."""
        trees = {name: inputs[name] for name in Trees._fields}
        lengths = inputs["lengths"]
        scores = normalised(model(**trees, choice_scores=lengths.shape[1]), lengths)
        args, known = self.args, (inputs["target"][:, : lengths.shape[1]], inputs["gold"], inputs["old_right"])
        sums = choice_sums(scores, *known, args.temperature, args.ce_weight)
        self._note_parts(sums, len(scores))
        loss = sums.loss / (len(scores) if num_items_in_batch is None else num_items_in_batch)
        if args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes  # DDP averages gradients, the count is of all processes
        return (loss, {}) if return_outputs else loss

    def _note_parts(self, sums: ChoiceSums, samples: int) -> None:
        parts = self._metrics["train" if self.model.training else "eval"]
        for name, value in sums._asdict().items():
            if name != "loss":
                parts[name].append(float(value) / samples)


@torch.no_grad()
def teach(model: Any, texts: list[ChoiceText], pad_token_id: int, progress: Progress, label: str) -> Tensor:
    """(n, K) scores of the choices by `model` (base or PeftModel)."""
    lengths = padded([text.lengths for text in texts], 0)
    sums = torch.zeros(lengths.shape)
    sizes = [len(text.ids) for text in texts]
    with progress.bar(label, sum(sizes)) as bar, evaluating(model) as base:
        for batch in batches(sizes):
            trees = Trees(*(part.to(base.device) for part in plant([texts[i] for i in batch], pad_token_id)))
            with autocast(base):
                sums[batch] = log_likelihoods(base, trees, lengths.shape[1]).cpu()
            bar.advance(tokens=sum(sizes[i] for i in batch))
    return normalised(sums, lengths)


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
    tokenizer, old_tokenizer = load_tokenizer(new.base), load_tokenizer(old.base)
    texts = [*new_texts.train, *new_texts.validation]
    old_every = [*old_texts.train, *old_texts.validation]
    old_scores = teach(load_model(old, job.dtype), old_every, old_tokenizer.pad_token_id, job.progress, "old teacher")
    student = load_model(new, job.dtype, trainable=True)
    new_scores = teach(student, texts, tokenizer.pad_token_id, job.progress, "new teacher")
    gold = torch.tensor([text.gold for text in texts])
    beliefs = Beliefs(_spread(old_scores, strategy.temperature), _spread(new_scores, strategy.temperature), gold)
    target = CHOICE_STRATEGIES[strategy.mask](beliefs)
    settings = strategy.model_copy(update={"ce_weight": 1.0}) if strategy.mask == "choice_ce" else strategy
    trainer = ChoiceTrainer(
        model=student,
        args=CompatConfig(**training_arguments(job, len(new_texts.train)), **settings.model_dump()),
        data_collator=ChoiceCollator(texts, target, old_scores.argmax(dim=-1) == gold, tokenizer.pad_token_id),
        train_dataset=_rows(new_texts.train),
        eval_dataset=_rows(new_texts.validation, first=len(new_texts.train)),
        processing_class=tokenizer,
    )
    return train_adapter(trainer, job)


def _spread(scores: Tensor, temperature: float) -> Tensor:
    return functional.log_softmax(scores / temperature, dim=-1)


def _rows(texts: list[ChoiceText], first: int = 0) -> datasets.Dataset:
    return datasets.Dataset.from_dict(
        {"input_ids": [text.ids for text in texts], "text": list(range(first, first + len(texts)))}
    )
