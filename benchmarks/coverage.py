"""How often the 95 % intervals of a comparison hold the truth, and how often its tests raise a false alarm.

    python benchmarks/coverage.py                # the tables of docs/metrics.md, some minutes
    python benchmarks/coverage.py --tables 200   # quicker, less exact
    python benchmarks/coverage.py --world clusters   # the tables alone whose names hold a word

Samples are drawn from known distributions (WORLDS), of which 6 % and 0.6 % are negative flips, and go through the same
account as files do. The truth is the account of two million samples. A cell is the share of the intervals shown that
hold it, in percent; in brackets the share of tables that show one, where some do not. Tests are given worlds without a
difference, and a cell is the share of p below 0.05.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from stillright.comparison.account import Account, account
from stillright.comparison.across import Tasks, macro, pooled
from stillright.comparison.models import Model
from stillright.comparison.tally import tally_continuous, tally_discrete
from stillright.records import Kind
from stillright.report.markdown import table
from stillright.significance import holm, mcnemar_exact, rank_correlation, sign_flip
from stillright.stats import Estimate

Generator = np.random.Generator
Array = np.ndarray
Draw = Callable[[Generator, int, float], list[Model[pl.DataFrame]]]  # n samples, at this rate of negative flips
SIZES, RATES = (20, 100, 1_000), (0.06, 0.006)
TRUTH = 2_000_000  # samples
CHOICES = 4
SUITES = {  # sizes of their tasks
    "5 of 20": [20] * 5,
    "20 to 1,000": [20, 50, 100, 200, 1_000],
    "12 of 50 to 600": [50 * i for i in range(1, 13)],
}
SLICES, SEEDS, POINTS = 20, 3, 8
OF_CLUSTER, CORRELATION = 10, 0.3  # samples of a cluster on average, and how alike they are
CLUSTERED_SIZES = (120, 500, 2_000)  # samples of 12, 50 and 200 clusters
LEVEL = 0.05


def answers(generator: Generator, right: Array) -> pl.DataFrame:
    """Answers to questions with four choices, the first of which is right."""
    answer = np.where(right, 0, generator.integers(1, CHOICES, len(right)))
    given = {"right": right, "answer": answer.astype(str), "choices": np.full(len(right), CHOICES)}
    return pl.DataFrame(given).with_columns(reference=pl.lit(["0"]))


def flipped(generator: Generator, old: Array, rate: float, gained: float) -> Array:
    """Whether each sample is right after `rate` of all samples are lost and `gained` of all are gained."""
    chance = np.where(old, 1 - rate / 0.7, gained / 0.3)
    return generator.random(len(old)) < chance


def discrete(generator: Generator, n: int, rate: float) -> list[Model[pl.DataFrame]]:
    """Old is right in 70 %; the candidate keeps half of what new loses, and loses a sixth as much elsewhere."""
    old = generator.random(n) < 0.7
    new = flipped(generator, old, rate, 1.5 * rate)
    kept = new | (old & (generator.random(n) < 0.5))
    candidate = kept & ~(old & new & (generator.random(n) < rate / 6))
    named = zip(("old", "new", "candidate"), (old, new, candidate), strict=True)
    return [Model(name, [answers(generator, right)]) for name, right in named]


def reruns(generator: Generator, n: int, rate: float) -> list[Model[pl.DataFrame]]:
    """Two runs a model: some samples are sure, some are left to chance; the candidate has one run."""
    known = generator.choice([0.0, 0.5, 1.0], n, p=[0.3 - rate, 2 * rate, 0.7 - rate])
    lost, kept = generator.random(n) < rate / 2, generator.random(n) < 0.5
    chances = {"old": known, "new": np.where(lost, 0.0, known), "candidate": np.where(lost & ~kept, 0.0, known)}
    runs = {"old": 2, "new": 2, "candidate": 1}
    drawn = {name: [generator.random(n) < chances[name] for _ in range(count)] for name, count in runs.items()}
    return [Model(name, [answers(generator, right) for right in each]) for name, each in drawn.items()]


def scores(*models: Array) -> list[Model[pl.DataFrame]]:
    """Models of one run each: old, new, candidate."""
    named = zip(("old", "new", "candidate"), models, strict=True)
    return [Model(name, [pl.DataFrame({"score": score})]) for name, score in named]


def few_scores(generator: Generator, n: int, rate: float) -> list[Model[pl.DataFrame]]:
    """Most scores stay; `rate` of them fall, by a random part; the candidate keeps half of those."""
    old, part = generator.beta(2, 1.5, n), generator.random((3, n))
    new = np.where(part[0] < rate, old * part[1], np.where(part[0] > 1 - rate, old + (1 - old) * part[1], old))
    return scores(old, new, np.where((new < old) & (part[2] < 0.5), old, new))


def all_scores(generator: Generator, n: int, rate: float) -> list[Model[pl.DataFrame]]:
    """Every score moves, more rise than fall; `rate` has no meaning here."""
    old = generator.beta(2, 1.5, n)
    new, candidate = (np.clip(old + generator.normal(shift, 0.1, n), 0, 1) for shift in (0.02, 0.03))
    return scores(old, new, candidate)


def score_reruns(generator: Generator, n: int, rate: float) -> list[Model[pl.DataFrame]]:
    """`few_scores` with two runs of old and of new, one of which answers a few samples differently."""
    models = few_scores(generator, n, rate)
    for model in models[:2]:
        again = np.where(generator.random(n) < rate, generator.random(n), model.runs[0]["score"].to_numpy())
        model.runs.append(pl.DataFrame({"score": again}))
    return models


def clustered(generator: Generator, n: int, rate: float) -> list[Model[pl.DataFrame]]:
    """`discrete` in clusters of 1 to many samples, ten on average, with an intraclass correlation of 0.3: chances are
    beta distributed over clusters."""
    sizes = generator.geometric(1 / OF_CLUSTER, n // OF_CLUSTER)
    numbers = np.repeat(np.arange(len(sizes)), sizes)

    def drawn(mean: float) -> Array:
        weight = 1 / CORRELATION - 1
        return generator.random(len(numbers)) < generator.beta(mean * weight, (1 - mean) * weight, len(sizes))[numbers]

    old = drawn(0.7)
    new = np.where(old, ~drawn(rate / 0.7), drawn(1.5 * rate / 0.3))
    kept = new | (old & (generator.random(len(old)) < 0.5))
    candidate = kept & ~(old & new & (generator.random(len(old)) < rate / 6))
    named = zip(("old", "new", "candidate"), (old, new, candidate), strict=True)
    models = [Model(name, [answers(generator, right)]) for name, right in named]
    models[0].runs[0] = models[0].runs[0].with_columns(pl.Series("cluster", numbers))
    return models


def clustered_scores(generator: Generator, n: int, rate: float) -> list[Model[pl.DataFrame]]:
    """Scores of which `rate` of all clusters fall wholly, and as many rise; the candidate keeps half of those."""
    sizes = generator.geometric(1 / OF_CLUSTER, n // OF_CLUSTER)
    numbers = np.repeat(np.arange(len(sizes)), sizes)
    chance, part = generator.random(len(sizes))[numbers], generator.random((2, len(numbers)))
    old = generator.beta(2, 1.5, len(sizes))[numbers] * (0.5 + 0.5 * part[0])
    new = np.where(chance < rate, old * part[1], np.where(chance > 1 - rate, old + (1 - old) * part[1], old))
    kept = generator.random(len(sizes))[numbers] < 0.5
    models = scores(old, new, np.where((new < old) & kept, old, new))
    models[0].runs[0] = models[0].runs[0].with_columns(pl.Series("cluster", numbers))
    return models


WORLDS: dict[str, tuple[Kind, Draw]] = {
    "right or wrong": ("discrete", discrete),
    "right or wrong, two runs": ("discrete", reruns),
    "scores, few of which change": ("continuous", few_scores),
    "scores, all of which change": ("continuous", all_scores),
    "scores, two runs": ("continuous", score_reruns),
    "right or wrong, in clusters of ten": ("discrete", clustered),
    "scores, in clusters of ten": ("continuous", clustered_scores),
}
IN_CLUSTERS = (clustered, clustered_scores)


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


def suite(generator: Generator, kind: Kind, sizes: Sequence[int], rate: float) -> Tasks:
    """Equally weighted tasks of these sizes, whose rates of negative flips fall from 1.8 to 0.2 times `rate`."""
    draw = discrete if kind == "discrete" else few_scores
    rates = rate * np.linspace(1.8, 0.2, len(sizes))
    drawn = [draw(generator, n, each) for n, each in zip(sizes, rates, strict=True)]
    tallies = [tally_discrete(each) if kind == "discrete" else tally_continuous(each, 0.0) for each in drawn]
    return Tasks([OfTask(kind) for _ in sizes], tallies, [1 / len(sizes)] * len(sizes))


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


def covered_suites(kind: Kind, sizes: Sequence[int], rate: float, tables: int) -> Mapping[str, str]:
    """A cell for every interval of a suite; the truth is the mean over tasks of the truth of each."""
    large = suite(np.random.default_rng(1), kind, [TRUTH // len(sizes)] * len(sizes), rate)
    by_size = Tasks(large.comparisons, large.tallies, [n / sum(sizes) for n in sizes])
    truth = {**across(large), **{f"pooled {name}": each for name, each in dict(macro(by_size, 1)).items()}}
    generator, held = np.random.default_rng(0), Counter[str]()
    for _ in range(tables):
        found = across(suite(generator, kind, sizes, rate))
        held.update(name for name, each in found.items() if each.low <= truth[name].value <= each.high)
    return {name: cell(held[name], tables, tables) for name in found}


def print_suites(tables: int) -> None:
    for kind in ("discrete", "continuous"):
        cells = {
            f"{name}, {100 * rate:g} %": covered_suites(kind, sizes, rate, tables)
            for name, sizes in SUITES.items()
            for rate in RATES
        }
        rows = [[f"`{metric}`", *(each[metric] for each in cells.values())] for metric in next(iter(cells.values()))]
        print(table([f"suites, {kind}", *cells], rows), end="\n\n", flush=True)


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
    if not args.world:
        print_suites(args.tables)


if __name__ == "__main__":
    main()
