"""How far to go towards the old model: a grid of shares, each asked of the validation samples; fewest flips win."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch import Tensor

from stillright.models import ModelRef, load_model, load_tokenizer
from stillright.training.align import Validation
from stillright.training.checkpoints import by_flips
from stillright.training.choice.choice_batches import Reading, accepted, reading_of
from stillright.training.choice.choice_loss import is_right
from stillright.training.choice.teacher_scores import choice_scores
from stillright.training.memory import frees_memory
from stillright.training.settings import Job
from stillright.training.transfer.factors import Factors

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
    with _added(model, factors) as move:
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
def _added(model: Any, factors: Mapping[str, Factors]) -> Iterator[Any]:
    """A function that adds a share of the factors to what each layer puts out, besides what the model has."""
    shares = [0.0]
    dtype = model.dtype

    def hook(up: Tensor, down: Tensor) -> Any:
        def add(_: Any, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
            return output if not shares[0] else output + shares[0] * ((args[0] @ down.T) @ up.T)

        return add

    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    hooks = []
    for name, (up, down, _) in factors.items():
        parts = (part.to(model.device, dtype) for part in (up, down))
        hooks.append(base.get_submodule(name).register_forward_hook(hook(*parts)))
    try:
        yield lambda share: shares.__setitem__(0, share)
    finally:
        for each in hooks:
            each.remove()


def best_share(tried: Sequence[Tried]) -> tuple[Tried, str]:
    """The lowest NFR among those not less accurate than the new model, and why it is that one."""
    evaluations = [
        {"step": each.share, "eval_lost": each.nfr, "eval_right": each.accuracy, "eval_loss": each.share}
        for each in tried
    ]
    chosen, reason = by_flips(evaluations)
    return next(each for each in tried if each.share == chosen["step"]), reason
