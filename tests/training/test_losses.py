"""The loss by hand, against a plain reference, and in the trainer: masks, shift, padding, temperature."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from loss_case import Case, reference_loss
from stillright.forward.heads import LMHead
from stillright.training import head_loss
from stillright.training.compat_loss import CompatLoss
from stillright.training.head_loss import CrossEntropy
from stillright.training.strategies import STRATEGIES, Tokens, focal_weight
from stillright.training.teachers.targets import HiddenStateReader

Divergence = Callable[[Tensor, Tensor, float], float]


@pytest.fixture(params=[True, False], ids=["frozen", "trained"])
def divergence(request: pytest.FixtureRequest) -> Divergence:
    """KL(teacher || student) of logits (N, V), summed over N, as the loss has it with a frozen and a trained head."""

    def measured(teacher: Tensor, student: Tensor, temperature: float) -> float:
        rows, entries = teacher.shape
        old, new = LMHead(torch.eye(entries)), LMHead(torch.eye(entries).requires_grad_(not request.param))
        labels, states = torch.zeros(rows).long(), student.clone().requires_grad_()
        inputs: dict[str, Any] = {"teacher_old": {"hidden": teacher}, "teacher_new": {"hidden": student}}
        inputs |= {"teacher_old_prediction": labels, "teacher_old_logp": torch.zeros(rows)}
        sums = CompatLoss(HiddenStateReader(old), STRATEGIES["old_only"], temperature).batch_sums(
            new, states, labels, labels, **inputs
        )
        assert sums.loss.item() == pytest.approx(sums.kl_old.item())
        return sums.kl_old.item()

    return measured


def test_kl_by_hand(divergence: Divergence) -> None:
    # softmax([ln 3, 0]) = (3/4, 1/4), softmax([0, 0]) = (1/2, 1/2)
    teacher, student = torch.tensor([[math.log(3), 0.0]]), torch.zeros(1, 2)
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert divergence(teacher, student, 1.0) == pytest.approx(expected, abs=1e-6)
    # teacher first: the other direction is 0.5 ln(2/3) + 0.5 ln 2
    backward = 0.5 * math.log(2 / 3) + 0.5 * math.log(2)
    assert divergence(student, teacher, 1.0) == pytest.approx(backward, abs=1e-6)


def test_temperature_matters(divergence: Divergence) -> None:
    # at T = 2, softmax([ln 9, 0] / 2) = (3/4, 1/4); there is no factor T^2
    teacher, student = torch.tensor([[math.log(9), 0.0]]), torch.zeros(1, 2)
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert divergence(teacher, student, 2.0) == pytest.approx(expected, abs=1e-6)
    assert divergence(teacher, student, 1.0) > 2 * expected


def test_kl_of_equals_is_zero_and_never_negative(divergence: Divergence) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(50, 9, generator=generator), torch.randn(50, 9, generator=generator)
    assert divergence(a, a, 2.0) == 0
    assert all(divergence(a[i : i + 1], b[i : i + 1], 2.0) > 0 for i in range(50))


def test_strategies_by_hand() -> None:
    def logs(*probabilities: float) -> Tensor:
        return torch.tensor(probabilities).log()

    tokens = Tokens(
        labels=torch.tensor([5, 5, 5, 5]),
        sequence=torch.tensor([0, 0, 1, 1]),
        student=torch.tensor([5, 5, 6, 6]),
        student_logp=logs(0.5, 0.6, 0.1, 0.4),
        old=torch.tensor([5, 7, 5, 7]),
        old_logp=logs(0.9, 0.1, 0.2, 0.3),
    )
    expected = {
        "student_wrong": [False, False, True, True],
        "old_right": [True, False, True, False],
        "old_only": [True] * 4,
        "focal": [True] * 4,
        "new_only": [False] * 4,
        "mixture": [True] * 4,
        "token_likelihood": [True, False, True, False],
        # text 0: 0.5 * 0.6 = 0.30 against 0.9 * 0.1 = 0.09; text 1: 0.1 * 0.4 = 0.04 against 0.2 * 0.3 = 0.06
        "sequence_likelihood": [False, False, True, True],
    }
    assert {name: strategy.follows_old(tokens).tolist() for name, strategy in STRATEGIES.items()} == expected
    assert focal_weight(tokens).tolist() == [6.0, 1.0, 6.0, 1.0]


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
@pytest.mark.parametrize("ce_weight", [0.0, 0.3])
@pytest.mark.parametrize("chunk", [2, 1024])
@pytest.mark.parametrize("frozen", [True, False])
def test_equals_the_reference(
    strategy: str, ce_weight: float, chunk: int, frozen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head_loss, "chunk_rows", lambda head: chunk)
    case = Case()
    case.head.weight.requires_grad_(not frozen)
    sums = case.sums(strategy, 2.0, ce_weight)
    (gradient,) = torch.autograd.grad(sums.loss, case.student)
    expected = reference_loss(*case.logits(), case.labels, case.sequence, strategy, 2.0, ce_weight)
    (expected_gradient,) = torch.autograd.grad(expected, case.student)
    torch.testing.assert_close(sums.loss, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("chunk", [2, 1024])
@pytest.mark.parametrize("frozen", [True, False])
def test_cross_entropy_equals_torch(chunk: int, frozen: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_loss, "chunk_rows", lambda head: chunk)
    case = Case()
    case.head.weight.requires_grad_(not frozen)
    loss = CrossEntropy().batch_sums(case.head, case.student, case.labels, case.sequence).loss
    expected = functional.cross_entropy(case.student_logits(), case.labels, reduction="sum")
    (gradient,), (expected_gradient,) = (torch.autograd.grad(value, case.student) for value in (loss, expected))
    torch.testing.assert_close(loss, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-9, atol=1e-9)


def test_a_trained_head_gets_its_gradient() -> None:
    case = Case()
    case.head.weight.requires_grad_()
    (gradient,) = torch.autograd.grad(case.sums("student_wrong", 2.0, 0.3).loss, case.head.weight)
    student, old, new = case.logits()  # the new teacher shares the head, but is no path for gradients
    expected = reference_loss(student, old, new.detach(), case.labels, case.sequence, "student_wrong", 2.0, 0.3)
    (expected_gradient,) = torch.autograd.grad(expected, case.head.weight)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_bfloat16_stays_close(strategy: str) -> None:
    """Half-precision head and states: within 0.2 % of the loss, and 0.6 % of the gradient's length."""
    exact, rounded = Case(), Case()
    rounded.head = LMHead(rounded.head.weight.bfloat16(), rounded.head.bias.bfloat16(), 0.7, 9.0)  # type: ignore[union-attr]
    rounded.student = rounded.student.detach().bfloat16().requires_grad_()
    rounded.new = rounded.new.bfloat16()
    losses_ = [case.sums(strategy, 2.0, 0.3).loss for case in (exact, rounded)]
    gradients = [
        torch.autograd.grad(loss, case.student)[0].double()
        for loss, case in zip(losses_, (exact, rounded), strict=True)
    ]
    assert losses_[1].item() == pytest.approx(losses_[0].item(), rel=0.002)
    assert (gradients[1] - gradients[0]).norm() < 0.006 * gradients[0].norm()


class PaddedStudent(Case):
    """The student's head has 15 entries, of which old knows 11; those beyond would be the likeliest."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        weight, bias = (torch.randn(4, *shape, generator=generator, dtype=torch.float64) for shape in ((6,), ()))
        assert self.head.bias is not None
        self.head = self.head._replace(
            weight=torch.cat([self.head.weight, weight]), bias=torch.cat([self.head.bias, bias + 20])
        )
        assert self.old_head.bias is not None
        self.old_head = self.old_head._replace(weight=self.old_head.weight[:11], bias=self.old_head.bias[:11])

    def student_logits(self, hidden: Tensor | None = None) -> Tensor:
        return super().student_logits(hidden)[:, :11]


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
@pytest.mark.parametrize("chunk", [2, 1024])
@pytest.mark.parametrize("frozen", [True, False])
def test_padding_of_the_student_s_head_has_no_part(
    strategy: str, chunk: int, frozen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head_loss, "chunk_rows", lambda head: chunk)
    case = PaddedStudent()
    case.head.weight.requires_grad_(not frozen)
    trained = [case.student, *([] if frozen else [case.head.weight])]
    sums = case.sums(strategy, 2.0, 0.3)
    student, old, new = case.logits()
    expected = reference_loss(student, old, new.detach(), case.labels, case.sequence, strategy, 2.0, 0.3)
    torch.testing.assert_close(sums.loss, expected, rtol=1e-9, atol=1e-9)
    found, wanted = (torch.autograd.grad(loss, trained) for loss in (sums.loss, expected))
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)


def test_parts_add_up() -> None:
    sums = Case().sums("student_wrong", 2.0, 0.0)
    assert 0 < int(sums.follow_old) < 7
    torch.testing.assert_close(sums.loss, sums.kl_old + sums.kl_new)


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
@pytest.mark.parametrize("frozen", [True, False])
def test_sums_of_nothing_are_zeros(strategy: str, frozen: bool) -> None:
    case = Case()
    case.head.weight.requires_grad_(not frozen)
    states = case.student  # the leaf
    case.student, case.labels, case.sequence = states[:0], case.labels[:0], case.sequence[:0]
    case.old, case.new = case.old[:0], case.new[:0]
    loss = CompatLoss(HiddenStateReader(case.old_head), STRATEGIES[strategy], 2.0, 0.3)
    nothing = torch.zeros(0)
    columns = {"old": {"hidden": case.old}, "new": {"hidden": case.new}}
    inputs = {**columns, "old_prediction": case.labels, "old_logp": nothing}
    rows = {f"teacher_{name}": values for name, values in inputs.items()}
    for sums in (
        loss.batch_sums(case.head, case.student, case.labels, case.sequence, **rows),
        CrossEntropy().batch_sums(case.head, case.student, case.labels, case.sequence),
    ):
        assert [float(value.detach()) for value in sums] == [0.0] * 5
        (gradient,) = torch.autograd.grad(sums.loss, states)
        assert not gradient.any()


@pytest.mark.parametrize("mask", sorted(STRATEGIES))
def test_trainer_shifts_labels_and_ignores_padding(bases: tuple[Path, Path], tmp_path: Path, mask: str) -> None:
    """A padded batch in the trainer equals the formula, text by text, on full logits of three live models."""
    from peft import get_peft_model
    from rich.console import Console

    from caches import cached
    from stillright.config import LoraConfig, TrainingConfig
    from stillright.models import ModelRef, Source, load_base, load_tokenizer
    from stillright.progress import Progress
    from stillright.training.align import AlignTrainer
    from stillright.training.compat_config import CompatConfig
    from stillright.training.lora import lora_config
    from stillright.training.settings import Job, training_arguments
    from stillright.training.teachers.cached_teachers import CachedTeachers
    from stillright.training.text import Text, as_dataset

    texts = [Text([5, 6, 7, 8, 9, 10, 11]), Text([12, 13, 14]), Text([15, 16, 17, 18])]
    old, new = (load_base(Source(str(base)), torch.float32) for base in bases)
    progress = Progress(Console(quiet=True))
    student = get_peft_model(new, lora_config(LoraConfig(r=4, alpha=8), ModelRef.parse(str(bases[1]))))
    for name, teacher in (("old", old), ("new", student)):
        cached(teacher, texts, tmp_path / name)
    _shake(student)
    training = TrainingConfig(epochs=1, batch_size=3)
    job = Job("align", training, 0, torch.float32, tmp_path / "work", tmp_path / "out", progress)
    trainer = AlignTrainer(
        model=student,
        args=CompatConfig(**training_arguments(job, 3), mask=mask),
        old_model=CachedTeachers.open(tmp_path / "old", tmp_path / "new"),
        train_dataset=as_dataset(texts),
        eval_dataset=as_dataset(texts),
        processing_class=load_tokenizer(Source(str(bases[1]))),
    )
    batch = trainer.data_collator([trainer.train_dataset[i] for i in (2, 0, 1)])
    assert batch["input_ids"].shape == (3, 8)  # padded to a multiple of eight
    with torch.no_grad():
        loss = trainer.compute_loss(trainer.model, dict(batch))
        total = sum(_live_loss(student, old, text.ids, mask) for text in texts)
    torch.testing.assert_close(loss, total / sum(len(text.scored) for text in texts), rtol=1e-4, atol=1e-6)


def _shake(model: Any) -> None:
    """Moves the student away from the new teacher, which it equals at the start."""
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.5)


def _live_loss(student: Any, old: Any, ids: list[int], mask: str) -> Tensor:
    batch = torch.tensor([ids])
    with student.disable_adapter():
        new_logits = student(input_ids=batch).logits[0, :-1]
    student_logits = student(input_ids=batch).logits[0, :-1]
    old_logits = old(input_ids=batch).logits[0, :-1]
    return reference_loss(
        student_logits, old_logits, new_logits, batch[0, 1:], torch.zeros(len(ids) - 1), mask, 2.0, 0.0
    )
