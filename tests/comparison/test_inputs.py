"""What is compared: files and frames, gaps between them, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas
import pytest

from letters import COMPAT, NEW, OLD, continuous, discrete
from stillright.comparison import compare
from stillright.errors import ConfigError, DataError
from stillright.importers import write_predictions
from stillright.records import Header, PredictionSet


def test_frames_and_paths(tmp_path: Path) -> None:
    polars_frame = discrete("old", OLD).table.select("id", "prediction", "reference")
    pandas_frame = pandas.DataFrame({"id": range(8), "prediction": list(NEW), "reference": ["A"] * 8})
    write_predictions(discrete("compat", COMPAT), tmp_path / "compat.jsonl")
    comparison = compare(polars_frame, pandas_frame, [tmp_path / "compat.jsonl"])
    assert (comparison.old.name, comparison.new.name, comparison.candidates[0].name) == ("old", "new", "compat")
    assert comparison.comparison == compare(discrete("old", OLD), discrete("new", NEW)).comparison


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
    with pytest.raises(ConfigError, match="did you mean 'rouge1'"):
        compare(old, new, score="rouge_1")


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


def test_an_option_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match="old_run"):
        compare(discrete("old", OLD), discrete("new", NEW), old_run=[])  # type: ignore[call-arg]
