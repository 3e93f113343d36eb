"""Forward passes beside training: a model for evaluation, its precision, and the check that its head is understood."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from stillright.errors import ModelError
from stillright.forward.heads import LMHead, lm_head
from stillright.upstream.peft import is_lora, plain_lora, without_adapter

TRIED = 8  # tokens
Collate = Callable[[list[dict[str, Any]]], dict[str, Any]]
# of the largest logit, by which ours may differ from the model's
HEAD_TOLERANCE, HALF_HEAD_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-3}, 0.03


@contextmanager
def evaluating(model: Any) -> Iterator[Any]:
    """The model without an adapter's wrapper, in evaluation mode for as long as the context lasts."""
    training = model.training
    model.eval()
    try:
        yield without_adapter(model)
    finally:
        model.train(training)


def autocast(model: Any) -> Any:
    """Mixed precision as in training: bfloat16 where the weights are; else as it is around it."""
    return torch.autocast(model.device.type, dtype=torch.bfloat16) if model.dtype == torch.bfloat16 else nullcontext()


def without_right_padding(attention_mask: Tensor | None) -> Tensor | None:
    """The mask (B, T), or None where it only hides padding on the right, which no real position of a causal model sees.

    Attention without a mask takes the faster ways.
    """
    if attention_mask is None or bool((attention_mask[:, 1:] <= attention_mask[:, :-1]).all()):
        return None
    return attention_mask


def model_inputs(batch: Mapping[str, Any], device: Any) -> dict[str, Any]:
    """What a model reads of a batch, on its device."""
    moved = {
        name: value.to(device) if isinstance(value, Tensor) else value
        for name, value in batch.items()
        if name != "labels"
    }
    return {**moved, "attention_mask": without_right_padding(moved.get("attention_mask"))}


def last_states(base: Any, inputs: Mapping[str, Any]) -> Tensor:
    """(B, L, H) states before the LM head, in the dtype of the weights, of `model_inputs`."""
    states: Tensor = base.base_model(**{**inputs, "use_cache": False}).last_hidden_state
    return states.to(base.dtype)


def tolerance(base: Any) -> float:
    """By how much of its largest value a result may differ for rounding alone."""
    if torch.is_autocast_enabled(base.device.type):
        return HALF_HEAD_TOLERANCE
    return HEAD_TOLERANCE.get(base.dtype, HALF_HEAD_TOLERANCE)


def _name(base: Any) -> str:
    """The base in a message: where it was loaded from, and its architecture."""
    kind = base.config.model_type
    return f"base {base.name_or_path} ({kind})" if base.name_or_path else f"base {kind}"


@torch.no_grad()
def check_head(model: Any) -> None:
    """Raises ModelError where the head makes other logits of the hidden states than `model` (base or PeftModel) does.

    An adapter on the head is refused as such: while it is small, no difference would show. Architectures scale logits
    by settings of many names; one that `lm_head` does not know would silently be trained on wrong ones.
    """
    base = without_adapter(model)
    head = lm_head(base)
    _refuse_head(base, head)
    with evaluating(model), autocast(base):
        ids = torch.arange(min(TRIED, len(head.weight)), device=base.device)[None]
        theirs = base(input_ids=ids, use_cache=False).logits[0].float()
        ours = head.logits(base.base_model(input_ids=ids, use_cache=False).last_hidden_state[0], len(head.weight))
        gap, largest = (theirs - ours).abs().max().item(), theirs.abs().max().item()
        allowed = tolerance(base) * largest
    if not gap <= allowed:
        raise ModelError(
            f"{_name(base)}: its logits differ by up to {gap:.3g} from LM head times hidden states; "
            "an architecture that does more to its logits than scale and cap cannot be trained yet"
        )


def _refuse_head(base: Any, head: LMHead) -> None:
    """Raises ModelError where an adapter on the head is trained or more than LoRA, or its weights are quantized or
    elsewhere between calls."""
    on_head = base.get_output_embeddings()
    if hasattr(on_head, "base_layer") and (
        any(weight.requires_grad for weight in on_head.parameters())
        or not is_lora(on_head)
        or plain_lora(on_head) is None
    ):
        raise ModelError(
            f"{_name(base)}: an adapter sits on its LM head, which only frozen, plain LoRA may; leave lm_head out "
            "of the adapter's target_modules"
        )
    if head.weight.is_meta:
        raise ModelError(f"{_name(base)}: its LM head is offloaded; give lm_head a device in device_map")
    if not head.weight.is_floating_point():
        raise ModelError(
            f"{_name(base)}: its LM head is kept as {str(head.weight.dtype).removeprefix('torch.')}; "
            "leave it unquantized (llm_int8_skip_modules)"
        )


@torch.no_grad()
def check_packing(model: Any, collate: Collate) -> None:
    """Raises ModelError where `model` (base or PeftModel) reads a text that `collate` has put behind another otherwise
    than alone: layers that know nothing of positions would mix them silently."""
    texts = [list(range(TRIED)), list(range(TRIED, 0, -1))]
    batch = collate([{"input_ids": ids, "labels": ids} for ids in texts])
    with evaluating(model) as base, autocast(base):
        together = last_states(base, model_inputs(batch, base.device))[0, TRIED : 2 * TRIED].float()
        alone = last_states(base, {"input_ids": torch.tensor(texts[1:], device=base.device)})[0].float()
        gap, allowed = (together - alone).abs().max().item(), tolerance(base) * alone.abs().max().item()
    if not gap <= allowed:
        raise ModelError(
            f"{_name(base)}: a text behind another in one row is read otherwise than alone (states differ "
            f"by up to {gap:.3g}); use padding_free=False, and no packing or packing_strategy='wrapped'"
        )
