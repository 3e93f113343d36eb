"""Differences between files: refused with the name that allows them, and recorded where they are allowed."""

from __future__ import annotations

from typing import Any

import pytest

from stillright.comparison import compare
from stillright.config import Policy
from stillright.config.strict import parse
from stillright.errors import ConfigError, DataError
from stillright.records import Header, PredictionSet
from stillright.report.junit import junit
from stillright.report.markdown import markdown
from stillright.report.pages import comparison_page, gate_page, verdict_page
from stillright.verdict import gate

RIGHT = {"old": (True, False, True), "new": (True, True, False)}


def results(name: str, task: str = "t", settings: dict[str, Any] | None = None, **columns: str) -> PredictionSet:
    """Three samples; columns: a letter for each of them."""
    header = Header(name=name, task=task, kind="discrete", settings=settings or {})
    rows = [{"id": i, "correct": RIGHT[name][i], **{key: text[i] for key, text in columns.items()}} for i in range(3)]
    return PredictionSet.from_rows(header, rows)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("task", {"task": "harbour_mail"}, {"task": "pkg/harbour-mail"}),
        ("task", {"settings": {"task_version": 1}}, {"settings": {"task_version": 2}}),
        ("task", {"settings": {"task_args": {"path": "/a"}}}, {"settings": {"task_args": {"path": "/b"}}}),
        ("task", {"prompt": "PQR", "asked": "abc"}, {"prompt": "PQR", "asked": "abd"}),
        ("prompt", {"prompt": "PQR"}, {"prompt": "PQS"}),
        ("prompt", {"prompt": "PQR", "asked": "abc"}, {"prompt": "XYZ", "asked": "abc"}),
        ("prompt", {"settings": {"num_fewshot": 0}}, {"settings": {"num_fewshot": 5}}),
        ("generation", {"settings": {"generation": {"temperature": 0}}}, {"settings": {"generation": {}}}),
    ],
)
def test_a_difference_is_refused_or_allowed_by_its_name(name: str, old: Any, new: Any) -> None:
    pair = results("old", **old), results("new", **new)
    others = {"task", "prompt", "generation"} - {name}
    with pytest.raises(DataError, match=rf"or allow it with allow=\['{name}'\]"):
        compare(*pair, allow=others)
    comparison = compare(*pair, allow=[name])
    assert (comparison.allow, len(comparison.differences)) == ((name,), 1)
    assert (comparison.n, comparison.comparison.regression, comparison.comparison.gain) == (3, 1, 1)


def test_what_is_allowed_and_equal_is_no_difference() -> None:
    comparison = compare(results("old"), results("new"), allow=["task", "prompt"])
    assert (comparison.allow, comparison.differences) == (("task", "prompt"), ())


@pytest.mark.parametrize("columns", [{"reference": "ABD"}, {"asked": "abd", "prompt": "XYZ"}])
def test_another_question_is_never_allowed(columns: Any) -> None:
    old = results("old", reference="ABC", asked="aaa", prompt="PQR")
    with pytest.raises(DataError, match="both must answer the same question"):
        compare(old, results("new", **columns), allow=["task", "prompt", "generation"])


def test_of_objects_the_keys_that_differ_are_named() -> None:
    settings = [{"generation": {"until": ["x"] * 50, "temperature": t}} for t in (0.0, 0.7)]
    with pytest.raises(DataError, match=r"\(old: \{'temperature': 0.0\}, new: \{'temperature': 0.7\}\)"):
        compare(results("old", settings=settings[0]), results("new", settings=settings[1]))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["promt"], "did you mean 'prompt'"),
        (["reference"], "there are identical, prompt, task, generation"),
        ("task", "a list"),
    ],
)
def test_names_that_allow_nothing(names: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compare(results("old"), results("new"), allow=names)


def test_every_report_says_what_was_allowed() -> None:
    policy = parse(Policy, {"limits": [{"metric": "nfr", "max": 0.99}]}, "policy")
    verdict, comparison = gate(results("old"), results("new", task="u"), policy, allow=["task"])
    said = "the files differ in task (old: t, new: u)"
    assert comparison is not None
    assert comparison.differences == verdict.differences == (said,)
    pages = [comparison_page(comparison), verdict_page(verdict)]
    assert all(said in page.note for page in pages)
    assert all(said in text for text in (junit(verdict), verdict.to_json(), comparison.to_json()))
    assert markdown(gate_page(verdict, comparison)).count("Allowed all the same") == 1
