"""The embedded default: its items leak nothing, its bases are small, and the job runs on a part of them, offline."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from stillright import demo
from stillright.cli import main
from stillright.demo import data, demo_update
from stillright.errors import MissingExtra

PARTS = ("train", "validation", "test")


def items(part: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (data() / f"{part}.jsonl").read_text().splitlines()]


def test_parts_share_no_module_and_no_summary() -> None:
    rows = {part: items(part) for part in PARTS}
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        for of in ("module", "choices"):
            a, b = (_values(rows[part], of) for part in (first, second))
            assert not a & b


def _values(rows: list[dict[str, Any]], of: str) -> set[str]:
    return {value for row in rows for value in (row[of] if of == "choices" else [row[of]])}


@pytest.mark.parametrize("part", PARTS)
def test_items_are_well_formed(part: str) -> None:
    rows = items(part)
    assert len(rows) > 1000
    assert len({row["id"] for row in rows}) == len(rows)
    assert all(len(set(row["choices"])) == 4 and 0 <= row["answer"] < 4 for row in rows)
    share = [sum(row["answer"] == place for row in rows) / len(rows) for place in range(4)]
    assert all(0.2 < part < 0.3 for part in share)  # the place gives nothing away


def test_bases_are_small_and_safe() -> None:
    weights = [path for path in data().rglob("*") if path.suffix in (".safetensors", ".bin", ".pt", ".pkl")]
    assert [path.suffix for path in weights] == [".safetensors"] * 4
    assert sum(path.stat().st_size for path in weights) < 23e6


def test_demo_runs_offline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = tmp_path / "train.jsonl"
    few.write_text("".join((data() / "train.jsonl").read_text().splitlines(keepends=True)[:120]))
    quick = [f"task.train={few}", "task.train_limit=100", "task.test_limit=60"]
    arguments = [argument for setting in quick for argument in ("--set", setting)]
    assert main(["demo", "--out", str(tmp_path / "demo"), *arguments]) == 0
    comparison = json.loads((tmp_path / "demo" / "comparison.json").read_text())
    assert (comparison["n"], comparison["metric"], comparison["kind"]) == (60, "acc_norm", "discrete")
    assert comparison["candidates"][0]["name"] == "compat"
    assert "compat" in capsys.readouterr().out


def test_the_demo_predicts_the_test_items() -> None:
    task = demo_update(Path("out"))["task"]
    assert task["test"] == str(data() / "test.jsonl")
    assert task["train"] == str(data() / "train.jsonl")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Site-packages with a wheel, which has no data beside the module demo."""
    monkeypatch.setattr(demo, "__file__", str(tmp_path / "stillright" / "demo" / "__init__.py"))
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_without_its_data_the_demo_names_what_installs_them(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(MissingExtra, match=r"pip install 'stillright\[demo\]'"):
        data()
    assert main(["demo", "--out", str(installed / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_data_are_found_in_their_own_distribution(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = installed / "stillright_demo"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, "stillright_demo", raising=False)
    assert data() == package / "data"
    assert demo_update(Path("out"))["old"] == str(package / "data" / "old_build")
    sys.modules.pop("stillright_demo")
