"""How often a gate on many slices fails by chance, with and without `adjust: holm`: whole gates on drawn answers.

python benchmarks/slice_alarms.py [--draws 200] [--slices 20] [--samples 500]

Old has every answer right, and new loses each with the true NFR. One slice in the last rows loses more. A gate that
fails where every slice keeps its limit is a false alarm; where one breaks it, it is right.
"""

from __future__ import annotations

import argparse

import numpy as np
import polars as pl

from stillright.config import Policy
from stillright.records import Header, PredictionSet
from stillright.stats import wilson
from stillright.verdict import gate

LIMIT = 0.05
RATES = ((0.02, 0.02), (0.03, 0.03), (0.05, 0.05), (0.02, 0.08), (0.02, 0.10))  # of all slices but one, and of that one


def policy(adjust: str) -> Policy:
    limit = {"metric": "nfr", "max": LIMIT, "slice": "part"}
    return Policy.model_validate({"limits": [limit], "adjust": adjust})


def answers(name: str, right: np.ndarray) -> PredictionSet:
    """Samples (slices, samples), which are right or not."""
    slices, samples = right.shape
    table = pl.DataFrame(
        {
            "id": [str(i) for i in range(right.size)],
            "correct": right.ravel(),
            "part": [f"{i:03}" for i in range(slices) for _ in range(samples)],
        }
    )
    return PredictionSet.from_rows(Header(name=name, kind="discrete"), table.to_dicts())


def fails(draws: int, slices: int, samples: int, rates: tuple[float, float], seed: int) -> dict[str, float]:
    """The share of draws in which the gate fails, without and with adjusting."""
    generator = np.random.default_rng(seed)
    old = answers("old", np.ones((slices, samples), dtype=bool))
    true = np.full((slices, 1), rates[0])
    true[0] = rates[1]
    failed = dict.fromkeys(("none", "holm"), 0)
    for _ in range(draws):
        new = answers("new", generator.random((slices, samples)) >= true)
        for adjust in failed:
            failed[adjust] += gate(old, new, policy(adjust)).verdict.outcome == "fail"
    return {adjust: count / draws for adjust, count in failed.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--slices", type=int, default=20)
    parser.add_argument("--samples", type=int, default=500, help="of each slice")
    args = parser.parse_args()
    print(f"nfr, max {LIMIT:g}, {args.slices} slices of {args.samples} samples, {args.draws} draws")
    print(f"{'true NFR':>9} {'of one':>7}  {'fails':>7} [95 %]            {'adjust: holm':>12} [95 %]")
    for number, rates in enumerate(RATES):
        found = fails(args.draws, args.slices, args.samples, rates, seed=number)
        cells = [wilson(round(share * args.draws), args.draws) for share in found.values()]
        shown = [f"{each.value:7.1%} [{each.low:.1%}, {each.high:.1%}]" for each in cells]
        print(f"{rates[0]:9.1%} {rates[1]:7.1%}  " + "   ".join(f"{text:<24}" for text in shown), flush=True)


if __name__ == "__main__":
    main()
