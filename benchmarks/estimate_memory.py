"""How near the estimates of --dry-run are: the stages of an update as commands, and what each really took.

    python benchmarks/estimate_memory.py demo
    python benchmarks/estimate_memory.py examples/smollm2/update.yaml --set training.epochs=1

Prints the peak of the resident memory and the wall time of each process beside what was announced.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import yaml

from stillright.config import parse_update, read_yaml, with_overrides
from stillright.demo import demo_update
from stillright.dry_run import costs_of, stages_of
from stillright.estimate.rate import Rate, measured_rate
from stillright.estimate.stage_cost import StageCost
from stillright.stages.data import Data

OF_STAGES = ("lora", "training", "strategy", "dtype", "predict_batch_size")  # --task takes none of them


def measured(arguments: list[str]) -> tuple[int, float]:
    """Peak bytes and seconds of a `stillright` command."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "stillright", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"stillright {' '.join(arguments)} failed")
    return usage.ru_maxrss * 1024, time.perf_counter() - start


def show(stage: StageCost, arguments: list[str], rate: Rate) -> None:
    """Runs a stage and prints both."""
    memory, seconds = measured(arguments)
    print(
        f"{stage.name:13} memory {stage.memory / 1e9:5.2f} GB announced, {memory / 1e9:5.2f} GB measured; "
        f"time {rate.seconds(stage.flops):5.0f} s announced, {seconds:5.0f} s measured",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("update", help="update.yaml, or demo")
    parser.add_argument("--set", action="append", default=[])
    args = parser.parse_args()
    values = demo_update(Path("unused")) if args.update == "demo" else read_yaml(Path(args.update))
    values = with_overrides(values, args.set)
    config = parse_update(values, args.update)
    data = Data(config)
    stages = {cost.name: cost for cost in costs_of(stages_of(config), data, torch.accelerator.is_available())}
    rate = measured_rate(data.dtype)
    with tempfile.TemporaryDirectory() as folder:
        task = Path(folder) / "task.yaml"
        task.write_text(yaml.safe_dump(values))
        shared = ["--task", str(task), *_settings(values)]
        adapters = {name: f"{folder}/{name}" for name in ("old", "new", "compat")}
        models = {name: f"{values[name]}+{adapters[name]}" for name in ("old", "new")}
        for name in ("old", "new"):
            show(stages[f"fit {name}"], ["fit", values[name], "--out", adapters[name], *shared], rate)
        pair = ["--old", models["old"], "--new", models["new"]]
        print("align compat with both teachers: ", end="")
        show(stages["align compat"], ["align", *pair, "--out", adapters["compat"], *shared], rate)
        show(stages["predict new"], ["predict", models["new"], "--out", f"{folder}/new.jsonl", *shared], rate)


def _settings(values: dict[str, Any]) -> list[str]:
    """--set for what the stages need beside the task."""
    kept = {key: values[key] for key in OF_STAGES if key in values}
    return [part for key, value in kept.items() for part in ("--set", f"{key}={json.dumps(value)}")]  # JSON is YAML


if __name__ == "__main__":
    main()
