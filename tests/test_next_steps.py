"""What a run says to do next are commands that exist, on files that it made."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from stillright.cli import parser
from stillright.config import parse_update
from stillright.next_steps import next_steps


def parsed(values: dict[str, Any], folder: Path) -> list[Any]:
    steps = next_steps(parse_update({"task": "piqa", "old": "a/old", **values}, "test"), folder)
    return [parser().parse_args(shlex.split(each)[1:]) for step in steps for each in step.commands]


@pytest.mark.parametrize("folder", [Path("runs/update"), Path("runs/of today")])
def test_the_compat_adapter_is_served_and_gated(folder: Path) -> None:
    merge, draft, gate = parsed({"new": "a/new@v2+adapters/new"}, folder)
    assert merge.model == f"a/new@v2+{folder}/adapters/compat"
    assert draft.files == [f"{folder}/predictions/old.jsonl", f"{folder}/predictions/compat.jsonl"]
    assert gate.policy == draft.out == folder / "policy.yaml"


def test_without_alignment_it_is_new(tmp_path: Path) -> None:
    merge, draft, _ = parsed({"new": "a/new", "align": False}, tmp_path)
    assert merge.model == f"a/new+{tmp_path}/adapters/new"
    assert draft.files[1] == f"{tmp_path}/predictions/new.jsonl"


def test_an_adapter_that_was_given_is_not_served_again(tmp_path: Path) -> None:
    draft, gate = parsed({"new": "a/new+adapters/new", "align": False}, tmp_path)
    assert (draft.kind, callable(gate.action)) == ("policy", True)
