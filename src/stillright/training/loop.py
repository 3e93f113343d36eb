"""The loop of any training: step 0 as a candidate, a progress bar, resume, and the checkpoint that a rule chooses."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, TrainerCallback
from trl import SFTConfig, SFTTrainer

from stillright import ranks
from stillright.errors import RunError
from stillright.events import say
from stillright.progress import Bar
from stillright.training.checkpoints import Rule, by_loss, evaluations
from stillright.training.imitation import Imitation
from stillright.training.reports import reported
from stillright.training.result import TrainingResult, result_of, save_adapter
from stillright.training.resume import names_full_disk, resumable, seal
from stillright.training.settings import Job, few_steps
from stillright.upstream.transformers import choose_best, leave_choice_to_callbacks

TOLD = ("best_step", "best_validation_loss", "reason", "steps", "tokens")  # of a result, to programs


class _KeepBest(TrainerCallback):
    """Tells the trainer which step is the best so far; the adapter that training starts from is a checkpoint too."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def on_evaluate(self, args: SFTConfig, state: Any, control: Any, **kwargs: Any) -> None:
        first = Path(args.output_dir) / "checkpoint-0"
        if state.global_step == 0 and state.is_world_process_zero:
            kwargs["model"].save_pretrained(first)
            seal(first)
        choose_best(state, int(self.rule(evaluations(state)).evaluation["step"]), first)


class _Seal(TrainerCallback):
    """Seals each checkpoint, once every process has written its part."""

    def on_save(self, args: SFTConfig, state: Any, control: Any, **kwargs: Any) -> None:
        ranks.wait()
        if ranks.is_main():
            seal(Path(args.output_dir) / f"checkpoint-{state.global_step}")


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
        loss = float(metrics["eval_loss"])
        self.bar.note(f"validation loss {loss:.4f}", "validation", step=state.global_step, loss=loss)


def refuse_sharding(trainer: SFTTrainer) -> None:
    """Raises RunError where parameters are cut into shards, which checkpoints here do not put together again."""
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        raise RunError(
            "accelerate launch: FSDP and DeepSpeed are not supported by stillright's commands, every process holds "
            "the whole base; launch with --multi_gpu instead of --use_fsdp or --use_deepspeed"
        )


def train_adapter(
    trainer: SFTTrainer, job: Job, rule: Rule = by_loss, follows: Callable[[Any], Imitation] | None = None
) -> TrainingResult:
    """Trains, or goes on from the last checkpoint, and saves the adapter that `rule` chooses in `job.out`.

    follows: how well a model imitates the old one, asked of the adapter that is saved.
    Raises RunError, see `refuse_sharding`, ForwardLossTrainer and `names_full_disk`.
    """
    refuse_sharding(trainer)
    console = job.progress.console
    if problem := few_steps(job.training, len(trainer.train_dataset)):
        say(console, f"  {job.label}: warning: {problem}", "settings", "warning", label=job.label)
    with names_full_disk(job.out.parent):
        _train(trainer, job, rule)
        result = result_of(trainer.state, rule)
        if follows is not None:
            result = result._replace(imitation=follows(trainer.model))
        if ranks.is_main():
            save_adapter(trainer.model, result, job)
    _say_result(result, job)
    return result


def _say_result(result: TrainingResult, job: Job) -> None:
    console, label = job.progress.console, job.label
    line = f"  {label}: {result.reason} at step {result.best_step} of {result.steps}"
    account = result._asdict()
    say(console, line, "trained", label=label, **{name: account[name] for name in TOLD})
    if result.imitation is not None:
        follows = result.imitation.plain()
        say(console, f"  {label}: follows old: {result.imitation}", "follows_old", label=label, **follows)


def _train(trainer: SFTTrainer, job: Job, rule: Rule) -> None:
    """The model of `trainer` is as it was at the best checkpoint afterwards."""
    checkpoint = ranks.on_main(lambda: resumable(job.work))
    total = math.ceil(len(trainer.get_train_dataloader()) / trainer.args.gradient_accumulation_steps)
    total *= int(trainer.args.num_train_epochs)
    trainer.remove_callback(PrinterCallback)  # the bar replaces it
    leave_choice_to_callbacks(trainer.args)
    trainer.add_callback(_KeepBest(rule))
    trainer.add_callback(_Seal())
    trainer.args.eval_on_start = checkpoint is None  # a resumed training has that evaluation in its log
    if checkpoint is not None:
        line = f"  {job.label}: goes on from {Path(checkpoint).name}"
        say(job.progress.console, line, "resumed", label=job.label, checkpoint=Path(checkpoint).name)
    with job.progress.bar(job.label, total) as bar, reported(trainer, job):
        trainer.add_callback(_ShowProgress(bar))
        trainer.train(resume_from_checkpoint=checkpoint)
