"""A batch in double precision, small enough to be worked out token by token, and the loss as the papers write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from stillright.forward.heads import LMHead
from stillright.training.compat_loss import CompatLoss
from stillright.training.head_loss import LossSums
from stillright.training.strategies import STRATEGIES
from stillright.training.teachers.forms import Columns, Sampled
from stillright.training.teachers.targets import DrawsReader, HiddenStateReader, TargetReader

Divergence = Callable[[int, bool, Tensor, Tensor], Tensor]  # (row, whether it follows old, p, log q) -> scalar


def whole(row: int, follow: bool, p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p || q), token by token."""
    return torch.stack([p[v] * (torch.log(p[v]) - log_q[v]) for v in range(len(p))]).sum()


def reference_loss(
    student: Tensor,
    old: Tensor,
    new: Tensor,
    labels: Tensor,
    sequence: Tensor,
    name: str,
    t: float,
    ce: float,
    divergence: Divergence = whole,
) -> Tensor:
    """The formula on logits (N, V), token by token, written as it stands in the papers."""
    log_c, log_old = (functional.log_softmax(logits, dim=-1) for logits in (student, old))
    total = student.new_zeros(())
    for i, y in enumerate(labels.tolist()):
        same = [j for j in range(len(labels)) if sequence[j] == sequence[i]]
        follow = {
            "student_wrong": bool(student[i].argmax() != y),
            "old_right": bool(old[i].argmax() == y),
            "new_only": False,
            "token_likelihood": bool(log_c[i, y] < log_old[i, y]),
            "sequence_likelihood": sum(log_c[j, labels[j]] for j in same) < sum(log_old[j, labels[j]] for j in same),
        }.get(name, True)
        p = functional.softmax((old if follow else new)[i] / t, dim=-1)
        if name == "mixture":
            p = (functional.softmax(old[i] / t, dim=-1) + functional.softmax(new[i] / t, dim=-1)) / 2
        weight = 1 + 5 * int(old[i].argmax() == y) if name == "focal" else 1
        log_q = functional.log_softmax(student[i] / t, dim=-1)
        kl = divergence(i, bool(follow), p, log_q)
        total = total + (1 - ce) * weight * kl - ce * log_c[i, y]
    return total


def seeded(seed: int) -> torch.Generator:
    """A generator of draws."""
    return torch.Generator().manual_seed(seed)


class Case:
    """Hidden states of 7 tokens of 3 texts in fp64, heads of 11 and 13 entries (old is padded), right labels."""

    def __init__(self) -> None:
        generator = seeded(0)

        def draw(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        self.head = LMHead(draw(11, 6), bias=draw(11), scale=0.7, softcap=9.0)
        self.old_head = LMHead(draw(13, 4), bias=draw(13), softcap=5.0)
        self.student = draw(7, 6).requires_grad_()
        self.old, self.new = draw(7, 4), draw(7, 6)
        self.labels = torch.randint(0, 11, (7,), generator=generator)
        self.labels[:3] = self.student_logits().argmax(-1)[:3]  # some right, some wrong
        self.sequence = torch.tensor([0, 0, 1, 1, 1, 2, 2])

    def student_logits(self, hidden: Tensor | None = None) -> Tensor:
        hidden = self.student if hidden is None else hidden
        assert self.head.bias is not None
        return 9.0 * torch.tanh(0.7 * (hidden @ self.head.weight.T + self.head.bias) / 9.0)

    def logits(self) -> tuple[Tensor, Tensor, Tensor]:
        assert self.old_head.bias is not None
        old = 5.0 * torch.tanh((self.old @ self.old_head.weight.T + self.old_head.bias) / 5.0)
        return self.student_logits(), old[:, :11], self.student_logits(self.new)

    def kept(self, form: Sampled, role: str) -> Columns:
        """What a form keeps of the logits of a teacher."""
        _, old, new = self.logits()
        logits, seed = (old, 1) if role == "old" else (new, 2)
        return form.keep(self.student, logits.detach(), seeded(seed))

    def teachers(self) -> dict[str, Any]:
        old = self.logits()[1]
        logp = functional.log_softmax(old, dim=-1)[torch.arange(7), self.labels]
        columns = {"old": {"hidden": self.old}, "new": {"hidden": self.new}}
        return {**columns, "old_prediction": old.argmax(-1), "old_logp": logp}

    def sums(self, strategy: str, temperature: float, ce_weight: float, form: Sampled | None = None) -> LossSums:
        """As CompatLoss has them, of states or of what a form keeps of them."""
        reader: TargetReader = HiddenStateReader(self.old_head)
        known = self.teachers()
        if form is not None:
            reader = DrawsReader(11)
            known |= {name: self.kept(form, name) for name in ("old", "new")}
        loss = CompatLoss(reader, STRATEGIES[strategy], temperature, ce_weight)
        teacher = {f"teacher_{name}": values for name, values in known.items()}
        return loss.batch_sums(self.head, self.student, self.labels, self.sequence, **teacher)
