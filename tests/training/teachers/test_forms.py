"""Forms that keep part of a distribution: value and gradient against a plain reference, bounds, draws, extremes."""

from __future__ import annotations

import itertools
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
from stillright.training.teachers.forms import Sampled, TopK, draw, form_of
from stillright.training.teachers.targets import Dense, Drawn, Likeliest

TEMPERATURE = 2.0
MASKS = ["student_wrong", "old_right", "focal", "new_only", "sequence_likelihood"]


def likeliest(entries: int) -> Divergence:
    """KL over the likeliest pieces and one bucket of the others."""

    def divergence(row: int, follow: bool, p: Tensor, log_q: Tensor) -> Tensor:
        kept = sorted(range(len(p)), key=lambda v: -float(p[v].detach()))[:entries]
        others = [v for v in range(len(p)) if v not in kept]
        total = torch.stack([p[v] * (p[v].log() - log_q[v]) for v in kept]).sum()
        p_rest, q_rest = p[others].sum(), log_q[others].exp().sum()
        return total + p_rest * (p_rest.log() - q_rest.log())

    return divergence


def drawn(case: Case, form: Sampled) -> Divergence:
    """Entropy and draws, draw by draw."""

    def divergence(row: int, follow: bool, p: Tensor, log_q: Tensor) -> Tensor:
        ids = case.kept(form, "old" if follow else "new")["ids"][row].tolist()
        return (p * p.log()).sum() - torch.stack([log_q[v] for v in ids]).sum() / form.entries

    return divergence


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("ce_weight", [0.0, 0.3])
@pytest.mark.parametrize("chunk", [2, 1024])
@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("form", [TopK(3, TEMPERATURE), Sampled(5, TEMPERATURE)], ids=["topk", "sampled"])
def test_equals_the_reference(
    form: TopK | Sampled, mask: str, ce_weight: float, chunk: int, frozen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head_loss, "chunk_rows", lambda head: chunk)
    case = Case()
    case.head.weight.requires_grad_(not frozen)
    divergence = likeliest(3) if isinstance(form, TopK) else drawn(case, form)
    sums = case.sums(mask, TEMPERATURE, ce_weight, form)
    student, old, new = case.logits()
    expected = reference(
        student, old, new.detach(), case.labels, case.sequence, mask, TEMPERATURE, ce_weight, divergence
    )
    wanted = [case.student] if frozen else [case.student, case.head.weight]
    torch.testing.assert_close(sums.loss, expected, rtol=1e-9, atol=1e-9)
    for found, right in zip(torch.autograd.grad(sums.loss, wanted), torch.autograd.grad(expected, wanted), strict=True):
        torch.testing.assert_close(found, right, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("mask", MASKS)
def test_all_entries_are_the_whole(mask: str, frozen: bool) -> None:
    case = Case()
    case.head.weight.requires_grad_(not frozen)
    losses = [case.sums(mask, TEMPERATURE, 0.3, form).loss for form in (None, TopK(11, TEMPERATURE))]
    gradients = [torch.autograd.grad(loss, case.student)[0] for loss in losses]
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-9, atol=1e-9)


def test_one_entry_by_hand() -> None:
    # p = (1/2, 1/4, 1/4), q = (1/4, 1/4, 1/2), the first kept: 1/2 ln 2 + 1/2 ln(2/3); whole: 1/2 ln 2 - 1/4 ln 2
    p, log_q = torch.tensor([[0.5, 0.25, 0.25]]), torch.tensor([[0.25, 0.25, 0.5]]).log()
    words = TopK(1, 1.0).keep(p, p.log(), seeded(0))
    assert words["ids"].tolist() == [[0]]
    kl, gradient = Likeliest(words["ids"], words["log_p"]).divergence(log_q.clone())
    assert kl.item() == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3), abs=1e-6)
    # kept: 1/4 - 1/2; others: q_j - 1/2 q_j / (3/4) = q_j / 3
    torch.testing.assert_close(gradient(), torch.tensor([[-1 / 4, 1 / 12, 1 / 6]]))
    exact, _ = Dense(p.log()).divergence(log_q)
    assert exact.item() == pytest.approx(0.25 * math.log(2), abs=1e-6)


def some_logs(rows: int, pieces: int, scale: float = 2.0) -> tuple[Tensor, Tensor]:
    """log p and log q in double precision."""
    generator = seeded(0)
    logits = scale * torch.randn(2, rows, pieces, generator=generator, dtype=torch.float64)
    log_p, log_q = functional.log_softmax(logits, dim=-1)
    return log_p, log_q


def test_more_entries_come_closer_from_below() -> None:
    log_p, log_q = some_logs(40, 9)
    found = []
    for entries in range(1, 10):
        words = TopK(entries, 1.0).keep(log_p, log_p, seeded(0))
        found.append(Likeliest(words["ids"], words["log_p"]).divergence(log_q.clone())[0])
    assert all((less <= more + 1e-12).all() for less, more in itertools.pairwise(found))
    assert (found[0] >= 0).all()
    assert (found[0] < found[-1] - 1e-3).any()  # it is biased
    torch.testing.assert_close(found[-1], Dense(log_p.clone()).divergence(log_q)[0], rtol=1e-9, atol=1e-9)


def test_draws_are_unbiased() -> None:
    """Over 4,000 x 4 draws, every mean within five of its standard deviations of the exact one."""
    rows, entries = 4000, 4
    log_p, log_q = some_logs(1, 5)
    p, q = log_p[0].exp(), log_q[0].exp()
    words = Sampled(entries, 1.0).keep(log_p.expand(rows, 5), log_p.expand(rows, 5), seeded(3))
    kl, gradient = Drawn(words["ids"], words["entropy"]).divergence(log_q.expand(rows, 5).clone())
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
    assert TopK(1, 2.0).keep(logits, logits, seeded(0))["log_p"].exp().tolist() == [[pytest.approx(0.75)]]
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert Sampled(1, 2.0).keep(logits, logits, seeded(0))["entropy"].tolist() == [pytest.approx(entropy)]


@pytest.mark.parametrize("scale", [1.0, 30.0, 300.0])
def test_extremes_stay_finite(scale: float) -> None:
    """Single precision, with tails down to nothing on either side: close to double precision."""
    log_p, log_q = some_logs(50, 12, scale)
    found = []
    for dtype in (torch.float64, torch.float32):
        words = TopK(3, 1.0).keep(log_p.to(dtype), log_p.to(dtype), seeded(0))
        kl, gradient = Likeliest(words["ids"], words["log_p"]).divergence(log_q.to(dtype, copy=True))
        found.append((kl.double(), gradient().double()))
    # 1 - sum(p) is known to 2e-7, and counts as often as the student finds the rest unlikely: up to 12 x scale nats
    torch.testing.assert_close(found[1][0], found[0][0], rtol=1e-5, atol=1e-5 * scale)
    torch.testing.assert_close(found[1][1], found[0][1], rtol=1e-5, atol=1e-5)


def test_no_more_entries_than_pieces() -> None:
    assert form_of(TeachersConfig(form="topk"), 2.0, vocabulary=20) == TopK(20, 2.0)
    assert form_of(TeachersConfig(form="topk", entries=8), 2.0, vocabulary=20) == TopK(8, 2.0)
    assert form_of(TeachersConfig(form="sampled"), 1.5, vocabulary=20) == Sampled(64, 1.5)


def test_parts_have_no_mean() -> None:
    with pytest.raises(ConfigError, match=r"needs whole distributions; use teachers\.form hidden or live"):
        Case().sums("mixture", TEMPERATURE, 0.0, TopK(3, TEMPERATURE))
