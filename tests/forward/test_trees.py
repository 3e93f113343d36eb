"""Trees of choices: what separate texts give, in one pass; models that cannot read them are found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from architectures import WINDOW, far_seeing, tiny
from stillright.forward.trees import MULTIPLE, Tree, log_likelihoods, plant, reads_trees
from stillright.models import Source, load_base

TEXTS = [
    Tree([5, 6, 7], [[8, 9], [10], [11, 12, 13]]),
    Tree([14], [[15, 16], [17]]),
]


def test_a_tree_by_hand() -> None:
    trees = plant(TEXTS, pad_token_id=0)
    assert {part.shape for part in trees[1:5]} == {(2, MULTIPLE)}
    assert trees.input_ids[:, :9].tolist() == [[5, 6, 7, 8, 9, 10, 11, 12, 13], [14, 15, 16, 17, 0, 0, 0, 0, 0]]
    assert trees.position_ids[:, :9].tolist() == [[0, 1, 2, 3, 4, 3, 3, 4, 5], [0, 1, 2, 1, 0, 0, 0, 0, 0]]
    assert trees.branch[:, :9].tolist() == [[0, 0, 0, 1, 1, 2, 3, 3, 3], [0, 1, 1, 2, -1, -1, -1, -1, -1]]
    assert trees.before[0, :9].tolist() == [0, 0, 1, 2, 3, 2, 2, 6, 7]


def separately(model: Any) -> torch.Tensor:
    """(2, 3) what `model` says of each choice of TEXTS in a plain forward pass of its own; 0 where there is none."""
    found = torch.zeros(2, 3)
    for i, text in enumerate(TEXTS):
        for k, answer in enumerate(text.choices):
            ids = torch.tensor([[*text.prompt, *answer]])
            with torch.no_grad():
                logp = functional.log_softmax(model(input_ids=ids).logits[0, :-1], dim=-1)
            found[i, k] = logp[torch.arange(len(ids[0]) - 1), ids[0, 1:]][-len(answer) :].sum()
    return found


def test_a_tree_equals_separate_texts(make_base: Callable[..., Path]) -> None:
    model = load_base(Source(str(make_base(seed=7))), torch.float32).eval()
    with torch.no_grad():
        found = log_likelihoods(model, plant(TEXTS, pad_token_id=0), (2, 3))
    torch.testing.assert_close(found, separately(model), rtol=0, atol=1e-4)


def test_rows_apart_by_hand() -> None:
    rows = plant(TEXTS, pad_token_id=0, apart=True)
    assert rows.input_ids[:3, :6].tolist() == [[5, 6, 7, 8, 9, 0], [5, 6, 7, 10, 0, 0], [5, 6, 7, 11, 12, 13]]
    assert rows.branch[1:3, :6].tolist() == [[0, 0, 0, 2, -1, -1], [0, 0, 0, 3, 3, 3]]
    assert rows.sample.tolist() == [0, 0, 0, 1, 1]
    assert [TEXTS[0].tokens(apart) for apart in (False, True)] == [9, 15]


@pytest.mark.parametrize(
    ("model", "able"),
    [
        (("llama", {}), True),
        (("qwen2", {}), True),
        (("mistral", {**WINDOW, "sliding_window": None}), True),
        (("mistral", WINDOW), False),
        (("gemma3_text", {**WINDOW, "layer_types": ["sliding_attention", "full_attention"]}), False),
        (("lfm2", {"layer_types": ["conv", "full_attention"]}), False),
    ],
)
def test_models_that_cannot_read_a_tree_are_found(model: tuple[str, dict[str, Any]], able: bool) -> None:
    """A window is shorter than these texts, a convolution runs over the choices before."""
    name, settings = model
    found = tiny(name, **settings)
    far_seeing(found)
    assert reads_trees(found, TEXTS, pad_token_id=0) is able
    apart = log_likelihoods(found, plant(TEXTS, 0, apart=True), (2, 3))
    torch.testing.assert_close(apart, separately(found), rtol=0, atol=1e-4)


def test_the_gradient_flows_through_the_tree(make_base: Callable[..., Path]) -> None:
    model = load_base(Source(str(make_base(seed=7))), torch.float32)
    log_likelihoods(model, plant(TEXTS, pad_token_id=0), (2, 3))[0, 1].backward()
    gradient = model.base_model.layers[0].self_attn.q_proj.weight.grad
    assert gradient is not None
    assert gradient.norm() > 0
