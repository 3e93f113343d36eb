"""What the light half knows of the strategies is what training does, and defaults stand in two places alike."""

from __future__ import annotations

import dataclasses
import re
from typing import get_args

import pytest
import torch

from places import ROOT
from stillright.config import StrategyConfig, TeachersConfig
from stillright.config.masks import LABELS_ALONE, MIXED, NEED_NO_LABEL, ChoiceMask, Mask, TokenMask
from stillright.training.choice.choice_loss import CHOICE_STRATEGIES, Beliefs
from stillright.training.compat_config import CompatConfig
from stillright.training.strategies import STRATEGIES, Tokens


def test_every_name_has_a_rule() -> None:
    assert get_args(TokenMask) == tuple(STRATEGIES)
    assert get_args(ChoiceMask) == tuple(CHOICE_STRATEGIES)
    assert get_args(Mask) == (*STRATEGIES, *CHOICE_STRATEGIES, "transfer", "old_answers", "auto")
    assert tuple(name for name, strategy in STRATEGIES.items() if strategy.mixed) == MIXED
    assert {name for name in get_args(Mask) if StrategyConfig(mask=name).is_choice} == set(CHOICE_STRATEGIES)


def test_the_docs_have_every_name() -> None:
    docs = (ROOT / "docs" / "strategies.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|", docs, re.MULTILINE)
    assert [name for name in rows if name in get_args(Mask)] == [*STRATEGIES, *CHOICE_STRATEGIES]
    assert "strategy: {mask: transfer, " in docs
    assert "strategy: {mask: auto, " in docs
    assert "mask: old_answers" in docs


def tokens(right: int) -> Tokens:
    """Two positions of one text where the student says 5 and old 6; models find it likely if that is right."""
    chances = {5: ([0.9, 0.9], [0.1, 0.1]), 6: ([0.1, 0.1], [0.9, 0.9])}[right]
    student, old = (torch.tensor(each).log() for each in chances)
    fives = torch.tensor([5, 5])
    return Tokens(torch.full((2,), right), torch.zeros(2).long(), fives, student, fives + 1, old)


def beliefs(right: int) -> Beliefs:
    """One sample with two choices, of which old prefers the first and new the second."""
    old, new = torch.tensor([[0.9, 0.1]]).log(), torch.tensor([[0.2, 0.8]]).log()
    return Beliefs(old, new, torch.tensor([right]), torch.tensor([[right == 0, right == 1]]))


def test_which_need_no_label() -> None:
    same = []
    for name, strategy in STRATEGIES.items():
        rules = [rule for rule in (strategy.follows_old, strategy.weight) if rule is not None]
        same += [name] * all(torch.equal(rule(tokens(5)), rule(tokens(6))) for rule in rules)
    same += [name for name, target in CHOICE_STRATEGIES.items() if torch.equal(target(beliefs(0)), target(beliefs(1)))]
    assert tuple(same) == NEED_NO_LABEL


def test_labels_alone_ask_no_teacher() -> None:
    even = torch.tensor([[0.5, 0.5]]).log()
    other = Beliefs(even, even, beliefs(0).gold, beliefs(0).accepted)
    same = [name for name, target in CHOICE_STRATEGIES.items() if torch.equal(target(beliefs(0)), target(other))]
    assert tuple(same) == LABELS_ALONE


@pytest.mark.parametrize(
    ("field", "section", "key"),
    [
        ("temperature", StrategyConfig, "temperature"),
        ("ce_weight", StrategyConfig, "ce_weight"),
        ("teachers", TeachersConfig, "form"),
        ("entries", TeachersConfig, "entries"),
    ],
)
def test_compat_config_has_the_defaults_of_update_yaml(field: str, section: type, key: str) -> None:
    defaults = {each.name: each.default for each in dataclasses.fields(CompatConfig)}
    assert defaults[field] == getattr(section(), key)
