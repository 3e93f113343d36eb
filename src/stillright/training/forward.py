"""Forward passes beside training: a model for evaluation, its precision, and the check that its head is understood."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from stillright.errors import ModelError
from stillright.training.heads import lm_head

TRIED = 8  # tokens
# of the largest logit, by which ours may differ from the model's
HEAD_TOLERANCE, HALF_HEAD_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-3}, 0.03


@contextmanager
def evaluating(model: Any) -> Iterator[Any]:
    """The model without an adapter's wrapper, in evaluation mode for as long as the context lasts."""
    training = model.training
    model.eval()
    yield model.get_base_model() if hasattr(model, "get_base_model") else model
    model.train(training)


def autocast(model: Any) -> Any:
    """Mixed precision as in training: bfloat16 where the weights are."""
    return torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=model.dtype == torch.bfloat16)


@torch.no_grad()
def check_head(model: Any) -> None:
    """Raises ModelError where the head makes other logits of the hidden states than `model` (base or PeftModel) does.

    Architectures scale logits by settings of many names; one that `lm_head` does not know would be trained on wrong
    ones without a word.
    """
    with evaluating(model) as base, autocast(base):
        head = lm_head(base)
        ids = torch.arange(min(TRIED, len(head.weight)), device=base.device)[None]
        said = base(input_ids=ids, use_cache=False).logits[0].float()
        ours = head.logits(base.base_model(input_ids=ids, use_cache=False).last_hidden_state[0], len(head.weight))
        gap, largest = (said - ours).abs().max().item(), said.abs().max().item()
    if not gap <= HEAD_TOLERANCE.get(base.dtype, HALF_HEAD_TOLERANCE) * largest:
        raise ModelError(
            f"{base.config.model_type}: its logits differ by up to {gap:.3g} from LM head times hidden states; "
            "an architecture that does more to its logits than scale and cap cannot be trained yet"
        )
