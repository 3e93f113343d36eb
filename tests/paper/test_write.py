"""What is written is what the folder holds; a folder that does not fit its cells.csv ends in one line."""

from __future__ import annotations

import re
import shutil
import sys
from itertools import product
from pathlib import Path

import pytest

import brute
from stillright.errors import DataError, MissingExtra
from stillright.paper import write_results
from study_case import TASKS, UPDATES, Study


def test_the_same_study_gives_the_same_bytes(study: Study, tmp_path: Path) -> None:
    again = shutil.copytree(study.folder, tmp_path / "again")
    (again / "tables/continuous.md").write_text("of before")
    write_results(again)
    for path in study.folder.rglob("*"):
        if path.is_file():
            assert (again / path.relative_to(study.folder)).read_bytes() == path.read_bytes(), path


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"status": "gone"}, "row 1: status"),
        ({"nfr": ""}, "row 1: its status is done, but nfr is empty"),
        ({"nfr": "0.9"}, "nfr 0.9, but its prediction files give"),
        ({"nfr": "nan"}, "nfr nan, but its prediction files give"),
        ({"n": "4"}, "llama_1-to-2 piqa continue_ce seed 0: n 4, but its prediction files give 60"),
        ({"n": "4", "score": "0.5"}, "n 4, but its prediction files give 60"),
        ({"predictions": "nowhere.jsonl"}, "nowhere.jsonl: no such file"),
        ({"seed": "1"}, "is there twice"),
        ({"metric": "f1"}, "several metrics"),
    ],
)
def test_a_wrong_cell_is_an_error(tmp_path: Path, change: dict[str, str], says: str) -> None:
    made = Study(tmp_path, ["continue_ce"])
    made.cells[0].update(change)
    with pytest.raises(DataError, match=re.escape(says)):
        write_results(made.write())


def cut(path: Path, samples: int) -> None:
    """Leaves the header and the first samples."""
    path.write_text("".join(path.read_text().splitlines(keepends=True)[: 1 + samples]))


@pytest.mark.parametrize("columns", [("predictions",), ("predictions_old", "predictions_new", "predictions")])
def test_a_file_that_was_cut_is_an_error(tmp_path: Path, columns: tuple[str, ...]) -> None:
    made = Study(tmp_path, ["continue_ce"])
    for column in columns:
        cut(tmp_path / made.cells[0][column], samples=4)
    with pytest.raises(
        DataError, match=r"cells.csv: llama_1-to-2 piqa continue_ce seed 0: .*run the study again"
    ) as error:
        write_results(made.write())
    assert "--" not in str(error.value)


def test_seeds_that_answer_different_samples_have_no_interval(tmp_path: Path) -> None:
    made = Study(tmp_path, ["continue_ce"])
    cell = made.cells[0]
    for name in ("predictions_old", "predictions_new", "predictions"):
        cut(tmp_path / cell[name], samples=40)
    files = [[{**made.answers[cell[f"predictions{side}"]]}] for side in ("_old", "_new", "")]
    for (file,) in files:
        for sample in list(file)[40:]:
            del file[sample]
    found = brute.account(files, cell["kind"])
    cell |= {"n": 40, "old_score": found["old"]["score"], "new_score": found["new"]["score"]}
    cell |= {"nfr_new": found["comparison"]["nfr"], "score": found["candidates"][0]["score"]}
    cell["nfr"] = found["candidates"][0]["comparison"]["nfr"]
    write_results(made.write())
    text = (tmp_path / "tables/discrete.md").read_text(encoding="utf-8")
    assert "no interval over all seeds: they answer different samples" in text


def test_a_seed_whose_candidate_is_the_new_model_has_no_difference(tmp_path: Path) -> None:
    made = Study(tmp_path, ["continue_ce"])
    cell = made.cells[0]
    cell |= {"predictions": cell["predictions_new"], "score": cell["new_score"]}
    cell |= {name: cell[f"{name}_new"] for name in ("nfr", "nfr_mc", "pfr")}
    write_results(made.write())
    text = (tmp_path / "tables/discrete.md").read_text(encoding="utf-8")
    assert "delta_nfr: over the 1 of 2 seeds that define it" in text


def test_a_folder_that_is_no_study_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cells.csv: no such file"):
        write_results(tmp_path)
    (tmp_path / "cells.csv").write_text("update,task\n")
    with pytest.raises(DataError, match="no column old, new"):
        write_results(tmp_path)


def test_a_study_without_any_result_says_so(tmp_path: Path) -> None:
    made = Study(tmp_path, ["student_wrong"])
    for update, task, seed in product(UPDATES, TASKS, (0, 1)):
        made.fail(update, task, "student_wrong", seed, reason="killed")
    assert {path.name for path in write_results(made.write())} == {
        *("missing.md", "missing.csv", "findings.md", "findings.csv")
    }


def test_what_has_no_rows_any_more_is_gone(tmp_path: Path) -> None:
    made = Study(tmp_path, ["student_wrong"])
    for update, seed in product(UPDATES, (0, 1)):
        made.fail(update, "piqa", "student_wrong", seed, reason="killed")
    before = [tmp_path / name for name in ("tables/discrete.md", "figures/nfr_mc.svg", "figures/nfr_mc.png")]
    for path in before:
        path.parent.mkdir(exist_ok=True)
        path.write_text("of before")
    written = write_results(made.write())
    assert not any(path.exists() for path in before)
    assert all(path.is_file() for path in written)


def test_without_matplotlib_there_are_tables_and_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=re.escape("pip install 'stillright[figures]'")):
        write_results(Study(tmp_path, ["student_wrong"]).write())
    assert (tmp_path / "tables/discrete.csv").is_file()
    assert (tmp_path / "findings.md").is_file()
    assert not (tmp_path / "figures").exists()


def test_without_matplotlib_figures_of_before_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Study(tmp_path, ["student_wrong"])
    write_results(made.write())
    before = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    (tmp_path / "tables/discrete.csv").write_text("of before")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match="tables and findings are written, but no figures; .*figures still holds"):
        write_results(tmp_path)
    assert {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()} == before
    assert (tmp_path / "tables/discrete.csv").read_text() != "of before"
