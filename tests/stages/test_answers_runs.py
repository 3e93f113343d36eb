"""Whole updates whose old model is gone, so that only logs of its answers are left."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from rich.console import Console

from samples import colour_rows, generation, write_rows
from stillright import dry_run
from stillright.cli import main
from stillright.comparison import Comparison
from stillright.config import parse_update
from stillright.errors import ConfigError, DataError, ModelError, StillrightError, TaskError
from stillright.importers import read_predictions
from stillright.models import load_tokenizer
from stillright.pipeline import run_update
from stillright.stages.data import Data
from stillright.training.choice.teacher_scores import read_scores

TRAIN, TEST = colour_rows(40, seed=0), colour_rows(12, seed=1)


def run(values: dict[str, Any]) -> tuple[Comparison, str]:
    """The comparison, and what was printed."""
    console = Console(file=io.StringIO(), width=1000)
    comparison = run_update(parse_update(values, "test"), console)
    assert isinstance(console.file, io.StringIO)
    return comparison, console.file.getvalue()


def wrong(row: dict[str, Any]) -> int:
    """A choice that is not the right one."""
    return (int(row["label"]) + 1) % 3


def chosen(rows: list[dict[str, Any]], right: int) -> list[dict[str, Any]]:
    """A log of choices, by their texts, of which the first `right` are right."""
    taken = [row["label"] if i < right else wrong(row) for i, row in enumerate(rows)]
    return [{"id": row["id"], "prediction": row["choices"][number]} for row, number in zip(rows, taken, strict=True)]


def written(rows: list[dict[str, Any]], right: int) -> list[dict[str, Any]]:
    """A log of texts, of which the first `right` are right, though not in the dataset's words."""
    return [
        {"id": row["id"], "output": row["choices"][row["label"]] if i < right else "no idea"}
        for i, row in enumerate(rows)
    ]


@pytest.fixture
def logged(update_values: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """An update whose old model answered three quarters of the rows right."""
    files = {"train": chosen(TRAIN, 30), "test": chosen(TEST, 9)}
    old = {name: str(write_rows(tmp_path / f"old-{name}.jsonl", rows)) for name, rows in files.items()}
    return {**update_values, "old": old, "strategy": {"mask": "choice"}}


@pytest.fixture
def told(logged: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """The same of a task whose answers are generated: a sentence, or the colour alone."""
    for name, rows in (("train", TRAIN), ("test", TEST)):
        both = [{**row, "text": [row["text"], row["choices"][row["label"]]]} for row in rows]
        write_rows(Path(logged["task"][name]), both)
        write_rows(Path(logged["old"][name]), written(rows, 30 if name == "train" else 9))
    task = generation(logged["task"], "exact_match")
    return {**logged, "task": task, "strategy": {"mask": "old_answers"}}


def test_choices_are_learnt_as_smoothed_labels(logged: dict[str, Any]) -> None:
    comparison, printed = run(logged)
    out = Path(logged["out"])
    assert (comparison.n, comparison.old.score) == (12, 0.75)
    (compat,) = comparison.candidates
    assert compat.name == "compat"
    fewer = comparison.comparison.regression - compat.comparison.regression
    assert compat.restored - compat.newly_lost == fewer  # of the logged right answers
    assert not (out / "adapters/old").exists()
    assert "answers 40 of 40 training rows" in printed
    assert "answers 12 of 12 rows to predict" in printed
    scores = read_scores(out / ".stillright/teachers/old-choices.safetensors")
    beliefs, taken = (scores / 2.0).softmax(-1), [*chain(*Data(parse_update(logged, "test")).old_choices())]
    assert beliefs.argmax(-1).tolist() == taken
    assert torch.allclose(beliefs.sort(descending=True).values, torch.tensor([0.9, 0.05, 0.05]))


def test_a_changed_log_is_read_again(logged: dict[str, Any]) -> None:
    run(logged)
    _, printed = run(logged)
    assert printed.count("already done") == 5
    write_rows(Path(logged["old"]["train"]), chosen(TRAIN, 20))
    _, printed = run(logged)
    assert "fit-new: already done" in printed
    assert "predict-old: already done" in printed
    assert "align-compat: running again, since old_answers changed" in printed
    assert "teach-old-choices: running again" in printed
    write_rows(Path(logged["old"]["test"]), chosen(TEST, 6))
    comparison, printed = run(logged)
    assert "align-compat: already done" in printed
    assert comparison.old.score == 0.5


def test_logs_of_a_model_with_another_tokenizer(
    logged: dict[str, Any], make_base: Callable[..., Path], tmp_path: Path
) -> None:
    """As `stillright predict` writes them, of the training rows too."""
    other = make_base(seed=6)
    content = json.loads((other / "tokenizer.json").read_text())
    content["model"]["merges"] = content["model"]["merges"][:10]
    (other / "tokenizer.json").write_text(json.dumps(content))
    for split in ("train", "test"):
        task = tmp_path / f"{split}.yaml"
        task.write_text(yaml.safe_dump({**logged["task"], "test": logged["task"][split]}))
        log = tmp_path / f"asked-{split}.jsonl"
        assert main(["predict", str(other), "--task", str(task), "--out", str(log), "--set", "dtype=float32"]) == 0
        logged["old"][split] = str(log)
    comparison, _ = run({**logged, "strategy": {"mask": "choice_mixture"}})
    assert comparison.n == 12
    answers = read_predictions(Path(logged["out"]) / "predictions/old.jsonl").table
    asked = read_predictions(logged["old"]["test"]).table
    assert answers.equals(asked)  # also how sure old was
    assert comparison.margins is not None
    assert comparison.margins.n == comparison.old.score * 12


def test_how_sure_old_was_is_kept_where_the_log_is_of_the_same_choices_and_metric(logged: dict[str, Any]) -> None:
    right, wrong_one = TEST[0], TEST[1]
    rows = [
        {"prediction": str(right["label"]), "margin": 0.5, "choice_texts": right["choices"]},
        {"prediction": str(wrong(wrong_one)), "margin": 0.5, "choice_texts": ["another", "order", "of them"]},
    ]
    rows = [{**row, "id": TEST[i]["id"], "loglikelihoods": [-1, -2, -3]} for i, row in enumerate(rows)]

    def kept(header: dict[str, Any]) -> list[tuple[Any, ...]]:
        write_rows(Path(logged["old"]["test"]), [{"header": {"name": "log", **header}}, *rows])
        log = Data(parse_update(logged, "test")).old_log
        return log.test.predictions("old").table.select("margin", "loglikelihoods").rows()

    # the margin of the second would be that of a right answer
    assert kept({"metric": "acc"}) == kept({}) == [(0.5, [-1.0, -2.0, -3.0]), *[(None, None)] * 11]
    assert kept({"metric": "acc_norm"}) == [(None, [-1.0, -2.0, -3.0]), *[(None, None)] * 11]


def test_right_texts_are_trained_on(told: dict[str, Any]) -> None:
    comparison, printed = run(told)
    assert (comparison.n, comparison.old.score) == (12, 0.75)
    assert "answers 40 of 40 training rows" in printed
    assert (Path(told["out"]) / "adapters/compat/adapter_model.safetensors").exists()
    assert not (Path(told["out"]) / ".stillright/teachers").exists()
    data = Data(parse_update(told, "test"))
    texts, tokenizer = data.answered_texts(data.new.base), load_tokenizer(data.new.base)
    found = {tokenizer.decode(text.ids) for text in chain(*texts)}
    for i, row in enumerate(TRAIN):
        answer = row["choices"][row["label"]] if i < 30 else row["text"]
        assert f"{row['question']}? {answer}<end>" in found


def test_rows_that_a_log_lacks(logged: dict[str, Any]) -> None:
    """Alignment leaves them out, the comparison counts them as unscored."""
    write_rows(Path(logged["old"]["train"]), [*chosen(TRAIN, 30)[:30], *chosen(TEST, 9)[:2]])
    write_rows(Path(logged["old"]["test"]), chosen(TEST, 9)[:10])
    comparison, printed = run(logged)
    assert "answers 30 of 40 training rows; 2 further answers are to none of them" in printed
    assert (comparison.n, comparison.unscored) == (10, 2)
    data = Data(parse_update(logged, "test"))
    assert sum(map(len, data.aligned_choices(data.new.base))) == 30


def test_alignment_needs_answers_in_both_parts(logged: dict[str, Any]) -> None:
    write_rows(Path(logged["old"]["train"]), chosen(TRAIN, 30)[:1])
    with pytest.raises(DataError, match=r"answers 1 of 40 .* none of them in the training part; alignment needs"):
        run(logged)


def test_test_answers_alone_are_compared(logged: dict[str, Any]) -> None:
    values = {**logged, "old": {"test": logged["old"]["test"]}, "align": False}
    comparison, printed = run(values)
    assert (comparison.n, comparison.old.score, comparison.candidates) == (12, 0.75, ())
    assert "training rows" not in printed


def test_one_file_with_all_answers(logged: dict[str, Any], tmp_path: Path) -> None:
    log = write_rows(tmp_path / "answers.jsonl", [*chosen(TRAIN, 30), *chosen(TEST, 9)])
    comparison, printed = run({**logged, "old": str(log)})
    assert (comparison.n, comparison.old.score) == (12, 0.75)
    assert "answers 40 of 40 training rows; 12 further answers are to none of them" in printed


def test_ids_of_both_splits_in_one_file_are_no_answer(logged: dict[str, Any], tmp_path: Path) -> None:
    """Whose answer "0" is, to a training row or to one that is predicted, only its prompt would tell."""
    for name, rows in (("train", TRAIN), ("test", TEST)):
        write_rows(Path(logged["task"][name]), [{**row, "id": i} for i, row in enumerate(rows)])
    log = write_rows(tmp_path / "answers.jsonl", [{"id": i, "prediction": "0"} for i in range(12)])
    with pytest.raises(DataError, match="none of its 12 answers is to one of the rows to predict"):
        run({**logged, "old": str(log)})


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"strategy": {}}, ConfigError, "strategy.mask auto needs the old model itself, .* use choice or"),
        ({"strategy": {"mask": "transfer"}}, ConfigError, "strategy.mask transfer needs the old model itself"),
        ({"strategy": {"mask": "old_answers"}}, TaskError, "its answers are chosen, .* take choice or choice_mixture"),
        ({"old": "model"}, ModelError, "learns from a log of answers, but old is a model"),
        ({"old": {"test": "no-such.jsonl"}, "align": False}, DataError, "no-such.jsonl: no such file"),
        ({"old": {"test": "no-such.jsonl"}}, ConfigError, "give old.train too, or align: false"),
        ({"controls": ["ensemble"]}, ModelError, "controls: old is only a log of its answers, .*; leave ensemble out"),
        ({"task": {"unlabelled": "rows.jsonl"}}, ConfigError, "task.unlabelled: a log has no answers"),
    ],
)
def test_what_a_log_cannot_teach_is_refused(
    logged: dict[str, Any], change: dict[str, Any], error: type[StillrightError], message: str
) -> None:
    if change.get("old") == "model":
        change = {"old": logged["new"], "strategy": {"mask": "old_answers"}}
    if "task" in change:
        change = {"task": {**logged["task"], **change["task"]}, "strategy": {"mask": "choice_mixture"}}
    with pytest.raises(error, match=message):
        run({**logged, **change})
    assert not (Path(logged["out"]) / "adapters").exists()


def test_generated_answers_need_a_metric_of_right_and_wrong(told: dict[str, Any]) -> None:
    with pytest.raises(TaskError, match="its metric rouge1 gives scores"):
        run({**told, "task": {**told["task"], "metric": "rouge1"}})
    with pytest.raises(TaskError, match=r"strategy\.mask choice needs choices"):
        run({**told, "strategy": {"mask": "choice"}})


def test_scores_of_generated_answers_are_compared(told: dict[str, Any]) -> None:
    comparison, _ = run({**told, "task": {**told["task"], "metric": "rouge1"}, "align": False})
    assert comparison.kind == "continuous"
    assert comparison.old.score == pytest.approx(0.75)


def test_the_commands(logged: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    update = tmp_path / "update.yaml"
    update.write_text(yaml.safe_dump(logged))
    assert main(["fit", logged["new"], "--task", str(update), "--out", str(tmp_path / "new")]) == 0
    new = f"{logged['new']}+{tmp_path / 'new'}"
    command = ["align", "--new", new, "--task", str(update), "--out", str(tmp_path / "compat")]
    assert main([*command, "--old", logged["old"]["train"]]) == 0
    assert (tmp_path / "compat/adapter_model.safetensors").exists()
    assert main([*command, "--old", logged["old"]["test"]]) == 2
    assert "none of its 12 answers is to one of the training rows" in capsys.readouterr().err


def test_a_dry_run_names_the_log_once(logged: dict[str, Any], told: dict[str, Any]) -> None:
    for values in (logged, told):
        config = parse_update(values, "test")
        labels = [cost.label for cost in dry_run.costs_of(dry_run.stages_of(config), Data(config))]
        assert labels.count("predict old") == 1
        assert "align compat" in labels
        assert "fit old" not in labels
