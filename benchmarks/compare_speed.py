"""stillright.compare against a straightforward pandas + SciPy script: the same files, the same numbers, side by side.

    python benchmarks/compare_speed.py                   # one million pairs
    python benchmarks/compare_speed.py --pairs 10000000 --skip-peer

Each side runs in a process of its own, which reads two files of predictions and a candidate's, and computes accuracy,
quadrants, NFR, PFR, NFR_mc, NFI, BTC with 95 % intervals, the exact McNemar test and the differences of the candidate
with bootstrap intervals over 2,000 resamples. Prints seconds of the clock and of all processors, peak memory and the
ratio. Needs pandas and SciPy.

Beside them stands the floor: Polars alone reads the files of old and new, joins them and counts the flips. `pair` is
stillright on those two files; it should take at most twice as long. `flips` is the export of 100,000 of its samples.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

RESAMPLES = 2000
EXPORTED = 100_000
NAMES = ("old", "new", "candidate")


def write_files(folder: Path, pairs: int) -> list[Path]:
    """Three files of answers A to D to the same questions: old, new and a candidate, right in 60 to 70 % of rows."""
    generator = np.random.default_rng(0)
    reference = generator.integers(0, 4, pairs)
    known = generator.random(pairs)  # hard questions are hard for every model
    paths = []
    for name, skill in zip(NAMES, (0.60, 0.66, 0.68), strict=True):
        right = known + generator.normal(0, 0.15, pairs) < skill
        answer = np.where(right, reference, (reference + generator.integers(1, 4, pairs)) % 4)
        path = folder / f"{name}.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for i, (a, r) in enumerate(zip(answer.tolist(), reference.tolist(), strict=True)):
                file.write(f'{{"id": "sample-{i}", "prediction": "{"ABCD"[a]}", "reference": "{"ABCD"[r]}"}}\n')
        paths.append(path)
    return paths


def with_stillright(paths: list[Path]) -> dict[str, float | None]:
    """What stillright says, by name."""
    from stillright import compare

    comparison = compare(paths[0], paths[1], paths[2:])
    flips, candidate = comparison.comparison, comparison.candidates[0]
    return {
        "nfr": flips.nfr.value,
        "nfr_mc": flips.nfr_mc.value,
        "nfi": flips.nfi.value,
        "mcnemar_p": flips.mcnemar_p,
        "delta_nfr": candidate.delta_nfr.value,
        "delta_nfr_low": candidate.delta_nfr.low,
        "delta_score_high": candidate.delta_score.high,
    }


def with_pandas(paths: list[Path]) -> dict[str, float | None]:
    """The same, as one would write it with pandas and SciPy."""
    import pandas as pd
    from scipy.stats import binomtest, bootstrap

    frames = [pd.read_json(path, lines=True, dtype=False).set_index("id") for path in paths]
    joined = frames[0].join(frames[1], rsuffix="_new").join(frames[2], rsuffix="_candidate")
    old, new, candidate = (
        (joined[f"prediction{suffix}"] == joined["reference"]).to_numpy() for suffix in ("", "_new", "_candidate")
    )
    changed = (joined["prediction"] != joined["prediction_new"]).to_numpy() & ~new
    n, lost, gained = len(old), int((old & ~new).sum()), int((~old & new).sum())

    def difference(a: Any, b: Any, axis: int = -1) -> Any:
        return a.mean(axis=axis) - b.mean(axis=axis)

    def interval(a: Any, b: Any) -> Any:
        pairs = (a.astype(float), b.astype(float))
        return bootstrap(
            pairs, difference, paired=True, n_resamples=RESAMPLES, batch=10, method="percentile", rng=0
        ).confidence_interval

    for count, of in ((lost, n), (gained, n), (changed.sum(), n), (lost, (~new).sum()), ((old & new).sum(), old.sum())):
        binomtest(int(count), int(of)).proportion_ci(method="wilson")
    delta_nfr, delta_score = interval(old & ~candidate, old & ~new), interval(candidate, new)
    interval(new, old)
    return {
        "nfr": lost / n,
        "nfr_mc": float(changed.mean()),
        "nfi": lost / int((~new).sum()),
        "mcnemar_p": float(binomtest(lost, lost + gained).pvalue),
        "delta_nfr": float((old & ~candidate).mean() - (old & ~new).mean()),
        "delta_nfr_low": float(delta_nfr.low),
        "delta_score_high": float(delta_score.high),
    }


def the_floor(paths: list[Path]) -> dict[str, float | None]:
    """NFR alone, as the fastest reader that there is finds it."""
    import polars as pl

    schema = dict.fromkeys(("id", "prediction", "reference"), pl.String)
    old, new = (pl.scan_ndjson(path, schema=schema) for path in paths[:2])
    right, still = (pl.col(name) == pl.col("reference") for name in ("prediction", "prediction_new"))
    joined = old.join(new, on="id", suffix="_new")
    return {"nfr": float(joined.select((right & ~still).mean()).collect().item())}


def the_pair(paths: list[Path]) -> dict[str, float | None]:
    """All numbers and intervals of old and new."""
    from stillright import compare

    flips = compare(paths[0], paths[1]).comparison
    return {"nfr": flips.nfr.value, "nfr_low": flips.nfr.low, "nfi": flips.nfi.value, "mcnemar_p": flips.mcnemar_p}


def the_flips(paths: list[Path]) -> dict[str, float | None]:
    """Seconds of the export of the first samples, in each format."""
    from stillright import compare, read_predictions
    from stillright.report.flips_file import FORMATS, flips_file

    old, new = (read_predictions(path) for path in paths[:2])
    old, new = (replace(each, table=each.table.head(EXPORTED)) for each in (old, new))
    comparison = compare(old, new)
    seconds: dict[str, float | None] = {}
    for suffix in FORMATS:
        started = time.perf_counter()
        flips_file(comparison.flips(), suffix)
        seconds[f"seconds of {suffix}"] = time.perf_counter() - started
    return seconds


SIDES: dict[str, Callable[[list[Path]], dict[str, float | None]]] = {
    "floor": the_floor,
    "pair": the_pair,
    "flips": the_flips,
    "stillright": with_stillright,
    "pandas": with_pandas,
}


def measured(side: str, folder: Path) -> dict[str, Any]:
    """Numbers, seconds and peak memory of one side in a process of its own."""
    command = [sys.executable, __file__, "--side", side, "--folder", str(folder)]
    return dict(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def run_side(side: str, folder: Path) -> None:
    import stillright.comparison
    import stillright.importers  # noqa: F401

    started = time.perf_counter()
    numbers = SIDES[side]([folder / f"{name}.jsonl" for name in NAMES])
    seconds = time.perf_counter() - started
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"numbers": numbers, "seconds": seconds, "cpu": time.process_time(), "peak_mb": peak_mb}))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--skip-peer", action="store_true", help="stillright alone, for sizes the peer cannot hold")
    parser.add_argument("--side", choices=sorted(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        run_side(args.side, args.folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), args.pairs)
        results = {side: measured(side, Path(folder)) for side in SIDES if not (args.skip_peer and side == "pandas")}
    print(f"{args.pairs:,} pairs and a candidate")
    for side, result in results.items():
        print(f"{side:<12}{result['seconds']:8.2f} s {result['cpu']:8.2f} s cpu {result['peak_mb']:8,.0f} MB")
        print(f"{'':<12}{', '.join(f'{name} {value:.6g}' for name, value in result['numbers'].items())}")
    print(f"the pair takes {results['pair']['seconds'] / results['floor']['seconds']:.1f} times the floor")
    if not args.skip_peer:
        print(f"stillright is {results['pandas']['seconds'] / results['stillright']['seconds']:.1f} times faster")


if __name__ == "__main__":
    main()
