"""Changes of a model's modules on trial: added to what the modules put out, as far as is wanted at the time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from stillright.training.transfer.adapter import side_by_side
from stillright.training.transfer.weights import AdapterWeights, Change
from stillright.upstream.peft import without_adapter

Direction = Mapping[str, Change]  # module -> what is added to its weight
Mixture = Mapping[str, float]  # name of a direction -> how far


def between(start: AdapterWeights, end: AdapterWeights) -> dict[str, Change]:
    """What leads from one adapter to another of the same base."""
    return side_by_side([(1.0, end.changes), (-1.0, start.changes)])


@contextmanager
def added(model: Any, directions: Mapping[str, Direction]) -> Iterator[Callable[[Mixture], None]]:
    """A function that adds a mixture of directions to `model` (base or PeftModel), in place of the last."""
    base, steps = without_adapter(model), dict.fromkeys(directions, 0.0)
    of_head: list[tuple[str, Tensor, Tensor]] = []
    hooks = []
    for direction, changes in directions.items():
        for name, change in changes.items():
            module = base.get_submodule(name)
            up, down = (part.to(model.device, model.dtype) for part in change)
            if module is base.get_output_embeddings():  # whose weight is read past its forward
                of_head.append((direction, up, down))
            else:
                is_table = hasattr(module, "num_embeddings")
                hooks.append(module.register_forward_hook(_adder(steps, direction, up, down, is_table)))

    move_head = _head_mover(base.get_output_embeddings(), of_head) if of_head else None

    def move(mixture: Mixture) -> None:
        steps.update({**dict.fromkeys(directions, 0.0), **mixture})
        if move_head is not None:
            move_head(steps)

    try:
        yield move
    finally:
        for hook in hooks:
            hook.remove()


def _adder(steps: Mixture, direction: str, up: Tensor, down: Tensor, is_table: bool) -> Any:
    """A hook of a linear layer, or of an embedding."""

    def add(_: Any, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if not (step := steps[direction]):
            return output
        return output + step * (up[args[0]] @ down if is_table else (args[0].to(down.dtype) @ down.T) @ up.T)

    return add


def _head_mover(head: Any, changes: list[tuple[str, Tensor, Tensor]]) -> Callable[[Mixture], None]:
    """Gives the head a weight of its own, which it may have shared with the embedding.

    changes: name of the direction, up and down of each that changes the head.
    """
    weight = head.weight.data

    def move(steps: Mixture) -> None:
        moved = sum((steps[name] * (up @ down) for name, up, down in changes), weight)
        head.weight = nn.Parameter(moved, requires_grad=False)

    return move
