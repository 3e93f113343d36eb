"""What alignment costs beside its peers: tokens/s and peak memory, each in a process of its own, in one run.

    python benchmarks/align_speed.py                          # on the demo's bases, about two minutes
    python benchmarks/align_speed.py --model DIR --steps 20   # on another base, as old and as new

    sft      plain LoRA fine-tuning: TRL's SFTTrainer, batches of like length, no gradient checkpointing
    naive    the masked distillation with three live models and full logits, in the same trainer
    cached   ours: teachers have run before; their pass is timed apart, as caching_tokens_per_s

All train the same texts of the demo with the same rank, batch, dtype and order. Tokens are those that are not padding,
over the time of the steps after the first, which warms up. Not yet here: TRL's GKDTrainer, and live teachers.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BATCH = 16


class Setting:
    """The texts, models and trainer arguments that all sides share."""

    def __init__(self, args: argparse.Namespace, work: Path) -> None:
        from rich.console import Console

        from stillright.config import parse_update
        from stillright.demo import demo_update
        from stillright.models import ModelRef
        from stillright.pipeline import Update
        from stillright.training.loop import Job, training_arguments
        from stillright.workspace import Workspace

        values = demo_update(work)
        if args.model is not None:
            values |= {"old": str(args.model), "new": str(args.model)}
        values["task"]["train_limit"] = args.steps * BATCH * 5 // 4
        self.config = parse_update(values, "benchmark")
        update = Update(self.config, Workspace(work, Console(quiet=True)), Console(quiet=True))
        self.old, self.new = ModelRef.parse(self.config.old), ModelRef.parse(self.config.new)
        self.texts, self.dtype, self.work, self.progress = (
            update.texts(self.new.base),
            update.dtype,
            work,
            update.progress,
        )
        job = Job("benchmark", self.config.training, 0, self.dtype, work, work, self.progress)
        self.arguments = training_arguments(job, len(self.texts.train)) | {
            "eval_strategy": "no",
            "eval_on_start": False,
            "save_strategy": "no",
            "load_best_model_at_end": False,
        }

    def student(self) -> Any:
        """The new base with a fresh LoRA adapter."""
        from peft import get_peft_model

        from stillright.models import load_model
        from stillright.training.lora import lora_config

        return get_peft_model(load_model(self.new, self.dtype), lora_config(self.config.lora, self.new))

    def common(self) -> dict[str, Any]:
        """Keyword arguments of every trainer."""
        from stillright.models import load_tokenizer
        from stillright.training.loop import as_dataset

        return {"train_dataset": as_dataset(self.texts.train), "processing_class": load_tokenizer(self.new.base)}


def sft(setting: Setting) -> tuple[Any, float | None]:
    """A trainer, and the rate of a caching pass, which there is none of."""
    from trl import SFTConfig, SFTTrainer

    return SFTTrainer(model=setting.student(), args=SFTConfig(**setting.arguments), **setting.common()), None


def naive(setting: Setting) -> tuple[Any, float | None]:
    """Three live models and full logits, as the paper's formula reads."""
    import torch
    from torch.nn import functional
    from trl import SFTConfig, SFTTrainer

    from stillright.models import load_model

    teachers = [load_model(ref, setting.dtype).eval() for ref in (setting.old, setting.new)]

    class Naive(SFTTrainer):
        def compute_loss(self, model: Any, inputs: dict[str, Any], *_: Any, **__: Any) -> Any:
            labels = inputs.pop("labels")[:, 1:]
            student = model(**inputs).logits[:, :-1].float()
            with torch.no_grad():
                old, new = (teacher(**inputs).logits[:, :-1].float() for teacher in teachers)
            wrong = (student.argmax(dim=-1) != labels)[..., None]
            teacher = functional.log_softmax(torch.where(wrong, old, new) / 2, dim=-1)
            kl = (teacher.exp() * (teacher - functional.log_softmax(student / 2, dim=-1))).sum(dim=-1)
            return kl[labels != -100].mean()

    return Naive(model=setting.student(), args=SFTConfig(**setting.arguments), **setting.common()), None


def cached(setting: Setting) -> tuple[Any, float | None]:
    """CompatTrainer on teachers that have run."""
    from stillright.models import load_model, vocabulary_size
    from stillright.training.compat import CompatConfig, CompatTrainer, Taught
    from stillright.training.teachers import run_teacher

    folders = {"old": setting.old, "new": setting.new}
    shared = min(vocabulary_size(ref.base) for ref in folders.values())
    started = time.perf_counter()
    for role, ref in folders.items():
        model = load_model(ref, setting.dtype)
        run_teacher(model, setting.texts.train, setting.work / role, setting.progress, role, shared)
    rate = 2 * sum(len(text.ids) for text in setting.texts.train) / (time.perf_counter() - started)
    teachers = Taught(setting.work / "old", setting.work / "new").open()
    arguments = CompatConfig(**setting.arguments)
    return CompatTrainer(model=setting.student(), args=arguments, teachers=teachers, **setting.common()), rate


SIDES: dict[str, Callable[[Setting], tuple[Any, float | None]]] = {"sft": sft, "naive": naive, "cached": cached}


def run_side(name: str, args: argparse.Namespace) -> None:
    """Trains one side and prints its figures as JSON."""
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        marks: list[tuple[float, int]] = []  # noqa: RUF012 - one training only

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.marks.append((time.perf_counter(), int(state.num_input_tokens_seen)))

    with tempfile.TemporaryDirectory() as work:
        trainer, caching = SIDES[name](Setting(args, Path(work)))
        clock = Clock()
        trainer.add_callback(clock)
        trainer.train()
    (start, before), (end, after) = clock.marks[0], clock.marks[-1]
    found = {
        "name": name,
        "tokens_per_s": (after - before) / (end - start),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "caching_tokens_per_s": caching,
    }
    print(f"RESULT {json.dumps(found)}")


def measured(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """The figures of one side, from a process of its own."""
    command = [sys.executable, __file__, "--side", name, "--steps", str(args.steps)]
    command += ["--model", str(args.model)] if args.model else []
    quiet = {"TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | quiet)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    return dict(json.loads(lines[-1].removeprefix("RESULT ")))


def table(results: list[dict[str, Any]]) -> list[str]:
    """Lines for people, with the ratios to the first side."""
    lines = [f"{'':8}{'tokens/s':>10}{'of sft':>8}{'peak MB':>10}{'of sft':>8}"]
    for found in results:
        rate, peak, caching = (found[key] for key in ("tokens_per_s", "peak_mb", "caching_tokens_per_s"))
        ratios = rate / results[0]["tokens_per_s"], peak / results[0]["peak_mb"]
        line = f"{found['name']:8}{rate:10,.0f}{ratios[0]:8.2f}{peak:10,.0f}{ratios[1]:8.2f}"
        lines.append(line + (f"   caching {caching:,.0f} tokens/s" if caching else ""))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, help="folder of a base to use as old and new (default: the demo's bases)")
    parser.add_argument("--steps", type=int, default=60, help="optimizer steps of each side (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as a list of objects")
    parser.add_argument("--side", choices=sorted(SIDES), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        run_side(args.side, args)
        return
    results = [measured(name, args) for name in SIDES]
    print("\n".join(table(results)))
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
