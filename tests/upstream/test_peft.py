"""What the code assumes of PEFT's layers beyond their documented interface."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from accelerate import cpu_offload
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import Linear
from torch import nn

from architectures import tiny
from stillright.upstream.peft import has_own_forward, lora_layers, peft_forward, plain_lora, without_adapter


def adapted(**lora: Any) -> tuple[Any, Any]:
    """A PeftModel with LoRA on four linear layers, and one of its LoRA layers."""
    config = LoraConfig(**{"r": 3, "lora_alpha": 6, "target_modules": ["q_proj", "v_proj"], **lora})
    model = get_peft_model(tiny("llama"), config)
    return model, model.base_model.model.model.layers[0].self_attn.q_proj


def test_a_peft_model_is_known_by_what_it_wraps() -> None:
    base = tiny("llama")
    assert without_adapter(base) is base
    model = get_peft_model(base, LoraConfig(target_modules=["q_proj"]))
    assert without_adapter(model) is base  # the same object, whose layers now hold the adapter
    assert isinstance(base.model.layers[0].self_attn.q_proj, Linear)


def test_layers_are_found_and_their_forward_is_pefts() -> None:
    model, layer = adapted()
    found = list(lora_layers(model))
    assert len(found) == 4
    assert layer in found
    x = torch.randn(2, 16)
    assert torch.equal(peft_forward(layer, x), layer(x))


def test_a_plain_layer_computes_what_its_parts_say() -> None:
    _, layer = adapted(init_lora_weights=False)
    plain = plain_lora(layer)
    assert plain is not None
    assert plain.scaling == 2.0  # lora_alpha / r
    x = torch.randn(5, 16)
    expected = x @ plain.weight.T + plain.scaling * (x @ plain.a.T @ plain.b.T)
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("lora", [{"use_dora": True}, {"lora_dropout": 0.1}, {"use_rslora": True}], ids=str)
def test_variants_are_known(lora: dict[str, Any]) -> None:
    """Of these only rsLoRA is plain, with a scaling of its own: lora_alpha / sqrt(r)."""
    _, layer = adapted(**lora)
    plain = plain_lora(layer)
    if "use_rslora" in lora:
        assert plain is not None
        assert plain.scaling == pytest.approx(6 / 3**0.5)
    else:
        assert plain is None


def test_states_of_a_model_reach_its_layers() -> None:
    model, layer = adapted()
    model.add_adapter("second", LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
    assert plain_lora(layer) is not None
    model.base_model.set_adapter(["default", "second"])
    assert plain_lora(layer) is None
    model.set_adapter("second")
    with model.disable_adapter():
        assert plain_lora(layer) is None
    plain = plain_lora(layer)
    assert plain is not None
    assert plain.a is layer.lora_A["second"].weight
    model.merge_adapter()
    assert plain_lora(layer) is None


def test_a_hook_of_accelerate_shows_as_a_replaced_forward() -> None:
    layer = nn.Linear(2, 2)
    assert has_own_forward(layer)
    cpu_offload(layer, torch.device("cpu"))
    assert not has_own_forward(layer)
    assert layer.weight.is_meta
