"""What the stages of one update read: its models, its task, and the training texts in the tokens of each base."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable, Sequence
from typing import TypeVar

from stillright.config import OldAnswers, StrategyConfig, UpdateConfig
from stillright.errors import DataError, ModelError, TaskError
from stillright.models import ModelRef, Source, compute_dtype, load_tokenizer, longest_text, shared_vocabulary
from stillright.stages.cost import tested_tokens
from stillright.stages.old_log import OldLog
from stillright.tasks import Task, load_task
from stillright.tasks.task import Document
from stillright.tokenizers import refuse_other_tokens
from stillright.training.encode import (
    encode_choices,
    encode_documents,
    encode_prompts,
    encode_references,
    encode_samples,
    encode_texts,
)
from stillright.training.text import ChoiceText, Text, Texts, split_texts

T = TypeVar("T")
ENOUGH, ENOUGH_TEXTS = 1000, 500  # samples with choices; with generated answers, which take longer
ONE_TOKENIZER = "only the choice strategies (choice, choice_mixture, choice_ce) work with two tokenizers"


class Data:
    """Read from files and tokenizers only; no weights are loaded, and nothing is written."""

    def __init__(self, config: UpdateConfig, task: Task | None = None) -> None:
        """task: the task of `config`, where it has been read already."""
        self.config = config
        self.old = ModelRef.parse(config.old) if isinstance(config.old, str) else None  # None: it is gone
        self.new = ModelRef.parse(config.new)
        self.task = task or load_task(config.task, config.split_seed)
        self._old_log = OldLog(config.old, self.task) if isinstance(config.old, OldAnswers) else None
        self.dtype = compute_dtype(config.dtype)
        self._texts: dict[tuple[Source, int], list[Text]] = {}
        self._choices: dict[tuple[Source, int], list[ChoiceText]] = {}
        self._deciding: dict[Source, list[ChoiceText]] = {}
        self._tested_tokens: dict[Source, int] = {}
        self._refuse_long_answers()

    @property
    def bases(self) -> tuple[Source, ...]:
        """The old one, unless that model is gone, and the new one."""
        return tuple(ref.base for ref in (self.old, self.new) if ref is not None)

    @property
    def has_old_log(self) -> bool:
        """Whether the old model is gone, and a log of its answers left."""
        return self._old_log is not None

    @property
    def old_log(self) -> OldLog:
        """Where the old model is gone, what is left of it."""
        assert self._old_log is not None
        return self._old_log

    @property
    def longest(self) -> int:
        """The tokens, at most, of a text that both models are to read alike."""
        return self.longest_of(*self.bases)

    def longest_of(self, *bases: Source) -> int:
        """The tokens, at most, of a text that all of these bases read."""
        return longest_text(bases, self.config.training.max_length)

    @property
    def shared_vocabulary(self) -> int:
        """Number of the first vocabulary entries that both bases have."""
        return shared_vocabulary(self.bases)

    def texts(self, base: Source) -> Texts[Text]:
        """What a task adapter of this base is trained on: its texts, as long as the base itself reads them."""
        return self._split(self._encoded(base, self.longest_of(base)))

    def aligned_texts(self, base: Source) -> Texts[Text]:
        """What alignment reads: the texts as long as both bases read them, and the prompts without answers."""
        texts = self._split(self._encoded(base, self.longest))
        if not self.task.unlabelled:
            return texts
        further = encode_prompts(self.task, load_tokenizer(base), self.longest)
        return Texts([*texts.train, *further], texts.validation)

    def choices(self, base: Source) -> Texts[ChoiceText]:
        """The same samples as trees of choices, as long as both bases read them."""
        return self._split(self._trees(base, self.longest))

    def own_choices(self, base: Source) -> Texts[ChoiceText]:
        """The same as long as the base itself reads them."""
        return self._split(self._trees(base, self.longest_of(base)))

    def _trees(self, base: Source, longest: int) -> list[ChoiceText]:
        if (base, longest) not in self._choices:
            self._choices[base, longest] = encode_choices(self.task, load_tokenizer(base), longest)
        return self._choices[base, longest]

    def validation_samples(self, base: Source) -> list[ChoiceText]:
        """What an aligned student is compared with its teachers on: the validation documents as trees of choices; of
        generated answers the right one is the only choice."""
        encode = encode_documents if self.task.is_choice else encode_references
        documents = self._split(self.task.train_documents).validation
        return encode(self.task, documents, load_tokenizer(base), self.longest)

    def deciding(self) -> list[Document]:
        """The documents that choose between models: those of validation, and of labelled ones that train_limit leaves
        out as many as make enough."""
        documents = self._split(self.task.train_documents).validation
        enough = ENOUGH if self.task.is_choice else ENOUGH_TEXTS
        return [*documents, *self.task.spare_documents[: max(0, enough - len(documents))]]

    def deciding_choices(self, base: Source) -> list[ChoiceText]:
        """The same as trees of choices."""
        if base not in self._deciding:
            self._deciding[base] = encode_documents(self.task, self.deciding(), load_tokenizer(base), self.longest)
        return self._deciding[base]

    def tested_tokens(self, base: Source) -> int:
        """How many tokens a model of this base reads of the test documents: of trees of their choices, or of prompts
        with the longest answers allowed."""
        if base not in self._tested_tokens:
            self._tested_tokens[base] = tested_tokens(self.task, load_tokenizer(base), self.longest_of(base))
        return self._tested_tokens[base]

    def aligned_choices(self, base: Source) -> Texts[ChoiceText]:
        """The same, with the rows without answers added to the training part; where the old model is gone, only those
        that its log answers."""
        texts, further = self.choices(base), self.task.unlabelled_choices()
        if self.has_old_log:
            return self._answered(texts)
        if not further:
            return texts
        trees = encode_samples(self.task, further, [[]] * len(further), load_tokenizer(base), self.longest)
        return Texts([*texts.train, *trees], texts.validation)

    def old_choices(self) -> Texts[int]:
        """The numbers of the choices that a log says the old model took, of all that `aligned_choices` gives."""
        taken = self._split(self.old_log.train.choices)
        return Texts(*([number for number in part if number is not None] for part in taken))

    def _answered(self, texts: Texts[T]) -> Texts[T]:
        """Those whose choice a log tells. Raises DataError where none is left."""
        taken = self._split(self.old_log.train.choices)
        train, validation = (
            [text for text, number in zip(part, numbers, strict=True) if number is not None]
            for part, numbers in zip(texts, taken, strict=True)
        )
        if not train or not validation:
            raise DataError(
                f"{self.old_log.train.account()}, none of them in the {'validation' if train else 'training'} part; "
                "alignment needs some in both"
            )
        return Texts(train, validation)

    def answered_texts(self, base: Source) -> Texts[Text]:
        """What a task adapter of this base would be trained on, with old's answers in place of the dataset's where a
        log has one that is right."""
        loss_on, answers = self.config.training.loss_on, self.old_log.train.right_texts
        return self._split(encode_texts(self.task, load_tokenizer(base), self.longest, loss_on, answers))

    def _encoded(self, base: Source, longest: int) -> list[Text]:
        if (base, longest) not in self._texts:
            loss_on = self.config.training.loss_on
            self._texts[base, longest] = encode_texts(self.task, load_tokenizer(base), longest, loss_on)
        return self._texts[base, longest]

    def _split(self, texts: list[T]) -> Texts[T]:
        return split_texts(texts, self.config.training.validation_fraction, self.config.split_seed)

    def _refuse_long_answers(self) -> None:
        """Raises TaskError where generated answers would leave no token for a prompt."""
        if not self.task.is_choice and self.task.longest_answer >= self.longest:
            raise TaskError(
                f"task {self.task.name}: answers of up to {self.task.longest_answer:,} tokens leave no room for "
                f"prompts in texts of {self.longest:,}; raise training.max_length as far as the bases allow, or lower "
                "the task's max_new_tokens"
            )

    def refuse_lacking_adapters(self) -> None:
        """Raises ModelError where a model has no task adapter."""
        for ref in (self.old, self.new):
            if ref is not None and ref.adapter is None:
                raise ModelError(f"model {ref}: align needs a task adapter; give {ref}+ADAPTER, made by stillright fit")

    def refuse_misfits(self, strategy: StrategyConfig) -> None:
        """Raises ModelError where tokens are distilled but cut differently by the two tokenizers; TaskError where
        choices are distilled, or choose the checkpoint, but the task has none; DataError where an unlabelled row has
        no choices, or a log of old's answers tells none."""
        if strategy.choose == "flips" and not self.task.is_choice:
            raise TaskError(
                f"task {self.task.name}: its answers are generated, but strategy.choose flips needs choices; "
                "take strategy.choose=loss"
            )
        if not strategy.is_choice:
            old, new = ([*cut.train, *cut.validation] for cut in map(self.aligned_texts, self.bases))
            refuse_other_tokens(old, new, ONE_TOKENIZER)
        elif not self.task.is_choice:
            raise TaskError(
                f"task {self.task.name}: its answers are generated, but strategy.mask {strategy.mask} needs choices"
            )
        elif self.has_old_log:
            self.aligned_choices(self.new.base)
        else:
            self.task.unlabelled_choices()


def texts_digest(texts: Iterable[Text]) -> str:
    """SHA-256 of what is read and what of it is scored."""
    return _digest([text.first, *text.ids] for text in texts)


def documents_digest(documents: Iterable[Document]) -> str:
    """SHA-256 of rows whose answers are generated."""
    return hashlib.sha256(json.dumps([*documents], sort_keys=True, default=str).encode()).hexdigest()


def choices_digest(texts: Iterable[ChoiceText]) -> str:
    """SHA-256 of prompts, choices, and what the metric divides by."""
    return _digest(ids for text in texts for ids in (text.prompt, text.lengths, *text.choices))


def _digest(parts: Iterable[Sequence[int]]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(array("q", [len(part), *part]).tobytes())
    return digest.hexdigest()
