"""Forms of a teacher's output at a position: what is kept of its states and logits.

hidden: the state before the LM head. sampled: draws. The draws are the idea of Anshumann et al., 2025, "Sparse Logit
Sampling", whose proposal is p to the power t; here it is p itself, t = 1. Whatever the form, two numbers are kept for
the masks: the most likely token and the log-probability of the label.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from stillright.config import TeachersConfig

DRAWN_AT_ONCE = 64  # rows whose sums of probabilities are held in double precision
Columns = dict[str, Tensor]  # name -> (N, ...): what is kept of N positions
Kinds = dict[str, tuple[tuple[int, ...], torch.dtype]]  # name -> shape and dtype of what is kept of one


class Hidden(NamedTuple):
    """The state before the LM head, in the dtype it was computed in; the head turns it into a whole distribution."""

    form: Literal["hidden"] = "hidden"

    def columns(self, width: int, dtype: torch.dtype) -> Kinds:
        """Names and kinds of what is kept, for a model of this width and dtype."""
        return {"hidden": ((width,), dtype)}

    def keep(self, states: Tensor, logits: Tensor, generator: torch.Generator) -> Columns:
        """What is kept of states (N, H) and logits (N, V); generator: of draws, on the CPU."""
        return {"hidden": states}


class Sampled(NamedTuple):
    """Tokens drawn with replacement from the distribution at the temperature, and its entropy."""

    entries: int
    temperature: float
    form: Literal["sampled"] = "sampled"

    def columns(self, width: int, dtype: torch.dtype) -> Kinds:
        return {"ids": ((self.entries,), torch.int32), "entropy": ((), torch.float32)}

    def keep(self, states: Tensor, logits: Tensor, generator: torch.Generator) -> Columns:
        """See Hidden; rows draw one after another: the same tokens however rows are cut, and on any device."""
        log_p = functional.log_softmax(logits / self.temperature, dim=-1)
        p = log_p.exp()
        return {"ids": draw(p, self.entries, generator), "entropy": -torch.linalg.vecdot(p, log_p)}


Form = Hidden | Sampled
FORMS: dict[str, type[Form]] = {"hidden": Hidden, "sampled": Sampled}


def form_of(config: TeachersConfig, temperature: float) -> Form:
    """The form that update.yaml asks for, of teachers that are cached."""
    return Sampled(config.entries, temperature) if config.form == "sampled" else Hidden()


def draw(p: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """(N, count) tokens drawn with replacement from each row of p (N, V).

    In double precision: sums in single precision would leave out tokens of a large vocabulary.
    """
    below = torch.rand(len(p), count, dtype=torch.float64, generator=generator).to(p.device)
    drawn = [_tokens_at(*part) for part in zip(p.split(DRAWN_AT_ONCE), below.split(DRAWN_AT_ONCE), strict=True)]
    return torch.cat(drawn)


def _tokens_at(p: Tensor, shares: Tensor) -> Tensor:
    """The tokens (n, count) at which `shares` (n, count) of all probability is reached."""
    up_to = p.double().cumsum(dim=-1)
    return torch.searchsorted(up_to, shares * up_to[:, -1:], right=True).clamp_max(p.shape[1] - 1)


def prediction_and_logp(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The most likely token of logits (N, V), and the log-probability of the label: (N,) each."""
    return logits.argmax(dim=-1), -functional.cross_entropy(logits, labels, reduction="none")
