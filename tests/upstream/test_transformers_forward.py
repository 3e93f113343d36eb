"""What forward passes assume of transformers beyond its documented interface."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from architectures import tiny
from stillright.forward.lean import slim_layers
from stillright.upstream.transformers import attend_by, attends_by_sdpa, is_gated_mlp, is_rms_norm, sdpa_attention


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "gemma3_text"])
def test_a_registered_attention_gets_what_sdpa_gets(architecture: str) -> None:
    """Its masks too: of padding, of texts that lie end to end, and none where only the past is seen."""
    ids = torch.arange(5, 29).view(2, 12)
    padded = torch.ones_like(ids)
    padded[1, :4] = 0
    cases: dict[str, dict[str, Any]] = {
        "causal": {},
        "padded": {"attention_mask": padded},
        "end to end": {"position_ids": torch.tensor([[*range(5), *range(7)]] * 2)},
    }
    model, masks = tiny(architecture), list[bool]()
    assert attends_by_sdpa(model)
    with torch.no_grad():
        before = [model.base_model(input_ids=ids, use_cache=False, **case).last_hidden_state for case in cases.values()]

        def watched(layer: Any, *states: Any, **kwargs: Any) -> Any:
            masks.append(states[3] is not None)
            return sdpa_attention(layer, *states, **kwargs)

        attend_by(model, "watched", watched)
        assert not attends_by_sdpa(model)
        after = [model.base_model(input_ids=ids, use_cache=False, **case).last_hidden_state for case in cases.values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert len(masks) == 3 * 2  # cases, layers
    assert masks == [False, False, True, True, True, True] or architecture == "gemma3_text"  # a window needs one


def test_attention_is_batch_heads_tokens_width_in_and_batch_tokens_heads_width_out() -> None:
    query, key, value = torch.randn(3, 1, 2, 5, 8)
    layer = tiny("llama").model.layers[0].self_attn
    out, _ = sdpa_attention(layer, query, key, value, None, scaling=8**-0.5)
    seen = torch.ones(5, 5).tril().log()  # a missing mask means a causal one
    expected = ((query @ key.mT * 8**-0.5 + seen).softmax(-1) @ value).transpose(1, 2)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3", "mistral", "granite"])
def test_norms_and_feed_forwards_are_still_recognised(architecture: str) -> None:
    """Otherwise training would silently need more memory."""
    model = tiny(architecture).requires_grad_(False)
    layers: list[nn.Module] = list(model.modules())
    norms = [layer for layer in layers if type(layer).__name__.endswith("RMSNorm")]
    feed_forwards = [layer for layer in layers if type(layer).__name__.endswith("MLP")]
    assert len(norms) >= 2 * 2 + 1
    assert len(feed_forwards) == 2
    assert all(map(is_rms_norm, norms))
    assert all(map(is_gated_mlp, feed_forwards))
    slim_layers(model)
    assert all("forward" in vars(layer) for layer in (*norms, *feed_forwards))


def test_the_backbone_gives_what_the_head_reads() -> None:
    model, ids = tiny("llama"), torch.tensor([[5, 6, 7]])
    states: Tensor = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
    assert torch.equal(model.get_output_embeddings()(states), model(input_ids=ids).logits)


@pytest.mark.parametrize("architecture", ["llama", "gemma3_text"])
def test_generation_goes_on_from_the_cache_that_it_returned(architecture: str) -> None:
    """A token a call, as ensembles read: the logits are those of the whole text, and the text is not read again."""
    model = tiny(architecture).eval()
    ids, read, cache = torch.arange(5, 17).view(2, 6), list[int](), None
    model.base_model.register_forward_pre_hook(
        lambda _, args, kwargs: read.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    found = []
    for length in (4, 5, 6):
        step = model.generate(
            input_ids=ids[:, :length],
            attention_mask=torch.ones(2, length),
            past_key_values=cache,
            max_length=length + 1,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
        )
        cache = step.past_key_values
        found.append(step.logits[0])
    assert read == [4, 1, 1]
    with torch.no_grad():
        whole = model(input_ids=ids).logits[:, 3:]
    torch.testing.assert_close(torch.stack(found, 1), whole, atol=1e-5, rtol=1e-4)
