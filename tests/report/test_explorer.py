"""Which samples a page holds: all, or a stated part of those that changed, and how they stand in it."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from letters import COMPAT, NEW, OLD, continuous, discrete
from stillright.comparison import Comparison, compare
from stillright.records import Header, PredictionSet
from stillright.report import explorer as bounds
from stillright.report.explorer import embedded, explorer
from stillright.report.page import Explorer


def of_letters() -> Comparison:
    return compare(discrete("old", OLD), discrete("new", NEW), [discrete("compat", COMPAT)])


def explored(comparison: Comparison) -> Explorer:
    return explorer(comparison, comparison.flips())


def decoded(block: Explorer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(embedded(block))))
    return found


def with_outputs(name: str, outputs: list[str], prompt: str = "?") -> PredictionSet:
    rows = [
        {"id": str(i), "correct": name == "old", "output": text, "prompt": prompt} for i, text in enumerate(outputs)
    ]
    return PredictionSet.from_rows(Header(name=name), rows)


def test_a_page_holds_every_sample_as_flips_has_it() -> None:
    comparison = of_letters()
    found, flips = decoded(explored(comparison)), comparison.flips()
    assert found["models"] == [["old", "old"], ["new", "new"], ["candidate_1", "compat"]]
    assert {name: flips[name].to_list() for name in found["columns"]} == found["columns"]
    empty = set(flips.columns) - found["columns"].keys()
    assert all(flips[name].null_count() == len(flips) for name in empty)
    assert "prompt" in empty
    assert (found["ofScores"], found["numbers"], explored(comparison).note) == (False, [], "")


def test_scores_are_numbers_to_sort_by() -> None:
    found = decoded(explored(compare(continuous("old", [0.5, 0.25]), continuous("new", [0.25, 0.5]))))
    assert (found["ofScores"], found["lostIsLower"]) == (True, True)
    assert found["numbers"] == ["old_score", "new_score"]


def test_of_too_many_those_that_changed_stay_in_the_order_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    # new: 3 and 4 lost, 5 and 6 gained, 7 changed; compat: 3 kept (restored), 4 lost; 0 to 2 are kept by all
    monkeypatch.setattr(bounds, "MOST", 6)
    block = explored(of_letters())
    assert block.samples["id"].to_list() == ["0", "3", "4", "5", "6", "7"]
    assert block.note == "6 of 8 samples, those that changed first; --flips FILE writes all."


def test_all_texts_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    # a row has 1 character of id, 4 of the quadrant lost, 1 of the prompt, and 10 of each output: 26
    monkeypatch.setattr(bounds, "MOST_CHARACTERS", 60)
    block = explored(compare(with_outputs("old", ["a" * 10] * 5), with_outputs("new", ["b" * 10] * 5)))
    assert block.samples["id"].to_list() == ["0", "1"]
    assert block.note.startswith("2 of 5 samples")


def of_choices(name: str, n: int) -> PredictionSet:
    row = {"correct": name == "old", "choice_texts": ["aaaa", "bbbb"], "loglikelihoods": [-1.234567, -100.0]}
    return PredictionSet.from_rows(Header(name=name), [{"id": str(i), **row} for i in range(n)])


def test_choices_are_in_the_page_with_four_decimals(monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = compare(of_choices("old", 5), of_choices("new", 5))
    found = decoded(explored(comparison))["columns"]
    assert found["choice_texts"] == [["aaaa", "bbbb"]] * 5
    assert found["old_loglikelihoods"] == found["new_loglikelihoods"] == [[-1.2346, -100.0]] * 5
    # a row has 1 character of id, 4 of the quadrant lost, 8 of choices, and 2 numbers in each model, of 8 each: 45
    monkeypatch.setattr(bounds, "MOST_CHARACTERS", 100)
    block = explored(comparison)
    assert block.samples["id"].to_list() == ["0", "1"]
    assert block.note.startswith("2 of 5 samples")
    monkeypatch.setattr(bounds, "MOST_CHARACTERS", 1000)
    monkeypatch.setattr(bounds, "LONGEST", 3)
    assert explored(comparison).samples["choice_texts"][0].to_list()[1] == "bbb… [3 of 4 characters]"


def test_a_long_text_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "LONGEST", 5)
    old, new = (with_outputs(name, ["abcdefg", "abcde"], "0123456789") for name in ("old", "new"))
    block = explored(compare(old, new))
    assert block.samples["new_output"].to_list() == ["abcde… [5 of 7 characters]", "abcde"]
    assert block.samples["prompt"][0] == "[5 of 10 characters] …56789"  # the question stands at the end
    assert block.note == "Texts of more than 5 characters are cut; --flips FILE has them whole."
    references = [{"id": "0", "prediction": "a", "reference": ["abcdefg", "abcde"]}]
    old, new = (PredictionSet.from_rows(Header(name=name), references) for name in ("old", "new"))
    block = explored(compare(old, new, allow=["identical"]))
    assert block.samples["reference"][0].to_list() == ["abcde… [5 of 7 characters]", "abcde"]
    assert block.note.startswith("Texts of more than 5")


def test_the_same_samples_are_the_same_bytes() -> None:
    assert embedded(explored(of_letters())) == embedded(explored(of_letters()))
