"""What a training says and keeps where something goes wrong: numbers that are none, a full disk, very few steps."""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors import SafetensorError
from safetensors.torch import load_file
from trl import SFTConfig

from places import ROOT
from stillright.config import LoraConfig, TrainingConfig
from stillright.errors import RunError
from stillright.models import ModelRef, Source, load_base, load_tokenizer
from stillright.progress import Progress
from stillright.training import loop
from stillright.training.loop import train_adapter
from stillright.training.lora import lora_config
from stillright.training.settings import Job, few_steps, training_arguments
from stillright.training.text import Text, as_dataset
from stillright.training.token_trainer import AdapterTrainer

TEXTS = [Text(list(range(5 + i, 9 + 2 * i))) for i in range(6)]


class Training:
    """A training of 3 optimizer steps an epoch; changes: of the trainer's arguments."""

    def __init__(self, base: Path, folder: Path, epochs: int = 2, **changes: Any) -> None:
        self.base = base
        self.said = StringIO()
        config = TrainingConfig(epochs=epochs, batch_size=1, gradient_accumulation=2, learning_rate=0.01)
        progress = Progress(Console(file=self.said, width=1000))
        self.job = Job("fit", config, 0, torch.float32, folder / "work", folder / "out", progress)
        self.args = {**training_arguments(self.job, len(TEXTS)), **changes}

    def trainer(self, broken: bool = False) -> AdapterTrainer:
        source = Source(str(self.base))
        model = load_base(source, torch.float32)
        if broken:
            model.lm_head.weight.data[7] = math.nan
        return AdapterTrainer(
            model=model,
            args=SFTConfig(**self.args),
            train_dataset=as_dataset(TEXTS),
            eval_dataset=as_dataset(TEXTS[:2]),
            processing_class=load_tokenizer(source),
            peft_config=lora_config(LoraConfig(r=4, alpha=8), ModelRef(source)),
        )

    def run(self) -> Any:
        return train_adapter(self.trainer(), self.job)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, r"optimizer step 2: the training loss is (nan|inf); .*learning rate \(1e\+30\).*float32.*data"),
        ({"max_steps": 1}, r"optimizer step 1: the validation loss is (nan|inf); .*learning rate"),
    ],
)
def test_a_loss_that_is_no_number_ends_the_training(
    bases: tuple[Path, Path], tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    """And leaves nothing behind that would be kept or continued."""
    training = Training(bases[0], tmp_path, learning_rate=1e30, **changes)
    with pytest.raises(RunError, match=words):
        training.run()
    assert not training.job.out.exists()
    assert not list(training.job.work.glob("checkpoint-[1-9]*"))


def test_a_model_that_says_no_numbers_is_no_fault_of_the_learning_rate(
    bases: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training(bases[0], tmp_path)
    monkeypatch.setattr("stillright.training.forward_loss.check_head", lambda model: None)
    with pytest.raises(RunError, match=r"^before the first optimizer step the validation loss is nan; .*float32"):
        train_adapter(training.trainer(broken=True), training.job)


def interrupted(training: Training, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkpoint of the first epoch, after which training was interrupted."""

    def interrupt(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop._ShowProgress, "on_epoch_begin", interrupt, raising=False)
        with pytest.raises(KeyboardInterrupt):
            training.run()
    return training.job.work / "checkpoint-3"


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def halve(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("adapter_model.safetensors", flip),
        ("optimizer.pt", halve),
        ("trainer_state.json", flip),
        ("digest.txt", Path.unlink),
    ],
)
def test_a_damaged_checkpoint_is_not_continued(
    bases: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, damage: Any
) -> None:
    """Training begins again instead, and ends as one that was never stopped."""
    torch.manual_seed(0)
    unbroken = Training(bases[0], tmp_path / "unbroken")
    unbroken.run()
    torch.manual_seed(0)
    training = Training(bases[0], tmp_path)
    damage(interrupted(training, monkeypatch) / name)
    torch.manual_seed(0)
    training.run()
    assert "goes on from" not in training.said.getvalue()
    weights = [load_file(each.job.out / "adapter_model.safetensors") for each in (training, unbroken)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0].keys() | weights[1].keys())


FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"),
]


@pytest.mark.parametrize("error", FULL, ids=["python", "safetensors", "torch"])
@pytest.mark.parametrize("during", ["checkpoint", "result"])
def test_a_full_disk_is_named_and_the_training_goes_on_later(
    bases: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, during: str
) -> None:
    training = Training(bases[0], tmp_path)

    def save_pretrained(self: Any, folder: Any, **kwargs: Any) -> None:
        if Path(folder).name == {"checkpoint": "checkpoint-6", "result": "out"}[during]:
            raise error
        plain(self, folder, **kwargs)

    from peft import PeftModel

    plain = PeftModel.save_pretrained
    with monkeypatch.context() as patch:
        patch.setattr(PeftModel, "save_pretrained", save_pretrained)
        with pytest.raises(RunError, match=r"the disk is full.*free some space.*same command goes on"):
            training.run()
    assert training.run().steps == 6
    assert f"goes on from checkpoint-{3 if during == 'checkpoint' else 6}" in training.said.getvalue()


def test_other_errors_of_a_training_stay_as_they_are(
    bases: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training(bases[0], tmp_path)
    trainer = training.trainer()
    for error in (RuntimeError("shapes do not match"), PermissionError(errno.EACCES, "Permission denied")):
        monkeypatch.setattr(trainer, "train", lambda error=error, **_: (_ for _ in ()).throw(error))
        with pytest.raises(type(error), match=str(error.args[-1])):
            train_adapter(trainer, training.job)


LIMITED = """
import resource, signal, sys
from pathlib import Path

sys.path.insert(0, "tests/training")
from test_loop import Training
from stillright.errors import RunError

training = Training(Path(sys.argv[1]), Path(sys.argv[2]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing then fails as on a disk without space
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
try:
    training.run()
except RunError as error:
    print(error)
"""


@pytest.mark.parametrize("limit", [2_000, 20_000], ids=["adapter", "optimizer"])
def test_writing_that_fails_for_good(bases: tuple[Path, Path], tmp_path: Path, limit: int) -> None:
    """The adapter's weights are 13 KB, the optimizer's state twice that."""
    command = [sys.executable, "-c", LIMITED, str(bases[0]), str(tmp_path), str(limit)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests/helpers'}"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert "the disk is full" in done.stdout, done.stderr
    assert done.stdout.strip().count("\n") <= 12


def test_an_adapter_has_the_same_bytes_whatever_the_order_of_sets(bases: tuple[Path, Path], tmp_path: Path) -> None:
    training = Training(bases[0], tmp_path, epochs=1)
    trainer = training.trainer()
    train_adapter(trainer, training.job)
    trainer.save_model(str(tmp_path / "alone"))
    for folder in (training.job.out, tmp_path / "alone"):
        kept = json.loads((folder / "adapter_config.json").read_text())
        assert kept["target_modules"] == sorted(kept["target_modules"])
        assert len(kept["target_modules"]) == 14
    assert isinstance(trainer.model.active_peft_config.target_modules, set)  # as PEFT goes on to use it


def test_few_steps_are_counted_and_name_what_gives_more(monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainingConfig(batch_size=8, gradient_accumulation=8, epochs=10)
    assert few_steps(config, 38) == (
        "38 texts make 10 optimizer steps in 10 epochs, which teach little: a step takes batch_size 8 x "
        "gradient_accumulation 8 texts; lower these, or raise epochs"
    )
    assert few_steps(config, 64) is not None
    assert few_steps(config, 65) is None  # 2 steps an epoch
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    assert "gradient_accumulation 8 x 2 processes texts" in str(few_steps(config, 128))


@pytest.mark.parametrize(("epochs", "warned"), [(6, True), (7, False)])
def test_few_steps_are_said_before_the_training(
    bases: tuple[Path, Path], tmp_path: Path, epochs: int, warned: bool
) -> None:
    training = Training(bases[0], tmp_path, epochs=epochs)
    training.run()
    said = training.said.getvalue().splitlines()
    assert said[0].startswith("  fit: warning: 6 texts make 18 optimizer steps in 6 epochs") == warned
    assert training.said.getvalue().count("warning") == warned
