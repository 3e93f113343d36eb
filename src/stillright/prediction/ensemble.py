"""Models that generate one answer together: the next token has the greatest mean of their log-probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import LogitsProcessor

from stillright.errors import TaskError
from stillright.models import Source, load_tokenizer
from stillright.tasks import Task
from stillright.tokenizers import refuse_other_tokens


class Companion:
    """The logits of a model (base or PeftModel) for texts that grow by a token a call, and are padded on the left.

    attention_mask: (B, L), of the texts at the first call.
    """

    def __init__(self, model: Any, attention_mask: Tensor) -> None:
        self.model = model
        self.model.generation_config.cache_implementation = None  # one of a fixed size would end with the first call
        self.mask = attention_mask.to(model.device)
        self.cache: Any = None  # of the tokens read so far; it stays None where an architecture has none of this kind

    def logits(self, ids: Tensor) -> Tensor:
        """(B, V) in float32, of the token after `ids` (B, L), where these are."""
        asked, ids = ids.device, ids.to(self.model.device)
        self.mask = functional.pad(self.mask, (0, ids.shape[1] - self.mask.shape[1]), value=1)
        step = self.model.generate(
            input_ids=ids,
            attention_mask=self.mask,
            past_key_values=self.cache,
            max_length=ids.shape[1] + 1,
            do_sample=False,
            use_cache=True,
            output_logits=True,  # before anything is banned
            return_dict_in_generate=True,
        )
        self.cache = step.past_key_values
        logits: Tensor = step.logits[0]
        return logits.to(asked, torch.float32)


class MeanLogits(LogitsProcessor):
    """The mean of what the generating model and others say of the next token, over the pieces that all know.

    The mean of logits is that of log-probabilities, up to a constant for each text. What the generating model may not
    say has -inf, and keeps it.
    """

    def __init__(self, others: Sequence[Any], attention_mask: Tensor) -> None:
        self.others = [Companion(model, attention_mask) for model in others]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """(B, V) for the texts `input_ids` (B, L) and the generating model's `scores`."""
        every = [scores, *(other.logits(input_ids) for other in self.others)]
        shared = min(logits.shape[1] for logits in every)
        return torch.stack([logits[:, :shared] for logits in every]).mean(dim=0)


def refuse_unlike(task: Task, bases: Sequence[Source]) -> None:
    """Raises TaskError for a task that searches for answers in beams, ModelError where the tokenizers of the bases cut
    some training text differently."""
    beams = task.generation.get("num_beams", 1)
    if beams != 1:
        raise TaskError(f"task {task.name}: an ensemble generates greedily, but the task has num_beams {beams}")
    texts = [task.prompt(document) + task.right_answer(document) for document in task.train_documents]
    first, *others = (load_tokenizer(base)(texts)["input_ids"] for base in bases)
    rule = f"task {task.name}: its answers are generated, but an ensemble generates only with one tokenizer"
    for ids in others:
        refuse_other_tokens(first, ids, rule)
