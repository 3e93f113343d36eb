"""Old and new answer together outside of any task, for those who serve both: as an ensemble's predictions do."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from stillright.errors import ConfigError, ModelError
from stillright.models import ModelRef, Source, compute_dtype
from stillright.models.memory import shares_weights, source_of
from stillright.prediction.harness_model import HarnessModel, asked, loaded_to_answer
from stillright.tasks.ranking import chosen
from stillright.tokenizers import refuse_other_tokens, refuse_other_words

BATCH = 16  # prompts at once, as in update.yaml unless told otherwise
AS_READ = sys.maxsize  # tokens: as many as the models read
ONE_TOKENIZER = "an ensemble generates only with one tokenizer"


class Ensemble:
    """Two models that answer together: each choice, or next token, has the mean of their log-likelihoods.

    old, new: each "base[@revision][+adapter]", loaded on this process's device, in bfloat16 where that has it; or a
    base or PeftModel in memory, on any device, with the tokenizer of where its base was loaded from. Both stay in
    memory, in evaluation mode, and both run for each answer.
    Raises ModelError for what cannot be loaded, or for two models in memory that share weights.
    """

    def __init__(self, old: str | PreTrainedModel | PeftModel, new: str | PreTrainedModel | PeftModel) -> None:
        found = [_found(model) for model in (old, new)]
        self._models = [model for model, _ in found]
        self._bases = [base for _, base in found]
        if shares_weights(*self._models):
            raise ModelError("old: shares weights with new, whose adapter changes them; load it anew, or give its name")
        self._each = [asked([model], [base], BATCH, AS_READ) for model, base in found]

    @cached_property
    def _together(self) -> HarnessModel:
        """Both as they generate. Raises ModelError where a token is another word for one than for the other."""
        tokenizers = [lm.tokenizer for lm in self._each]
        special = {token for tokenizer in tokenizers for token in tokenizer.added_tokens_decoder}
        shared = range(min(map(len, tokenizers)))
        refuse_other_words([token for token in shared if token not in special], *tokenizers)
        return asked(self._models, self._bases, BATCH, AS_READ)

    def choose(self, prompt: str, choices: Sequence[str], delimiter: str = " ") -> int:
        """The number, from 0, of the choice that is likeliest on average, the first of equal ones: metric acc.

        delimiter: between prompt and choice, as in a task. The models may have tokenizers of their own.
        Raises ConfigError for no choices, DataError for one that is no token or more than the models read.
        """
        _refuse_no_list(choices=choices)
        pairs = [(prompt, f"{delimiter}{choice}") for choice in choices]
        each = torch.tensor([lm.log_likelihoods(pairs) for lm in self._each], dtype=torch.float64)  # (2, K)
        return int(chosen(each.mean(dim=0)))

    def generate(self, prompts: Sequence[str], max_new_tokens: int = 64, stop: Sequence[str] = ("\n\n",)) -> list[str]:
        """What both say after each prompt, token by token, greedily; up to a text of `stop`, without blanks around it.

        A prompt that is too long loses its start.
        Raises ConfigError for no prompts, or answers that leave no room for any; ModelError where the models have not
        one tokenizer.
        """
        _refuse_no_list(prompts=prompts, stop=stop)
        lm = self._together
        old, new = (each.tokenizer(list(prompts))["input_ids"] for each in self._each)
        refuse_other_tokens(old, new, ONE_TOKENIZER, "prompt")
        if max_new_tokens >= lm.max_length:
            raise ConfigError(f"max_new_tokens={max_new_tokens}: the models read only {lm.max_length}, with the prompt")
        return [text.strip() for text in lm.continuations(prompts, max_new_tokens, stop)]


def _found(model: Any) -> tuple[Any, Source]:
    """The model, loaded where it is named, and its base."""
    if not isinstance(model, str):
        return model, source_of(model)
    ref = ModelRef.parse(model)
    return loaded_to_answer(ref, compute_dtype("auto")), ref.base


def _refuse_no_list(**arguments: Sequence[str]) -> None:
    for name, values in arguments.items():
        if isinstance(values, str) or not values:
            raise ConfigError(f"{name}={values!r}: expected a list of at least one text")
