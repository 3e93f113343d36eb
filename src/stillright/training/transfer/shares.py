"""How far to go towards the old model: a grid of shares, each asked of the validation samples; fewest flips win."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch import Tensor, nn

from stillright.models import ModelRef, load_model, load_tokenizer
from stillright.training.align import Validation
from stillright.training.checkpoints import by_flips
from stillright.training.choice.choice_batches import Reading, accepted, reading_of
from stillright.training.choice.choice_loss import is_right
from stillright.training.choice.teacher_scores import choice_scores
from stillright.training.memory import frees_memory
from stillright.training.settings import Job
from stillright.training.transfer.factors import Factors
from stillright.upstream.peft import without_adapter

SHARES = (0.15, 0.3, 0.45, 0.6, 0.8)


class Tried(NamedTuple):
    """The validation samples as a model with this share answers them; rates are fractions."""

    share: float  # 0: the new task model
    accuracy: float
    nfr: float  # against the old task model


@frees_memory
def tried_shares(
    new: ModelRef, factors: Mapping[str, Factors], validation: Validation, job: Job, shares: Sequence[float] = SHARES
) -> list[Tried]:
    """The new task model and every share, in this order, over samples whose right choice is known."""
    old_right = validation.old_right(job)
    model = load_model(new, job.dtype).eval()
    texts, pad = validation.new_texts, load_tokenizer(new.base).pad_token_id
    reading = reading_of(model, texts, pad, job.progress, job.label)
    with added(model, factors) as move:
        return [_tried(share, move, model, validation, old_right, reading, job) for share in (0.0, *shares)]


def _tried(
    share: float, move: Any, model: Any, validation: Validation, old_right: Tensor, reading: Reading, job: Job
) -> Tried:
    move(share)
    label = f"{job.label}, share {share:g}"
    right = is_right(
        choice_scores(model, validation.new_texts, reading, job.progress, label), accepted(validation.new_texts)
    )
    return Tried(share, float(right.float().mean()), float((old_right & ~right).float().mean()))


@contextmanager
def added(model: Any, factors: Mapping[str, Factors]) -> Iterator[Callable[[float], None]]:
    """A function that adds a share of the factors to what each module puts out, besides what the model has."""
    shares, dtype, base = [0.0], model.dtype, without_adapter(model)
    moves, hooks = [], []
    for name, (up, down, _) in factors.items():
        module, parts = base.get_submodule(name), (part.to(model.device, dtype) for part in (up, down))
        if module is base.get_output_embeddings():  # whose weight is read past its forward
            moves.append(_head_mover(module, *parts))
        else:
            hooks.append(
                module.register_forward_hook(_adder(shares, *parts, is_table=hasattr(module, "num_embeddings")))
            )

    def move(share: float) -> None:
        shares[0] = share
        for each in moves:
            each(share)

    try:
        yield move
    finally:
        for each in hooks:
            each.remove()


def _adder(shares: list[float], up: Tensor, down: Tensor, *, is_table: bool) -> Any:
    """A hook of a linear layer, or of an embedding."""

    def add(_: Any, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if not shares[0]:
            return output
        return output + shares[0] * (up[args[0]] @ down if is_table else (args[0] @ down.T) @ up.T)

    return add


def _head_mover(head: Any, up: Tensor, down: Tensor) -> Callable[[float], None]:
    """Gives the head a weight of its own, which it may have shared with the embedding."""
    weight = head.weight.data

    def move(share: float) -> None:
        head.weight = nn.Parameter(weight + share * (up @ down), requires_grad=False)

    return move


def best_share(tried: Sequence[Tried]) -> tuple[Tried, str]:
    """The lowest NFR among those not less accurate than the new model, and why it is that one."""
    evaluations = [
        {"step": each.share, "eval_lost": each.nfr, "eval_right": each.accuracy, "eval_loss": each.share}
        for each in tried
    ]
    chosen, reason = by_flips(evaluations)
    return next(each for each in tried if each.share == chosen["step"]), reason
