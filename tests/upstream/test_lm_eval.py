"""What is assumed of lm_eval's private parts, one test for each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from torch import Tensor

from samples import write_rows
from stillright.config import TaskConfig
from stillright.models import Source, load_base, load_tokenizer
from stillright.tasks import Task, load_task
from stillright.tasks.ranking import chosen, normalized
from stillright.upstream.lm_eval import (
    Encoder,
    OpenLM,
    Request,
    entry_in_file,
    filter_names,
    full_config,
    kind_of,
    logged_samples,
    metric_names,
    metrics_of,
    own_file,
)

PAIR = ("What colour is the sky?", " blue today")


@pytest.fixture
def tokenizer(tokenizer_folder: Path) -> Any:
    return load_tokenizer(Source(str(tokenizer_folder)))


def opened(kind: type[HFLM], make_base: Callable[..., Path], tokenizer: Any) -> Any:
    model = load_base(Source(str(make_base(seed=4))), torch.float32).eval()
    return kind(pretrained=model, tokenizer=tokenizer, batch_size=2, max_length=64, backend="causal")


def test_a_task_is_found_in_the_file_of_its_name() -> None:
    entry = entry_in_file(own_file("piqa"), "piqa")
    assert kind_of(entry) == "task"
    assert entry_in_file(own_file("piqa"), "another") is None
    assert entry_in_file(own_file("gone"), "gone") is None


def test_a_group_says_that_it_is_one(tmp_path: Path) -> None:
    (tmp_path / "both.yaml").write_text("group: both\n")
    assert kind_of(entry_in_file(tmp_path / "both.yaml", "both")) == "group"


def test_a_configuration_has_what_it_includes_and_its_functions(tmp_path: Path) -> None:
    (tmp_path / "common.yaml").write_text("output_type: multiple_choice\n")
    (tmp_path / "one.yaml").write_text("include: common.yaml\ntask: one\nprocess_docs: !function code.same\n")
    (tmp_path / "code.py").write_text("def same(rows):\n    return rows\n")
    config = full_config(entry_in_file(tmp_path / "one.yaml", "one"))
    assert config["output_type"] == "multiple_choice"
    assert config["process_docs"](7) == 7


def test_metrics_and_filters_are_listed_in_order(choice_task: dict[str, Any]) -> None:
    harness = load_task(TaskConfig(**choice_task)).harness
    assert metric_names(harness) == ["acc", "acc_norm"]
    assert filter_names(harness) == ["none"]


def test_the_encoder_needs_no_model(make_base: Callable[..., Path], tokenizer: Any) -> None:
    """Its ids are those that HFLM scores."""

    class Watched(OpenLM):
        def score(self, requests: list[Request]) -> list[tuple[float, bool]]:
            seen.extend(requests)
            return super().score(requests)

    seen: list[Request] = []
    whole = opened(Watched, make_base, tokenizer)
    whole.loglikelihood([Instance("loglikelihood", {}, PAIR, 0)], disable_tqdm=True)
    encoder = Encoder(tokenizer)
    assert encoder.requests([PAIR]) == seen
    assert [tokenizer.decode(ids) for ids in seen[0][1:]] == list(PAIR)
    assert encoder.prefix_token_id == whole.prefix_token_id


def test_its_own_pass_goes_through_the_hooks(make_base: Callable[..., Path], tokenizer: Any) -> None:
    class Watched(OpenLM):
        def note(self, ids: Tensor) -> None:
            read.append(ids.tolist())

    read: list[list[list[int]]] = []
    lm = opened(Watched, make_base, tokenizer)
    ((value, likeliest),) = lm.loglikelihood([Instance("loglikelihood", {}, PAIR, 0)], disable_tqdm=True)
    (((prompt, continuation),),) = [[ids[1:] for ids in Encoder(tokenizer).requests([PAIR])]]
    assert read == [[[*prompt, *continuation[:-1]]]]
    with torch.no_grad():
        logits = lm.model(torch.tensor(read[0])).logits[0, len(prompt) - 1 :]
    logp = logits.log_softmax(-1)[torch.arange(len(continuation)), continuation]
    assert value == pytest.approx(logp.sum().item(), abs=1e-4)
    assert likeliest == (logits.argmax(-1).tolist() == continuation)


def test_sums_of_bfloat16_logits_are_of_a_softmax_in_float32(make_base: Callable[..., Path], tokenizer: Any) -> None:
    lm, theirs = (opened(kind, make_base, tokenizer) for kind in (OpenLM, HFLM))
    request = Instance("loglikelihood", {}, PAIR, 0)
    for each in (lm, theirs):
        each.model.to(torch.bfloat16)
    ((ours, _),), ((rounded, _),) = (each.loglikelihood([request], disable_tqdm=True) for each in (lm, theirs))
    assert torch.tensor(rounded).bfloat16().item() == rounded
    assert lm.softmax_dtype == torch.float32
    assert ours == pytest.approx(rounded, rel=0.02)


def test_generation_takes_options_that_know_the_mask(make_base: Callable[..., Path], tokenizer: Any) -> None:
    class Watched(OpenLM):
        def note(self, ids: Tensor) -> None:
            shapes.append(tuple(ids.shape))

        def generation_options(self, attention_mask: Tensor) -> dict[str, Any]:
            masks.append(attention_mask.tolist())
            return {"max_new_tokens": 2, "min_new_tokens": 2}

    shapes: list[tuple[int, ...]] = []
    masks: list[list[list[int]]] = []
    options = {"until": ["never"], "max_gen_toks": 9, "do_sample": False}
    requests = [Instance("generate_until", {}, (text, options), i) for i, text in enumerate(("it is", "it is red it"))]
    answers = opened(Watched, make_base, tokenizer).generate_until(requests, disable_tqdm=True)
    assert len(answers) == 2
    ((short, long),) = masks
    assert (short[0], sum(short) < sum(long)) in ((0, True), (1, False))  # padded on the left, in one of two orders
    assert shapes == [(2, len(long) + 2)]


def test_samples_are_logged_with_what_rows_are_made_of(
    choice_task: dict[str, Any], make_base: Callable[..., Path], tokenizer: Any
) -> None:
    task = load_task(TaskConfig(**choice_task))
    logged = logged_samples(opened(OpenLM, make_base, tokenizer), task.name, task.harness, [1, 3])
    assert sorted(sample["doc_id"] for sample in logged) == [1, 3]
    for sample in logged:
        assert sample["filter"] == "none"
        assert sample["doc"] == list(task.harness.eval_docs)[sample["doc_id"]]
        assert len(sample["filtered_resps"]) == len(task.choices(sample["doc"]))
        for metric in ("acc", "acc_norm"):
            assert sample[metric] == float(_first(task, metric, sample) in task.accepted(sample["doc"]))


def _first(task: Task, metric: str, sample: dict[str, Any]) -> int:
    """The choice that the harness's metric ranks first, by its own formula."""
    sums = np.array([value for value, _ in sample["filtered_resps"]])
    return int(np.argmax(sums / np.array([len(c) if metric == "acc_norm" else 1 for c in task.choices(sample["doc"])])))


def test_choices_are_ranked_as_the_harness_ranks_them() -> None:
    """-6 / 3 > -3 / 1, and of equal ones the first; what has no length, or is absent, is last."""
    sums = torch.tensor([[-6.0, -3.0, 0.0], [-4.0, -2.0, -9.0]])
    lengths = torch.tensor([[3, 1, 0], [2, 1, 3]])
    assert chosen(normalized(sums, lengths)).tolist() == [0, 0]
    assert chosen(normalized(sums, torch.ones(2, 3))).tolist() == [2, 1]


def test_a_text_is_judged_through_a_filter(tmp_path: Path) -> None:
    row = {"question": "What is 3 + 4?", "answer": "3 + 4 = 7\n#### 7"}
    data = write_rows(tmp_path / "rows.jsonl", [row])
    harness = load_task(TaskConfig(name="gsm8k", train=data, test=data)).harness
    values = {name: metrics_of(harness, name, row, "It is 7")["exact_match"] for name in filter_names(harness)}
    assert values == {"strict-match": 0.0, "flexible-extract": 1.0}
