"""Choices: a tree gives what separate texts give, the loss by hand, and whole runs, also across tokenizers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch.nn import functional

from stillright.config import TaskConfig, parse_update
from stillright.errors import DataError, TaskError
from stillright.models import Source, load_base, load_tokenizer
from stillright.pipeline import run_update
from stillright.tasks import load_task
from stillright.training.choice import normalised
from stillright.training.choice_loss import CHOICE_STRATEGIES, Beliefs, choice_sums, follows_old
from stillright.training.choices import ABSENT, ChoiceText, encode_choices, log_likelihoods, plant

TEXTS = [
    ChoiceText([5, 6, 7], [[8, 9], [10], [11, 12, 13]], [1, 1, 1], 0),
    ChoiceText([14], [[15, 16], [17]], [1, 1], 1),
]


def test_a_tree_by_hand() -> None:
    trees = plant(TEXTS, pad_token_id=0)
    assert trees.input_ids.tolist() == [[5, 6, 7, 8, 9, 10, 11, 12, 13], [14, 15, 16, 17, 0, 0, 0, 0, 0]]
    assert trees.position_ids.tolist() == [[0, 1, 2, 3, 4, 3, 3, 4, 5], [0, 1, 2, 1, 0, 0, 0, 0, 0]]
    assert trees.branch.tolist() == [[0, 0, 0, 1, 1, 2, 3, 3, 3], [0, 1, 1, 2, -1, -1, -1, -1, -1]]
    assert trees.before[0].tolist() == [0, 0, 1, 2, 3, 2, 2, 6, 7]


def test_a_tree_equals_separate_texts(make_base: Callable[..., Path]) -> None:
    model = load_base(Source(str(make_base(seed=7))), torch.float32).eval()
    with torch.no_grad():
        found = log_likelihoods(model, plant(TEXTS, pad_token_id=0), choices=3)
    for row, text in zip(found, TEXTS, strict=True):
        for k, choice in enumerate(text.choices):
            ids = torch.tensor([[*text.prompt, *choice]])
            logp = functional.log_softmax(model(input_ids=ids).logits[0, :-1], dim=-1)
            each = logp[torch.arange(len(ids[0]) - 1), ids[0, 1:]][-len(choice) :]
            assert row[k].item() == pytest.approx(each.sum().item(), abs=1e-4)
    assert found[1, 2] == 0  # the second sample has two choices


def test_the_gradient_flows_through_the_tree(make_base: Callable[..., Path]) -> None:
    model = load_base(Source(str(make_base(seed=7))), torch.float32)
    log_likelihoods(model, plant(TEXTS, pad_token_id=0), choices=3)[0, 1].backward()
    gradient = model.base_model.layers[0].self_attn.q_proj.weight.grad
    assert gradient is not None
    assert gradient.norm() > 0


def test_scores_are_normalised_and_absent_choices_have_none() -> None:
    scores = normalised(torch.tensor([[-6.0, -3.0], [-4.0, 0.0]]), torch.tensor([[3, 1], [2, 0]]))
    assert scores.tolist() == [[-2.0, -3.0], [-2.0, ABSENT]]


def logs(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows).log()


def test_targets_by_hand() -> None:
    # right answer 0; old right, both wrong, only new right
    beliefs = Beliefs(
        old=logs([0.6, 0.4], [0.2, 0.8], [0.3, 0.7]),
        new=logs([0.1, 0.9], [0.4, 0.6], [0.9, 0.1]),
        gold=torch.zeros(3).long(),
    )
    assert follows_old(beliefs).tolist() == [True, True, False]
    expected = {
        "choice": [[0.6, 0.4], [0.2, 0.8], [0.9, 0.1]],
        "choice_mixture": [[0.35, 0.65], [0.3, 0.7], [0.6, 0.4]],
        "choice_ce": [[1.0, 0.0]] * 3,
    }
    for name, target in CHOICE_STRATEGIES.items():
        torch.testing.assert_close(target(beliefs).exp(), torch.tensor(expected[name]))


def test_the_loss_by_hand() -> None:
    # student scores ln 9, 0: at T = 2 its choices are (3/4, 1/4), at T = 1 (9/10, 1/10)
    scores = torch.tensor([[math.log(9), 0.0]])
    sums = choice_sums(scores, logs([0.5, 0.5]), torch.tensor([1]), torch.tensor([True]), 2.0, 0.25)
    kl = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    cross_entropy = -math.log(1 / 10)
    assert sums.kl.item() == pytest.approx(kl, abs=1e-6)
    assert sums.cross_entropy.item() == pytest.approx(cross_entropy, abs=1e-6)
    assert sums.loss.item() == pytest.approx(0.75 * kl + 0.25 * cross_entropy, abs=1e-6)
    assert (int(sums.right), int(sums.lost)) == (0, 1)  # old has it right


def test_encoding_is_the_harness_s(choice_task: dict[str, Any], tokenizer_folder: Path) -> None:
    task, tokenizer = load_task(TaskConfig(**choice_task)), load_tokenizer(Source(str(tokenizer_folder)))
    text, document = encode_choices(task, tokenizer, max_length=64)[0], task.train_documents[0]
    assert tokenizer.decode(text.prompt) == task.prompt(document)
    assert [tokenizer.decode(ids) for ids in text.choices] == [f" {choice}" for choice in document["choices"]]
    assert (text.gold, text.lengths) == (document["label"], [1, 1, 1])
    longest = max(map(len, text.choices))
    assert len(encode_choices(task, tokenizer, max_length=longest + 2)[0].prompt) == 2
    by_character = load_task(TaskConfig(**choice_task, metric="acc_norm"))
    assert encode_choices(by_character, tokenizer, 64)[0].lengths == [len(choice) for choice in document["choices"]]


def aligned(values: dict[str, Any], mask: str) -> dict[str, Any]:
    """Runs the update; what stands beside its compat adapter."""
    run_update(parse_update({**values, "strategy": {"mask": mask}}, "test"), Console(quiet=True))
    found: dict[str, Any] = json.loads((Path(values["out"]) / "adapters/compat/training.json").read_text())
    return found


@pytest.mark.parametrize("mask", ["choice", "choice_mixture"])
def test_runs_lower_their_loss(update_values: dict[str, Any], mask: str) -> None:
    training = aligned(update_values, mask)
    assert training["best_validation_loss"] < training["validation_losses"][0]
    assert {"kl", "cross_entropy", "right", "lost"} <= training["validation"][0].keys()


def test_the_control_learns_from_labels_alone(update_values: dict[str, Any]) -> None:
    training = aligned(update_values, "choice_ce")
    for evaluation in training["validation"]:
        assert evaluation["loss"] == pytest.approx(evaluation["cross_entropy"], rel=1e-5)


def test_tokenizers_may_differ(update_values: dict[str, Any], make_base: Callable[..., Path]) -> None:
    other = make_base(seed=6)
    content = json.loads((other / "tokenizer.json").read_text())
    content["model"]["merges"] = content["model"]["merges"][:10]
    (other / "tokenizer.json").write_text(json.dumps(content))
    assert aligned({**update_values, "new": str(other)}, "choice")["steps"] == 4


def test_generated_answers_are_refused(update_values: dict[str, Any]) -> None:
    task = {**update_values["task"], "answer": "text", "metric": "rouge1", "choices": None}
    with pytest.raises(TaskError, match=r"its answers are generated, but strategy\.mask choice needs choices"):
        aligned({**update_values, "task": task}, "choice")


def test_an_answer_that_is_no_choice_is_refused(choice_task: dict[str, Any], tokenizer_folder: Path) -> None:
    task = load_task(TaskConfig(**choice_task))
    task.train_documents[0]["label"] = 3
    with pytest.raises(DataError, match="the answer 3 is none of the 3 choices"):
        encode_choices(task, load_tokenizer(Source(str(tokenizer_folder))), 64)
