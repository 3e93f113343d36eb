"""One way to train any adapter: the paper's procedure as SFTConfig, a progress bar, step 0 as a candidate, resume."""

from __future__ import annotations

import functools
import gc
import json
import math
import shutil
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

import datasets
import torch
from transformers import PrinterCallback, TrainerCallback
from transformers.trainer_utils import get_last_checkpoint
from trl import SFTConfig, SFTTrainer

from stillright import ranks
from stillright.config import TrainingConfig
from stillright.errors import RunError
from stillright.models import device
from stillright.progress import Bar, Progress
from stillright.training.checkpoints import Evaluation, Rule, by_loss
from stillright.training.text import Text

P = ParamSpec("P")
R = TypeVar("R")
TRAINER_STATE = "trainer_state.json"  # written last in a checkpoint


class Job(NamedTuple):
    """How and where one adapter is trained, whatever it learns."""

    label: str  # in progress and messages
    training: TrainingConfig
    seed: int
    dtype: torch.dtype  # of weights and activations
    work: Path  # folder of checkpoints, from which an interrupted training goes on
    out: Path  # folder for the adapter
    progress: Progress


class TrainingResult(NamedTuple):
    """How an adapter came to be; kept beside it as training.json."""

    best_step: int  # optimizer steps; 0: the adapter it started from was never beaten
    best_validation_loss: float  # that of the best step
    reason: str  # why it is that step
    steps: int
    tokens: int  # without padding, all epochs
    validation_losses: list[float]  # step 0, then one per epoch
    validation: list[dict[str, float]]  # the same evaluations with the parts of the loss


def as_dataset(texts: Sequence[Text], first: int = 0) -> datasets.Dataset:
    """Rows of ids, of labels (the scored tokens), and of the text's number from `first` on."""
    examples = [text.example for text in texts]
    columns = {name: [example[name] for example in examples] for name in ("input_ids", "labels")}
    return datasets.Dataset.from_dict({**columns, "text": list(range(first, first + len(texts)))})


def optimizer_steps(config: TrainingConfig, texts: int) -> int:
    """Steps of all epochs, the last of an epoch perhaps on fewer batches; every process has a batch of its own."""
    batches = math.ceil(texts / (config.batch_size * ranks.world()))
    return math.ceil(batches / config.gradient_accumulation) * config.epochs


def warmup_steps(config: TrainingConfig, texts: int) -> int:
    """The configured warm-up, at most a tenth of all steps."""
    return min(config.warmup_steps, optimizer_steps(config, texts) // 10)


def training_arguments(job: Job, texts: int) -> dict[str, Any]:
    """Keyword arguments of SFTConfig, or a subclass of it, for so many training texts."""
    config = job.training
    on_cpu = device().type == "cpu"
    return {
        "output_dir": str(job.work.resolve()),  # the best checkpoint's path is kept, and compared with it
        "num_train_epochs": config.epochs,
        "learning_rate": config.learning_rate,
        "per_device_train_batch_size": config.batch_size,
        "per_device_eval_batch_size": config.batch_size,
        "gradient_accumulation_steps": config.gradient_accumulation,
        "warmup_steps": warmup_steps(config, texts),
        "weight_decay": config.weight_decay,
        "seed": job.seed,
        "bf16": job.dtype == torch.bfloat16,
        "use_cpu": on_cpu,
        "dataloader_pin_memory": not on_cpu,
        "gradient_checkpointing": not on_cpu,  # on a CPU memory is cheap and time is not
        "train_sampling_strategy": "group_by_length",
        "eval_strategy": "epoch",
        "eval_on_start": True,
        "save_strategy": "epoch",
        "save_total_limit": 1,
        "load_best_model_at_end": True,
        "include_num_input_tokens_seen": "non_padding",
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "max_length": None,
        "pad_to_multiple_of": 8,
        "logging_steps": 1,
        "disable_tqdm": True,
        "report_to": "none",
    }


class _KeepBest(TrainerCallback):
    """Tells the trainer which step is the best so far; the adapter that training starts from is a checkpoint too."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def on_evaluate(self, args: SFTConfig, state: Any, control: Any, **kwargs: Any) -> None:
        state.best_global_step = int(self.rule(_evaluations(state)).evaluation["step"])
        if state.global_step == 0:
            folder = Path(args.output_dir) / "checkpoint-0"
            if state.is_world_process_zero:
                kwargs["model"].save_pretrained(folder)
            state.best_model_checkpoint = str(folder)


def _evaluations(state: Any) -> list[Evaluation]:
    return [entry for entry in state.log_history if "eval_loss" in entry]


class _ShowProgress(TrainerCallback):
    """Moves a bar of optimizer steps."""

    def __init__(self, bar: Bar) -> None:
        self.bar = bar
        self.seen = 0  # tokens

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.seen = int(state.num_input_tokens_seen)
        self.bar.advance(tokens=0, units=state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        tokens = int(state.num_input_tokens_seen) - self.seen
        self.seen += tokens
        self.bar.advance(tokens=tokens, units=1)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        self.bar.note(f"validation loss {metrics['eval_loss']:.4f}")


def _resumable(folder: Path) -> str | None:
    """The last whole checkpoint, which knows its best one; half-written ones are removed."""
    while folder.exists() and (last := get_last_checkpoint(str(folder))) is not None:
        if _is_whole(Path(last)):
            _relocate_best(Path(last))
            return str(last)
        shutil.rmtree(last)
    return None


def _is_whole(checkpoint: Path) -> bool:
    """Whether every process has written its part."""
    parts = [] if ranks.world() == 1 else [f"rng_state_{i}.pth" for i in range(ranks.world())]
    return all((checkpoint / name).exists() for name in (TRAINER_STATE, *parts))


def _relocate_best(checkpoint: Path) -> None:
    """Lets the state of `checkpoint` name the best one where it is now: beside it, wherever the folder was before.

    Without that the trainer would forget it, and save the last step. Raises RunError where it is gone.
    """
    file = checkpoint / TRAINER_STATE
    state = json.loads(file.read_text(encoding="utf-8"))
    best = checkpoint.parent.resolve() / Path(state["best_model_checkpoint"]).name
    if not best.is_dir():
        raise RunError(f"{checkpoint}: the best checkpoint so far, {best.name}, is gone; delete {checkpoint.parent}")
    part = file.with_suffix(".part")  # a kill while writing must not damage the checkpoint
    part.write_text(json.dumps({**state, "best_model_checkpoint": str(best)}, indent=2) + "\n", encoding="utf-8")
    part.replace(file)


def frees_memory(train: Callable[P, R]) -> Callable[P, R]:
    """The same function, after which its models are gone.

    A trainer and its model refer to each other, so they would stay until Python happens to collect garbage: two or
    three models in the memory of an accelerator.
    """

    @functools.wraps(train)
    def freed(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return train(*args, **kwargs)
        finally:
            gc.collect()
            if torch.accelerator.is_available():
                torch.accelerator.empty_cache()

    return freed


def refuse_sharding(trainer: SFTTrainer) -> None:
    """Raises RunError where parameters are cut into shards, which checkpoints here do not put together again."""
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        raise RunError(
            "accelerate launch: FSDP and DeepSpeed are not supported by stillright's commands, every process holds "
            "the whole base; launch with --multi_gpu instead of --use_fsdp or --use_deepspeed"
        )


def train_adapter(trainer: SFTTrainer, job: Job, rule: Rule = by_loss) -> TrainingResult:
    """Trains, or goes on from the last checkpoint, and saves the adapter that `rule` chooses in `job.out`.

    Raises RunError, see `refuse_sharding`.
    """
    refuse_sharding(trainer)
    label, progress = job.label, job.progress
    checkpoint = ranks.on_main(lambda: _resumable(job.work))
    total = math.ceil(len(trainer.get_train_dataloader()) / trainer.args.gradient_accumulation_steps)
    total *= int(trainer.args.num_train_epochs)
    trainer.remove_callback(PrinterCallback)  # the bar replaces it
    trainer.args.metric_for_best_model = None  # the rule chooses, from all evaluations
    trainer.add_callback(_KeepBest(rule))
    trainer.args.eval_on_start = checkpoint is None  # a resumed training has that evaluation in its log
    if checkpoint is not None:
        progress.console.print(f"  {label}: goes on from {Path(checkpoint).name}", highlight=False)
    with progress.bar(label, total) as bar:
        trainer.add_callback(_ShowProgress(bar))
        trainer.train(resume_from_checkpoint=checkpoint)
    result = _result(trainer, rule)
    if ranks.is_main():
        trainer.model.save_pretrained(job.out)
        _write_card(job, trainer.model)
        (job.out / "training.json").write_text(json.dumps(result._asdict(), indent=2) + "\n", encoding="utf-8")
    progress.console.print(f"  {label}: {result.reason} at step {result.best_step} of {result.steps}", highlight=False)
    return result


def _write_card(job: Job, model: Any) -> None:
    """A model card with what is known, in place of PEFT's empty form."""
    base = model.active_peft_config.base_model_name_or_path
    (job.out / "README.md").write_text(
        f"---\nbase_model: {json.dumps(base)}\nlibrary_name: peft\ntags: [lora, stillright]\n---\n\n# {job.label}\n\n"
        f"A LoRA adapter for `{base}`, made by stillright {version('stillright')}. `training.json` says how the "
        "training went and which checkpoint this is.\n",
        encoding="utf-8",
    )


def _result(trainer: SFTTrainer, rule: Rule) -> TrainingResult:
    state, evaluations = trainer.state, _evaluations(trainer.state)
    best, reason = rule(evaluations)
    if len(evaluations) > 1 and not best["step"]:
        reason += ", so the adapter is kept as it began"
    return TrainingResult(
        best_step=int(best["step"]),
        best_validation_loss=float(best["eval_loss"]),
        reason=reason,
        steps=int(state.global_step),
        tokens=int(state.num_input_tokens_seen),
        validation_losses=[float(entry["eval_loss"]) for entry in evaluations],
        validation=[_parts(entry) for entry in evaluations],
    )


def _parts(entry: Evaluation) -> dict[str, float]:
    """An evaluation without its times, which differ between runs that are otherwise the same."""
    timed = ("runtime", "per_second")
    kept = {key.removeprefix("eval_"): value for key, value in entry.items() if not key.endswith(timed)}
    return {key: float(kept[key]) for key in sorted(kept)}  # a resumed trainer's log is sorted
