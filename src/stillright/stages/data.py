"""What the stages of one update read: its models, its task, and the training texts in the tokens of each base."""

from __future__ import annotations

from typing import TypeVar

from stillright.config import StrategyConfig, UpdateConfig
from stillright.errors import ModelError, TaskError
from stillright.models import ModelRef, Source, compute_dtype, load_tokenizer, longest_text, shared_vocabulary
from stillright.tasks import Task, load_task
from stillright.tokenizers import refuse_other_tokens
from stillright.training.choice.texts import ChoiceText, encode_choices, encode_unlabelled
from stillright.training.encode import encode_prompts, encode_texts
from stillright.training.text import Text, Texts, split_texts

T = TypeVar("T")
ONE_TOKENIZER = "only the choice strategies (choice, choice_mixture, choice_ce) work with two tokenizers"


class Data:
    """Read from files and tokenizers only; no weights are loaded, and nothing is written."""

    def __init__(self, config: UpdateConfig, task: Task | None = None) -> None:
        """task: the task of `config`, where it has been read already."""
        self.config = config
        self.old = ModelRef.parse(config.old)
        self.new = ModelRef.parse(config.new)
        self.task = task or load_task(config.task, config.split_seed)
        self.dtype = compute_dtype(config.dtype)
        self.longest = longest_text((self.old.base, self.new.base), config.training.max_length)
        self._refuse_long_answers()
        self._encoded: dict[Source, list[Text]] = {}

    @property
    def shared_vocabulary(self) -> int:
        """Number of the first vocabulary entries that both bases have."""
        return shared_vocabulary((self.old.base, self.new.base))

    def texts(self, base: Source) -> Texts[Text]:
        """The training texts in the tokens of a base."""
        if base not in self._encoded:
            loss_on = self.config.training.loss_on
            self._encoded[base] = encode_texts(self.task, load_tokenizer(base), self.longest, loss_on)
        return self._split(self._encoded[base])

    def aligned_texts(self, base: Source) -> Texts[Text]:
        """The same, with the prompts without answers added to the training part."""
        texts = self.texts(base)
        if not self.task.unlabelled:
            return texts
        further = encode_prompts(self.task, load_tokenizer(base), self.longest)
        return Texts([*texts.train, *further], texts.validation)

    def choices(self, base: Source) -> Texts[ChoiceText]:
        """The same samples as trees of choices."""
        return self._split(encode_choices(self.task, load_tokenizer(base), self.longest))

    def aligned_choices(self, base: Source) -> Texts[ChoiceText]:
        """The same, with the rows without answers added to the training part."""
        texts, further = self.choices(base), self.task.unlabelled_choices()
        if not further:
            return texts
        trees = encode_unlabelled(self.task, further, load_tokenizer(base), self.longest)
        return Texts([*texts.train, *trees], texts.validation)

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
            if ref.adapter is None:
                raise ModelError(f"model {ref}: align needs a task adapter; give {ref}+ADAPTER, made by stillright fit")

    def refuse_misfits(self, strategy: StrategyConfig) -> None:
        """Raises ModelError where tokens are distilled but cut differently by the two tokenizers; TaskError where
        choices are distilled, or choose the checkpoint, but the task has none; DataError where an unlabelled row has
        no choices."""
        if strategy.choose == "flips" and not self.task.is_choice:
            raise TaskError(
                f"task {self.task.name}: its answers are generated, but strategy.choose flips needs choices; "
                "take strategy.choose=loss"
            )
        if not strategy.is_choice:
            old, new = (
                [*cut.train, *cut.validation]
                for cut in (self.aligned_texts(self.old.base), self.aligned_texts(self.new.base))
            )
            refuse_other_tokens(old, new, ONE_TOKENIZER)
        elif not self.task.is_choice:
            raise TaskError(
                f"task {self.task.name}: its answers are generated, but strategy.mask {strategy.mask} needs choices"
            )
        else:
            self.task.unlabelled_choices()
