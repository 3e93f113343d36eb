"""Tasks: a user's files, a harness task on local files, and what is trained is what is scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from samples import colour_rows, write_rows
from stillright.config import TaskConfig, parse_update
from stillright.errors import DataError, StillrightError, TaskError
from stillright.models import Source, load_tokenizer
from stillright.stages.data import Data
from stillright.tasks import load_task
from stillright.tasks.own import own_task
from stillright.training.encode import cut_text, encode_texts
from stillright.training.text import Text, cut_texts, split_texts


def test_choice_task_of_ones_own(choice_task: dict[str, Any]) -> None:
    task = load_task(TaskConfig(**choice_task))
    document = task.train_documents[0]
    assert task.prompt(document) == f"{document['question']}?"
    assert task.right_answer(document) == f" {document['choices'][document['label']]}"
    assert (task.metric, task.kind, len(task.train_documents), len(task.test_positions)) == ("acc", "discrete", 40, 12)


def test_choices_as_templates(tmp_path: Path) -> None:
    rows = [{"q": "two?", "a": "1", "b": "2", "right": 1}]
    data = write_rows(tmp_path / "rows.jsonl", rows)
    config = TaskConfig(name="t", train=data, test=data, prompt="{{q}}", choices=["{{a}}", "{{b}}!"], answer="right")
    assert load_task(config).right_answer(rows[0]) == " 2!"


@pytest.mark.parametrize(("metric", "kind"), [("exact_match", "discrete"), ("rouge1", "continuous")])
def test_generation_task(choice_task: dict[str, Any], metric: str, kind: str) -> None:
    values = {**choice_task, "answer": "text", "metric": metric}
    del values["choices"]
    task = load_task(TaskConfig(**values))
    assert (task.kind, task.is_choice) == (kind, False)
    assert task.right_answer(task.train_documents[0]) == f" {task.train_documents[0]['text']}"


def piqa_rows(n: int) -> list[dict[str, Any]]:
    return [{"goal": f"open jar {i}", "sol1": "turn the lid", "sol2": "sing to it", "label": i % 2} for i in range(n)]


@pytest.fixture
def piqa_on_files(tmp_path: Path) -> dict[str, Any]:
    train = write_rows(tmp_path / "piqa-train.jsonl", piqa_rows(9))
    return {"name": "piqa", "train": train, "test": write_rows(tmp_path / "piqa-test.jsonl", piqa_rows(4))}


def test_harness_task_on_local_files(piqa_on_files: dict[str, Any]) -> None:
    task = load_task(TaskConfig(**piqa_on_files))
    assert task.prompt(task.train_documents[1]) == "Question: open jar 1\nAnswer:"
    assert task.right_answer(task.train_documents[1]) == " sing to it"
    assert (len(task.train_documents), len(task.test_positions)) == (9, 4)


def test_harness_task_keeps_its_own_preparation(tmp_path: Path) -> None:
    row = {"ind": 0, "activity_label": "Baking", "ctx_a": "A man mixes", "ctx_b": "he", "ctx": "A man mixes he"}
    rows = [{**row, "endings": ["bakes [title] it.", "flies.", "sings.", "runs."], "label": "0"}]
    data = write_rows(tmp_path / "rows.jsonl", rows)
    task = load_task(TaskConfig(name="hellaswag", train=data, test=data))
    assert task.prompt(task.train_documents[0]) == "Baking: A man mixes He"
    assert task.right_answer(task.train_documents[0]) == " bakes. it."


def test_unknown_metric_is_named(piqa_on_files: dict[str, Any]) -> None:
    with pytest.raises(TaskError, match="has no metric 'rouge1'; it has acc, acc_norm"):
        load_task(TaskConfig(**piqa_on_files, metric="rouge1"))


@pytest.mark.parametrize(
    ("metric", "less_is_better", "message"),
    [
        ("f1", False, "its metric f1 does not rank choices; use acc, acc_norm, acc_bytes"),
        ("acc", True, "for its metric acc lower is better"),
    ],
)
def test_metrics_that_mislead_are_refused(
    choice_task: dict[str, Any], monkeypatch: pytest.MonkeyPatch, metric: str, less_is_better: bool, message: str
) -> None:
    def keys(config: TaskConfig) -> dict[str, Any]:
        entry = {"metric": metric, "aggregation": "mean", "higher_is_better": not less_is_better}
        return {**own_task(config), "metric_list": [entry]}

    monkeypatch.setattr("stillright.tasks.task.own_task", keys)
    with pytest.raises(TaskError, match=message):
        load_task(TaskConfig(**choice_task))


@pytest.mark.parametrize(
    ("aggregations", "listed"), [({"f1": "f1", "em": "mean"}, "em"), ({"f1": "f1", "bleu": "bleu"}, "it has none")]
)
def test_metrics_of_the_whole_test_set_are_refused(
    choice_task: dict[str, Any], monkeypatch: pytest.MonkeyPatch, aggregations: dict[str, str], listed: str
) -> None:
    def keys(config: TaskConfig) -> dict[str, Any]:
        entries = [{"metric": name, "aggregation": by, "higher_is_better": True} for name, by in aggregations.items()]
        return {**own_task(config), "metric_list": entries}

    monkeypatch.setattr("stillright.tasks.task.own_task", keys)
    message = f"its metric f1 is computed over the whole test set.*choose a per-sample metric: {listed}"
    with pytest.raises(TaskError, match=message):
        load_task(TaskConfig(**{**choice_task, "answer": "text", "choices": None}))


def test_generation_harness_task_takes_its_first_filter(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "rows.jsonl", [{"question": "1 + 1?", "answer": "It is 2.\n#### 2"}])
    task = load_task(TaskConfig(name="gsm8k", train=data, test=data))
    assert (task.metric, task.filter, task.kind) == ("exact_match", "strict-match", "discrete")
    assert task.prompt(task.train_documents[0]) == "Question: 1 + 1?\nAnswer:"


def test_rows_that_are_tested_and_trained_on_are_counted(choice_task: dict[str, Any], tmp_path: Path) -> None:
    known = [{**row, "id": f"other-{row['id']}"} for row in colour_rows(3, seed=0)]
    choice_task["test"] = write_rows(tmp_path / "mixed.jsonl", [*known, {**known[0], "question": "Why"}])
    assert load_task(TaskConfig(**choice_task)).tested_in_training() == 3


def test_limits_draw_rows_with_the_seed(choice_task: dict[str, Any]) -> None:
    few, more = (load_task(TaskConfig(**choice_task, train_limit=n), split_seed=3) for n in (5, 9))
    drawn = [document["id"] for document in few.train_documents]
    assert len(drawn) == 5
    assert set(drawn) <= {document["id"] for document in more.train_documents}
    other = load_task(TaskConfig(**choice_task, train_limit=5), split_seed=4)
    assert drawn != [document["id"] for document in other.train_documents]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"train": "nowhere.jsonl"}, DataError, "nowhere.jsonl: no such file"),
        ({"prompt": "{{quetsion}}"}, DataError, "uses the column 'quetsion', but the file has only"),
        ({"answer": "lable"}, DataError, "uses the column 'lable'"),
        ({"prompt": "{{question"}, TaskError, "is not valid Jinja"),
        ({"filter": "strict"}, TaskError, "has no filter 'strict'"),
        ({"name": "piqua", "prompt": None, "choices": None, "answer": None}, TaskError, "did you mean piqa"),
        ({"name": "mmlu", "prompt": None, "choices": None, "answer": None}, TaskError, "give a single task"),
        (
            {"name": "piqa", "prompt": None, "choices": None, "answer": None},
            TaskError,
            "need the columns of its own data",
        ),
        ({"name": "wikitext", "prompt": None, "choices": None, "answer": None}, TaskError, "output type"),
    ],
)
def test_bad_tasks_are_named(choice_task: dict[str, Any], change: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(StillrightError) as caught:
        load_task(TaskConfig(**{**choice_task, **change}))
    assert type(caught.value) is error
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", [{"question": None}, {"label": None}, {"choices": None}, {"choices": []}])
def test_a_row_that_lacks_a_value_is_named(
    choice_task: dict[str, Any], tmp_path: Path, missing: dict[str, Any]
) -> None:
    rows = colour_rows(4, seed=1)
    rows[2] |= missing
    choice_task["test"] = write_rows(tmp_path / "gaps.jsonl", rows)
    with pytest.raises(DataError, match=f"gaps.jsonl: row 3: task .* uses the column '{next(iter(missing))}'"):
        load_task(TaskConfig(**choice_task))


def test_any_of_several_answers_is_right(tmp_path: Path) -> None:
    rows = [{"q": "capital?", "a": ["Paris", "City of Light"]}]
    data = write_rows(tmp_path / "rows.jsonl", rows)
    task = load_task(TaskConfig(name="t", train=data, test=data, prompt="{{q}}", answer="a"))
    assert task.right_answer(rows[0]) == " Paris"
    said = {text: task.harness.process_results(rows[0], [text]) for text in ("Paris", "City of Light", "Rome")}
    assert [scores["exact_match"] for scores in said.values()] == [1.0, 1.0, 0.0]


@pytest.mark.parametrize("key", [{"stop": ["."]}, {"max_new_tokens": 5}, {"delimiter": "#"}, {"answer": "sol1"}])
def test_keys_of_own_tasks_are_refused_elsewhere(piqa_on_files: dict[str, Any], key: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(key))} belongs to a task of your own; give prompt too"):
        TaskConfig(**piqa_on_files, **key)
    assert TaskConfig(**TaskConfig(**piqa_on_files).model_dump()) == TaskConfig(**piqa_on_files)


def test_texts_are_no_longer_than_the_bases_read(update_values: dict[str, Any]) -> None:
    """The bases read 128 tokens."""
    update_values["task"]["prompt"] = "{{question}} " * 40
    update_values["training"]["max_length"] = 400
    data = Data(parse_update(update_values, "test"))
    assert {len(text.ids) for text in data.texts(data.bases[0]).train} == {128}
    answered = {"answer": "text", "choices": None, "max_new_tokens": 128}
    generated = {**update_values, "task": {**update_values["task"], **answered}}
    with pytest.raises(TaskError, match="answers of up to 128 tokens leave no room for prompts in texts of 128"):
        Data(parse_update(generated, "test"))


def test_hub_data_without_a_network_asks_for_files() -> None:
    with pytest.raises(TaskError, match="; without a network, give local files with the same columns"):
        load_task(TaskConfig(name="piqa"))


def test_empty_and_mixed_files_are_named(choice_task: dict[str, Any], tmp_path: Path) -> None:
    empty = write_rows(tmp_path / "empty.jsonl", [])
    with pytest.raises(DataError, match="empty.jsonl: no rows"):
        load_task(TaskConfig(**{**choice_task, "test": empty}))
    mixed = write_rows(tmp_path / "mixed.jsonl", [*colour_rows(1, 0), {**colour_rows(1, 0)[0], "label": ["x"]}])
    with pytest.raises(DataError, match="different types"):
        load_task(TaskConfig(**{**choice_task, "test": mixed}))


def test_choice_text_is_tokenized_as_scored(choice_task: dict[str, Any], tokenizer_folder: Path) -> None:
    task, tokenizer = load_task(TaskConfig(**choice_task)), load_tokenizer(Source(str(tokenizer_folder)))
    ids = encode_texts(task, tokenizer, max_length=64, loss_on="all")[0].ids
    document = task.train_documents[0]
    assert tokenizer.decode(ids) == task.prompt(document) + task.right_answer(document)  # no end-of-text token


def test_generated_text_ends_and_keeps_its_end_when_cut(choice_task: dict[str, Any], tokenizer_folder: Path) -> None:
    values = {**choice_task, "answer": "text", "metric": "rouge1", "choices": None}
    task, tokenizer = load_task(TaskConfig(**values)), load_tokenizer(Source(str(tokenizer_folder)))
    whole = encode_texts(task, tokenizer, max_length=64, loss_on="all")[0].ids
    assert tokenizer.decode(whole).endswith("today<end>")
    assert encode_texts(task, tokenizer, max_length=5, loss_on="all")[0].ids == whole[-5:]


def test_answers_without_a_word_are_not_for_rouge(choice_task: dict[str, Any], tmp_path: Path) -> None:
    rows = [{"question": "a", "text": "today"}, {"question": "b", "text": "..."}]
    path = write_rows(tmp_path / "wordless.jsonl", rows)
    values = {**choice_task, "test": str(path), "answer": "text", "metric": "rouge1", "choices": None}
    with pytest.raises(
        DataError, match=r"wordless.jsonl: row 2: task colours: the answer '...' has no word that rouge1"
    ):
        load_task(TaskConfig(**values))


@pytest.mark.parametrize(
    ("max_length", "expected"),
    [
        (9, Text([1, 2, 3, 4, 5], first=3)),
        (4, Text([2, 3, 4, 5], first=2)),
        (3, Text([3, 4, 5], first=1)),
        (2, Text([4, 5], first=1)),  # the answer begins it, and what begins a text is not predicted
        (1, Text([5], first=1)),
    ],
)
def test_where_an_answer_begins_when_cut(max_length: int, expected: Text) -> None:
    assert cut_text([1, 2, 3], [4, 5], max_length, "completion") == expected
    assert cut_text([1, 2, 3], [4, 5], max_length, "all") == Text(expected.ids, first=1)


def test_tokens_that_are_cut_off_are_counted(choice_task: dict[str, Any], tokenizer_folder: Path) -> None:
    assert [cut_text([1, 2, 3], [4, 5], length, "all").lost for length in (6, 5, 4, 1)] == [0, 0, 1, 4]
    assert cut_text([1, 2, 3], [4, 5], 4, "all") == Text([2, 3, 4, 5])  # what is lost makes no other text of it
    task, tokenizer = load_task(TaskConfig(**choice_task)), load_tokenizer(Source(str(tokenizer_folder)))
    whole = encode_texts(task, tokenizer, max_length=64, loss_on="all")
    longest = max(len(text.ids) for text in whole)
    split = split_texts(encode_texts(task, tokenizer, longest - 1, "all"), 0.2, seed=0)
    assert cut_texts(split) == sum(len(text.ids) == longest for text in whole) > 0
    assert cut_texts(split_texts(whole, 0.2, seed=0)) == 0


def test_scored_tokens_are_labels() -> None:
    text = Text([1, 2, 3, 4, 5], first=3)
    assert text.scored == [4, 5]
    assert text.example == {"input_ids": [1, 2, 3, 4, 5], "labels": [-100, -100, -100, 4, 5]}
    assert Text([5]).scored == []
    assert Text([5]).example == {"input_ids": [5], "labels": [-100]}


@pytest.mark.parametrize("generated", [False, True])
def test_a_completion_is_the_answer_alone(choice_task: dict[str, Any], tokenizer_folder: Path, generated: bool) -> None:
    own = {"answer": "text", "metric": "rouge1", "choices": None} if generated else {}
    task = load_task(TaskConfig(**{**choice_task, **own}))
    tokenizer = load_tokenizer(Source(str(tokenizer_folder)))
    texts = encode_texts(task, tokenizer, max_length=64, loss_on="completion")
    for text, document in zip(texts, task.train_documents, strict=True):
        assert tokenizer.decode(text.scored) == task.right_answer(document) + ("<end>" if generated else "")
        assert tokenizer.decode(text.ids[: text.first]) == task.prompt(document)
    whole = encode_texts(task, tokenizer, max_length=64, loss_on="all")
    assert [text.ids for text in whole] == [text.ids for text in texts]
    assert {text.first for text in whole} == {1}


def test_split_is_seeded_and_whole() -> None:
    texts = [[i] for i in range(10)]
    cut = split_texts(texts, 0.2, seed=1)
    assert (len(cut.train), len(cut.validation)) == (8, 2)
    assert sorted(cut.train + cut.validation) == texts
    assert cut == split_texts(texts, 0.2, seed=1) != split_texts(texts, 0.2, seed=2)


def test_empty_split_is_refused() -> None:
    with pytest.raises(DataError, match="leave an empty split"):
        split_texts([[1], [2]], 0.1, seed=0)
