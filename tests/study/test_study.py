"""A study on random bases: its table, what cells share, what a rerun builds, and cells that fail."""

from __future__ import annotations

import io
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from samples import colour_rows, generation, write_rows
from stillright.config import load_study
from stillright.study import forecast, schedule
from study_rows import Row, assert_row_is_what_its_files_say

COLUMNS = (
    "update,old,new,task,metric,kind,strategy,method,seed,status,reason,n,old_score,new_score,score,nfr_new,nfr,nfr_mc_new,"
    "nfr_mc,pfr_new,pfr,slope,r2,predictions_old,predictions_new,predictions,seconds,tokens"
)


def test_every_number_is_that_of_the_prediction_files(
    values: dict[str, Any], run: Callable[..., tuple[int, list[Row]]], choice_task: dict[str, Any]
) -> None:
    values["tasks"]["said"] = generation(choice_task, "exact_match")
    values["tasks"]["told"] = generation(choice_task, "rouge1")
    code, rows = run(values)
    out = Path(values["out"])
    assert code == 0
    assert (out / "cells.csv").read_text().splitlines()[0] == COLUMNS
    assert len(rows) == 9
    for row in rows:
        assert (row["status"], row["n"]) == ("done", "12")
        assert_row_is_what_its_files_say(row, out)
        assert float(row["seconds"]) > 0
        assert int(row["tokens"]) > 0
        if row["strategy"] == "retrain":
            assert (row["nfr"], row["score"]) == (row["nfr_new"], row["new_score"])
        for measure in ("slope", "r2"):
            assert bool(row[measure]) == (row["strategy"] == "student_wrong")  # the only one that is aligned
    assert load_study(out / "study.yaml") == load_study(out.parent / "study.yaml")
    assert "torch" in yaml.safe_load((out / "versions.yaml").read_text())


def folders(out: Path) -> Counter[str]:
    return Counter(path.name.split("-")[0] for path in (out / "store").iterdir())


def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The labels of stages, as they are built."""
    labels: list[str] = []
    attempt = schedule.attempt

    def noted(stage: Any, *rest: Any) -> str | None:
        labels.append(stage.label)
        return attempt(stage, *rest)

    monkeypatch.setattr(schedule, "attempt", noted)
    return labels


def test_stages_are_shared_and_done_once(
    values: dict[str, Any],
    run: Callable[..., tuple[int, list[Row]]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    values["strategies"] |= {"old_right": {}, "choice": {}}
    values["seeds"] = [0, 1]
    labels = built(monkeypatch)
    code, rows = run(values)
    assert code == 0
    assert len(rows) == 10
    # of each seed: two adapters and continue_ce; two teachers of tokens for two masks, and two of choices; three compat
    # adapters; six predictions
    assert folders(Path(values["out"])) == {"fit": 6, "teach": 8, "align": 6, "predict": 12}
    assert len(labels) == len(set(labels)) == 32
    printed = capsys.readouterr().out
    for name in ("small colours seed 0", "large colours seed 1"):
        assert re.search(rf"{name} teacher: [\d,]+ tokens", printed)
    labels.clear()
    assert run(values) == (0, rows)
    assert labels == []
    values["strategies"]["warm"] = {"mask": "student_wrong", "temperature": 1.0}
    code, more = run(values, "--set", "seeds=[1]")
    assert labels == ["align small-to-large colours warm seed 1", "predict large warm colours seed 1"]
    assert more[:-1] == [row for row in rows if row["seed"] == "1"]


def test_a_deleted_teacher_is_not_missed_until_it_is_needed(
    values: dict[str, Any], run: Callable[..., tuple[int, list[Row]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(values)
    store = Path(values["out"]) / "store"
    for folder in store.glob("teach-*"):
        shutil.rmtree(folder)
    labels = built(monkeypatch)
    assert run(values)[0] == 0
    assert labels == []
    for folder in (*store.glob("align-*"), *store.glob("predict-*")):
        shutil.rmtree(folder)
    assert run(values)[0] == 0
    assert Counter(label.split()[0] for label in labels) == {"predict": 4, "align": 1, "teach": 2}


def test_a_failed_cell_does_not_stop_the_others(
    values: dict[str, Any],
    run: Callable[..., tuple[int, list[Row]]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    values["bases"]["gone"] = str(tmp_path / "gone")
    values["updates"].append({"old": "small", "new": "gone", "name": "to nowhere"})
    bad = write_rows(tmp_path / "bad.jsonl", [{**row, "label": 7} for row in colour_rows(20, seed=3)])
    values["tasks"]["bad"] = {**values["tasks"]["colours"], "train": str(bad)}
    code, rows = run(values)
    assert code == 1
    status = {(row["update"], row["task"], row["strategy"]): row["status"] for row in rows}
    assert Counter(status.values()) == {"done": 3, "failed": 9}
    assert all(status["small-to-large", "colours", name] == "done" for name in values["strategies"])
    reason = next(row["reason"] for row in rows if row["update"] == "to nowhere")
    assert "gone: neither a folder nor a hub id" in reason
    assert "\n" not in reason
    printed = " ".join(capsys.readouterr().out.split())
    assert "3 cells done, 0 not applicable, 9 failed" in printed
    assert "run the same command again" in printed
    assert "Tracebacks: " not in printed  # both are known before any stage begins
    values["bases"]["gone"] = values["bases"]["large"]
    write_rows(bad, colour_rows(20, seed=3))
    code, rows = run(values)
    assert code == 0
    assert {row["status"] for row in rows} == {"done"}


def test_strategies_that_do_not_apply_are_skipped_with_the_reason(
    values: dict[str, Any], run: Callable[..., tuple[int, list[Row]]], choice_task: dict[str, Any]
) -> None:
    values["tasks"] = {"told": generation(choice_task, "rouge1")}
    values["strategies"] = {"retrain": {}, "choice": {}}
    code, rows = run(values)
    assert code == 0
    assert [row["status"] for row in rows] == ["done", "skipped"]
    assert rows[1]["reason"] == "task colours: its answers are generated, but strategy.mask choice needs choices"
    assert rows[1]["predictions"] == ""


def test_a_stage_that_fails_leaves_its_traceback(
    values: dict[str, Any],
    run: Callable[..., tuple[int, list[Row]]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A base without weights can be planned with, but not fitted."""
    empty = Path(shutil.copytree(values["bases"]["large"], tmp_path / "empty"))
    (empty / "model.safetensors").unlink()
    values["bases"]["large"] = str(empty)
    code, rows = run(values)
    assert (code, {row["status"] for row in rows}) == (1, {"failed"})
    assert all("cannot be loaded" in row["reason"] and "\n" not in row["reason"] for row in rows)
    assert "Tracebacks: " in capsys.readouterr().out
    (report,) = Path(values["out"]).glob("store/*/error.txt")
    assert "Traceback" in report.read_text()


def test_an_interrupted_study_leaves_a_right_table_and_goes_on(
    values: dict[str, Any], run: Callable[..., tuple[int, list[Row]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = schedule.attempt

    def interrupted(stage: Any, *rest: Any) -> str | None:
        if stage.kind == "align":
            raise KeyboardInterrupt
        return attempt(stage, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(schedule, "attempt", interrupted)
        code, rows = run(values)
    assert code == 130
    assert [row["status"] for row in rows] == ["done", "done", "pending"]
    for row in rows[:2]:
        assert_row_is_what_its_files_say(row, Path(values["out"]))
    labels = built(monkeypatch)
    code, again = run(values)
    assert code == 0
    assert again[:2] == rows[:2]
    assert [label.split()[0] for label in labels] == ["align", "predict"]


def test_overrides(values: dict[str, Any], run: Callable[..., tuple[int, list[Row]]]) -> None:
    """Later ones win; one that names a strategy leaves the task adapters alone."""
    values["overrides"] = [
        {"where": {"task": "colours"}, "set": {"task.test_limit": 5, "training.epochs": 2}},
        {"where": {"task": "colours", "strategy": "student_wrong"}, "set": {"training.epochs": 1}},
        {"where": {"seed": 0}, "set": {"task.test_limit": 6}},
    ]
    code, rows = run(values)
    assert code == 0
    tokens = {row["strategy"]: int(row["tokens"]) for row in rows}
    assert tokens["retrain"] == tokens["continue_ce"] == 2 * tokens["student_wrong"]
    assert {row["n"] for row in rows} == {"6"}


def test_rows_without_answers_join_alignment_alone(
    values: dict[str, Any], run: Callable[..., tuple[int, list[Row]]], choice_task: dict[str, Any], tmp_path: Path
) -> None:
    """Also where the default strategy could not read them; baselines are trained without them."""
    rows = [{"question": row["question"], "choices": row["choices"]} for row in colour_rows(7, seed=9)]
    unlabelled = str(write_rows(tmp_path / "unlabelled.jsonl", rows))
    strategies: dict[str, Any] = {"retrain": {}, "continue_ce": {}, "old_only": {}, "choice_mixture": {}}
    code, plain = run({**values, "strategies": strategies})
    further = {**values, "strategies": strategies, "tasks": {"colours": {**choice_task, "unlabelled": unlabelled}}}
    file = tmp_path / "further.yaml"
    file.write_text(yaml.safe_dump(further, sort_keys=False))
    console = Console(record=True, width=120, file=io.StringIO())
    forecast.print_forecast(load_study(file), str(file), console)
    again, rows_with = run(further)
    assert (code, again) == (0, 0)
    read = [int(row["tokens"]) for row in rows_with]
    assert read[:2] == [int(row["tokens"]) for row in plain[:2]]
    assert all(more > int(row["tokens"]) for more, row in zip(read[2:], plain[2:], strict=True))
    announced = re.search(r"align[ │]+2[ │]+0[ │]+\d+[ │]+([\d,]+)", console.export_text())
    assert announced is not None
    assert int(announced[1].replace(",", "")) == sum(read[2:])
