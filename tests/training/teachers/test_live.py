"""Teachers that run in every step: their outputs are those of cached ones, and the student stays the only one that is
trained and saved."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from caches import cached
from stillright.config import LoraConfig, TrainingConfig
from stillright.models import ModelRef, Source, load_base, load_tokenizer
from stillright.progress import Progress
from stillright.training.align import AlignTrainer
from stillright.training.compat_config import CompatConfig
from stillright.training.lora import lora_config
from stillright.training.settings import Job, training_arguments
from stillright.training.teachers.cached_teachers import CachedTeachers, TeacherCollator
from stillright.training.teachers.live_teachers import LiveTeachers
from stillright.training.text import Text, as_dataset

TEXTS = [Text([9, 10]), Text([12, 13, 14], first=2), Text([15, 16, 17, 18]), Text(list(range(5, 40)), first=3)]
AS_TRAINED = DataCollatorForLanguageModeling(0, pad_to_multiple_of=8)  # TEXTS, which are sorted, are the same batch
QUIET = Progress(Console(quiet=True))
LOGP_BOUND = 2**-20  # eight ulps of a log-probability around ln(1/320), in float32
BFLOAT16_BOUND = 2**-7  # of the largest entry of a state; 2^-9 was measured, which is one rounding


def student_of(base: Path, dtype: torch.dtype) -> Any:
    """The new base with an adapter that is not zero, as a task adapter is not."""
    from peft import get_peft_model

    student = get_peft_model(
        load_base(Source(str(base)), dtype),
        lora_config(LoraConfig(r=4, alpha=8, dropout=0.3), ModelRef.parse(str(base))),
    )
    shake(student, seed=0)
    return student


def shake(student: Any, seed: int) -> None:
    """Gives the adapter other weights."""
    torch.manual_seed(seed)
    for name, parameter in student.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)


def trainer_of(teachers: CachedTeachers | LiveTeachers, student: Any, base: Path, work: Path, **more: Any) -> Any:
    training = TrainingConfig(epochs=1, batch_size=4)
    job = Job("align", training, 0, student.dtype, work / "work", work / "out", QUIET)
    return AlignTrainer(
        model=student,
        args=CompatConfig(**{**training_arguments(job, len(TEXTS)), **more}, ce_weight=0.2),
        old_model=teachers,
        train_dataset=as_dataset(TEXTS),
        eval_dataset=as_dataset(TEXTS),
        processing_class=load_tokenizer(Source(str(base))),
    )


def both(bases: tuple[Path, Path], work: Path, dtype: torch.dtype) -> tuple[CachedTeachers, LiveTeachers, Any]:
    """Teachers that have run and the same ones live, and the student, which has moved since."""
    old, student = load_base(Source(str(bases[0])), dtype), student_of(bases[1], dtype)
    for name, model in (("old", old), ("new", student)):
        cached(model, TEXTS, work / name, collate=AS_TRAINED)
    live = LiveTeachers(old, student)
    shake(student, seed=1)
    return CachedTeachers.open(work / "old", work / "new"), live, student


def gradients(trainer: Any, batch: dict[str, Any]) -> tuple[Tensor, list[Tensor]]:
    """The loss of a batch in training, and the gradient of all that is trained."""
    trainer.model.train()
    trainer.model.zero_grad()
    torch.manual_seed(0)  # of dropout
    loss = trainer.compute_loss(trainer.model, dict(batch))
    loss.backward()
    return loss.detach(), [values.grad for values in trainer.model.parameters() if values.grad is not None]


@pytest.mark.parametrize("checkpointing", [False, True])
def test_live_equals_cached_for_the_same_batch(bases: tuple[Path, Path], tmp_path: Path, checkpointing: bool) -> None:
    """Of the same shape too: to the last bit, with dropout and checkpointing in the student, which has moved on.

    Another shape may take another kernel, with another order of sums: padded to 35 instead of 40 tokens, states differ
    by an ulp or two. That holds for old's log-probabilities: the head reads text by text for a cache, all texts live.
    """
    kept, live, student = both(bases, tmp_path, torch.float32)
    trainers = []
    for teachers, trained in ((kept, copy.deepcopy(student)), (live, student)):
        if checkpointing:
            trained.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        trainers.append(trainer_of(teachers, trained, bases[1], tmp_path))
    examples = [as_dataset(TEXTS)[i] for i in range(len(TEXTS))]
    batches = [trainer.data_collator([dict(example) for example in examples]) for trainer in trainers]
    outputs = live.outputs(
        student.get_base_model(), {"input_ids": batches[1]["input_ids"]}, batches[1]["labels"][:, 1:]
    )
    assert outputs.keys() == {name for name in batches[0] if name.startswith("teacher_")}
    for role in ("teacher_old", "teacher_new"):
        assert torch.equal(outputs[role]["hidden"], batches[0][role]["hidden"])
    assert torch.equal(outputs["teacher_old_prediction"], batches[0]["teacher_old_prediction"])
    torch.testing.assert_close(outputs["teacher_old_logp"], batches[0]["teacher_old_logp"], rtol=LOGP_BOUND, atol=0)
    (loss, found), (expected_loss, expected) = (
        gradients(trainer, batch) for trainer, batch in zip(trainers, batches, strict=True)
    )
    assert torch.equal(loss, expected_loss)
    assert len(found) == len(expected) == 2 * 7 * 2  # A and B, seven linear layers, two blocks
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_live_in_half_precision_and_other_batches_is_close(bases: tuple[Path, Path], tmp_path: Path) -> None:
    kept, live, student = both(bases, tmp_path, torch.bfloat16)
    trainer = trainer_of(live, student, bases[1], tmp_path)
    collate = TeacherCollator(DataCollatorForLanguageModeling(0), kept)
    for i in range(len(TEXTS)):
        batch = collate([dict(as_dataset(TEXTS)[i])])
        with trainer.accelerator.autocast():
            found = live.outputs(student.get_base_model(), {"input_ids": batch["input_ids"]}, batch["labels"][:, 1:])
        for role in ("teacher_old", "teacher_new"):
            state, known = found[role]["hidden"], batch[role]["hidden"]
            assert state.dtype == known.dtype == torch.bfloat16
            assert (state - known).abs().max() <= BFLOAT16_BOUND * known.abs().max()


def test_only_the_student_is_trained_and_saved(bases: tuple[Path, Path], tmp_path: Path) -> None:
    _, live, student = both(bases, tmp_path, torch.float32)
    trained = [name for name, values in student.named_parameters() if values.requires_grad]
    adapter = {name: values.clone() for name, values in live.adapter.items()}
    trainer = trainer_of(live, student, bases[1], tmp_path, learning_rate=0.01)
    trainer.train()
    assert [name for name, values in student.named_parameters() if values.requires_grad] == trained
    assert not any(values.requires_grad for values in live.old.parameters())
    assert all(torch.equal(values, adapter[name]) for name, values in live.adapter.items())
    now = dict(student.get_base_model().base_model.named_parameters())
    assert not any(torch.equal(values, now[name]) for name, values in adapter.items())
    trainer.model.save_pretrained(tmp_path / "saved")
    files = {str(path.relative_to(tmp_path / "saved")) for path in (tmp_path / "saved").rglob("*") if path.is_file()}
    assert files - {"README.md"} == {"adapter_config.json", "adapter_model.safetensors"}
