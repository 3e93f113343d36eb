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

from stillright.training import losses
from stillright.training.losses import MASKS, CompatLoss, LMHead, Predictions, kl_divergence


def test_kl_by_hand() -> None:
    # softmax([ln 3, 0]) = (3/4, 1/4), softmax([0, 0]) = (1/2, 1/2)
    teacher, student = torch.tensor([[math.log(3), 0.0]]), torch.zeros(1, 2)
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert kl_divergence(teacher, student, 1.0).item() == pytest.approx(expected, abs=1e-6)
    # teacher first: the other direction is 0.5 ln(2/3) + 0.5 ln 2
    backward = 0.5 * math.log(2 / 3) + 0.5 * math.log(2)
    assert kl_divergence(student, teacher, 1.0).item() == pytest.approx(backward, abs=1e-6)


def test_temperature_matters() -> None:
    # at T = 2, softmax([ln 9, 0] / 2) = (3/4, 1/4); there is no factor T^2
    teacher, student = torch.tensor([[math.log(9), 0.0]]), torch.zeros(1, 2)
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert kl_divergence(teacher, student, 2.0).item() == pytest.approx(expected, abs=1e-6)
    assert kl_divergence(teacher, student, 1.0).item() > 2 * expected


def test_kl_of_equals_is_zero_and_never_negative() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(50, 9, generator=generator), torch.randn(50, 9, generator=generator)
    assert kl_divergence(a, a, 2.0).abs().max() == 0
    assert (kl_divergence(a, b, 2.0) > 0).all()


def test_masks_by_hand() -> None:
    predictions = Predictions(torch.tensor([5, 5, 6, 6]), torch.tensor([5, 7, 5, 7]), torch.tensor([5, 5, 5, 5]))
    expected = {
        "student_wrong": [False, False, True, True],
        "old_right": [True, False, True, False],
        "old_only": [True] * 4,
        "new_only": [False] * 4,
    }
    assert {name: mask(predictions).tolist() for name, mask in MASKS.items()} == expected


def reference_loss(student: Tensor, old: Tensor, new: Tensor, labels: Tensor, mask: str, t: float, ce: float) -> Tensor:
    """The paper's formula on logits (N, V), written as it stands there."""
    follow = {
        "student_wrong": student.argmax(-1) != labels,
        "old_right": old.argmax(-1) == labels,
        "old_only": torch.full_like(labels, 1).bool(),
        "new_only": torch.full_like(labels, 0).bool(),
    }[mask]
    total = student.new_zeros(())
    for i in range(len(labels)):
        teacher = old[i] if follow[i] else new[i]
        p = functional.softmax(teacher / t, dim=-1)
        q = functional.softmax(student[i] / t, dim=-1)
        kl = sum(p[v] * (torch.log(p[v]) - torch.log(q[v])) for v in range(len(p)))
        total = total + (1 - ce) * kl - ce * functional.log_softmax(student[i], dim=-1)[labels[i]]
    return total


class Case:
    """Hidden states of 7 tokens, heads of 11 and 13 pieces (old is padded), right labels."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)

        def draw(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator)

        self.head = LMHead(draw(11, 6))
        self.old_head = LMHead(draw(13, 4), bias=draw(13), softcap=5.0)
        self.student = draw(7, 6).requires_grad_()
        self.old, self.new = draw(7, 4), draw(7, 6)
        self.labels = torch.randint(0, 11, (7,), generator=generator)
        self.labels[:3] = (self.student @ self.head.weight.T).argmax(-1)[:3]  # some right, some wrong

    def logits(self) -> tuple[Tensor, Tensor, Tensor]:
        assert self.old_head.bias is not None
        old = 5.0 * torch.tanh((self.old @ self.old_head.weight.T + self.old_head.bias) / 5.0)
        return self.student @ self.head.weight.T, old[:, :11], self.new @ self.head.weight.T

    def sums(self, mask: str, temperature: float, ce_weight: float) -> losses.LossSums:
        loss = CompatLoss(self.old_head, MASKS[mask], temperature, ce_weight)
        prediction = self.logits()[1].argmax(-1)
        return loss.sums(self.head, self.student, self.old, self.new, prediction, self.labels)


@pytest.mark.parametrize("mask", sorted(MASKS))
@pytest.mark.parametrize("ce_weight", [0.0, 0.3])
@pytest.mark.parametrize("chunk", [2, 1024])
def test_equals_the_reference(mask: str, ce_weight: float, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "CHUNK", chunk)
    case = Case()
    sums = case.sums(mask, 2.0, ce_weight)
    (gradient,) = torch.autograd.grad(sums.loss, case.student)
    expected = reference_loss(*case.logits(), case.labels, mask, 2.0, ce_weight)
    (expected_gradient,) = torch.autograd.grad(expected, case.student)
    torch.testing.assert_close(sums.loss, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-4, atol=1e-5)


def test_parts_add_up() -> None:
    sums = Case().sums("student_wrong", 2.0, 0.0)
    assert 0 < int(sums.follow_old) < 7
    torch.testing.assert_close(sums.loss, sums.kl_old + sums.kl_new)


@pytest.mark.parametrize("mask", ["student_wrong", "old_right"])
def test_trainer_shifts_labels_and_ignores_padding(bases: tuple[Path, Path], tmp_path: Path, mask: str) -> None:
    """A padded batch in the trainer equals the formula, text by text, on full logits of three live models."""
    from peft import get_peft_model
    from rich.console import Console

    from stillright.config import LoraConfig, StrategyConfig, TrainingConfig
    from stillright.models import ModelRef, Source, load_base, load_tokenizer
    from stillright.progress import Progress
    from stillright.training.compat import CompatConfig, CompatTrainer
    from stillright.training.loop import Job, as_dataset, training_arguments
    from stillright.training.lora import lora_config
    from stillright.training.teachers import run_teacher

    texts = [[5, 6, 7, 8, 9, 10, 11], [12, 13, 14], [15, 16, 17, 18]]
    old, new = (load_base(Source(str(base)), torch.float32) for base in bases)
    progress = Progress(Console(quiet=True))
    student = get_peft_model(new, lora_config(LoraConfig(r=4, alpha=8), ModelRef.parse(str(bases[1]))))
    new_teacher = run_teacher(student, texts, progress, "new")
    _shake(student)
    training = TrainingConfig(epochs=1, batch_size=3)
    job = Job("align", training, 0, torch.float32, tmp_path / "work", tmp_path / "out", progress)
    trainer = CompatTrainer(
        student,
        CompatConfig(**training_arguments(job, 3), **StrategyConfig(mask=mask).model_dump()),
        run_teacher(old, texts, progress, "old"),
        new_teacher,
        train_dataset=as_dataset(texts),
        eval_dataset=as_dataset(texts),
        processing_class=load_tokenizer(Source(str(bases[1]))),
    )
    batch = trainer.data_collator([trainer.train_dataset[i] for i in (2, 0, 1)])
    assert batch["input_ids"].shape == (3, 7)
    with torch.no_grad():
        loss = trainer.compute_loss(trainer.model, dict(batch))
        total = sum(_live_loss(student, old, ids, mask) for ids in texts)
    torch.testing.assert_close(loss, total / sum(len(ids) - 1 for ids in texts), rtol=1e-4, atol=1e-6)


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
    return reference_loss(student_logits, old_logits, new_logits, batch[0, 1:], mask, 2.0, 0.0)


def test_teacher_equals_the_live_model(make_base: Callable[..., Path]) -> None:
    from rich.console import Console

    from stillright.models import Source, load_base
    from stillright.progress import Progress
    from stillright.training.teachers import run_teacher

    model = load_base(Source(str(make_base(seed=3))), torch.float32)
    texts = [[5, 6, 7, 8], [9, 10], [11, 12, 13, 14, 15]]
    teacher = run_teacher(model, texts, Progress(Console(quiet=True)), "old")
    for i, ids in enumerate(texts):
        live = model(input_ids=torch.tensor([ids])).logits[0, :-1]
        rows = teacher.hidden[teacher.rows(i)]
        torch.testing.assert_close(teacher.head.logits(rows, 320), live, rtol=1e-4, atol=1e-5)
        assert teacher.prediction[teacher.rows(i)].tolist() == live.argmax(-1).tolist()
