"""study.yaml: mistakes are named, and short forms are understood."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from stillright.cli import main
from stillright.config import load_study
from stillright.errors import ConfigError


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strategys": {}}, "unknown key 'strategys'; did you mean 'strategies'?"),
        ({"strategies": {"a": {"mask": "choice", "temprature": 1}}}, "'strategies.a.temprature'; did you mean 'temper"),
        ({"strategies": {"mine": {}}}, "mine needs the key mask or baseline"),
        ({"strategies": {"retrain": {"temperature": 1}}}, "retrain does not read the key temperature"),
        ({"tasks": {"a": {"nam": "x"}}}, "unknown key 'tasks.a.nam'; did you mean 'name'?"),
        ({"updates": [["small", "lrge"]]}, "there is no 'lrge' in this study; there are small, large"),
        ({"updates": [["small", "large"]] * 2}, "small-to-large is given twice"),
        ({"overrides": [{"where": {"taks": "x"}, "set": {}}]}, "'overrides.0.where.taks'; did you mean 'task'?"),
        ({"overrides": [{"where": {"task": "x"}, "set": {}}]}, "there is no 'x' in this study; there are colours"),
        ({"overrides": [{"set": {"seed": 1}}]}, "seed is what a study varies"),
        ({"common": {"out": "x"}}, "common: out is what a study varies"),
        ({"common": {"strategy.temperature": 1}}, "common: strategy is what a study varies"),
        ({"common": {"training.epoch": 1}}, "unknown key 'training.epoch'; did you mean 'epochs'?"),
        ({"common": {"trainig": {}}}, "unknown key 'trainig'; did you mean 'training'?"),
        ({"seeds": []}, "seeds"),
        ({"bases": {"small": __file__, "large": "b"}}, "is a file; a study compares models"),
        (
            {"strategies": {"retrain": {}, "half": {"baseline": "interpolation", "of": "nope"}}},
            "strategies.half.of: 'nope' is not a distilled strategy of this study; there are none; add one",
        ),
        (
            {"strategies": {"choice": {}, "retrain": {}, "half": {"baseline": "interpolation", "of": "retrain"}}},
            "strategies.half.of: 'retrain' is not a distilled strategy of this study; there are choice",
        ),
    ],
)
def test_mistakes_are_named(
    values: dict[str, Any], tmp_path: Path, change: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump({**values, **change}, sort_keys=False))
    assert main(["study", str(file)]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"stillright: error: {file}")
    assert message in printed
    assert printed.count("\n") == 1


def test_entries_without_mask_or_baseline_are_what_they_are_called(values: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump({**values, "strategies": {"old_only": {"temperature": 1.0}, "continue_ce": None}}))
    strategies = load_study(file).strategies
    assert (strategies["old_only"].mask, strategies["old_only"].temperature) == ("old_only", 1.0)
    assert strategies["continue_ce"].baseline == "continue_ce"
    file.write_text(yaml.safe_dump({**values, "strategies": {"interpolation": {}}}))
    with pytest.raises(ConfigError, match="needs the key of"):
        load_study(file)
