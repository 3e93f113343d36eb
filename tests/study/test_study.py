"""A study on random bases: its table, what cells share, what a rerun builds, and cells that fail."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from samples import colour_rows, write_rows
from stillright.cli import main
from stillright.config import load_study
from stillright.errors import ConfigError
from stillright.study import forecast, schedule, shared_data
from stillright.tasks import load_task
from study_rows import Row, assert_row_is_what_its_files_say, read

COLUMNS = (
    "update,old,new,task,metric,kind,strategy,method,seed,status,reason,n,old_score,new_score,score,nfr_new,nfr,nfr_mc_new,"
    "nfr_mc,pfr_new,pfr,predictions_old,predictions_new,predictions,seconds,tokens"
)


def generation(task: dict[str, Any], metric: str) -> dict[str, Any]:
    kept = {key: value for key, value in task.items() if key != "choices"}
    return {**kept, "answer": "text", "metric": metric, "max_new_tokens": 8}


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
    import shutil

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
    assert "Tracebacks: " in printed
    assert list(Path(values["out"]).glob("store/*/error.txt"))
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


def test_baselines(
    values: dict[str, Any],
    run: Callable[..., tuple[int, list[Row]]],
    make_base: Callable[..., Path],
    choice_task: dict[str, Any],
) -> None:
    """Two bases of one shape and one of another; a task with choices and one without."""
    values["bases"]["like small"] = str(make_base(seed=3))
    values["updates"].append(["small", "like small"])
    values["tasks"]["told"] = generation(choice_task, "rouge1")
    values["strategies"] = {
        "student_wrong": {},
        "old_adapter": {},
        "ensemble": {},
        "half": {"baseline": "interpolation", "of": "student_wrong", "weight": 0.5},
        "all": {"baseline": "interpolation", "of": "student_wrong", "weight": 1.0},
    }
    code, rows = run(values)
    out = Path(values["out"])
    assert code == 0
    reasons = {(row["update"], row["task"], row["strategy"]): row["reason"] for row in rows if row["status"] != "done"}
    assert set(reasons) == {
        ("small-to-large", "colours", "old_adapter"),
        ("small-to-large", "told", "old_adapter"),
    }
    assert "model.layers.0.mlp.down_proj is 24 x 48, in" in reasons["small-to-large", "colours", "old_adapter"]
    for row in rows:
        if row["status"] == "done":
            assert_row_is_what_its_files_say(row, out)
    by = {row["strategy"]: row for row in rows if (row["update"], row["task"]) == ("small-to-large", "colours")}
    assert answers(out / by["all"]["predictions"]) == answers(out / by["student_wrong"]["predictions"])


def answers(path: Path) -> dict[str, Any]:
    return {sample: row["prediction"] for sample, row in read(path).items()}


def test_an_interpolated_adapter_changes_layers_by_the_mean_of_changes(
    bases: tuple[Path, Path], tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel
    from safetensors.torch import load_file

    from stillright.config import LoraConfig
    from stillright.models import ModelRef, load_base
    from stillright.training.combine import interpolate
    from stillright.training.lora import lora_config

    ref = ModelRef.parse(str(bases[0]))
    for seed, rank in ((1, 2), (2, 3)):
        torch.manual_seed(seed)
        model = PeftModel(load_base(ref.base, torch.float32), lora_config(LoraConfig(r=rank, alpha=2 * seed), ref))
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight)
        model.save_pretrained(tmp_path / str(seed))
    first, second = (ref.with_adapter(tmp_path / str(seed)) for seed in (1, 2))
    interpolate(first, second, 0.25, torch.float32, tmp_path / "mixed")

    def change(folder: Path) -> torch.Tensor:
        config = json.loads((folder / "adapter_config.json").read_text())
        weights = load_file(folder / "adapter_model.safetensors")
        (a,) = (weights[name] for name in weights if "layers.1.self_attn.q_proj.lora_A" in name)
        (b,) = (weights[name] for name in weights if "layers.1.self_attn.q_proj.lora_B" in name)
        scale: float = config["lora_alpha"] / config["r"]
        return scale * b @ a

    expected = 0.75 * change(tmp_path / "1") + 0.25 * change(tmp_path / "2")
    torch.testing.assert_close(change(tmp_path / "mixed"), expected)


def test_an_ensemble_ranks_by_mean_log_likelihoods(
    bases: tuple[Path, Path], choice_task: dict[str, Any], make_base: Callable[..., Path]
) -> None:
    import torch
    from rich.console import Console
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from stillright.config.update import TaskConfig
    from stillright.models import ModelRef
    from stillright.prediction.predict import PredictJob, predict
    from stillright.progress import Progress
    from stillright.tasks import load_task

    both = [bases[0], make_base(seed=9)]
    task, refs = load_task(TaskConfig(**choice_task)), [ModelRef.parse(str(base)) for base in both]
    found = predict(refs, task, PredictJob("both", torch.float32, 4, 64, Progress(Console(quiet=True))))
    models = [AutoModelForCausalLM.from_pretrained(base).eval() for base in both]
    tokenizer = AutoTokenizer.from_pretrained(both[0])

    def said(model: Any, prompt: str, choice: str) -> float:
        ids = torch.tensor([tokenizer(f"{prompt} {choice}")["input_ids"]])
        start = len(tokenizer(prompt)["input_ids"])
        with torch.no_grad():
            log_p = model(ids).logits.log_softmax(-1)[0, :-1]
        return float(log_p.gather(1, ids[0, 1:, None])[start - 1 :].sum())

    for document, row in zip(task.harness.eval_docs, found.table.to_dicts(), strict=True):
        prompt = f"{document['question']}?"
        means = [sum(said(model, prompt, choice) for model in models) / 2 for choice in document["choices"]]
        best = means.index(max(means))
        assert (row["prediction"], row["correct"]) == (str(best), best == document["label"])


def test_dry_run_counts_what_is_left(
    values: dict[str, Any], run: Callable[..., tuple[int, list[Row]]], capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path(values["out"]).parent / "study.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False))

    def forecast() -> dict[str, list[str]]:
        assert main(["study", str(file), "--dry-run"]) == 0
        lines = [re.findall(r"[\w,]+", line) for line in capsys.readouterr().out.splitlines() if "│" in line]
        return {line[0]: line[1:] for line in lines}

    before = forecast()
    assert not Path(values["out"]).exists()
    assert before["predict"][:2] == ["4", "0"]
    assert before["teach"][:2] == ["2", "0"]
    assert before["fit"][:3] == ["3", "0", "3"]  # 32 of 40 rows at 8 x 8 a step: one step an epoch
    _, rows = run(values)
    trained = {row["strategy"]: int(row["tokens"]) for row in rows}
    assert before["align"][:4] == ["1", "0", "1", f"{trained['student_wrong']:,}"]
    capsys.readouterr()
    assert {kind: line[:2] for kind, line in forecast().items()} == {
        **{"align": ["1", "1"], "fit": ["3", "3"], "predict": ["4", "4"], "teach": ["2", "2"]}
    }


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


def test_a_task_is_read_once_for_all_cells(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, loaded = tmp_path / "study.yaml", []

    def counted(*given: Any) -> Any:
        loaded.append(given)
        return load_task(*given)

    monkeypatch.setattr(shared_data, "load_task", counted)
    strategies: dict[str, Any] = {name: {} for name in ("old_only", "student_wrong", "choice", "ensemble")}
    file.write_text(yaml.safe_dump({**values, "strategies": strategies, "seeds": [0, 1]}, sort_keys=False))
    forecast.print_forecast(load_study(file), str(file), Console(quiet=True))
    assert len(loaded) == 1
