"""Teachers, run once: the hidden states before the LM head, for every training and validation text.

Training text is fixed, so what a teacher says never changes over epochs. Kept in memory, in the dtype it was computed
in: 2 H bytes a token in bfloat16. The loss turns rows into logits with the teacher's head.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from stillright.progress import Progress
from stillright.training.heads import LMHead, lm_head
from stillright.training.text import Ids

BATCH_TOKENS = 4096


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


def _batches(texts: list[Ids]) -> Iterator[list[int]]:
    """Numbers of texts of like length, at most BATCH_TOKENS together, padding counted."""
    batch: list[int] = []
    for i in sorted(range(len(texts)), key=lambda i: len(texts[i])):
        if batch and len(texts[i]) * (len(batch) + 1) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


@torch.no_grad()
def run_teacher(model: Any, texts: list[Ids], progress: Progress, label: str) -> Teacher:
    """What `model` (base or PeftModel) says after every prefix of `texts`."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    head = lm_head(base)
    starts = [0]
    for ids in texts:
        starts.append(starts[-1] + len(ids) - 1)
    hidden = torch.empty(starts[-1], head.weight.shape[1], dtype=base.dtype)
    prediction, logp = torch.empty(starts[-1], dtype=torch.int64), torch.empty(starts[-1])
    device = head.weight.device
    training = model.training
    model.eval()
    with progress.bar(label, sum(map(len, texts))) as bar:
        for batch in _batches(texts):
            padded = pad_sequence([torch.tensor(texts[i]) for i in batch], batch_first=True).to(device)
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=base.dtype == torch.bfloat16):
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
    model.train(training)
    return Teacher(hidden, prediction, logp, starts, head)
