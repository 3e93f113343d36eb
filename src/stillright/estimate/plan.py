"""The stages of a command, and what each will cost: samples, tokens, steps, bytes, operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from stillright.config import UpdateConfig
from stillright.estimate.cost import (
    ADAPTER_BYTES,
    PLAIN_LOGITS,
    TAUGHT_LOGITS,
    Amount,
    adapter_bytes,
    checkpoint_bytes,
    forward_flops,
    held_logits,
    next_tokens,
    reading_memory,
    score_bytes,
    teacher_bytes,
    training_flops,
    training_memory,
)
from stillright.estimate.shape import Shape, shape_of
from stillright.forward.trees import BATCH_TOKENS, Tree
from stillright.models import ModelRef, load_adapter_config, load_tokenizer
from stillright.prediction.harness_model import batches_of_rows, grow
from stillright.stages.data import Data
from stillright.tasks.encoding import encode_pairs
from stillright.tasks.task import Document
from stillright.training.choice.loss import LABELS_ALONE
from stillright.training.choice.texts import ChoiceText
from stillright.training.lora import lora_config
from stillright.training.settings import optimizer_steps
from stillright.training.strategies import STRATEGIES
from stillright.training.teachers.forms import Form, form_of
from stillright.training.text import Texts


class StageCost(NamedTuple):
    """One stage, and what it will cost."""

    name: str
    samples: int
    tokens: int  # without padding; of a training all epochs, validation left out
    steps: int | None  # optimizer steps
    kept: int | None  # bytes on disk; None: a small amount
    temporary: int  # bytes on disk while it runs
    memory: int  # bytes at the peak: of the process on a CPU, of tensors on an accelerator
    flops: float  # validation counted


class Plan:
    """Works out the stages of an update from its data, for one process on one device: this one, or an accelerator."""

    def __init__(self, data: Data, accelerator: bool, config: UpdateConfig | None = None) -> None:
        self.data = data
        self.config = config or data.config  # an update that reads the same data may train in another way
        self.bytes = data.dtype.itemsize
        self.accelerator = accelerator
        self.old, self.new = (self._shape(ref) for ref in (data.old, data.new))

    def _shape(self, ref: ModelRef) -> Shape:
        adapter = lora_config(self.config.lora, ref) if ref.adapter is None else load_adapter_config(ref.adapter)
        return shape_of(ref.base, adapter)

    def update(self) -> list[StageCost]:
        """All of `stillright run`."""
        fits = [
            self.fit(f"fit-{name}", ref)
            for name, ref in (("old", self.data.old), ("new", self.data.new))
            if ref.adapter is None
        ]
        controls = [self.fit(f"fit-{name}", self.data.new) for name in self.config.controls]
        align, compat = (self.align(), ["compat"]) if self.config.align else ([], [])
        names = ["old", "new", *compat, *self.config.controls]
        return [*fits, *align, *controls, *(self.predict(name) for name in names)]

    def fit(self, name: str, ref: ModelRef) -> StageCost:
        """A task adapter."""
        train, validation = map(next_tokens, self.data.texts(ref.base))
        return self._training(name, self._of(ref), train, validation, PLAIN_LOGITS, 0)

    def _of(self, ref: ModelRef) -> Shape:
        return self.old if ref is self.data.old else self.new

    def _training(
        self, name: str, shape: Shape, train: Amount, validation: Amount, logits: int, teacher_head: int
    ) -> StageCost:
        config = self.config.training
        epochs, samples = config.epochs, len(train.lengths)
        validated = forward_flops(shape, validation) + 2 * teacher_head * validation.scored
        batch_tokens = min(config.batch_size, samples) * train.longest
        return StageCost(
            name,
            samples,
            tokens=epochs * train.tokens,
            steps=optimizer_steps(config, samples),
            kept=adapter_bytes(shape),
            temporary=checkpoint_bytes(shape, epochs),
            memory=training_memory(shape, batch_tokens, self.bytes, self.accelerator, logits, teacher_head),
            flops=epochs * training_flops(shape, train, self.accelerator, teacher_head) + (epochs + 1) * validated,
        )

    def align(self) -> list[StageCost]:
        """The teachers and the compat adapter."""
        return self._align_choices() if self.config.strategy.is_choice else self._align_tokens()

    def _align_tokens(self) -> list[StageCost]:
        texts = self.data.aligned_texts(self.data.new.base)
        every = next_tokens([*texts.train, *texts.validation])
        strategy = STRATEGIES[self.config.strategy.mask]
        heads = self.old.head + self.new.head if strategy.mixed else max(self.old.head, self.new.head)
        train, validation = map(next_tokens, texts)
        align = self._training("align-compat", self.new, train, validation, TAUGHT_LOGITS, heads)
        if self.config.strategy.choose == "flips":
            align = align._replace(flops=align.flops + self._judging())
        if self.config.teachers.form == "live":
            return [self._with_live_teachers(align, train, validation)]
        return [self._teach("teach-old", self.old, every), self._teach("teach-new", self.new, every), align]

    def _with_live_teachers(self, align: StageCost, train: Amount, validation: Amount) -> StageCost:
        """The old model stays in memory, and both teachers read every batch."""
        epochs = self.config.training.epochs
        read = [epochs * forward_flops(shape, train) for shape in (self.old, self.new)]
        read += [(epochs + 1) * forward_flops(shape, validation) for shape in (self.old, self.new)]
        weights = self.bytes * self.old.parameters + ADAPTER_BYTES * (self.old.adapter + self.new.adapter)
        return align._replace(memory=align.memory + weights, flops=align.flops + sum(read))

    def _judging(self) -> float:
        """Operations to answer the validation samples: by the old model once, by the student in every evaluation."""
        old, new = (_trees(self.data.choices(ref.base).validation) for ref in (self.data.old, self.data.new))
        evaluations = self.config.training.epochs + 1
        return forward_flops(self.old, old) + evaluations * forward_flops(self.new, new)

    def _teach(self, name: str, shape: Shape, every: Amount) -> StageCost:
        batch = max(every.longest, min(BATCH_TOKENS, every.tokens))
        logits = 2 * 4 * min(every.longest * shape.vocabulary, held_logits(self.accelerator))  # and probabilities
        return StageCost(
            name,
            len(every.lengths),
            every.tokens,
            steps=None,
            kept=teacher_bytes(every.scored, self._form(), shape.hidden, shape.vocabulary, self.data.dtype),
            temporary=0,
            memory=reading_memory(shape, batch, self.bytes, self.accelerator, logits),
            flops=forward_flops(shape, every),
        )

    def _form(self) -> Form:
        return form_of(self.config.teachers, self.config.strategy.temperature, self.data.shared_vocabulary)

    def _align_choices(self) -> list[StageCost]:
        old, new = (self.data.aligned_choices(ref.base) for ref in (self.data.old, self.data.new))
        alone = self.config.strategy.mask in LABELS_ALONE
        train, validation = map(_trees, new)
        align = self._training("align-compat", self.new, train, validation, PLAIN_LOGITS, 0)
        again = 2 * self.new.head * train.scored * self.config.training.epochs  # logits are made again
        asked = [("old", self.old, old), *([] if alone else [("new", self.new, new)])]
        teachers = [self._score(f"teach-{role}-choices", shape, cut) for role, shape, cut in asked]
        return [*teachers, align._replace(flops=align.flops + again)]

    def _score(self, name: str, shape: Shape, texts: Texts[ChoiceText]) -> StageCost:
        every = [*texts.train, *texts.validation]
        kept = score_bytes(len(every), max(len(text.choices) for text in every))
        return self._teach(name, shape, _trees(every))._replace(kept=kept)

    def predict(self, name: str) -> StageCost:
        """The answers to the test documents."""
        shape, ref = (self.old, self.data.old) if name == "old" else (self.new, self.data.new)
        read, batch, logits = (self._read_choices if self.data.task.is_choice else self._generate)(shape, ref)
        return StageCost(
            f"predict-{name}",
            len(self.data.task.test_positions),
            read.tokens,
            steps=None,
            kept=None,
            temporary=0,
            memory=reading_memory(shape, batch, self.bytes, self.accelerator, logits),
            flops=forward_flops(shape, read),
        )

    def _generate(self, shape: Shape, ref: ModelRef) -> tuple[Amount, int, int]:
        """Prompts and the longest answers allowed; tokens of the largest batch; bytes of its logits."""
        task, longest = self.data.task, self.data.longest
        answer = task.longest_answer
        prompts = load_tokenizer(ref.base)([task.prompt(document) for document in self._test_documents()])["input_ids"]
        lengths = [min(len(ids), longest) + answer for ids in prompts]
        batch = min(self.config.predict_batch_size, len(lengths)) * max(lengths)
        return Amount(lengths, answer * len(lengths)), batch, 2 * self.bytes * batch * shape.vocabulary

    def _read_choices(self, shape: Shape, ref: ModelRef) -> tuple[Amount, int, int]:
        """The same of choices, each sample a tree."""
        task = self.data.task
        delimiter = task.harness.config.target_delimiter
        pairs = [
            (task.prompt(document), f"{delimiter}{choice}")
            for document in self._test_documents()
            for choice in task.choices(document)
        ]
        trees, _ = grow(encode_pairs(pairs, load_tokenizer(ref.base)), self.data.longest)
        batch = max(
            len(numbers) * trees[numbers[0]].tokens(apart=False)
            for numbers in batches_of_rows(trees, apart=False, rows=self.config.predict_batch_size)
        )
        read = _trees(trees)
        return read, batch, 2 * 4 * min(read.scored * shape.vocabulary, held_logits(self.accelerator))

    def _test_documents(self) -> list[Document]:
        every = list(self.data.task.harness.eval_docs)
        return [every[i] for i in self.data.task.test_positions]


def _trees(texts: Sequence[Tree]) -> Amount:
    """Samples whose choices are scored, each a tree."""
    return Amount([text.tokens(apart=False) for text in texts], sum(len(ids) for text in texts for ids in text.choices))
