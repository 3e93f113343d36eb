"""suite.yaml: what it takes, and what is a mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stillright.config.suite import Suite, load_suite
from stillright.errors import ConfigError


def loaded(tmp_path: Path, text: str) -> Suite:
    path = tmp_path / "suite.yaml"
    path.write_text(text)
    return load_suite(path)


def test_each_metric_is_a_member_and_the_first_counts(tmp_path: Path) -> None:
    suite = loaded(tmp_path, "tasks: [{name: gsm8k, metrics: [exact_match, f1], weight: 2}, {name: boolq}]")
    assert [(each.name, each.task, each.metric, each.weight) for each in suite.members] == [
        ("gsm8k/exact_match", "gsm8k", "exact_match", 2.0),
        ("gsm8k/f1", "gsm8k", "f1", 0.0),
        ("boolq", "boolq", None, 1.0),
    ]


def test_a_file_needs_no_task(tmp_path: Path) -> None:
    (member,) = loaded(tmp_path, "tasks: [{name: faq, file: faq.jsonl}]").members
    assert (member.task, member.file) == (None, Path("faq.jsonl"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tasks: []", "tasks: "),
        ("tasks: [{name: a}, {name: a}]", "the name 'a' occurs twice"),
        ("tasks: [{name: a, weight: 0}]", "all weights are 0"),
        ("tasks: [{name: a, weight: -1}]", "weight"),
        ("tasks: [{name: a, metric: acc}]", "unknown key 'tasks.0.metric'; did you mean 'metrics'"),
        ("tasks: [{name: a, weight: true}]", "should be a number"),
        ("tasks: [{name: a, weight: 1.0e+308}, {name: b, weight: 1.0e+308}]", "less than or equal to 1000000"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, message: str) -> Any:
    with pytest.raises(ConfigError, match=message):
        loaded(tmp_path, text)
