"""What alignment costs beside its peers: tokens/s and peak memory, each in a process of its own, in one run.

    python benchmarks/align_speed.py                          # on the demo's bases, under three minutes
    python benchmarks/align_speed.py --model DIR --steps 20   # on another base, as old and as new
    python benchmarks/align_speed.py --model DIR --old BIGGER --sides cached,live

    sft      plain LoRA fine-tuning: TRL's SFTTrainer, batches of like length, no gradient checkpointing
    naive    the masked distillation with three live models and full logits, in the same trainer
    chunked  the same with TRL's chunked divergence
    gkd      TRL's GKDTrainer on the same texts: forward divergence to one live teacher, the old model
    cached   ours: teachers have run before; their pass is timed apart
    live     ours: teachers stay in memory

All train the same texts of the demo with the same rank, batch, precision, padding and order, without gradient
checkpointing. Tokens are those that are not padding, over the time of the steps after the first, which warms up.
`over 10 epochs` counts the caching pass once. `peak MB` is that of training; where teachers run before it, in a process
of their own, theirs stands behind. Theirs grows with the old base; training holds of it the LM head alone.
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
from pathlib import Path
from typing import Any

EPOCHS = 10  # the paper's
NAMES = ("sft", "naive", "chunked", "gkd", "cached", "live")
QUIET = {"TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONWARNINGS": "ignore"}


def run_side(name: str, args: argparse.Namespace) -> None:
    """Trains one side and prints its figures as JSON."""
    from transformers import TrainerCallback

    from align_sides import SIDES, Setting

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
    rate = (after - before) / (end - start)
    found = {
        "name": name,
        "tokens_per_s": rate,
        "peak_mb": peak_mb(resource.RUSAGE_SELF),
        "caching_tokens_per_s": caching,
        "caching_peak_mb": peak_mb(resource.RUSAGE_CHILDREN) if caching else None,
        "tokens_per_s_of_ten_epochs": EPOCHS / (EPOCHS / rate + (2 / caching if caching else 0)),
    }
    print(f"RESULT {json.dumps(found)}")


def peak_mb(whose: int) -> float:
    """Largest resident memory of this process, or of its largest child."""
    return resource.getrusage(whose).ru_maxrss / 1024


def measured(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """The figures of one side, from a process of its own."""
    command = [sys.executable, __file__, "--side", name, "--steps", str(args.steps), "--rank", str(args.rank)]
    command += ["--model", str(args.model)] if args.model else []
    command += ["--old", str(args.old)] if args.old else []
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | QUIET)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    return dict(json.loads(lines[-1].removeprefix("RESULT ")))


def table(results: list[dict[str, Any]]) -> list[str]:
    """Lines for people, with the ratios to the first side."""
    first = results[0]
    of = f"of {first['name']}"
    lines = [f"{'':8}{'tokens/s':>10}{of:>10}{'peak MB':>10}{of:>10}{f'over {EPOCHS} epochs':>20}"]
    for found in results:
        rate, peak, whole = (found[key] for key in ("tokens_per_s", "peak_mb", "tokens_per_s_of_ten_epochs"))
        ratios = rate / first["tokens_per_s"], peak / first["peak_mb"]
        line = f"{found['name']:8}{rate:10,.0f}{ratios[0]:10.2f}{peak:10,.0f}{ratios[1]:10.2f}{whole:20,.0f}"
        caching = found["caching_tokens_per_s"]
        lines.append(
            line + (f"   caching {caching:,.0f} tokens/s, {found['caching_peak_mb']:,.0f} MB" if caching else "")
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, help="folder of a base to use as old and new (default: the demo's bases)")
    parser.add_argument("--old", type=Path, help="folder of another old base with the same tokenizer")
    parser.add_argument("--steps", type=int, default=60, help="optimizer steps of each side (default: %(default)s)")
    parser.add_argument("--rank", type=int, default=16, help="of the adapters (default: %(default)s)")
    parser.add_argument("--sides", default=",".join(NAMES), help="which, and in which order (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as a list of objects")
    parser.add_argument("--side", choices=NAMES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        run_side(args.side, args)
        return
    results = [measured(name, args) for name in args.sides.split(",")]
    print("\n".join(table(results)))
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
