"""Samples are joined by what they ask: suites that grew or were reordered, chat prompts, a variable as the id."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from logs import harness_log, harness_sample, inspect_log, promptfoo_log, promptfoo_test
from samples import write_rows
from stillright.comparison import compare
from stillright.config import Policy
from stillright.config.strict import parse
from stillright.errors import ConfigError, DataError
from stillright.importers import Selection, read_predictions
from stillright.verdict import gate

QUESTIONS = ["When does it leave?", "Who steers it?", "What does it cost?"]


def suite(path: Path, *tests: tuple[str, bool], **more: Any) -> Path:
    return promptfoo_log(
        path, [promptfoo_test(i, right, question, **more) for i, (question, right) in enumerate(tests)]
    )


@pytest.fixture
def grown(tmp_path: Path) -> tuple[Path, Path]:
    """A suite of three tests, and the same with one more at its head; the first of the old ones is lost."""
    rights = zip(QUESTIONS, (True, False, True), strict=True)
    new = zip(["Is there a bar?", *QUESTIONS], (True, False, False, True), strict=True)
    return suite(tmp_path / "old.json", *rights), suite(tmp_path / "new.json", *new)


@pytest.mark.parametrize("identity", [None, "q", "vars"])
def test_a_suite_that_grew_at_its_head(grown: tuple[Path, Path], identity: str | None) -> None:
    selection = Selection(rename={"id": identity} if identity else {})
    with pytest.raises(DataError, match="lacks 1 ids"):
        compare(*grown, selection=selection)
    comparison = compare(*grown, selection=selection, on_missing="drop")
    assert (comparison.n, comparison.missing, comparison.joined_by) == (3, 1, "id" if identity else "content")
    assert (comparison.comparison.regression, comparison.comparison.gain) == (1, 0)


def test_a_suite_that_did_not_change_keeps_its_ids(grown: tuple[Path, Path]) -> None:
    comparison = compare(grown[0], grown[0], allow=["identical"])
    assert (comparison.n, comparison.joined_by) == (3, "id")


def test_numbers_in_must_pass_mean_nothing_once_tests_moved(grown: tuple[Path, Path]) -> None:
    policy = parse(Policy, {"must_pass": ["0"]}, "policy")
    with pytest.raises(ConfigError, match="no file has: 0; the files number their samples differently"):
        gate(*grown, policy, on_missing="drop")
    named = parse(Policy, {"must_pass": [QUESTIONS[0]], "max_unscored": 1}, "policy")
    verdict = gate(*grown, named, on_missing="drop", selection=Selection(rename={"id": "q"})).verdict
    assert verdict.outcome == "fail"


def test_tests_that_nothing_tells_apart_are_refused(tmp_path: Path) -> None:
    old = suite(tmp_path / "old.json", ("a?", True), ("b?", True), ("b?", True))
    new = suite(tmp_path / "new.json", ("c?", True), ("a?", True), ("b?", True))
    with pytest.raises(
        DataError, match="differ in the document .*; if samples only changed places, name a column with"
    ):
        compare(old, new)


def test_reordered_documents(tmp_path: Path) -> None:
    old = harness_log(tmp_path / "old", "knots", [1.0, 0.0, 1.0])
    rows = [harness_sample(i, "exact_match", value) for i, value in enumerate([0.0, 0.0, 1.0])]
    backwards = [{**row, "doc_id": 2 - i} for i, row in enumerate(rows)]
    new = write_rows(tmp_path / "new.jsonl", backwards[::-1])
    comparison = compare(old, new)
    assert (comparison.n, comparison.comparison.regression, comparison.comparison.gain) == (3, 1, 0)
    assert (comparison.joined_by, comparison.worst[0].id) == ("content", "hash0")


def templated(template: str) -> list[dict[str, Any]]:
    """Samples whose prompt is in the template of a chat model."""
    asked = [f"Which knot is number {i}?" for i in range(3)]
    arguments = [{"gen_args_0": {"arg_0": template.format(text), "arg_1": {"until": []}}} for text in asked]
    return [harness_sample(i, "exact_match", 1.0, arguments=arguments[i]) for i in range(3)]


def test_a_chat_template_may_be_allowed_and_another_document_may_not(tmp_path: Path) -> None:
    old = write_rows(tmp_path / "old.jsonl", templated("[INST] {} [/INST]"))
    new = write_rows(tmp_path / "new.jsonl", templated("<user>{}<assistant>"))
    with pytest.raises(DataError, match="the documents are the same, so the template or the examples differ"):
        compare(old, new)
    comparison = compare(old, new, allow=["prompt"])
    assert (comparison.n, len(comparison.differences)) == (3, 1)
    other = write_rows(tmp_path / "other.jsonl", [{**row, "doc_hash": "x"} for row in templated("<user>{}<assistant>")])
    with pytest.raises(DataError, match="differ in the document"):
        compare(old, other, allow=["prompt"])


def chat(question: str) -> list[dict[str, Any]]:
    return [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": question}]},
    ]


@pytest.mark.parametrize("as_json", [False, True])
def test_chat_prompts_are_read_and_compared(tmp_path: Path, as_json: bool) -> None:
    def log(name: str, question: str) -> Path:
        messages: Any = chat(question)
        if as_json:  # as chat endpoints get it
            messages = [f'[{{"role": "system", "content": "Be brief."}}, {{"role": "user", "content": "{question}"}}]']
        arguments = {"gen_args_0": {"arg_0": messages, "arg_1": {"until": []}}}
        return harness_log(tmp_path / name, "knots", [1.0], arguments=arguments, doc_hash=None)

    old, same, other = log("old", "Which?"), log("same", "Which?"), log("other", "Why?")
    assert read_predictions(old).table["prompt"].to_list() == ["Be brief.\n\nWhich?"]
    assert compare(old, same, allow=["identical"]).n == 1
    with pytest.raises(DataError, match="differ in the prompt"):
        compare(old, other)


def test_chat_prompts_in_own_files(tmp_path: Path) -> None:
    rows = ([{"id": 1, "correct": True, "prompt": chat(question)}] for question in ("a", "b"))
    old, new = (write_rows(tmp_path / f"{i}.jsonl", each) for i, each in enumerate(rows))
    with pytest.raises(DataError, match=r"differ in the prompt \('Be brief.\\n\\na' and"):
        compare(old, new)


def test_an_input_or_a_key_as_the_id(tmp_path: Path) -> None:
    def samples(*inputs: str) -> list[dict[str, Any]]:
        return [
            {"id": i, "input": text, "target": "t", "metadata": {"key": text[0]}, "scores": {"m": {"value": "C"}}}
            for i, text in enumerate(inputs)
        ]

    old = inspect_log(tmp_path / "old.json", samples("a?", "b?"))
    new = inspect_log(tmp_path / "new.json", samples("b?", "a?"))
    with pytest.raises(DataError, match="differ in the prompt"):
        compare(old, new)
    for name in ("input", "key"):
        assert compare(old, new, selection=Selection(rename={"id": name})).n == 2
    with pytest.raises(DataError, match="no column 'x'; there is key, input, target"):
        compare(old, new, selection=Selection(rename={"id": "x"}))


def test_a_variable_that_is_no_id(tmp_path: Path) -> None:
    log = suite(tmp_path / "log.json", ("a?", True), ("b?", True), vars={"q": "same"})
    with pytest.raises(DataError, match="2 rows share an id"):
        read_predictions(log, Selection(rename={"id": "q"}))


SENDING = {"max_connections": 1, "max_retries": 3, "timeout": 60, "extra_headers": {"x": "y"}, "top_p": None}


@pytest.mark.parametrize(
    ("config", "same"),
    [({"temperature": 0.0, **SENDING}, True), ({"temperature": 0.7}, False), ({}, False)],
)
def test_settings_of_sending_are_no_difference(tmp_path: Path, config: dict[str, Any], same: bool) -> None:
    samples = [{"id": 1, "target": "t", "scores": {"m": {"value": "C"}}}]
    old = inspect_log(tmp_path / "old.json", samples, {"temperature": 0.0})
    new = inspect_log(tmp_path / "new.json", samples, config)
    if same:
        assert compare(old, new).differences == ()
        return
    with pytest.raises(DataError, match="setting generation"):
        compare(old, new)
    assert len(compare(old, new, allow=["generation"]).differences) == 1
