"""Logs of lm-evaluation-harness, written by it: what is read agrees with the harness's own totals."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import places
from stillright.errors import DataError
from stillright.importers import Selection, read_predictions

LOGS = places.LOGS / "harness"


def totals(folder: str, task: str) -> dict[str, float]:
    """The harness's own results."""
    file = next(path for path in (LOGS / folder).rglob("*.json") if path.name.startswith(("results_", "run_")))
    results: dict[str, float] = json.loads(file.read_text())["results"][task]
    return results


def samples_file(folder: str) -> Path:
    return next((LOGS / folder).rglob("samples_*.jsonl"))


@pytest.mark.parametrize("folder", ["choice", "flat"])
@pytest.mark.parametrize(("metric", "right"), [("acc", 3), ("acc_norm", 2)])
def test_choices(folder: str, metric: str, right: int) -> None:
    predictions = read_predictions(LOGS / folder, Selection(metric=metric))
    assert predictions.table["correct"].sum() == right == 8 * totals(folder, "colours")[f"{metric},none"]
    assert predictions.table["choices"].to_list() == [3, 2, 4, 2, 3, 3, 2, 3]
    equal = predictions.table["prediction"] == predictions.table["reference"].list.first()
    assert equal.to_list() == predictions.table["correct"].to_list()


def test_header_and_columns() -> None:
    predictions = read_predictions(LOGS / "choice", Selection(columns=("thing", "hard")))
    header = predictions.header
    assert (header.name, header.task, header.metric, header.kind) == ("tiny-llama", "colours", "acc", "discrete")
    assert header.settings == {"task_version": 1.0, "num_fewshot": 0}
    assert header.source["lm_eval_version"] == "0.4.13"
    first = predictions.table.row(0, named=True)
    assert (first["id"], first["prediction"], first["output"], first["reference"]) == ("0", "0", "red", ["2"])
    assert first["prompt"] == "Question: What colour is a clear sky at noon?\nAnswer:"
    assert (first["thing"], first["hard"]) == ("sky", "true")


def test_every_choice_has_its_text_and_log_likelihood() -> None:
    file, table = samples_file("choice"), read_predictions(LOGS / "choice").table
    logged = [json.loads(line) for line in file.read_text().splitlines()]
    assert table["choice_texts"].to_list()[0] == logged[0]["doc"]["options"]
    assert table["loglikelihoods"].to_list() == [[float(each[0]) for each in row["filtered_resps"]] for row in logged]
    for row in table.iter_rows(named=True):  # acc ranks by these sums
        assert row["loglikelihoods"].index(max(row["loglikelihoods"])) == int(row["prediction"])
        assert row["choice_texts"][int(row["prediction"])] == row["output"]
    without = read_predictions(LOGS / "choice", Selection(all_choices=False)).table
    assert without.columns == [name for name in table.columns if name not in ("choice_texts", "loglikelihoods")]


@pytest.mark.parametrize(("name", "right"), [("strict-match", 2), ("flexible-extract", 4)])
def test_filters(name: str, right: int) -> None:
    predictions = read_predictions(LOGS / "gsm8k", Selection(filter=name))
    assert predictions.header.filter == name
    assert predictions.table["correct"].sum() == right
    assert right / 6 == pytest.approx(totals("gsm8k", "sums")[f"exact_match,{name}"])


def test_strict_match_is_usual() -> None:
    predictions = read_predictions(LOGS / "gsm8k")
    assert predictions.header.filter == "strict-match"
    assert predictions.table["prediction"].to_list() == ["7", "6", "[invalid]", "20", "[invalid]", "[invalid]"]
    assert predictions.table["output"][2] == " That is $1,200."
    assert predictions.header.settings["generation_kwargs"]["until"] == ["Question:"]


def test_similarities_are_scores() -> None:
    predictions = read_predictions(LOGS / "several", Selection(task="summaries", metric="rouge1"))
    assert predictions.kind == "continuous"
    assert predictions.table["score"].mean() == pytest.approx(totals("several", "summaries")["rouge1,none"])
    assert predictions.table["reference"][1].to_list() == ["Cid is late."]


@pytest.mark.parametrize(
    ("folder", "selection", "message"),
    [
        ("several", Selection(), "several tasks, choose one with task=NAME: colours, summaries"),
        ("several", Selection(task="sums"), "no task 'sums'; did you mean 'summaries'? there is colours, summaries"),
        ("several", Selection(task="summaries"), "several metrics, choose one with metric=NAME: rouge1, rougeL"),
        ("choice", Selection(metric="f1"), "no metric 'f1'; there is acc, acc_norm"),
        ("gsm8k", Selection(filter="x"), "no filter 'x'; there is strict-match, flexible-extract"),
        ("choice", Selection(columns=("x",)), "no column 'x'; there is question, options"),
    ],
)
def test_what_is_not_there(folder: str, selection: Selection, message: str) -> None:
    with pytest.raises(DataError, match=folder) as caught:
        read_predictions(LOGS / folder, selection)
    assert message in str(caught.value)


def test_several_runs_are_not_chosen_from(tmp_path: Path) -> None:
    shutil.copytree(LOGS / "choice", tmp_path / "a")
    shutil.copytree(LOGS / "flat", tmp_path / "b")
    with pytest.raises(DataError, match="several runs of one task, name one of these files: a/.*, b/"):
        read_predictions(tmp_path)


def test_totals_are_no_samples() -> None:
    with pytest.raises(DataError, match="its samples_"):
        read_predictions(next((LOGS / "flat").glob("run_*.json")))


def changed(tmp_path: Path, name: str = "samples.jsonl", **values: Any) -> Path:
    """A log whose samples all have these values."""
    lines = samples_file("choice").read_text().splitlines()
    path = tmp_path / name
    path.write_text("".join(json.dumps(json.loads(line) | values) + "\n" for line in lines))
    return path


def test_a_choice_that_contradicts_the_verdict_is_left_out(tmp_path: Path) -> None:
    predictions = read_predictions(changed(tmp_path, acc=1.0))
    assert predictions.table["correct"].all()
    assert predictions.table["prediction"].null_count() == 8


@pytest.mark.parametrize("value", [1e30, -1, 1.01])
def test_an_accuracy_beyond_one_is_refused(tmp_path: Path, value: float) -> None:
    """It would be taken for a score, and be most of the mean."""
    with pytest.raises(DataError, match=rf"acc is {re.escape(f'{value:g}')}, but a sample's is from 0 to 1"):
        read_predictions(changed(tmp_path, acc=value), Selection(metric="acc"))


def test_a_list_as_older_releases_wrote(tmp_path: Path) -> None:
    samples = [json.loads(line) for line in samples_file("choice").read_text().splitlines()]
    for sample in samples:
        sample["arguments"] = [list(request.values()) for request in sample["arguments"].values()]
        sample["filtered_resps"] = [[float(value), said == "True"] for value, said in sample["filtered_resps"]]
        sample["target"] = int(sample["target"])
        del sample["metrics"]
    path = tmp_path / "pretrained__x_colours.jsonl"
    path.write_text(json.dumps(samples, indent=2))
    old, new = read_predictions(path), read_predictions(LOGS / "choice")
    assert old.table.equals(new.table)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"acc": float("inf")}, ":1: acc is 'Infinity', not a number"),
        ({"acc": "high"}, ":1: acc is 'high', not a number"),
        ({"doc_id": [1]}, "id: a list is not text"),
        ({"doc_id": 7}, "8 rows share an id"),
    ],
)
def test_malformed_samples(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_predictions(changed(tmp_path, **values), Selection(metric="acc"))
    assert "samples.jsonl" in str(caught.value)


def test_metrics_over_all_samples_have_no_verdicts(tmp_path: Path) -> None:
    path = changed(tmp_path, metrics=["acc", "mcc"], mcc=[0, 1])
    with pytest.raises(DataError, match="mcc is computed over the whole test set"):
        read_predictions(path, Selection(metric="mcc"))


@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_missing_verdict_is_unscored(tmp_path: Path, value: float | None) -> None:
    lines = samples_file("choice").read_text().splitlines()
    lines[0] = json.dumps(json.loads(lines[0]) | {"acc": value})
    path = tmp_path / "samples.jsonl"
    path.write_text("\n".join(lines))
    predictions = read_predictions(path)
    first = predictions.table.row(0, named=True)
    assert (first["prediction"], first["correct"], first["score"], first["output"]) == (None, None, None, "red")
    assert (predictions.kind, predictions.table["correct"].null_count()) == ("discrete", 1)


def test_results_say_that_lower_is_better(tmp_path: Path) -> None:
    shutil.copytree(LOGS / "several" / "canned", tmp_path / "run")
    file = next((tmp_path / "run").glob("results_*.json"))
    results = json.loads(file.read_text())
    results["higher_is_better"]["summaries"]["rouge1"] = False
    file.write_text(json.dumps(results))
    selection = Selection(task="summaries", metric="rouge1")
    assert read_predictions(tmp_path, selection).header.lower_is_better is True
    assert read_predictions(LOGS / "several", selection).header.lower_is_better is False
    with pytest.raises(DataError, match="higher rouge1 is better, as the log says; leave out lower_is_better=True"):
        read_predictions(LOGS / "several", Selection(task="summaries", metric="rouge1", lower_is_better=True))


def test_mutual_information_is_the_gain_over_the_choice_alone(tmp_path: Path) -> None:
    asked = [["Q", " yes"], ["Q", " no"], ["", " yes"], ["", " no"]]
    sample = {
        "doc_id": 0,
        "doc": {},
        "target": "[1]",
        "arguments": {f"gen_args_{n}": {"arg_0": a, "arg_1": b} for n, (a, b) in enumerate(asked)},
        "filtered_resps": [["-1.0", "True"], ["-2.0", "False"], ["-1.5", "False"], ["-9.0", "False"]],
        "acc": 0.0,
        "acc_mutual_info": 1.0,
    }
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(sample))
    rows = [
        read_predictions(path, Selection(metric=name)).table.row(0, named=True) for name in ("acc", "acc_mutual_info")
    ]
    assert [(row["prediction"], row["output"], row["correct"], row["choices"]) for row in rows] == [
        ("0", "yes", False, 2),
        ("1", "no", True, 2),
    ]


def test_likelihood_of_one_text_has_a_verdict_alone(tmp_path: Path) -> None:
    sample = {
        "doc_id": 0,
        "target": "end",
        "arguments": {"gen_args_0": {"arg_0": "The", "arg_1": " end"}},
        "filtered_resps": [["-1.0", "True"]],
        "acc": 1.0,
    }
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(sample))
    row = read_predictions(path).table.row(0, named=True)
    assert (row["correct"], row["reference"], row["prompt"], row["prediction"]) == (True, ["end"], "The", None)


def generated(tmp_path: Path, target: Any, response: str) -> list[str]:
    """The right answers that are read for a generated answer."""
    sample = {
        "doc_id": 0,
        "target": target,
        "arguments": {"gen_args_0": {"arg_0": "Q", "arg_1": {"until": ["."]}}},
        "resps": [[response]],
        "filtered_resps": [response],
        "exact_match": 0.0,
    }
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(sample))
    return list(read_predictions(path).table["reference"][0])


@pytest.mark.parametrize("target", ["[0,1]", "[-2, 7]", "[]", "[a, b]", "['a' 'b']", '["a", 1]', "[5", "5"])
def test_one_answer_in_brackets_is_one(tmp_path: Path, target: str) -> None:
    assert generated(tmp_path, target, "0") == [target]


def test_a_list_of_quoted_texts_is_several_answers(tmp_path: Path) -> None:
    assert generated(tmp_path, "['a', \"it's\"]", "x") == ["a", "it's"]
    assert generated(tmp_path, ["a", 1], "x") == ["a", "1"]
    assert generated(tmp_path, "['a', 'b']", "['a', 'b']") == ["a", "b", "['a', 'b']"]  # what the model wrote is it
