"""Directions on trial: several that change the same module, the head among them, add up, and leave no trace."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.testing import assert_close

from stillright.forward.heads import lm_head
from stillright.models import Source, load_base
from stillright.training.search.directions import added
from stillright.training.transfer.weights import Change

LAYER = "model.layers.0.mlp.down_proj"


def changes(seed: int, **shapes: tuple[int, int]) -> dict[str, Change]:
    """Random changes of rank 2 of modules of these shapes (out, in)."""
    torch.manual_seed(seed)
    return {
        name.replace("__", "."): Change(torch.randn(out, 2), torch.randn(2, into))
        for name, (out, into) in shapes.items()
    }


@torch.no_grad()
def test_steps_in_several_directions_add_up(make_base: Callable[..., Path]) -> None:
    base = Source(str(make_base(seed=1)))
    model, by_hand, before = (load_base(base, torch.float32) for _ in range(3))
    shapes = {"lm_head": (320, 16), LAYER.replace(".", "__"): (16, 32)}
    directions = {"a": changes(1, **shapes), "b": changes(2, **shapes)}
    for step, name in ((0.5, "a"), (0.25, "b")):
        for module, (up, down) in directions[name].items():
            by_hand.get_submodule(module).weight += step * up @ down
    with added(model, directions) as move:
        move({"a": 1.0})
        move({"a": 0.5, "b": 0.25})
        assert_close(answered(model), answered(by_hand), atol=1e-4, rtol=1e-4)
        move({})
        assert_close(answered(model), answered(before))
    assert_close(answered(model), answered(before))


def answered(model: Any) -> Tensor:
    """Logits as answers are scored, past the head's forward."""
    states = model.base_model(input_ids=torch.arange(5, 15)[None]).last_hidden_state[0]
    return lm_head(model).logits(states, 320)
