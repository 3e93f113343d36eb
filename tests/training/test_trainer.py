"""What every training shares: means over all that is counted, and the errors before it starts."""

from __future__ import annotations

import gc
import json
import shutil
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from torch.nn import functional
from trl import SFTConfig

from architectures import tiny
from caches import cached
from stillright import pipeline
from stillright.config import LoraConfig, TrainingConfig, parse_update
from stillright.errors import ModelError, RunError
from stillright.models import ModelRef, Source, load_base, load_model, load_tokenizer
from stillright.progress import Progress
from stillright.stages import teach
from stillright.training import align, loop, lora
from stillright.training.align import AlignTrainer
from stillright.training.choice import choice_trainer, teacher_scores
from stillright.training.compat_config import CompatConfig
from stillright.training.loop import train_adapter
from stillright.training.lora import lora_config
from stillright.training.settings import Job, training_arguments
from stillright.training.teachers.cached_teachers import CachedTeachers
from stillright.training.text import Text, as_dataset
from stillright.training.token_trainer import AdapterTrainer

LONG, SHORT = list(range(5, 45)), [7, 8]
IDS = [SHORT, LONG, [9, 10, 11], SHORT, LONG[:20]]
TEXTS = [Text(ids) for ids in IDS]
QUIET = Progress(Console(quiet=True))


def job(folder: Path, batch_size: int, epochs: int = 1) -> Job:
    training = TrainingConfig(epochs=epochs, batch_size=batch_size, learning_rate=0.01)
    return Job("fit", training, 0, torch.float32, folder / "work", folder / "out", QUIET)


def settings(job: Job, base: Path) -> dict[str, Any]:
    """Keyword arguments that trainers of an adapter of `base` share."""
    return {
        "model": load_base(Source(str(base)), torch.float32),
        "train_dataset": as_dataset(TEXTS),
        "eval_dataset": as_dataset(TEXTS),
        "processing_class": load_tokenizer(Source(str(base))),
        "peft_config": lora_config(LoraConfig(r=4, alpha=8), ModelRef.parse(str(base))),
    }


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_the_validation_loss_is_the_mean_over_all_tokens(
    bases: tuple[Path, Path], tmp_path: Path, batch_size: int
) -> None:
    model = load_base(Source(str(bases[0])), torch.float32).eval()
    with torch.no_grad():
        logits = [model(input_ids=torch.tensor([ids])).logits[0, :-1] for ids in IDS]
    labels = torch.tensor([i for ids in IDS for i in ids[1:]])
    expected = functional.cross_entropy(torch.cat(logits), labels).item()
    work = job(tmp_path, batch_size)
    arguments = settings(work, bases[0])
    trainer = AdapterTrainer(args=SFTConfig(**training_arguments(work, len(TEXTS))), **arguments)
    result = train_adapter(trainer, work)
    assert result.validation_losses[0] == pytest.approx(expected, rel=1e-5)
    assert result.validation[0]["cross_entropy"] == pytest.approx(expected, rel=1e-5)
    assert result.best_validation_loss == min(result.validation_losses)
    logged = [entry["cross_entropy"] for entry in trainer.state.log_history if "cross_entropy" in entry]
    assert logged[0] == pytest.approx(expected, rel=1e-5)  # all texts are one step of 8 batches


@pytest.mark.parametrize("batch_size", [1, 8])
def test_only_scored_tokens_are_trained(bases: tuple[Path, Path], tmp_path: Path, batch_size: int) -> None:
    """Of each text the tokens from `first` on, in validation and in training."""
    texts = [Text(LONG, first=37), Text([9, 10, 11], first=1), Text(LONG[:20], first=19), Text(SHORT, first=1)]
    model = load_base(Source(str(bases[0])), torch.float32).eval()
    with torch.no_grad():
        logs = [model(input_ids=torch.tensor([text.ids])).logits[0].log_softmax(-1) for text in texts]
    places = [(0, 36), (0, 37), (0, 38), (1, 0), (1, 1), (2, 18), (3, 0)]  # before the scored tokens
    expected = -sum(logs[i][place, texts[i].ids[place + 1]].item() for i, place in places) / len(places)
    work = job(tmp_path, batch_size)
    arguments = settings(work, bases[0]) | {"train_dataset": as_dataset(texts), "eval_dataset": as_dataset(texts)}
    trainer = AdapterTrainer(args=SFTConfig(**training_arguments(work, 4)), **arguments)
    result = train_adapter(trainer, work)
    assert result.validation_losses[0] == pytest.approx(expected, rel=1e-5)
    logged = [entry["cross_entropy"] for entry in trainer.state.log_history if "cross_entropy" in entry]
    assert logged[0] == pytest.approx(expected, rel=1e-5)


def test_divergences_are_means_over_the_tokens_that_follow(bases: tuple[Path, Path], tmp_path: Path) -> None:
    """A batch in which no token follows old does not pull its divergence to zero."""
    for name, base in zip(("old", "new"), bases, strict=True):
        cached(load_base(Source(str(base)), torch.float32), TEXTS, tmp_path / name)
    found = {}
    for batch_size in (1, 8):
        work = job(tmp_path / str(batch_size), batch_size)
        trainer = AlignTrainer(
            args=CompatConfig(**training_arguments(work, len(TEXTS)), mask="token_likelihood"),
            old_model=CachedTeachers.open(tmp_path / "old", tmp_path / "new"),
            **settings(work, bases[1]),
        )
        found[batch_size] = trainer.evaluate()
    assert 0 < found[1]["eval_follow_old"] < 1
    for name in ("loss", "cross_entropy", "follow_old", "kl_old", "kl_new"):
        assert found[1][f"eval_{name}"] == pytest.approx(found[8][f"eval_{name}"], rel=1e-4, abs=1e-9), name


@pytest.mark.parametrize(
    ("mask", "logged"),
    [
        ("new_only", {"follow_old", "kl_new"}),
        ("old_only", {"follow_old", "kl_old"}),
        ("student_wrong", {"follow_old", "kl_old"}),  # a random student is always wrong
        ("mixture", {"kl"}),  # there is no token that follows the one or the other
    ],
)
def test_what_was_never_counted_is_not_logged(
    bases: tuple[Path, Path], tmp_path: Path, mask: str, logged: set[str]
) -> None:
    cached(load_base(Source(str(bases[1])), torch.float32), TEXTS, tmp_path / "new")
    work = job(tmp_path, 2)
    trainer = AlignTrainer(
        args=CompatConfig(**training_arguments(work, len(TEXTS)), mask=mask),
        old_model=CachedTeachers.open(tmp_path / "new", tmp_path / "new"),
        **settings(work, bases[1]),
    )
    train_adapter(trainer, work)
    evaluation = json.loads((work.out / "training.json").read_text())["validation"][0]
    assert evaluation.keys() == {"epoch", "step", "num_input_tokens_seen", "loss", "cross_entropy", *logged}


@pytest.mark.parametrize("known", [True, False], ids=["counts", "does_not_count"])
def test_a_step_is_the_mean_over_its_tokens_whatever_the_model_class_says(
    bases: tuple[Path, Path], tmp_path: Path, known: bool
) -> None:
    """Texts of 7 and of 1 scored tokens, each a batch; some classes tell the trainer to mean over batches instead."""
    texts, found = as_dataset([Text(LONG[:8]), Text(SHORT)]), []
    for size in (2, 1):
        model = load_base(Source(str(bases[0])), torch.float32)
        model.accepts_loss_kwargs, model.loss_type = known, "ForCausalLM" if known else None
        work = job(tmp_path / str(size), size)
        step = {"max_steps": 1, "optim": "sgd", "learning_rate": 10.0, "max_grad_norm": 0.0, "seed": 0}
        args = SFTConfig(**{**training_arguments(work, 2), "gradient_accumulation_steps": 2 // size, **step})
        data = {"model": model, "train_dataset": texts, "eval_dataset": texts}
        trainer = AdapterTrainer(args=args, **{**settings(work, bases[0]), **data})
        trainer.train()
        found.append({name: weight for name, weight in trainer.model.named_parameters() if "lora_B" in name})
    assert max(weight.abs().max() for weight in found[0].values()) > 1e-3
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("mask", "loads"), [("student_wrong", 6), ("choice", 5)])
def test_trained_models_do_not_stay_in_memory(
    update_values: dict[str, Any], monkeypatch: pytest.MonkeyPatch, mask: str, loads: int
) -> None:
    """Two task adapters, two teachers and one compat adapter, and over tokens old once more for the validation samples,
    while Python collects no garbage by itself."""
    kept: list[weakref.ref[Any]] = []  # of weights: layers are parts of reference cycles, the whole model is not
    alive: list[int] = []

    def loaded(*args: Any, **kwargs: Any) -> Any:
        alive.append(sum(weight() is not None for weight in kept))
        model = load_model(*args, **kwargs)
        kept.extend(map(weakref.ref, model.parameters()))
        return model

    for module in (lora, align, teacher_scores, choice_trainer, teach):
        monkeypatch.setattr(module, "load_model", loaded)
    gc.collect()
    gc.disable()
    try:
        pipeline.run_update(parse_update({**update_values, "strategy": {"mask": mask}}, "test"), Console(quiet=True))
    finally:
        gc.enable()
    assert len(alive) == loads
    assert not any(alive)
    assert not any(weight() is not None for weight in kept)


def test_a_batch_without_scored_tokens_teaches_nothing(bases: tuple[Path, Path], tmp_path: Path) -> None:
    """Texts of one token, alone in a batch of training and one of validation."""
    work = job(tmp_path, 1)
    arguments = {**settings(work, bases[0]), "train_dataset": as_dataset([Text([5]), Text([6, 7])])}
    arguments["eval_dataset"] = as_dataset([Text([5]), Text(SHORT)])
    trainer = AdapterTrainer(args=SFTConfig(**training_arguments(work, 2)), **arguments)
    with torch.no_grad():
        expected = trainer.model(input_ids=torch.tensor([SHORT])).logits[0, 0].log_softmax(-1)[SHORT[1]]
    result = train_adapter(trainer, work)
    assert result.validation_losses[0] == pytest.approx(-expected.item(), rel=1e-5)
    assert all(parameter.isfinite().all() for parameter in trainer.model.parameters())


def fit_the_wrong_way(work: Job, base: Path) -> dict[str, Any]:
    """Trains a task adapter that does worse on validation with every step; what stands beside it."""
    arguments = settings(work, base)
    arguments["eval_dataset"] = as_dataset([Text([200 + i for i in ids]) for ids in IDS])
    trainer = AdapterTrainer(args=SFTConfig(**training_arguments(work, len(TEXTS))), **arguments)
    train_adapter(trainer, work)
    found: dict[str, Any] = json.loads((work.out / "training.json").read_text())
    return found


def interrupted(monkeypatch: pytest.MonkeyPatch, work: Job, base: Path) -> None:
    """A training that ends with its first epoch."""

    def interrupt(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop._ShowProgress, "on_epoch_begin", interrupt, raising=False)
        with pytest.raises(KeyboardInterrupt):
            fit_the_wrong_way(work, base)


def test_a_resumed_training_in_a_renamed_folder_still_knows_its_best_step(
    bases: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where training makes everything worse, the adapter of step 0 wins: its B is zero."""
    torch.manual_seed(0)
    unbroken = fit_the_wrong_way(job(tmp_path / "unbroken", 2, epochs=2), bases[0])
    assert unbroken["best_step"] == 0
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    interrupted(monkeypatch, job(Path("before"), 2, epochs=2), bases[0])
    Path("before").rename("after")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    work = job(Path("../after"), 2, epochs=2)
    assert fit_the_wrong_way(work, bases[0]) == unbroken
    weights = load_file(work.out / "adapter_model.safetensors")
    assert all(not weight.any() for name, weight in weights.items() if "lora_B" in name)


def test_a_resumed_training_without_its_best_checkpoint_is_refused(
    bases: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = job(tmp_path, 2, epochs=2)
    interrupted(monkeypatch, work, bases[0])
    shutil.rmtree(work.work / "checkpoint-0")
    with pytest.raises(RunError, match="the best checkpoint so far, checkpoint-0, is gone; delete"):
        fit_the_wrong_way(work, bases[0])


def test_a_resumed_training_whose_best_checkpoint_is_damaged_is_refused(
    bases: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its weights would be saved in the end."""
    work = job(tmp_path, 2, epochs=2)
    interrupted(monkeypatch, work, bases[0])
    with (work.work / "checkpoint-0/adapter_model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    with pytest.raises(RunError, match="checkpoint-0, is not as it was written; delete"):
        fit_the_wrong_way(work, bases[0])


def test_a_head_that_does_something_else_is_refused(
    bases: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny("falcon_h1", lm_head_multiplier=0.02)
    del model.config.lm_head_multiplier  # the model has read it already
    with pytest.raises(ModelError, match="falcon_h1: its logits differ by up to"):
        cached(model, TEXTS, tmp_path)
    arguments = settings(job(tmp_path, 2), bases[0])
    arguments["model"].lm_head.register_forward_hook(lambda module, inputs, logits: 2 * logits)
    with pytest.raises(ModelError, match=r"base .*base-1\d* \(llama\): its logits differ by up to"):
        AdapterTrainer(args=SFTConfig(**training_arguments(job(tmp_path, 2), 5)), **arguments)


def test_one_process_with_several_gpus_is_refused(bases: tuple[Path, Path], tmp_path: Path) -> None:
    work = job(tmp_path, 2)
    args = SFTConfig(**training_arguments(work, len(TEXTS)))
    assert args.n_gpu <= 1  # sets the devices up
    args._n_gpu = 2
    with pytest.raises(RunError, match=r"one process sees 2 GPUs, .* set CUDA_VISIBLE_DEVICES=0"):
        AdapterTrainer(args=args, **settings(work, bases[0]))


@pytest.mark.parametrize("engine", ["is_fsdp_enabled", "is_deepspeed_enabled"])
def test_shards_are_refused(bases: tuple[Path, Path], tmp_path: Path, engine: str) -> None:
    work = job(tmp_path, 2)
    trainer = AdapterTrainer(args=SFTConfig(**training_arguments(work, len(TEXTS))), **settings(work, bases[0]))
    setattr(trainer, engine, True)
    with pytest.raises(RunError, match="FSDP and DeepSpeed are not supported .*; launch with --multi_gpu"):
        train_adapter(trainer, work)
