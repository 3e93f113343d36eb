"""How often the 95 % intervals of a comparison hold the truth, and how often its tests raise a false alarm.

    python benchmarks/coverage.py                # the tables of docs/metrics.md, some minutes
    python benchmarks/coverage.py --tables 200   # quicker, less exact
    python benchmarks/coverage.py --world clusters   # the tables alone whose names hold a word

Samples are drawn from known distributions (worlds.py), of which 6 % and 0.6 % are negative flips, and go through the
same account as files do. The truth is the account of two million samples. A cell is the share of the intervals shown
that hold it, in percent; in brackets the share of tables that show one, where some do not. Tests are given worlds
without a difference, and a cell is the share of p below 0.05.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from stillright.comparison.account import Account, account
from stillright.comparison.across import Tasks, macro, pooled
from stillright.comparison.clustered_strata import TaskClusters
from stillright.comparison.columns import tally_continuous, tally_discrete
from stillright.comparison.models import Model
from stillright.comparison.tally import Tally
from stillright.records import Kind
from stillright.report.markdown import table
from stillright.significance import holm, mcnemar_exact, rank_correlation, sign_flip
from stillright.stats import Estimate
from worlds import IN_CLUSTERS, WORLDS, Draw, all_scores, clustered, clustered_scores, discrete, few_scores

Generator = np.random.Generator
Array = np.ndarray
SIZES, RATES = (20, 100, 1_000), (0.06, 0.006)
TRUTH = 2_000_000  # samples
SUITES = {  # sizes of their tasks
    "5 of 20": [20] * 5,
    "20 to 1,000": [20, 50, 100, 200, 1_000],
    "12 of 50 to 600": [50 * i for i in range(1, 13)],
}
CLUSTERED_SUITES = {  # the same, in clusters of ten on average
    "5 of 120": [120] * 5,
    "60 to 1,000": [60, 120, 240, 500, 1_000],
    "12 of 60 to 720": [60 * i for i in range(1, 13)],
}
SLICES, SEEDS, POINTS = 20, 3, 8
CLUSTERED_SIZES = (120, 500, 2_000)  # samples of 12, 50 and 200 clusters
DRAWN_SUITES: dict[str, tuple[Kind, Draw, dict[str, list[int]]]] = {
    "suites, right or wrong": ("discrete", discrete, SUITES),
    "suites, scores, few of which change": ("continuous", few_scores, SUITES),
    "suites, right or wrong, in clusters of ten": ("discrete", clustered, CLUSTERED_SUITES),
    "suites, scores, in clusters of ten": ("continuous", clustered_scores, CLUSTERED_SUITES),
}
LEVEL = 0.05


def accounted(kind: Kind, models: list[Model[pl.DataFrame]]) -> Account:
    """The account of samples as a world draws them, with their clusters if it has some."""
    return account(models, kind, 0.0, cluster=models[0].runs[0].get_column("cluster", default=None))


def estimates(found: Account) -> Mapping[str, Estimate]:
    """Every interval of a comparison, by the name it has in comparison.json."""
    flips, candidate = dict(found.comparison), found.candidates[0]
    shown = {"score": found.new.score_interval, "noise": found.new.noise, **flips}
    shown["nfr_above_noise"] = found.nfr_above_noise
    shown |= {f"candidate {name}": value for name, value in dict(candidate).items() if name.startswith("delta")}
    return {name: each for name, each in shown.items() if isinstance(each, Estimate)}


def covered(kind: Kind, draw: Draw, n: int, rate: float, tables: int) -> Mapping[str, str]:
    """A cell for every interval: of those shown, how many in a hundred hold the truth."""
    truth = estimates(accounted(kind, draw(np.random.default_rng(1), TRUTH, rate)))
    generator, shown, held = np.random.default_rng(0), Counter[str](), Counter[str]()
    for _ in range(tables):
        for name, each in estimates(accounted(kind, draw(generator, n, rate))).items():
            true = truth[name].value
            if each.low is not None and each.high is not None and true is not None:
                shown[name] += 1
                held[name] += each.low <= true <= each.high
    return {name: cell(held[name], shown[name], tables) for name, each in truth.items() if each.value is not None}


def cell(held: int, shown: int, tables: int) -> str:
    """ "95.2", "94.1 (12)" where 12 % of tables show an interval; "too few" where under 1 % do."""
    if shown < tables / 100:
        return "too few"
    return f"{100 * held / shown:.1f}" + (f" ({100 * shown / tables:.0f})" if shown < tables else "")


def suite(generator: Generator, kind: Kind, draw: Draw, sizes: Sequence[int], rate: float) -> Tasks:
    """Equally weighted tasks of these sizes, whose rates of negative flips fall from 1.8 to 0.2 times `rate`."""
    rates = rate * np.linspace(1.8, 0.2, len(sizes))
    drawn = [draw(generator, n, each) for n, each in zip(sizes, rates, strict=True)]
    named = [models[0].runs[0].get_column("cluster", default=None) for models in drawn]
    tallies = [
        tally_discrete(each, cluster) if kind == "discrete" else tally_continuous(each, 0.0, 1, cluster)
        for each, cluster in zip(drawn, named, strict=True)
    ]
    return Tasks([OfTask(kind) for _ in sizes], tallies, [1 / len(sizes)] * len(sizes), clusters_of(tallies))


def clusters_of(tallies: Sequence[Tally]) -> TaskClusters | None:
    """Those of the rows of all tasks, each task with its own."""
    codes = [tally.clusters.codes for tally in tallies if tally.clusters is not None]
    starts = np.cumsum([0, *(each.max() + 1 for each in codes[:-1])])
    return TaskClusters.of([start + each for start, each in zip(starts, codes, strict=True)]) if codes else None


class OfTask(NamedTuple):
    """What a suite asks of the comparison of a task."""

    kind: Kind
    metric: str | None = None
    lower_is_better: bool | None = False


def across(tasks: Tasks) -> Mapping[str, Estimate]:
    """Every interval of an account over all tasks."""
    shown = {"macro": macro(tasks, 1), "pooled": pooled(tasks, 1), "macro candidate": macro(tasks, 2)}
    named = {f"{mean} {name}": each for mean, account in shown.items() for name, each in dict(account).items()}
    return {
        name: each
        for name, each in named.items()
        if isinstance(each, Estimate) and each.value is not None and ("candidate" not in name or "delta_nfr" in name)
    }


def covered_suites(kind: Kind, draw: Draw, sizes: Sequence[int], rate: float, tables: int) -> Mapping[str, str]:
    """A cell for every interval of a suite; the truth is the mean over tasks of the truth of each."""
    large = suite(np.random.default_rng(1), kind, draw, [TRUTH // len(sizes)] * len(sizes), rate)
    by_size = large._replace(weights=[n / sum(sizes) for n in sizes])
    truth = {**across(large), **{f"pooled {name}": each for name, each in dict(macro(by_size, 1)).items()}}
    generator, held, shown = np.random.default_rng(0), Counter[str](), Counter[str]()
    for _ in range(tables):
        found = across(suite(generator, kind, draw, sizes, rate))
        ends = {name: each for name, each in found.items() if each.low is not None}
        shown.update(ends.keys())
        held.update(name for name, each in ends.items() if each.low <= truth[name].value <= each.high)
    return {name: cell(held[name], shown[name], tables) for name in found}


def print_suites(tables: int, word: str) -> None:
    for name, (kind, draw, suites) in DRAWN_SUITES.items():
        if word not in name:
            continue
        cells = {
            f"{sizes}, {100 * rate:g} %": covered_suites(kind, draw, suites[sizes], rate, tables)
            for sizes in suites
            for rate in RATES
        }
        rows = [[f"`{metric}`", *(each[metric] for each in cells.values())] for metric in next(iter(cells.values()))]
        print(table([name, *cells], rows), end="\n\n", flush=True)


def columns(draw: Draw) -> list[tuple[int, float]]:
    """Sizes and rates; a world without a rate has one column a size."""
    sizes = CLUSTERED_SIZES if draw in IN_CLUSTERS else SIZES
    return [(n, rate) for n in sizes for rate in (RATES if draw is not all_scores else (0.0,))]


def print_coverage(tables: int, word: str) -> None:
    for name, (kind, draw) in WORLDS.items():
        if word not in name:
            continue
        cells = {column: covered(kind, draw, *column, tables) for column in columns(draw)}
        head = [name, *(f"n = {n:,}" + (f", {100 * rate:g} %" if rate else "") for n, rate in cells)]
        rows = [[f"`{metric}`", *(cells[column][metric] for column in cells)] for metric in next(iter(cells.values()))]
        print(table(head, rows), end="\n\n", flush=True)


def null_ps(generator: Generator, n: int, rate: float) -> Iterator[tuple[str, float]]:
    """A p of every test, of samples that `rate` of the time differ either way alike."""
    up, down = generator.multinomial(n, [rate, rate, 1 - 2 * rate])[:2]
    yield "`mcnemar_p`, `sign_p`, `delta_nfr_p`", mcnemar_exact(int(up), int(down))
    parts = generator.multinomial(n, [rate, rate, 1 - 2 * rate], size=SLICES)[:, :2]
    yield (
        f"least `p_adjusted` of {SLICES} slices of n each",
        min(holm([mcnemar_exact(*map(int, each)) for each in parts])),
    )
    drawn = generator.choice([1.0, -1.0, 0.0], (SEEDS, n), p=[rate, rate, 1 - 2 * rate])
    drawn = np.where(generator.random(n) < 0.5, drawn[0], drawn).sum(axis=0)  # half of samples are alike in all seeds
    values, counts = np.unique(drawn, return_counts=True)
    yield f"p of a study's difference, {SEEDS} seeds", sign_flip(values, counts.astype(np.float64))


def print_false_alarms(tables: int) -> None:
    cells: dict[tuple[int, float], Counter[str]] = {}
    for n, rate in ((n, rate) for n in SIZES for rate in RATES):
        generator = np.random.default_rng(2)
        ps = [pair for _ in range(tables) for pair in null_ps(generator, n, rate)]
        cells[n, rate] = Counter({name: 0 for name, _ in ps})
        cells[n, rate].update(name for name, p in ps if p < LEVEL)
    head = ["p below 0.05, without a difference", *(f"n = {n:,}, {100 * rate:g} %" for n, rate in cells)]
    names = list(next(iter(cells.values())))
    rows = [[name, *(f"{100 * each[name] / tables:.1f}" for each in cells.values())] for name in names]
    print(table(head, rows), end="\n\n")
    generator = np.random.default_rng(3)
    found = [rank_correlation(*generator.normal(size=(2, POINTS)).tolist())[1] for _ in range(tables // 10)]
    alarms = sum(p is not None and p < LEVEL for p in found)
    print(f"Spearman's rho of {POINTS} points: {100 * alarms / len(found):.1f} of {len(found)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tables", type=int, default=2_000, help="simulated comparisons a cell (default 2,000)")
    parser.add_argument("--suites", action="store_true", help="the tables of suites alone")
    parser.add_argument("--world", default="", help="a word in the names of the tables to print; default: all")
    args = parser.parse_args()
    if not args.suites:
        print_coverage(args.tables, args.world)
    if not args.suites and not args.world:
        print_false_alarms(args.tables)
    print_suites(args.tables, args.world)


if __name__ == "__main__":
    main()
