"""What a comparison holds beside its metrics: runs, slices, lost answers, likeness, names, the contract."""

from __future__ import annotations

import json
from typing import Any

import pytest

from letters import COMPAT, NEW, OLD, continuous, discrete
from stillright.comparison import compare
from stillright.errors import ConfigError
from stillright.power import smallest_difference
from stillright.records import Header, PredictionSet

# two runs of old, two of new, right answer A; of pairs (old run, new run) in each row:
#   row 0: old AA, new AB: one of two new runs loses it     row 1: old AB, new AA: gained against one old run
OLD_RUNS, NEW_RUNS = ("AA", "AB"), ("AA", "BA")


def test_runs_are_means_over_pairs() -> None:
    old, old_again = (discrete("old", run) for run in OLD_RUNS)
    new, new_again = (discrete("new", run) for run in NEW_RUNS)
    comparison = compare(old, new, old_runs=[old_again], new_runs=[new_again])
    flips = comparison.comparison
    # (old run, new run): row 0 lost in 2 of 4 pairs; row 1 gained in 2 of 4 pairs
    assert flips.nfr.value == pytest.approx(2 / 4 / 2)
    assert flips.pfr.value == pytest.approx(2 / 4 / 2)
    assert flips.regression == pytest.approx(0.5)
    assert (comparison.old.score, comparison.new.score) == (0.75, 0.75)
    # ordered pairs of old's runs: row 1 is right then wrong in one of two; of new's: row 0 in one of two
    assert comparison.old.noise is not None
    assert comparison.new.noise is not None
    assert comparison.old.noise.value == comparison.new.noise.value == 0.25
    assert comparison.nfr_above_noise is not None
    assert comparison.nfr_above_noise.value == 0
    assert flips.mcnemar_p is None  # pairs of runs are no independent coins
    # the mean difference of row 0 is -1/2, of row 1 +1/2: reruns steady a sample, so their mean square counts
    assert flips.smallest_difference == pytest.approx(smallest_difference(1 / 4, 2))


def test_one_run_has_no_noise_floor() -> None:
    comparison = compare(discrete("old", OLD), discrete("new", NEW))
    assert comparison.old.noise is comparison.nfr_above_noise is None


def test_one_run_without_answers_leaves_changed_mistakes_unknown() -> None:
    silent = PredictionSet.from_rows(Header(name="new again"), [{"id": str(i), "correct": True} for i in range(8)])
    flips = compare(discrete("old", OLD), discrete("new", NEW), new_runs=[silent]).comparison
    assert flips.nfr_mc.value is None  # a mean over the pairs that are known would be of other runs than nfr


def test_slices_are_adjusted() -> None:
    area = list("xxxxyyyz")
    comparison = compare(discrete("old", OLD, area=area), discrete("new", NEW, area=area), slices=["area"])
    parts = {part.value: part for part in comparison.slices}
    assert {value: part.n for value, part in parts.items()} == {"x": 4, "y": 3, "z": 1}
    assert (parts["x"].comparison.regression, parts["y"].comparison.gain) == (1, 2)
    # exact McNemar: x lost one, y lost one and gained two, z nothing: all p = 1
    assert [part.p_adjusted for part in comparison.slices] == [1.0, 1.0, 1.0]
    with pytest.raises(ConfigError, match="slice 'colour': no file has such a column with a value in it"):
        compare(discrete("old", OLD), discrete("new", NEW), slices=["colour"])


def test_a_sample_is_sliced_by_the_first_file_that_has_it() -> None:
    old, new = discrete("old", OLD[:6], area="xxxxxx"), discrete("new", NEW, area="xxxxxxyy")
    comparison = compare(old, new, slices=["area"], on_missing="wrong")
    assert [(part.value, part.n) for part in comparison.slices] == [("x", 6), ("y", 2)]


@pytest.mark.parametrize("name", ["right", "answer"])
def test_columns_to_slice_by_may_have_any_name(name: str) -> None:
    for plain in (discrete("m", "AB"), continuous("m", [0.5, 0.4])):
        results = PredictionSet.from_rows(plain.header, [{**row, name: "mine"} for row in plain.table.to_dicts()])
        assert [part.value for part in compare(results, results, slices=[name]).slices] == ["mine"]


def test_worst_regressions_come_first() -> None:
    comparison = compare(continuous("old", [0.5, 0.9, 0.4]), continuous("new", [0.4, 0.1, 0.6]))
    assert [(r.id, round(r.drop, 9)) for r in comparison.worst] == [("1", 0.8), ("0", 0.1)]


def test_movement_by_quadrant() -> None:
    def summaries(name: str, *texts: str) -> PredictionSet:
        rows = [{"id": i, "output": text, "score": len(text) / 100} for i, text in enumerate(texts)]
        return PredictionSet.from_rows(Header(name=name, kind="continuous"), rows)

    moved = compare(summaries("old", "a b c", "a b"), summaries("new", "a b c", "c d e f")).movement
    assert moved is not None
    assert moved.similarity.value == pytest.approx(0.5)
    assert {part: value.value for part, value in moved.parts.items()} == {"unchanged": 1.0, "gain": 0.0}


def test_equal_texts_are_alike_also_without_a_word() -> None:
    rows = [{"id": i, "output": text, "score": 0.5} for i, text in enumerate(("a b", "", "?!"))]
    same = PredictionSet.from_rows(Header(name="x"), rows)
    moved = compare(same, same).movement
    assert moved is not None
    assert moved.similarity.value == 1.0


def test_models_of_one_name_are_told_apart() -> None:
    comparison = compare(discrete("run", OLD), discrete("run", NEW), [discrete("run", COMPAT)])
    names = (comparison.old.name, comparison.new.name, comparison.candidates[0].name)
    assert names == ("run (old)", "run (new)", "run (candidate 1)")


def test_json_follows_the_contract() -> None:
    comparison = compare(discrete("old", OLD), discrete("new", NEW), [discrete("compat", COMPAT)])
    value: dict[str, Any] = json.loads(comparison.to_json())
    assert {"task", "metric", "kind", "n", "unscored", "old", "new", "comparison", "candidates"} <= value.keys()
    assert {"name", "score"} <= value["old"].keys()
    assert isinstance(value["old"]["score"], float)
    metrics = {"nfr", "pfr", "nfr_mc", "nfr_of_old_right", "nfi", "btc"}
    for metric in metrics:
        assert value["comparison"][metric].keys() == {"value", "low", "high"}
    assert [type(value["comparison"][part]) for part in ("both_right", "gain", "both_wrong", "regression")] == [int] * 4
    candidate = value["candidates"][0]
    assert {"name", "score", "comparison", "delta_score", "delta_nfr", "delta_nfr_relative"} <= candidate.keys()
    assert candidate["delta_nfr"].keys() == {"value", "low", "high"}
    assert [type(candidate[name]) for name in ("restored", "newly_lost")] == [int] * 2


def test_the_same_input_gives_the_same_bytes() -> None:
    texts = {compare(discrete("old", OLD), discrete("new", NEW), [discrete("c", COMPAT)]).to_json() for _ in range(3)}
    assert len(texts) == 1


def test_of_long_texts_an_excerpt_is_kept_from_before_their_first_difference() -> None:
    def long(name: str, word: str, score: float) -> PredictionSet:
        row = {"id": "1", "score": score, "prompt": "p" * 20_000 + "?", "output": "a" * 50_000 + word + "b" * 50_000}
        return PredictionSet.from_rows(Header(name=name), [{**row, "reference": ["r" * 20_000] * 30}])

    comparison = compare(long("old", "OLD", 1.0), long("new", "NEW", 0.0))
    (lost,) = comparison.worst
    assert lost.old == "…" + "a" * 1000 + "OLD" + "b" * 8997 + "…"
    assert lost.new == "…" + "a" * 1000 + "NEW" + "b" * 8997 + "…"
    assert lost.prompt == "…" + "p" * 9999 + "?"
    assert lost.reference == ("r" * 10_000 + "…",) * 10
    assert len(comparison.to_json()) < 150_000
