"""The example of an old model that is gone runs, and the YAML of its guide is valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from places import ROOT
from stillright.config import OldAnswers, load_update, parse_update
from stillright.pipeline import run_update


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    overrides = ["training.epochs=1", "lora.r=2", f"out={tmp_path / 'run'}"]
    comparison = run_update(load_update(Path("examples/answers/update.yaml"), overrides))
    assert (comparison.n, comparison.unscored) == (30, 0)
    assert comparison.old.score == pytest.approx(26 / 30)


def test_the_guide_is_valid() -> None:
    guide = (ROOT / "docs/old-answers.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    assert isinstance(parse_update(yaml.safe_load(block), "guide").old, OldAnswers)
