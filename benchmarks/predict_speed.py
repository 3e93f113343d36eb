"""Predicting beside the harness's own HF backend: same model, task, samples and batch size, in one process by turns.

    python benchmarks/predict_speed.py                           # the demo's base and choices, under three minutes
    python benchmarks/predict_speed.py --model DIR --task piqa --data piqa/valid.jsonl --samples 200
    python benchmarks/predict_speed.py --task demo_exact         # answers that are generated

Prints the median seconds of each, their ratio, and how far the results are apart: samples whose score differs, and the
largest difference of a log-likelihood. `--dtype auto` is bfloat16 where the processor has it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

os.environ |= {"TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}  # before they are read

from lm_eval.models.huggingface import HFLM

from stillright.config import parse_update
from stillright.demo import demo_update
from stillright.models import ModelRef, load_tokenizer
from stillright.prediction.harness_model import asked, loaded_to_answer
from stillright.stages.data import Data
from stillright.upstream.lm_eval import logged_samples

Samples = list[dict[str, Any]]


def main() -> None:
    args = parsed()
    with tempfile.TemporaryDirectory() as folder:
        data = Data(parse_update(values(args, Path(folder)), "benchmark"))
        task, base = data.task, data.new.base
        model = loaded_to_answer(ModelRef.parse(str(data.config.new)), data.dtype)
        theirs = HFLM(
            pretrained=model,
            tokenizer=load_tokenizer(base),
            batch_size=args.batch_size,
            max_length=data.longest,
            backend="causal",
        )
        sides = {"hf": theirs, "ours": asked([model], [base], args.batch_size, data.longest)}
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(args.repeats):
            samples = {name: timed(lm, task, seconds[name]) for name, lm in sides.items()}
    hf, ours = (median(each) for each in seconds.values())
    asked_for = f"{task.name}, {len(task.test_documents):,} samples, {data.dtype}, batch size {args.batch_size}"
    print(f"{asked_for}, medians of {args.repeats}")
    print(f"hf {hf:.1f} s, ours {ours:.1f} s: {hf / ours:.2f} times as fast")
    print(apart(samples["hf"], samples["ours"], task.metric, task.is_choice))


def parsed() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, help="folder of a model (default: the demo's new base)")
    parser.add_argument("--task", help="a task of the harness (default: the demo's)")
    parser.add_argument("--data", type=Path, help="rows of the task, as its data set has them")
    parser.add_argument("--samples", type=int, default=200, help="at most (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="default: %(default)s")
    parser.add_argument("--repeats", type=int, default=3, help="of each (default: %(default)s)")
    parser.add_argument("--dtype", default="auto", help="default: %(default)s")
    return parser.parse_args()


def values(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The keys of update.yaml, of which only new and the task are used."""
    found = demo_update(folder)
    if args.model:
        found |= {"old": str(args.model), "new": str(args.model)}
    if args.task:
        found["task"] = {"name": args.task}
    if args.data:
        found["task"] |= {"train": str(args.data), "test": str(args.data)}
    found["task"]["test_limit"] = args.samples
    return {**found, "dtype": args.dtype}


def timed(lm: Any, task: Any, seconds: list[float]) -> Samples:
    """What the harness logs when it asks `lm`; adds how long that took."""
    start = time.perf_counter()
    logged = logged_samples(lm, task.name, task.harness, task.test_positions)
    seconds.append(time.perf_counter() - start)
    return sorted((each for each in logged if each["filter"] == task.filter), key=lambda each: int(each["doc_id"]))


def apart(hf: Samples, ours: Samples, metric: str, is_choice: bool) -> str:
    """How the results differ."""
    pairs = list(zip(hf, ours, strict=True))
    other = sum(one[metric] != two[metric] for one, two in pairs)
    said = f"{other} of {len(pairs):,} samples have another {metric}"
    if not is_choice:
        return said
    logps = [
        abs(first[0] - second[0])
        for one, two in pairs
        for first, second in zip(one["filtered_resps"], two["filtered_resps"], strict=True)
    ]
    return f"{said}; log-likelihoods differ by at most {max(logps):.2g}"


if __name__ == "__main__":
    main()
