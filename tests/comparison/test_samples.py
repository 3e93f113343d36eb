"""Every sample of a comparison with its quadrant: values by hand, and the same counts as the comparison's."""

from __future__ import annotations

from collections import Counter

import polars as pl
import pytest

from letters import COMPAT, NEW, OLD, continuous, discrete
from stillright.comparison import Comparison, compare
from stillright.errors import ConfigError
from stillright.records import Header, PredictionSet

KEPT, LOST, GAINED, SAME, CHANGED = "kept", "lost", "gained", "still_wrong_same", "still_wrong_changed"


def test_quadrants_by_hand() -> None:
    # right is A; old AAAAABBC, new AAABCAAB, candidate AAAACAAC
    flips = compare(discrete("old", OLD), discrete("new", NEW), [discrete("compat", COMPAT)]).flips()
    assert flips["id"].to_list() == list("01234567")
    assert flips["task"].to_list() == ["letters"] * 8
    assert flips["new_quadrant"].to_list() == [KEPT, KEPT, KEPT, LOST, LOST, GAINED, GAINED, CHANGED]
    assert flips["candidate_1_quadrant"].to_list() == [KEPT, KEPT, KEPT, KEPT, LOST, GAINED, GAINED, SAME]
    assert flips["candidate_1_against_new"].to_list() == [None, None, None, "restored", None, None, None, None]
    assert flips["candidate_1_prediction"].to_list() == list(COMPAT)
    assert flips["reference"].to_list() == [["A"]] * 8


def test_counts_are_those_of_the_comparison() -> None:
    comparison = compare(discrete("old", OLD), discrete("new", NEW), [discrete("c", "ABAABBAC"), discrete("d", COMPAT)])
    flips = comparison.flips()
    found = [comparison.comparison, *(each.comparison for each in comparison.candidates)]
    for place, counts in zip(("new", "candidate_1", "candidate_2"), found, strict=True):
        parts = Counter(flips[f"{place}_quadrant"])
        assert (parts[KEPT], parts[GAINED], parts[LOST]) == (counts.both_right, counts.gain, counts.regression)
        assert parts[SAME] + parts[CHANGED] == counts.both_wrong
        assert counts.nfr_mc.value == pytest.approx((parts[LOST] + parts[CHANGED]) / 8)
    for i, candidate in enumerate(comparison.candidates, start=1):
        against = Counter(flips[f"candidate_{i}_against_new"])
        assert (against["restored"], against["newly_lost"]) == (candidate.restored, candidate.newly_lost)


@pytest.mark.parametrize("lower", [False, True])
def test_scores_by_hand(lower: bool) -> None:
    header = Header(name="m", kind="continuous", metric="rouge1", lower_is_better=lower)
    old, new, candidate = (
        PredictionSet.from_rows(header, [{"id": str(i), "output": "t", "score": s} for i, s in enumerate(scores)])
        for scores in ([0.5, 0.5, 0.5, 0.5], [0.4, 0.6, 0.55, 0.4], [0.5, 0.5, 0.3, 0.4])
    )
    comparison = compare(old, new, [candidate], epsilon=0.06)
    flips = comparison.flips()
    below, above = ("gained", "lost") if lower else ("lost", "gained")
    assert flips["new_quadrant"].to_list() == [below, above, "unchanged", below]
    assert flips["candidate_1_quadrant"].to_list() == ["unchanged", "unchanged", below, below]
    assert flips["candidate_1_against_new"].to_list() == (
        [None, "restored", None, None] if lower else ["restored", None, "newly_lost", None]
    )
    assert flips["new_score"].to_list() == [0.4, 0.6, 0.55, 0.4]
    assert Counter(flips["new_quadrant"])["lost"] == comparison.comparison.regression


def test_rows_of_some_quadrants_of_any_model() -> None:
    comparison = compare(discrete("old", OLD), discrete("new", NEW), [discrete("c", "ABAABBAC")])
    assert comparison.flips("lost")["id"].to_list() == ["1", "3", "4"]  # 1 and 4 by the candidate, 3 and 4 by new
    assert comparison.flips("restored", "newly_lost")["id"].to_list() == ["1", "3"]
    assert comparison.flips("still_wrong")["id"].to_list() == ["5", "7"]
    assert comparison.flips("still_wrong_changed")["id"].to_list() == ["7"]


def test_an_answer_that_is_unknown_is_neither_the_same_nor_changed() -> None:
    def verdicts(name: str, right: list[bool]) -> PredictionSet:
        return PredictionSet.from_rows(Header(name=name), [{"id": str(i), "correct": r} for i, r in enumerate(right)])

    flips = compare(verdicts("old", [False, True]), verdicts("new", [False, False])).flips()
    assert flips["new_quadrant"].to_list() == ["still_wrong", "lost"]


def test_columns_to_slice_by_and_tasks_of_samples() -> None:
    old, new = (
        discrete(name, text, prompt="pqrs", area="xxyy", task="ttuu") for name, text in (("o", "AAAA"), ("n", "AAAB"))
    )
    flips = compare(old, new, slices=["area", "prompt"]).flips("lost")
    assert flips.select("prompt", "slice_area", "slice_prompt", "task").row(0) == ("s", "y", "s", "u")
    assert "slice_task" not in flips.columns


def of_choices(name: str, *logs: list[float] | None, texts: list[str] | None) -> PredictionSet:
    """A row for each list of log-likelihoods of the choices `texts`, of which the first is right."""
    rows = [
        {"id": str(i), "prediction": "0", "reference": "0", "choice_texts": texts, "loglikelihoods": each}
        for i, each in enumerate(logs)
    ]
    return PredictionSet.from_rows(Header(name=name, task="letters", metric="acc"), rows)


def test_all_choices_and_how_likely_they_are_to_each_model() -> None:
    old = of_choices("old", [-1.0, -2.0], None, texts=["red", "blue"])
    new = of_choices("new", [-3.0, -4.0], [-5.0, -6.0], texts=None)
    other = of_choices("other", [-1.0, -2.0], [-1.0, -2.0], texts=["red", "green"])  # other choices are not told of
    flips = compare(old, new, [other]).flips()
    assert flips["choice_texts"].to_list() == [["red", "blue"]] * 2
    assert flips["old_loglikelihoods"].to_list() == [[-1.0, -2.0], None]
    assert flips["new_loglikelihoods"].to_list() == [[-3.0, -4.0], [-5.0, -6.0]]
    assert flips["candidate_1_loglikelihoods"].to_list() == [None, None]
    assert flips["old_output_tokens"].to_list() == [None, None]
    three = of_choices("three", [-1.0, -2.0, -3.0], None, texts=None)
    assert compare(old, three).flips()["new_loglikelihoods"].to_list() == [None, None]


def test_unscored_samples_are_left_out_and_missing_ones_are_wrong_where_they_count() -> None:
    old, new = discrete("old", "AAA"), discrete("new", "AB", prompt="pq")
    assert compare(old, new, on_missing="drop").flips()["id"].to_list() == ["0", "1"]
    counted = compare(old, new, on_missing="wrong").flips()
    assert counted.select("id", "prompt", "new_quadrant", "new_prediction").rows() == [
        ("0", "p", "kept", "A"),
        ("1", "q", "lost", "B"),
        ("2", None, "lost", None),
    ]


def test_what_cannot_be_shown_is_refused() -> None:
    old, new = discrete("old", OLD), discrete("new", NEW)
    comparison = compare(old, new)
    with pytest.raises(
        ConfigError, match=r"flips\(\): 'losst' is no quadrant of this comparison, which has kept, gain"
    ):
        comparison.flips("losst")
    with pytest.raises(ConfigError, match="'restored' is no quadrant of this comparison"):
        comparison.flips("restored")
    with pytest.raises(
        ConfigError, match="'kept' is no quadrant of this comparison, which has gained, unchanged, lost"
    ):
        compare(continuous("old", [0.5]), continuous("new", [0.4])).flips("kept")
    with pytest.raises(ConfigError, match="new has 2 runs, whose scores may both rise and fall; .* without new_runs"):
        compare(continuous("old", [1]), continuous("new", [1]), new_runs=[continuous("again", [0])]).flips()
    with pytest.raises(ConfigError, match="read from JSON"):
        Comparison.model_validate_json(comparison.to_json()).flips()


def test_samples_are_no_part_of_a_comparison_s_value() -> None:
    comparison = compare(discrete("old", OLD), discrete("new", NEW))
    assert comparison == compare(discrete("old", OLD), discrete("new", NEW))
    assert "samples" not in repr(comparison)
    assert "samples" not in comparison.to_json()


def test_equal_drops_are_drawn_and_larger_ones_come_first() -> None:
    n = 500
    old, new = discrete("old", "A" * n, "A" * n), discrete("new", "B" * n, "A" * n)
    comparison = compare(old, new)
    drawn = [int(each.id) for each in comparison.worst]
    assert (len(set(drawn)), comparison.worst_of) == (10, n)
    assert max(drawn) > 100  # not the first ten
    assert [each.id for each in compare(old, new).worst] == list(map(str, drawn))
    scores = compare(continuous("old", [0.5] * 40), continuous("new", [0.4] * 39 + [0.1]))
    assert scores.worst[0].id == "39"
    assert scores.worst_of == 40


def test_the_frame_is_plain_polars() -> None:
    flips = compare(discrete("old", OLD), discrete("new", NEW)).flips("lost")
    assert flips.filter(pl.col("old_prediction") == "A").height == 2
