"""Tasks by their names: those that ship here, and the harness's as the paper uses them, on made-up rows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.instance import Instance

from places import ROOT
from recipes import task_files
from samples import write_rows
from stillright.config import TaskConfig
from stillright.demo import data
from stillright.errors import DataError, TaskError
from stillright.models import Source, load_tokenizer
from stillright.tasks import Task, load_task, registry
from stillright.training.encode import encode_texts

SCRIPT = ROOT / "scripts" / "split_rows.py"


def on_rows(name: str, rows: list[dict[str, Any]], folder: Path, **more: Any) -> Task:
    data = write_rows(folder / "rows.jsonl", rows)
    return load_task(TaskConfig(name=name, train=data, test=data, **more))


def scored(task: Task, output: str) -> float:
    """The metric of a generated text for the first test document, as the harness computes it with the task's filter."""
    document = next(iter(task.harness.eval_docs))
    request = Instance("generate_until", document, ("", {}), 0, resps=[output])
    next(f for f in task.harness._filters if f.name == task.filter).apply([request])
    return float(task.harness.process_results(document, [request.filtered_resps[str(task.filter)]])[task.metric])


CHAT = {"id": "1", "dialogue": "Ann: Hi!\r\nBob: Cake?", "summary": "Bob offers cake. "}


def test_samsum_is_prompted_as_it_is_trained(tmp_path: Path) -> None:
    task = on_rows("samsum", [CHAT], tmp_path)
    assert task.prompt(task.train_documents[0]) == "Dialogue:\nAnn: Hi!\nBob: Cake?\nSummary:"
    assert task.right_answer(task.train_documents[0]) == " Bob offers cake."
    assert (task.metric, task.kind, task.is_choice) == ("rouge1", "continuous", False)


def test_samsum_generates_as_the_paper_does(tmp_path: Path) -> None:
    generation = on_rows("samsum", [CHAT], tmp_path).harness.config.generation_kwargs
    assert generation["until"] == ["Dialogue:", "Summary:", "</s>", "\n\n"]
    assert (generation["no_repeat_ngram_size"], generation["do_sample"]) == (2, False)


def test_samsum_is_scored_by_rouge1(tmp_path: Path) -> None:
    task = on_rows("samsum", [CHAT], tmp_path)
    assert scored(task, " Bob offers cake.") == 1.0
    assert scored(task, "bob EATS") == pytest.approx(2 * 1 / (2 + 3))  # one word of two, and of three
    assert scored(task, "") == 0.0


@pytest.mark.parametrize("empty", ["", " \r\n", None])
def test_samsum_keeps_repeated_rows_and_leaves_out_empty_ones(tmp_path: Path, empty: str | None) -> None:
    rows: list[dict[str, Any]] = [CHAT, {**CHAT, "id": "2"}, {**CHAT, "id": "3", "dialogue": empty}]
    task = on_rows("samsum", rows, tmp_path)
    assert [document["id"] for document in task.train_documents] == ["1", "2"]
    assert task.test_positions == [0, 1]


def test_names_that_ship_here_are_suggested_and_can_be_loaded_from_the_hub() -> None:
    with pytest.raises(TaskError, match="did you mean .*samsum"):
        load_task(TaskConfig(name="samsun"))
    with pytest.raises(TaskError, match="without a network, give local files"):
        load_task(TaskConfig(name="samsum"))


@pytest.mark.parametrize(
    ("name", "missing"), [("piqa", "goal"), ("gsm8k", "answer"), ("hellaswag", "ctx_b"), ("samsum", "summary")]
)
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_column_that_lacks_in_one_file_is_named(tmp_path: Path, name: str, missing: str, split: str) -> None:
    files = task_files(name, tmp_path)
    rows = [json.loads(line) for line in files[split].read_text().splitlines()]
    write_rows(files[split], [{key: value for key, value in row.items() if key != missing} for row in rows])
    with pytest.raises((DataError, TaskError), match=rf"task {name}: .*'{missing}'.* need the columns of its own data"):
        load_task(TaskConfig(name=name, **files))


SUM = {"question": "1,000 + 4?", "answer": "It is <<1000+4=1004>>1,004.\n#### 1,004"}


@pytest.mark.parametrize(
    ("output", "strict", "flexible"),
    [
        (" It is 1004.\n#### 1,004", 1.0, 1.0),
        (" It is 1004", 0.0, 1.0),
        (" #### 7, not 1004", 0.0, 1.0),  # the first after ####, the last of all
        (" #### 1004 or 7", 1.0, 0.0),
        ("", 0.0, 0.0),
    ],
)
def test_gsm8k_has_two_filters(tmp_path: Path, output: str, strict: float, flexible: float) -> None:
    assert scored(on_rows("gsm8k", [SUM], tmp_path), output) == strict
    assert scored(on_rows("gsm8k", [SUM], tmp_path, filter="flexible-extract"), output) == flexible


PASSAGE = {
    "query_id": "q1",
    "passage": "Ann bakes a plum cake.",
    "question": "What does Ann bake?",
    "answer": {"number": "", "date": {"day": "", "month": "", "year": ""}, "spans": ["plum cake"]},
    "validated_answers": {"number": [], "date": [], "spans": []},
}


@pytest.mark.parametrize(("output", "f1", "em"), [("plum cake", 1.0, 1.0), ("cake", 0.67, 0.0), ("bread", 0.0, 0.0)])
def test_a_harness_task_is_scored_by_any_of_its_metrics_per_sample(
    tmp_path: Path, output: str, f1: float, em: float
) -> None:
    by_f1, by_em = (on_rows("drop", [PASSAGE], tmp_path, metric=metric) for metric in ("f1", "em"))
    assert [scored(task, output) for task in (by_f1, by_em)] == [f1, em]
    assert by_f1.kind == "continuous"


def test_a_task_is_found_without_parsing_the_files_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_manager", lambda: pytest.fail("all files were parsed"))
    config = registry.harness_config("mmlu_anatomy")  # in mmlu/default/mmlu_anatomy.yaml
    assert (config["task"], config["dataset_name"]) == ("mmlu_anatomy", "anatomy")


@pytest.mark.parametrize("name", ["piqa", "hellaswag"])
def test_the_right_choice_is_that_of_the_label(tmp_path: Path, name: str) -> None:
    files = task_files(name, tmp_path)
    labels = [int(json.loads(line)["label"]) for line in files["train"].read_text().splitlines()]
    task = load_task(TaskConfig(name=name, **files))
    assert [task.accepted(document)[0] for document in task.train_documents] == labels
    for document, label in zip(task.train_documents, labels, strict=True):
        assert task.right_answer(document) == f" {task.choices(document)[label]}"


@pytest.mark.parametrize("name", ["piqa", "hellaswag", "gsm8k", "samsum"])
def test_what_is_trained_is_prompt_delimiter_and_answer(tmp_path: Path, name: str, tokenizer_folder: Path) -> None:
    task, tokenizer = (
        load_task(TaskConfig(name=name, **task_files(name, tmp_path))),
        load_tokenizer(Source(str(tokenizer_folder))),
    )
    end = "" if task.is_choice else "<end>"
    for text, document in zip(encode_texts(task, tokenizer, 512, "all"), task.train_documents, strict=True):
        assert tokenizer.decode(text.ids) == f"{task.prompt(document)}{task.right_answer(document)}{end}"


def test_a_task_whose_code_lacks_a_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(*_: Any) -> None:
        raise ModuleNotFoundError("No module named 'langdetect'")

    monkeypatch.setattr("lm_eval.tasks._factory.TaskFactory._load_full_config", lacking)
    with pytest.raises(TaskError, match=r"task piqa: its code cannot be loaded \(No module named 'langdetect'\)"):
        load_task(TaskConfig(name="piqa"))


def items(part: str) -> dict[str, dict[str, Any]]:
    rows = [json.loads(line) for line in (data() / f"{part}.jsonl").read_text().splitlines()]
    return {row["id"]: row for row in rows}


def test_docstrings_are_the_right_choices_of_the_demo() -> None:
    task, of_demo = load_task(TaskConfig(name="demo_docstrings")), items("train")
    assert len(task.train_documents) == len(of_demo)
    assert len(task.test_positions) == len(items("test"))
    for document in task.train_documents:
        item = of_demo[document["id"]]
        assert task.prompt(document) == item["heading"]
        assert task.right_answer(document) == f"\n{item['choices'][item['answer']]}"


def test_exact_answers_by_hand() -> None:
    task = load_task(TaskConfig(name="demo_exact"))
    asked = {task.prompt(document): task.right_answer(document) for document in task.train_documents}
    assert asked["inspect.Signature._bind(self, args, kwargs, partial)\nlast:"] == " partial"
    assert asked["cgitb.text(einfo, context)\nnumber:"] == " 2"
    heading = "importlib.metadata._functools.method_cache(method, cache_wrapper)"
    assert asked[f"{heading}\nsorted:"] == " cache_wrapper, method"
    assert all(", " in prompt for prompt in asked)  # two parameters or more
    kinds = [re.search(r"\n(\w+):$", prompt).group(1) for prompt in asked]  # type: ignore[union-attr]
    assert all(0.3 < kinds.count(kind) / len(kinds) < 0.37 for kind in ("number", "last", "sorted"))


def test_exact_answers_are_scored_to_the_letter() -> None:
    task = load_task(TaskConfig(name="demo_exact"))
    reference = next(iter(task.harness.eval_docs))["reference"]
    assert (task.metric, task.kind) == ("exact_match", "discrete")
    assert [scored(task, text) for text in (f" {reference}", f"{reference}!", "")] == [1.0, 0.0, 0.0]


def test_the_demos_validation_items_can_stand_for_the_test() -> None:
    files = {"train": data() / "train.jsonl", "test": data() / "validation.jsonl"}
    task = load_task(TaskConfig(name="demo_exact", **files))
    assert {document["id"].partition("-")[0] for document in task.harness.eval_docs} == {"validation"}


def split(rows: list[dict[str, Any]], folder: Path, column: str) -> subprocess.CompletedProcess[str]:
    path = write_rows(folder / "all.jsonl", rows)
    arguments = [str(path), "--by", column, "--test", "0.3", "--out", str(folder / "cut")]
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True)


def test_rows_of_one_source_stay_on_one_side(tmp_path: Path) -> None:
    rows = [{"ind": i, "source_id": f"film~{i // 3}", "ctx": "one\u2028line"} for i in range(300)]
    assert split(rows, tmp_path, "source_id").returncode == 0
    train, test = (
        [json.loads(line) for line in (tmp_path / "cut" / f"{part}.jsonl").read_text().split("\n")[:-1]]
        for part in ("train", "test")
    )
    assert sorted(train + test, key=lambda row: row["ind"]) == rows
    assert not {row["source_id"] for row in train} & {row["source_id"] for row in test}
    assert 0.2 < len(test) / len(rows) < 0.4


@pytest.mark.parametrize(("column", "message"), [("source", "a row has no column 'source'"), ("split", "side empty")])
def test_a_column_that_cannot_split_is_refused(tmp_path: Path, column: str, message: str) -> None:
    done = split([{"source_id": "a", "split": "val"}] * 3, tmp_path, column)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "cut").exists()
