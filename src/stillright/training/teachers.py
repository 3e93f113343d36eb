"""Teachers, run once: the hidden states before the LM head, for every training and validation text.

Training text is fixed, so what a teacher says never changes over epochs. Kept in memory, in the dtype it was computed
in: 2 H bytes a token in bfloat16. The loss turns rows into logits with the teacher's head.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from stillright.progress import Progress
from stillright.training.heads import LMHead, lm_head
from stillright.training.text import Ids, batches


class Teacher(NamedTuple):
    """One row a next-token position, text after text; a text of L ids has L - 1 rows."""

    hidden: Tensor  # (rows, H)
    prediction: Tensor  # (rows,) most likely next token
    logp: Tensor  # (rows,) log-probability of the next token that is there, float32
    starts: list[int]  # first row of every text, and the number of rows last
    head: LMHead

    def rows(self, text: int) -> slice:
        """Where the rows of `text` stand."""
        return slice(self.starts[text], self.starts[text + 1])


@contextmanager
def evaluating(model: Any) -> Iterator[Any]:
    """The model without an adapter's wrapper, in evaluation mode for as long as the context lasts."""
    training = model.training
    model.eval()
    yield model.get_base_model() if hasattr(model, "get_base_model") else model
    model.train(training)


def autocast(model: Any) -> Any:
    """Mixed precision as in training: bfloat16 where the weights are."""
    return torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=model.dtype == torch.bfloat16)


@torch.no_grad()
def run_teacher(model: Any, texts: list[Ids], progress: Progress, label: str) -> Teacher:
    """What `model` (base or PeftModel) says after every prefix of `texts`."""
    starts = [0]
    for ids in texts:
        starts.append(starts[-1] + len(ids) - 1)
    prediction, logp = torch.empty(starts[-1], dtype=torch.int64), torch.empty(starts[-1])
    with progress.bar(label, sum(map(len, texts))) as bar, evaluating(model) as base:
        head = lm_head(base)
        hidden = torch.empty(starts[-1], head.weight.shape[1], dtype=base.dtype)
        for batch in batches([len(ids) for ids in texts]):
            padded = pad_sequence([torch.tensor(texts[i]) for i in batch], batch_first=True).to(base.device)
            with autocast(base):
                # right padding: no real position sees a padded one
                states = base.base_model(input_ids=padded, use_cache=False).last_hidden_state.to(base.dtype)
            for i, text_states in zip(batch, states, strict=True):
                rows = slice(starts[i], starts[i + 1])
                kept = text_states[: len(texts[i]) - 1]
                hidden[rows] = kept.cpu()
                logits = head.logits(kept, len(head.weight))
                prediction[rows] = logits.argmax(dim=-1).cpu()
                logp[rows] = -functional.cross_entropy(logits, padded.new_tensor(texts[i][1:]), reduction="none").cpu()
            bar.advance(tokens=sum(len(texts[i]) for i in batch))
    return Teacher(hidden, prediction, logp, starts, head)
