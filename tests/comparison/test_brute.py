"""compare() equals the plain loops of brute.py on random tables, and SciPy where it has the thing."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

import brute
from stillright.comparison import Comparison, compare
from stillright.comparison.pairing import OnMissing
from stillright.errors import DataError
from stillright.records import Header, Kind, PredictionSet

LETTERS = "ABC"
quick = settings(derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
few = settings(quick, max_examples=40)
many = settings(quick, max_examples=120)


class Case(NamedTuple):
    """Files of random rows, and the same as compare() takes them, rows in an order of their own."""

    kind: Kind
    models: list[brute.Model]
    sets: list[list[PredictionSet]]

    def compare(self, **options: Any) -> Comparison:
        (old, *old_runs), (new, *new_runs), *candidates = self.sets
        return compare(old, new, [each[0] for each in candidates], old_runs=old_runs, new_runs=new_runs, **options)


def shapes(most_runs: int) -> st.SearchStrategy[list[int]]:
    """How many runs old, new and up to two candidates have."""
    runs = st.integers(1, most_runs)
    return st.builds(lambda old, new, candidates: [old, new, *[1] * candidates], runs, runs, st.integers(0, 2))


def built(draw: st.DrawFn, kind: Kind, models: list[brute.Model]) -> Case:
    def as_set(name: str, file: brute.File) -> PredictionSet:
        rows = draw(st.permutations([{"id": sample, **row} for sample, row in file.items()]))
        return PredictionSet.from_rows(Header(name=name, kind=kind), rows)

    sets = [[as_set(f"{a}.{r}", file) for r, file in enumerate(model)] for a, model in enumerate(models)]
    ordered = [[{row["id"]: row for row in each.table.to_dicts()} for each in group] for group in sets]
    return Case(kind, ordered, sets)


@st.composite
def discrete_cases(draw: st.DrawFn, most_runs: int = 3, gaps: bool = False) -> Case:
    """1 to 12 samples, one right answer or several, verdicts never, always or sometimes given; gaps: rows missing and
    unscored."""
    ids = [f"s{i}" for i in range(draw(st.integers(1, 12)))]
    most_right = draw(st.integers(1, 2))
    sets = st.lists(st.sampled_from(LETTERS), min_size=1, max_size=most_right, unique=True)
    references = {s: None if gaps and draw(st.integers(0, 9)) == 0 else draw(sets) for s in ids}
    given_never_always_sometimes: list[list[bool | None]] = [[None], [True, False], [None, True, False]]
    verdicts = draw(st.sampled_from(given_never_always_sometimes))
    several: list[list[int | None]] = [[2, 3, 4], [None], [1, 3], [None, 3]]
    numbers = st.sampled_from(draw(st.sampled_from(several)))
    choices = {s: draw(numbers) for s in ids}
    predictions = st.sampled_from([*LETTERS, *([None] if gaps else [])])

    def row(sample: str) -> brute.Row:
        shared = {"reference": references[sample], "choices": choices[sample], "part": "xyz"[int(sample[1:]) % 3]}
        return {"prediction": draw(predictions), "correct": draw(st.sampled_from(verdicts)), "output": "o", **shared}

    def file() -> brute.File:
        left_out = draw(st.sets(st.sampled_from(ids), max_size=2)) if gaps else set()
        return {sample: row(sample) for sample in ids if sample not in left_out or len(left_out) == len(ids)}

    return built(draw, "discrete", [[file() for _ in range(runs)] for runs in draw(shapes(most_runs))])


@st.composite
def continuous_cases(draw: st.DrawFn, most_runs: int = 3, gaps: bool = False) -> Case:
    """Scores in tenths, so that ties and differences of exactly epsilon are common; outputs of a few words."""
    ids = [f"s{i}" for i in range(draw(st.integers(1, 12)))]
    scores = st.sampled_from([*(i / 10 for i in range(11)), *([None] if gaps else [])])
    outputs = st.sampled_from(["", "a b", "b a", "a a c", "The cat.", "the CAT sat"])

    def file() -> brute.File:
        shared = {s: {"part": "xyz"[int(s[1:]) % 3]} for s in ids}
        kept = [s for s in ids if not gaps or s == "s0" or draw(st.booleans())]
        return {s: {"score": draw(scores), "output": draw(outputs), **shared[s]} for s in kept}

    return built(draw, "continuous", [[file() for _ in range(runs)] for runs in draw(shapes(most_runs))])


def values_of(found: Any) -> Any:
    """A dumped comparison with the value in place of every {value, low, high}."""
    if isinstance(found, dict):
        return (
            found["value"] if found.keys() == {"value", "low", "high"} else {k: values_of(v) for k, v in found.items()}
        )
    return [values_of(each) for each in found] if isinstance(found, list | tuple) else found


def assert_equal(found: Any, expected: Any, place: str = "") -> None:
    """Every key of `expected`, null where it is None, and equal to rounding elsewhere."""
    if isinstance(expected, dict):
        for name, value in expected.items():
            assert_equal(found[name], value, f"{place}.{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), place
        for i, value in enumerate(expected):
            assert_equal(found[i], value, f"{place}.{i}")
    elif place.endswith("smallest_difference") and (expected or 0) < 1e-12:
        assert (found or 0) < 1e-12, place  # rounding decides whether it is null
    elif expected is None:
        assert found is None, place
    else:
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12), place


RATES = ("nfr", "pfr", "nfr_mc", "nfr_of_old_right", "nfi", "btc", "noise")


def assert_intervals(found: Any, place: str = "") -> None:
    """An undefined value has no bounds, nor has a mean of few samples; a rate has two finite ones in order."""
    if isinstance(found, dict) and found.keys() == {"value", "low", "high"}:
        bounds = (found["low"], found["high"])
        if bounds != (None, None):
            assert found["value"] is not None, place
            assert all(map(math.isfinite, bounds)), place
            assert bounds[0] <= bounds[1], place
        elif found["value"] is not None:
            assert place.rpartition(".")[2] not in RATES, place
    elif isinstance(found, dict):
        for name, value in found.items():
            assert_intervals(value, f"{place}.{name}")


def assert_equals_brute(case: Case, on_missing: OnMissing = "drop", epsilon: float = 0.0) -> None:
    expected = brute.account(case.models, case.kind, epsilon, on_missing)
    if not expected["n"]:
        with pytest.raises(DataError, match="no sample is scored in every file"):
            case.compare(on_missing=on_missing, epsilon=epsilon)
        return
    comparison = case.compare(on_missing=on_missing, epsilon=epsilon)
    dumped = comparison.model_dump()
    ids = expected.pop("ids")
    expected.pop("p")
    assert_equal(values_of(dumped), expected)
    assert_intervals(dumped)
    for flips in (dumped["comparison"], *(candidate["comparison"] for candidate in dumped["candidates"])):
        parts = (flips[name] for name in ("both_right", "gain", "both_wrong", "unchanged", "regression"))
        assert sum(part or 0 for part in parts) == pytest.approx(comparison.n)
    lost = brute.worst(case.models[0][0], case.models[1][0], ids, case.kind, epsilon)
    shown = [(each.id, each.drop) for each in comparison.worst]
    assert [drop for _, drop in shown] == [drop for _, drop in lost[: len(shown)]]  # of equal ones, any may be shown
    assert (set(shown) <= set(lost), len(set(shown)), comparison.worst_of) == (True, min(len(lost), 10), len(lost))
    assert "NaN" not in comparison.to_json()


@many
@given(discrete_cases(most_runs=1))
def test_discrete(case: Case) -> None:
    assert_equals_brute(case)


@few
@given(discrete_cases())
def test_discrete_of_several_runs(case: Case) -> None:
    assert_equals_brute(case)


@many
@given(discrete_cases(most_runs=2, gaps=True), st.sampled_from(["drop", "wrong"]))
def test_discrete_with_gaps(case: Case, on_missing: OnMissing) -> None:
    assert_equals_brute(case, on_missing)


@many
@given(continuous_cases(), st.sampled_from([0.0, 0.1, 0.25, 2.0]))
def test_continuous(case: Case, epsilon: float) -> None:
    assert_equals_brute(case, epsilon=epsilon)


@few
@given(continuous_cases(most_runs=2, gaps=True))
def test_continuous_with_gaps(case: Case) -> None:
    assert_equals_brute(case)


@few
@given(st.one_of(discrete_cases(2, gaps=True), continuous_cases(2)))
def test_slices(case: Case) -> None:
    whole = brute.account(case.models, case.kind)
    assume(whole["n"])
    comparison = case.compare(on_missing="drop", slices=["part"])
    of_ids = {sample: "xyz"[int(sample[1:]) % 3] for sample in whole["ids"]}
    values = sorted(set(of_ids.values()))
    assert [part.value for part in comparison.slices] == values
    parts = []
    for value in values:
        ids = [sample for sample in whole["ids"] if of_ids[sample] == value]
        parts.append({"n": len(ids), **brute.on_samples(case.models, ids, case.kind, 0.0)})
    assert_equal([values_of(part.model_dump()) for part in comparison.slices], parts)
    ps = [part["p"] for part in parts]
    assert_equal([part.p_adjusted for part in comparison.slices], ps if None in ps else brute.holm(ps))


@few
@given(continuous_cases(most_runs=1))
def test_movement(case: Case) -> None:
    found = case.compare().movement
    old, new = case.models[0][0], case.models[1][0]
    pairs = [(brute.likeness(old[s]["output"], new[s]["output"]), new[s]["score"] - old[s]["score"]) for s in old]
    parts = {
        "gain": brute.mean([likeness for likeness, d in pairs if d > 0]),
        "unchanged": brute.mean([likeness for likeness, d in pairs if d == 0]),
        "regression": brute.mean([likeness for likeness, d in pairs if d < 0]),
    }
    assert found is not None
    assert found.pairs == len(pairs)
    assert_equal(found.similarity.value, brute.mean([likeness for likeness, _ in pairs]))
    assert_equal(
        {name: part.value for name, part in found.parts.items()}, {k: v for k, v in parts.items() if v is not None}
    )


@few
@given(discrete_cases(most_runs=1))
def test_rates_have_scipy_s_wilson_interval_and_exact_p(case: Case) -> None:
    comparison = case.compare()
    flips, n = comparison.comparison, comparison.n
    assert isinstance(flips.both_right, int)
    assert isinstance(flips.both_wrong, int)
    assert isinstance(flips.gain, int)
    assert isinstance(flips.regression, int)
    old_right, new_wrong = flips.both_right + flips.regression, flips.both_wrong + flips.regression
    for found, top, bottom in [
        (flips.nfr, flips.regression, n),
        (flips.pfr, flips.gain, n),
        (flips.nfr_of_old_right, flips.regression, old_right),
        (flips.nfi, flips.regression, new_wrong),
        (flips.btc, flips.both_right, old_right),
        (comparison.old.score_interval, old_right, n),
        (comparison.new.score_interval, n - new_wrong, n),
    ]:
        if bottom:
            expected = binomtest(top, bottom).proportion_ci(method="wilson")
            assert found.low is not None
            assert found.high is not None
            few = 0 < top <= 3, 0 < bottom - top <= 3  # whose nearer ends are farther out than Wilson's
            assert (found.low < expected.low) if few[0] else (found.low == pytest.approx(expected.low, abs=1e-12))
            assert (found.high > expected.high) if few[1] else (found.high == pytest.approx(expected.high, abs=1e-12))
    discordant = flips.gain + flips.regression
    assert flips.mcnemar_p == pytest.approx(binomtest(flips.gain, discordant).pvalue if discordant else 1.0)
