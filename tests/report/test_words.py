"""What reports say in words: no more than the numbers, and on the scale that the scores have."""

from __future__ import annotations

import pytest

from stillright.comparison import Comparison, compare
from stillright.records import Header, PredictionSet
from stillright.report.page import Table, Terms
from stillright.report.pages import comparison_page
from stillright.report.words import MEANINGS, METRICS, note, sentences


def scores(name: str, values: list[float]) -> PredictionSet:
    return PredictionSet.from_rows(Header(name=name), [{"id": i, "score": value} for i, value in enumerate(values)])


def answers(name: str, right: str) -> PredictionSet:
    return PredictionSet.from_rows(Header(name=name), [{"id": i, "correct": r == "r"} for i, r in enumerate(right)])


def metrics(comparison: Comparison) -> tuple[Table, Terms]:
    """The table of metrics in the report, and what it says they mean."""
    (section,) = (each for each in comparison_page(comparison).sections if each.title == "Metrics")
    table, terms = section.blocks
    assert isinstance(table, Table)
    assert isinstance(terms, Terms)
    return table, terms


def test_the_verdict_on_a_mean_is_that_of_its_interval() -> None:
    old = scores("old", [0.5] * 200)
    new = scores("new", [0.55] * 100 + [0.1] * 100)  # as many rise as fall, but they fall by eight times as much
    (sentence,) = sentences(compare(old, new))
    assert sentence.startswith("new is worse than old: score -17.50 [")
    assert sentence.endswith("and gains 100 (sign test of these counts: p = 1.0000).")


def of_percent() -> Comparison:
    return compare(scores("old", [45.0, 30.0, 60.0] * 20), scores("new", [40.0, 31.0, 55.0] * 20))


def test_scores_on_their_own_scale_are_no_percent() -> None:
    comparison = of_percent()
    rows = {row[0]: [*row[1:]] for row in metrics(comparison)[0].rows}
    assert [cell.partition(" ")[0] for cell in rows["score"]] == ["45.00", "42.00"]
    assert rows["mean regression"][-1].startswith("5.00 [")
    assert "%" not in "".join(rows["score"] + rows["mean regression"])
    assert "%" in rows["negative flips (NFR)"][-1]
    (sentence,) = sentences(comparison)
    assert "is worse than old: score -3.00 [" in sentence
    assert "] points" not in sentence
    assert "would show in 8 of 10 tests" in note(comparison)


def test_fractions_are_percent() -> None:
    table, _ = metrics(compare(scores("old", [0.5, 0.25] * 5), scores("new", [0.5, 0.75] * 5)))
    assert table.rows[0][1].startswith("37.50 % [")
    assert "too few" not in table.rows[0][1]


def test_every_metric_shown_is_explained() -> None:
    assert MEANINGS.keys() == METRICS.keys()
    labels = [label for label, _ in metrics(of_percent())[1].meanings]
    assert labels == ["negative flips (NFR)", "positive flips (PFR)", "mean gain", "mean regression"]


def test_a_candidate_is_told_by_what_it_restores_and_newly_loses() -> None:
    old, new = answers("old", "r" * 8 + "w" * 2), answers("new", "w" * 3 + "r" * 7)
    comparison = compare(old, new, [answers("compat", "rrwrrwwrww"), answers("again", "w" * 3 + "r" * 7)])
    _, of_compat, of_itself = sentences(comparison)
    assert of_compat.endswith("; it restores 2 of the 3 lost answers and newly loses 2.")
    assert of_itself.endswith("; it restores 0 of the 3 lost answers and newly loses 0.")
    table, terms = metrics(comparison)
    rows = {row[0]: [*row[1:]] for row in table.rows}
    assert rows["answers restored, against new"] == ["", "", "2", "0"]
    assert rows["answers newly lost, against new"] == ["", "", "2", "0"]
    assert {"answers restored, against new", "answers newly lost, against new"} <= {
        label for label, _ in terms.meanings
    }


def test_no_rate_falls_by_more_than_all_of_it() -> None:
    old, new = answers("old", "r" * 40), answers("new", "w" * 2 + "r" * 38)
    candidate = compare(old, new, [answers("same", "w" * 2 + "r" * 38)]).candidates[0]
    assert candidate.delta_nfr_relative.value == 0
    low, high = candidate.delta_nfr_relative.low, candidate.delta_nfr_relative.high
    assert low is not None
    assert high is not None
    assert -1 < low < 0
    assert (1 + low) * (1 + high) == pytest.approx(1)  # a ratio of equal counts may as well be its inverse
    gone = compare(old, new, [answers("mended", "r" * 40)]).candidates[0].delta_nfr_relative
    assert (gone.value, gone.low) == (-1, -1)


def test_a_note_says_which_nfr_would_have_shown() -> None:
    # eight samples: 1 - 0.2^(1/8)
    shown = "A true NFR of 18.22 % or more would have shown some lost answer"
    assert shown in note(compare(answers("old", "rrrrrrww"), answers("new", "rrrrrwrw")))
    runs = [answers("again", "rrrrrrwr")]
    assert "would have shown" not in note(
        compare(answers("old", "rrrrrrww"), answers("new", "rrrrrwrw"), new_runs=runs)
    )
