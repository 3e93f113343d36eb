"""Draws from a distribution: value and gradient against a plain reference, bounds, seeds, extremes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from loss_case import Case, Divergence, seeded
from loss_case import reference_loss as reference
from stillright.config import TeachersConfig
from stillright.errors import ConfigError
from stillright.training import head_loss
from stillright.training.teachers.forms import Hidden, Sampled, draw, form_of
from stillright.training.teachers.targets import Drawn

TEMPERATURE = 2.0
FORM = Sampled(5, TEMPERATURE)


def drawn(case: Case) -> Divergence:
    """Entropy and draws, draw by draw."""

    def divergence(row: int, follow: bool, p: Tensor, log_q: Tensor) -> Tensor:
        ids = case.kept(FORM, "old" if follow else "new")["ids"][row].tolist()
        return (p * p.log()).sum() - torch.stack([log_q[v] for v in ids]).sum() / FORM.entries

    return divergence


@pytest.mark.parametrize("mask", ["student_wrong", "old_right", "focal", "new_only", "sequence_likelihood"])
@pytest.mark.parametrize("ce_weight", [0.0, 0.3])
@pytest.mark.parametrize("chunk", [2, 1024])
@pytest.mark.parametrize("frozen", [True, False])
def test_equals_the_reference(
    mask: str, ce_weight: float, chunk: int, frozen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head_loss, "chunk_rows", lambda head: chunk)
    case = Case()
    case.head.weight.requires_grad_(not frozen)
    sums = case.sums(mask, TEMPERATURE, ce_weight, FORM)
    student, old, new = case.logits()
    expected = reference(
        student, old, new.detach(), case.labels, case.sequence, mask, TEMPERATURE, ce_weight, drawn(case)
    )
    wanted = [case.student] if frozen else [case.student, case.head.weight]
    torch.testing.assert_close(sums.loss, expected, rtol=1e-9, atol=1e-9)
    for found, right in zip(torch.autograd.grad(sums.loss, wanted), torch.autograd.grad(expected, wanted), strict=True):
        torch.testing.assert_close(found, right, rtol=1e-9, atol=1e-9)


def test_draws_by_hand() -> None:
    # p = (1/2, 1/2, 0) drew 0, 0, 1; q = (1/4, 1/2, 1/4): -ln 2 + 2/3 ln 4 + 1/3 ln 2 = 2/3 ln 2
    log_q = torch.tensor([[0.25, 0.5, 0.25]]).log()
    kl, gradient = Drawn(torch.tensor([[0, 0, 1]]), torch.tensor([math.log(2)])).divergence(log_q)
    assert kl.item() == pytest.approx(2 / 3 * math.log(2), abs=1e-6)
    torch.testing.assert_close(gradient(), torch.tensor([[1 / 4 - 2 / 3, 1 / 2 - 1 / 3, 1 / 4]]))


def some_logs(rows: int, entries: int, scale: float = 2.0) -> tuple[Tensor, Tensor]:
    """log p and log q in double precision."""
    logits = scale * torch.randn(2, rows, entries, generator=seeded(0), dtype=torch.float64)
    log_p, log_q = functional.log_softmax(logits, dim=-1)
    return log_p, log_q


def test_draws_are_unbiased() -> None:
    """Over 4,000 x 4 draws, every mean within five of its standard deviations of the exact one."""
    rows, entries = 4000, 4
    log_p, log_q = some_logs(1, 5)
    p, q = log_p[0].exp(), log_q[0].exp()
    kept = Sampled(entries, 1.0).keep(log_p.expand(rows, 5), log_p.expand(rows, 5), seeded(3))
    kl, gradient = Drawn(kept["ids"], kept["entropy"]).divergence(log_q.expand(rows, 5).clone())
    spread = (p * (1 - p) / (entries * rows)).sqrt()
    assert ((gradient().mean(0) - (q - p)).abs() < 5 * spread).all()
    variance = (p * log_q[0] ** 2).sum() - (p * log_q[0]).sum() ** 2
    exact = (p * (log_p[0] - log_q[0])).sum()
    assert abs(kl.mean() - exact) < 5 * (variance / (entries * rows)).sqrt()


def test_draws_know_their_seed_and_nothing_impossible() -> None:
    p = torch.tensor([0.0, 0.5, 0.0, 0.5, 0.0]).expand(100, 5)
    ids = draw(p, 20, seeded(7))
    assert ids.shape == (100, 20)
    assert set(ids.unique().tolist()) == {1, 3}
    assert torch.equal(ids, draw(p, 20, seeded(7)))
    assert not torch.equal(ids, draw(p, 20, seeded(8)))
    assert len({tuple(row) for row in ids.tolist()}) == 100  # each row has draws of its own
    generator = seeded(7)
    assert torch.equal(ids, torch.cat([draw(part, 20, generator) for part in p.split([1, 0, 64, 35])]))


def test_a_temperature_is_that_of_what_is_kept() -> None:
    # softmax([ln 9, 0] / 2) = (3/4, 1/4)
    logits = torch.tensor([[math.log(9), 0.0]])
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    kept = Sampled(4000, 2.0).keep(logits, logits, seeded(0))
    assert kept["entropy"].tolist() == [pytest.approx(entropy)]
    assert (kept["ids"] == 0).float().mean().item() == pytest.approx(0.75, abs=0.035)  # five standard deviations


@pytest.mark.parametrize("scale", [1.0, 30.0, 300.0])
def test_extremes_stay_finite(scale: float) -> None:
    """Single precision, with tails down to nothing on either side: close to double precision."""
    log_p, log_q = some_logs(50, 12, scale)
    found = []
    for dtype in (torch.float64, torch.float32):
        kept = Sampled(3, 1.0).keep(log_p.to(dtype), log_p.to(dtype), seeded(0))
        kl, gradient = Drawn(kept["ids"], kept["entropy"]).divergence(log_q.to(dtype, copy=True))
        found.append((kl.double(), gradient().double()))
    torch.testing.assert_close(found[1][0], found[0][0], rtol=1e-5, atol=1e-5 * scale)
    torch.testing.assert_close(found[1][1], found[0][1], rtol=1e-5, atol=1e-5)


def test_forms_of_a_configuration() -> None:
    assert form_of(TeachersConfig(form="sampled"), 1.5) == Sampled(64, 1.5)
    assert form_of(TeachersConfig(form="hidden", entries=8), 1.5) == Hidden()


def test_draws_have_no_mean() -> None:
    with pytest.raises(ConfigError, match=r"needs whole distributions; use teachers\.form hidden or live"):
        Case().sums("mixture", TEMPERATURE, 0.0, FORM)
