"""Every metric on tables small enough to count by hand, and the invariants that must hold on any table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillright.comparison import Flips, compare
from stillright.errors import ConfigError, DataError
from stillright.importers import write_predictions
from stillright.records import Header, PredictionSet
from stillright.stats import mcnemar_exact, smallest_difference, wilson


def discrete(name: str, answers: str, references: str = "AAAAAAAA", **more: Any) -> PredictionSet:
    """One row a letter: the answer and the reference."""
    rows = [
        {"id": str(i), "prediction": answer, "reference": reference, **{key: value[i] for key, value in more.items()}}
        for i, (answer, reference) in enumerate(zip(answers, references, strict=False))
    ]
    return PredictionSet.from_rows(Header(name=name, task="letters", metric="acc"), rows)


def continuous(name: str, scores: list[float]) -> PredictionSet:
    rows = [{"id": str(i), "output": "text", "score": score} for i, score in enumerate(scores)]
    return PredictionSet.from_rows(Header(name=name, kind="continuous", metric="rouge1"), rows)


# right in every row: A. old has 5 of 8 right, new 5, of which 3 in common
OLD, NEW, COMPAT = "AAAAABBC", "AAABCAAB", "AAAACAAC"


def test_quadrants_by_hand() -> None:
    flips = compare(discrete("old", OLD), discrete("new", NEW)).comparison
    assert (flips.both_right, flips.gain, flips.both_wrong, flips.regression) == (3, 2, 1, 2)
    assert flips.nfr == wilson(2, 8)
    assert flips.pfr == wilson(2, 8)
    assert flips.nfr_mc == wilson(3, 8)  # the last row: C became B, both wrong
    assert flips.nfr_of_old_right == wilson(2, 5)
    assert flips.nfi == wilson(2, 3)
    assert flips.btc == wilson(3, 5)
    assert flips.mcnemar_p == 1.0
    assert flips.delta_score.value == 0
    assert flips.mean_gain.value is None
    assert flips.smallest_difference == smallest_difference(4 / 8, 8)


def test_flips_of_chance_by_hand() -> None:
    old, new = (discrete(name, answers, choices=[3] * 8) for name, answers in (("old", OLD), ("new", NEW)))
    flips = compare(old, new).comparison
    # unrelated models with 5/8 right each: 5/8 * 3/8 flips, and half of 3/8 * 3/8 changed mistakes among two wrong ones
    assert flips.nfr_of_chance.value == pytest.approx((2 / 8) / (15 / 64))
    assert flips.nfr_mc_of_chance.value == pytest.approx((3 / 8) / (15 / 64 + 9 / 64 / 2))
    assert compare(discrete("old", OLD), discrete("new", NEW)).comparison.nfr_mc_of_chance.value is None


def test_candidate_by_hand() -> None:
    comparison = compare(discrete("old", OLD), discrete("new", NEW), [discrete("compat", COMPAT)])
    candidate = comparison.candidates[0]
    assert (comparison.old.score, comparison.new.score, candidate.score) == (5 / 8, 5 / 8, 6 / 8)
    assert candidate.comparison.regression == 1
    assert candidate.comparison.nfr_mc == wilson(1, 8)  # C stayed C
    assert candidate.delta_score.value == pytest.approx(1 / 8)
    assert candidate.delta_nfr.value == pytest.approx(-1 / 8)
    assert candidate.delta_nfr_relative.value == pytest.approx(-1 / 2)
    assert candidate.delta_nfr_p == mcnemar_exact(1, 0)  # one flip of new alone, none of the candidate alone


def test_several_right_answers() -> None:
    def rows(*answers: str) -> list[dict[str, Any]]:
        return [{"id": str(i), "prediction": a, "reference": ["A", "B"]} for i, a in enumerate(answers)]

    old = PredictionSet.from_rows(Header(name="old"), rows("A", "A", "C"))
    new = PredictionSet.from_rows(Header(name="new"), rows("B", "C", "B"))
    flips = compare(old, new).comparison
    assert (flips.both_right, flips.gain, flips.regression) == (1, 1, 1)
    assert flips.nfr_mc == wilson(2, 3)  # right to another right one, and right to wrong; wrong to right is a gain


def test_verdicts_alone() -> None:
    old = PredictionSet.from_rows(Header(name="old"), [{"id": 1, "correct": True}, {"id": 2, "correct": False}])
    new = PredictionSet.from_rows(Header(name="new"), [{"id": 1, "correct": False}, {"id": 2, "correct": False}])
    flips = compare(old, new).comparison
    assert flips.nfr == wilson(1, 2)
    assert flips.nfr_mc.value is None  # a changed mistake cannot be seen without answers


def test_one_run_without_answers_leaves_changed_mistakes_unknown() -> None:
    silent = PredictionSet.from_rows(Header(name="new again"), [{"id": str(i), "correct": True} for i in range(8)])
    flips = compare(discrete("old", OLD), discrete("new", NEW), new_runs=[silent]).comparison
    assert flips.nfr_mc.value is None  # a mean over the pairs that are known would be of other runs than nfr


def test_continuous_by_hand() -> None:
    old = continuous("old", [0.5, 0.5, 0.5, 0.5])
    new = continuous("new", [0.75, 1.0, 0.5, 0.25])
    flips = compare(old, new).comparison
    assert (flips.gain, flips.unchanged, flips.regression) == (2, 1, 1)
    assert flips.nfr == wilson(1, 4)
    assert flips.mean_gain.value == pytest.approx((0.25 + 0.5) / 2)
    assert flips.mean_regression.value == pytest.approx(0.25)
    assert flips.delta_score.value == pytest.approx(0.125)
    assert flips.sign_p == 1.0  # two up, one down
    # differences 1/4, 1/2, 0, -1/4: mean of squares 3/32, less the squared mean 1/64
    assert flips.smallest_difference == pytest.approx(smallest_difference(3 / 32 - 1 / 64, 4))
    assert flips.nfr_mc.value is None
    assert flips.mcnemar_p is None


def test_a_constant_difference_has_no_variance() -> None:
    flips = compare(continuous("old", [0.25, 0.5]), continuous("new", [0.5, 0.75])).comparison
    assert flips.smallest_difference is None
    flips = compare(continuous("old", [0.3, 0.6]), continuous("new", [0.4, 0.7])).comparison
    assert flips.smallest_difference == pytest.approx(0, abs=1e-15)  # but for rounding


def test_epsilon_is_the_least_change_that_counts() -> None:
    old = continuous("old", [0.5, 0.5, 0.5, 0.5])
    new = continuous("new", [0.75, 1.0, 0.5, 0.25])
    flips = compare(old, new, epsilon=0.25).comparison
    assert (flips.gain, flips.unchanged, flips.regression) == (1, 3, 0)
    assert flips.mean_gain.value == pytest.approx(0.5)
    assert flips.mean_regression.value is None
    with pytest.raises(ConfigError, match="below zero"):
        compare(old, new, epsilon=-0.1)


def test_undefined_denominators_are_null() -> None:
    flips = compare(discrete("old", "BB"), discrete("new", "AA")).comparison
    assert flips.nfr_of_old_right.value is None  # old has nothing right
    assert flips.nfi.value is None  # new has nothing wrong
    assert flips.nfr_of_chance.value is None
    same = compare(continuous("old", [0.5]), continuous("new", [0.5])).comparison
    assert same.mean_gain.value is None
    assert same.mean_regression.value is None


answers = st.text("ABC", min_size=8, max_size=8)


@given(answers, answers)
def test_invariants(old: str, new: str) -> None:
    forward = compare(discrete("old", old), discrete("new", new))
    backward = compare(discrete("new", new), discrete("old", old))
    flips = forward.comparison
    assert (flips.gain, flips.regression) == (backward.comparison.regression, backward.comparison.gain)
    assert _total(flips) == forward.n == 8
    assert flips.nfr.value is not None
    assert flips.nfr_mc.value is not None
    assert flips.nfr.value <= flips.nfr_mc.value <= 1 - forward.new.score + 1e-12


def _total(flips: Flips) -> float:
    return sum(
        part or 0 for part in (flips.both_right, flips.gain, flips.both_wrong, flips.regression, flips.unchanged)
    )


@given(answers)
def test_identical_predictions_have_no_flips(same: str) -> None:
    flips = compare(discrete("old", same), discrete("new", same)).comparison
    assert flips.nfr.value == flips.pfr.value == flips.nfr_mc.value == 0


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


def test_the_same_input_gives_the_same_bytes() -> None:
    texts = {compare(discrete("old", OLD), discrete("new", NEW), [discrete("c", COMPAT)]).to_json() for _ in range(3)}
    assert len(texts) == 1


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


def test_outputs_are_scored_anew() -> None:
    def texts(name: str, *outputs: str | None) -> PredictionSet:
        rows = [{"id": i, "output": text, "correct": False, "reference": "a b"} for i, text in enumerate(outputs)]
        return PredictionSet.from_rows(Header(name=name, metric="theirs"), rows)

    old, new = texts("old", "a b", "a c", None), texts("new", "a", "a b", "a b")
    rouge = compare(old, new, score="rouge1")  # old 1, 1/2; new 2/3, 1
    assert (rouge.kind, rouge.metric, rouge.n, rouge.unscored) == ("continuous", "rouge1", 2, 1)
    assert rouge.comparison.mean_regression.value == pytest.approx(1 / 3)
    match = compare(old, new, score="exact_match")
    assert (match.kind, match.comparison.regression, match.comparison.gain) == ("discrete", 1, 1)
    with pytest.raises(ConfigError, match="did you mean rouge1"):
        compare(old, new, score="rouge_1")


def test_frames_and_paths(tmp_path: Path) -> None:
    polars_frame = discrete("old", OLD).table.select("id", "prediction", "reference")
    pandas_frame = pandas.DataFrame({"id": range(8), "prediction": list(NEW), "reference": ["A"] * 8})
    write_predictions(discrete("compat", COMPAT), tmp_path / "compat.jsonl")
    comparison = compare(polars_frame, pandas_frame, [tmp_path / "compat.jsonl"])
    assert (comparison.old.name, comparison.new.name, comparison.candidates[0].name) == ("old", "new", "compat")
    assert comparison.comparison == compare(discrete("old", OLD), discrete("new", NEW)).comparison


def test_models_of_one_name_are_told_apart() -> None:
    comparison = compare(discrete("run", OLD), discrete("run", NEW), [discrete("run", COMPAT)])
    names = (comparison.old.name, comparison.new.name, comparison.candidates[0].name)
    assert names == ("run (old)", "run (new)", "run (candidate 1)")


def test_unscored_samples_are_counted() -> None:
    rows = [{"id": "1", "prediction": "A", "reference": "A"}, {"id": "2", "output": "?"}]
    old = PredictionSet.from_rows(Header(name="old", kind="discrete"), rows)
    comparison = compare(old, old)
    assert (comparison.n, comparison.unscored) == (1, 1)


def test_missing_ids_are_refused() -> None:
    with pytest.raises(DataError, match=r"new lacks 2 ids \(such as '6', '7'\)"):
        compare(discrete("old", OLD), discrete("new", NEW[:6]))


def test_missing_ids_are_dropped_or_wrong() -> None:
    old, new = discrete("old", OLD), discrete("new", NEW[:4])  # 4 of the 8 missing, of which old has one right
    dropped = compare(old, new, on_missing="drop")
    assert (dropped.n, dropped.missing, dropped.on_missing) == (4, 4, "drop")
    assert dropped.comparison.regression == 1
    wrong = compare(old, new, on_missing="wrong")
    assert (wrong.n, wrong.missing, wrong.comparison.regression) == (8, 4, 2)
    assert wrong.new.score == 3 / 8
    with pytest.raises(DataError, match="scores have no wrong answer"):
        compare(continuous("old", [0.5]), continuous("new", [0.5]), on_missing="wrong")


def test_a_file_without_a_verdict_is_not_all_wrong() -> None:
    rows = [{"id": i, "prediction": "A", "reference": "A"} for i in range(4)]
    old = PredictionSet.from_rows(Header(name="old"), [{"id": row["id"], "prediction": "A"} for row in rows])
    new = PredictionSet.from_rows(Header(name="new"), rows)
    with pytest.raises(DataError, match="old: no sample is scored; predictions need a reference to be right or wrong"):
        compare(old, new, on_missing="wrong")


def test_what_counts_as_wrong_is_said() -> None:
    rows: list[dict[str, Any]] = [
        {"id": 1, "correct": True},
        {"id": 2, "correct": None, "output": "?"},
        {"id": 3, "correct": True},
    ]
    old = PredictionSet.from_rows(Header(name="old"), rows)
    new = PredictionSet.from_rows(Header(name="new"), rows[:2])
    comparison = compare(old, new, on_missing="wrong")
    assert (comparison.n, comparison.unscored, comparison.missing, comparison.counted_wrong) == (3, 0, 1, 2)


def test_equal_texts_are_alike_also_without_a_word() -> None:
    rows = [{"id": i, "output": text, "score": 0.5} for i, text in enumerate(("a b", "", "?!"))]
    same = PredictionSet.from_rows(Header(name="x"), rows)
    moved = compare(same, same).movement
    assert moved is not None
    assert moved.similarity.value == 1.0


def test_epsilon_is_not_exceeded_by_rounding() -> None:
    flips = compare(continuous("old", [0.8, 0.3]), continuous("new", [0.7, 0.2]), epsilon=0.1).comparison
    assert (flips.regression, flips.unchanged) == (0, 2)  # 0.8 - 0.7 is 0.10000000000000009 in floating point


def test_a_mean_of_one_sample_has_no_interval() -> None:
    flips = compare(continuous("old", [0.5, 0.5]), continuous("new", [0.9, 0.5])).comparison
    assert flips.mean_gain.value == pytest.approx(0.4)
    assert flips.mean_gain.low is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"on_missing": "ignore"}, "on_missing='ignore': expected one of error, drop, wrong"),
        ({"slices": "area"}, r"slices='area': expected a list"),
        ({"candidates": "c.jsonl"}, "expected a list"),
    ],
)
def test_arguments_are_checked(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compare(discrete("old", OLD), discrete("new", NEW), **arguments)


def test_unscored_outputs_say_what_to_do() -> None:
    rows = [{"id": 1, "output": "a", "reference": "a"}]
    texts = PredictionSet.from_rows(Header(name="x"), rows)
    with pytest.raises(DataError, match="score their outputs, with score=rouge1 or another"):
        compare(texts, texts)


def test_the_order_of_rows_does_not_matter() -> None:
    old, new = discrete("old", OLD), discrete("new", NEW)
    backwards = PredictionSet(new.header, new.table.reverse())
    assert compare(old, backwards).comparison == compare(old, new).comparison


def test_another_reference_is_refused() -> None:
    with pytest.raises(DataError, match="'3': old and new differ in the reference"):
        compare(discrete("old", OLD), discrete("new", NEW, "AAABAAAA"))


def test_a_reference_that_only_a_later_file_has_is_compared_too() -> None:
    old = PredictionSet.from_rows(Header(name="old"), [{"id": 1, "correct": True}])
    new, other = (
        PredictionSet.from_rows(Header(name=name), [{"id": 1, "prediction": "B", "reference": reference}])
        for name, reference in (("new", "A"), ("other", "B"))
    )
    with pytest.raises(DataError, match=r"other differ in the reference \('A' and 'B'\)"):
        compare(old, new, [other])


def test_no_reference_is_no_mistake() -> None:
    rows: list[dict[str, Any]] = [
        {"id": 1, "prediction": "B", "reference": []},
        {"id": 2, "prediction": "B", "reference": "B"},
    ]
    same = PredictionSet.from_rows(Header(name="x"), rows)
    assert (compare(same, same).n, compare(same, same).unscored) == (1, 1)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (Header(name="new", task="digits"), "differ in task"),
        (Header(name="new", metric="acc_norm"), "differ in metric"),
        (Header(name="new", kind="continuous"), "differ in kind"),
    ],
)
def test_other_results_are_refused(header: Header, message: str) -> None:
    with pytest.raises(DataError, match=message):
        compare(discrete("old", OLD), PredictionSet(header, discrete("new", NEW).table))


def test_other_settings_are_refused() -> None:
    old, new = (
        PredictionSet(Header(name=name, settings={"fewshot": shots}), discrete(name, OLD).table)
        for name, shots in (("old", 0), ("new", 5))
    )
    with pytest.raises(DataError, match=r"differ in setting fewshot \(old: 0, new: 5\)"):
        compare(old, new)
