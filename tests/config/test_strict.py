"""YAML that is no YAML, or too much of it, is refused in one line."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml

from stillright.config import load_policy, load_study, load_update, read_yaml, with_overrides
from stillright.errors import ConfigError

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)
BAD = {
    "timestamp": "a: 2024-13-45",
    "int": "a: !!int x",
    "float": "a: !!float x",
    "bool": "a: !!bool x",
    "empty int": "a: !!int ''",
    "half a character": 'a: "\\ud83d"',
    "nested lists": "a: " + "[" * 10_000,
    "nested mappings": "a: " + "{b: " * 10_000,
    "indented": "".join(" " * i + "a:\n" for i in range(1, 3000)),
    "key": "? [a]\n: b",
    "many digits": f"a: {'9' * 5000}",
    "control character": "a: \x07",
    "much": "a: " + "x" * (2**20),
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_yaml_that_cannot_be_read_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("text", ["2024-13-45", "!!int x", "[" * 10_000])
def test_a_value_of_set_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--set a="):
        with_overrides({}, [f"a={text}"])


def test_many_keys_take_no_square_of_time(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("".join(f"k{i}: 1\n" for i in range(20_000)) + "k7: 1\n")
    with pytest.raises(ConfigError, match="the key 'k7' occurs twice"):
        read_yaml(path)


def test_what_refers_to_itself_is_not_written_out(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(LAUGHS)
    with pytest.raises(ConfigError, match="unknown key 'a0'"):
        load_policy(path)
    path.write_text(f"{LAUGHS}limits: *a9\n")
    with pytest.raises(ConfigError, match="limits"):
        load_policy(path)


def test_numbers_are_finite_and_no_flags_in_lists_either(tmp_path: Path) -> None:
    """Of any key, in pydantic's eyes true is 1."""
    study = {
        "bases": {"a": "a", "b": "b"},
        "updates": [["a", "b"]],
        "tasks": {"t": "piqa"},
        "strategies": {"retrain": {}},
    }
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({**study, "seeds": [True]}))
    with pytest.raises(ConfigError, match="seeds: should be a whole number"):
        load_study(path)
    update = {"old": "a", "new": "b", "task": "piqa", "training": {"learning_rate": math.inf}}
    path.write_text(yaml.safe_dump(update))
    with pytest.raises(ConfigError, match=r"training.learning_rate: should be a finite number \(given: inf\)"):
        load_update(path)
