"""Choices: encoding, scores, targets and loss by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from stillright.config import TaskConfig
from stillright.errors import DataError
from stillright.models import Source, load_tokenizer
from stillright.tasks import load_task
from stillright.tasks.ranking import ABSENT, normalized
from stillright.training.choice.choice_batches import accepted, flips
from stillright.training.choice.choice_loss import (
    CHOICE_STRATEGIES,
    SOFT,
    Beliefs,
    choice_sums,
    follows_old,
    soft_temperature,
)
from stillright.training.encode import encode_choices
from stillright.training.text import ChoiceText


def test_scores_are_normalized_and_absent_choices_have_none() -> None:
    scores = normalized(torch.tensor([[-6.0, -3.0], [-4.0, 0.0]]), torch.tensor([[3, 1], [2, 0]]))
    assert scores.tolist() == [[-2.0, -3.0], [-2.0, ABSENT]]


def logs(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows).log()


def test_targets_by_hand() -> None:
    # right answer 0; old right, both wrong, only new right
    beliefs = Beliefs(
        old=logs([0.6, 0.4], [0.2, 0.8], [0.3, 0.7]),
        new=logs([0.1, 0.9], [0.4, 0.6], [0.9, 0.1]),
        gold=torch.zeros(3).long(),
        accepted=torch.tensor([[True, False]] * 3),
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
    sums = choice_sums(scores, logs([0.5, 0.5]), torch.tensor([1]), 2.0, 0.25)
    kl = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    cross_entropy = -math.log(1 / 10)
    assert sums.kl.item() == pytest.approx(kl, abs=1e-6)
    assert sums.cross_entropy.item() == pytest.approx(cross_entropy, abs=1e-6)
    assert sums.loss.item() == pytest.approx(0.75 * kl + 0.25 * cross_entropy, abs=1e-6)


def test_answers_by_hand() -> None:
    """Of several right choices each counts; lost are those that old has right."""
    scores = logs([0.5, 0.3, 0.2], [0.2, 0.7, 0.1], [0.1, 0.2, 0.7])
    texts = [ChoiceText([5], [[8], [9], [10]], [1, 1, 1], right) for right in ([0], [2, 1], [0])]
    found = flips(scores, {"accepted": accepted(texts), "old_right": torch.tensor([False, True, True])})
    assert {name: (int(mean.total), mean.count) for name, mean in found.items()} == {"right": (2, 3), "lost": (1, 3)}


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


def test_an_answer_that_is_no_choice_is_refused(choice_task: dict[str, Any], tokenizer_folder: Path) -> None:
    task = load_task(TaskConfig(**choice_task))
    task.train_documents[0]["label"] = 3
    with pytest.raises(DataError, match="the answer 3 is not one of the 3 choices"):
        encode_choices(task, load_tokenizer(Source(str(tokenizer_folder))), 64)


def test_a_soft_temperature_is_that_of_the_choices_that_are_there() -> None:
    """Standard deviations 1 (of two choices) and 3; choices that are all alike tell nothing."""
    scores = torch.tensor([[2.0, 4.0, ABSENT], [-3.0, 3.0, ABSENT]])
    assert soft_temperature(scores) == pytest.approx(SOFT * 2)
    assert soft_temperature(torch.tensor([[1.0, 1.0], [2.0, 2.0]])) == 1
