"""One run as old and as new is refused unless it is allowed by name; what only looks like it is not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from places import LOGS
from samples import write_rows
from stillright.cli import main
from stillright.comparison import compare
from stillright.config import Policy
from stillright.errors import ConfigError, DataError
from stillright.verdict import gate

POLICY = Policy.model_validate({"limits": [{"metric": "nfr", "max": 0.5}]})
ROWS: list[dict[str, Any]] = [{"id": i, "prediction": "A", "reference": "A"} for i in range(20)]
OTHER = [{**ROWS[0], "prediction": "B"}, *ROWS[1:]]
REFUSED = "hold the same answers, and record no two runs; .*allow it with allow="


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_rows(Path("old.jsonl"), ROWS)
    write_rows(Path("other.jsonl"), OTHER)
    shutil.copy("old.jsonl", "copy.jsonl")
    write_rows(Path("written-anew.jsonl"), [dict(reversed(row.items())) for row in ROWS])


@pytest.mark.parametrize("new", ["old.jsonl", "./old.jsonl", "copy.jsonl", "written-anew.jsonl"])
def test_one_run_twice_is_refused(new: str) -> None:
    with pytest.raises(DataError, match=REFUSED):
        compare("old.jsonl", new)
    with pytest.raises(DataError, match=REFUSED):
        gate(Path("old.jsonl"), new, POLICY)
    with pytest.raises(DataError, match=REFUSED):  # a rerun of new that is old's would halve what was lost
        compare("old.jsonl", "other.jsonl", new_runs=[new])


def test_what_is_allowed_stands_in_every_report(capsys: pytest.CaptureFixture[str]) -> None:
    Path("policy.yaml").write_text("limits: [{metric: nfr, max: 0.5}]\n")
    outputs = ["--json", "a.json", "--markdown", "a.md", "--html", "a.html"]
    for command in (["compare"], ["gate", "--policy", "policy.yaml", "--junit", "a.xml"]):
        assert main([*command, "old.jsonl", "copy.jsonl", *outputs]) == 2
        assert "allow it with --allow identical" in capsys.readouterr().err
        assert main([*command, "old.jsonl", "copy.jsonl", *outputs, "--allow", "identical"]) == 0
        assert "Allowed all the same: old.jsonl (old) and copy.jsonl (new) hold" in capsys.readouterr().out
        assert "old.jsonl (old) and copy.jsonl (new) hold" in json.loads(Path("a.json").read_text())["differences"][0]
        for file in ("a.md", "a.html"):
            assert "Allowed all the same: old.jsonl (old) and copy.jsonl (new) hold" in Path(file).read_text()
    assert "copy.jsonl (new) hold" in Path("a.xml").read_text()


def test_two_models_that_answer_alike_are_no_one_run() -> None:
    for name in ("first", "second"):
        write_rows(Path(f"{name}.jsonl"), [{"header": {"name": f"the {name}"}}, *ROWS])
        write_rows(Path(f"{name}-source.jsonl"), [{"header": {"source": {"model": name}}}, *ROWS])
    assert compare("first.jsonl", "second.jsonl").comparison.regression == 0
    assert compare("first-source.jsonl", "second-source.jsonl").comparison.regression == 0


def test_only_old_and_new_must_differ() -> None:
    assert compare("old.jsonl", "other.jsonl", ["old.jsonl", "other.jsonl"]).n == 20
    assert compare("old.jsonl", "other.jsonl", allow=["identical"]).differences == ()


def test_one_folder_twice_and_one_log_twice() -> None:
    folder = LOGS / "harness" / "flat"
    shutil.copytree(folder, "elsewhere")
    with pytest.raises(DataError, match=REFUSED):
        compare(folder, "elsewhere")
    log = str(LOGS / "promptfoo/models.json")
    assert main(["compare", f"{log}::model=terse", f"{log}::model=terse"]) == 2
    assert main(["compare", f"{log}::model=terse", f"{log}::model=chatty"]) == 0


def test_a_name_that_allows_nothing_is_refused() -> None:
    with pytest.raises(
        ConfigError, match="allow=\\['identicl'\\]: no such difference can be allowed; did you mean 'id"
    ):
        compare("old.jsonl", "copy.jsonl", allow=["identicl"])
