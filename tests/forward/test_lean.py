"""Layers that are made faster or leaner for training do what they did before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from accelerate import cpu_offload
from accelerate.hooks import ModelHook, add_hook_to_module
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn

from architectures import tiny
from stillright.forward.attention import SHORT, attend_in_float32
from stillright.forward.lean import slim_layers
from stillright.forward.lora_linear import fuse_lora


class Layer(nn.Module):
    """One linear layer that PEFT finds by name."""

    def __init__(self, dtype: torch.dtype, bias: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 10, bias=bias, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(x)
        return out


def adapted(dtype: torch.dtype = torch.float64, bias: bool = True, **lora: Any) -> Any:
    """The layer with an adapter that changes its output; what is drawn next is the same in every run."""
    torch.manual_seed(0)
    config = LoraConfig(**{"r": 3, "lora_alpha": 6, "target_modules": ["linear"], **lora})
    model = get_peft_model(Layer(dtype, bias), config, autocast_adapter_dtype=dtype != torch.float64)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            nn.init.normal_(parameter)
            parameter.data = parameter.data.double() if dtype == torch.float64 else parameter.data
    return model


def results(model: Any, x: Tensor, bfloat16: bool = False) -> dict[str, Tensor]:
    """The output, and the gradient of a loss that weighs every element otherwise."""
    torch.manual_seed(1)  # of dropout
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
        out = model(x)
    loss = (out * torch.arange(out.numel()).double().view_as(out).sin()).sum()
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    gradients = torch.autograd.grad(loss, [x, *named.values()], allow_unused=True)
    return {"out": out.detach(), **{name: g for name, g in zip(["x", *named], gradients, strict=True) if g is not None}}


def unchanged(model: Any) -> None:
    pass


def add_second(model: Any) -> None:
    model.add_adapter("second", LoraConfig(r=2, lora_alpha=2, target_modules=["linear"], init_lora_weights=False))
    model.base_model.set_adapter(["default", "second"])


def layer_of(model: Any) -> Any:
    return model.base_model.model.linear


def offload(layer: nn.Module) -> None:
    """Its weights are loaded for each call, by a hook of accelerate, and are nowhere in between."""
    cpu_offload(layer, torch.device("cpu"))
    assert layer.weight.is_meta


class Doubled(ModelHook):
    """As accelerate hooks into a layer."""

    def post_forward(self, module: nn.Module, output: Tensor) -> Tensor:
        return 2 * output


def before_call(layer: nn.Module) -> None:
    layer.register_forward_pre_hook(lambda _, args: (2 * args[0],))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5, 6), (2, 5, 6)])
def test_a_fused_adapter_equals_pefts(bias: bool, shape: tuple[int, ...]) -> None:
    model = adapted(bias=bias)
    x = torch.randn(shape, dtype=torch.float64)
    before = results(model, x)
    fuse_lora(model)
    after = results(model, x)
    assert before.keys() == after.keys() == {"out", "x", *(n for n, p in model.named_parameters() if p.requires_grad)}
    for name in before:
        torch.testing.assert_close(after[name], before[name], rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradcheck(model, (x.requires_grad_(),))


@pytest.mark.parametrize(
    ("lora", "change"),
    [
        ({"lora_dropout": 0.5}, unchanged),
        ({"use_dora": True}, unchanged),
        ({"lora_bias": True}, unchanged),
        ({}, add_second),
        ({}, lambda model: model.base_model.disable_adapter_layers()),
        ({}, lambda model: model.merge_adapter()),
        ({}, lambda model: layer_of(model).base_layer.weight.requires_grad_()),
        ({}, lambda model: layer_of(model).base_layer.bias.requires_grad_()),
        ({}, lambda model: offload(layer_of(model).base_layer)),
        ({}, lambda model: offload(layer_of(model).lora_A.default)),
        ({}, lambda model: before_call(layer_of(model).base_layer)),
        ({}, lambda model: before_call(layer_of(model).lora_B.default)),
        ({}, lambda model: add_hook_to_module(layer_of(model), Doubled())),
    ],
)
def test_what_is_not_one_plain_adapter_is_left_to_peft(lora: dict[str, Any], change: Callable[[Any], Any]) -> None:
    model = adapted(torch.float32, **lora)
    x = torch.randn(4, 6)
    change(model)
    before = results(model, x)
    fuse_lora(model)
    after = results(model, x)
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize("autocast", [True, False])
def test_bfloat16_is_as_near_to_the_truth_as_pefts(autocast: bool) -> None:
    """Of weights in bfloat16 and an adapter in float32, with the steps of autocast and without."""
    model = adapted(torch.bfloat16)
    x = torch.randn(64, 6, dtype=torch.bfloat16)
    truth = results(adapted(torch.bfloat16).double(), x.double())
    before = results(model, x, autocast)
    fuse_lora(model)
    after = results(model, x, autocast)
    for name, expected in truth.items():
        assert after[name].dtype == before[name].dtype
        errors = [(found[name] - expected).norm() / expected.norm() for found in (before, after)]
        assert errors[1] <= 1.2 * errors[0] + 1e-4
        assert errors[1] < 0.02


def adapted_model(architecture: str, dtype: torch.dtype = torch.float32) -> Any:
    """A tiny model with an adapter on every linear layer, about to be trained."""
    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    return get_peft_model(tiny(architecture).to(dtype), config).train()


def hidden_states(model: Any) -> Tensor:
    """Of a few tokens, in mixed precision where the weights are bfloat16."""
    ids = torch.arange(5, 49).view(2, 22)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=model.dtype == torch.bfloat16):
        states: Tensor = model.get_base_model().base_model(input_ids=ids, use_cache=False).last_hidden_state
    return states


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "cohere"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_lean_model_computes_the_same(architecture: str, checkpointing: bool) -> None:
    model = adapted_model(architecture)
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    found = []
    for change in (unchanged, slim_layers):
        change(model)
        states = hidden_states(model)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        found.append([states, *torch.autograd.grad(states.sin().sum(), trained)])
    for before, after in zip(*found, strict=True):
        torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)


def kept_bytes(model: Any) -> int:
    """What backward keeps beside the weights."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    saved: dict[int, Tensor] = {}  # held, so that no address is used twice

    def keep(tensor: Tensor) -> Tensor:
        saved.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        states = hidden_states(model)
    assert states.requires_grad
    return sum(tensor.untyped_storage().nbytes() for address, tensor in saved.items() if address not in weights)


def test_a_lean_model_keeps_less() -> None:
    model = adapted_model("llama", torch.bfloat16)
    before = kept_bytes(model)
    slim_layers(model)
    assert kept_bytes(model) < 0.75 * before


def test_an_offloaded_model_computes_the_same() -> None:
    """Layers whose weights are elsewhere between calls, as `device_map` leaves them."""
    model = adapted_model("llama")
    before = hidden_states(model)
    cpu_offload(model.get_base_model().model.layers, torch.device("cpu"))
    slim_layers(model)
    assert torch.equal(hidden_states(model), before)


def test_a_norm_that_is_trained_keeps_its_gradient() -> None:
    model = tiny("llama")
    slim_layers(model)
    model.base_model(input_ids=torch.tensor([[5, 6, 7]])).last_hidden_state.sum().backward()
    assert all(parameter.grad is not None for parameter in model.base_model.parameters())


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "gemma3_text"])
@pytest.mark.parametrize("length", [22, SHORT + 8])
def test_attention_in_float32_is_as_near_to_the_truth(architecture: str, length: int) -> None:
    """Short texts, of unequal length and padded: gradients in bfloat16 weights, against all in float32."""
    ids = torch.arange(2 * length).remainder(300).view(2, length) + 5
    mask = torch.ones_like(ids)
    mask[1, length // 2 :] = 0
    errors = []
    for change in (unchanged, attend_in_float32):
        model = tiny(architecture, max_position_embeddings=256).bfloat16()
        exact = tiny(architecture, max_position_embeddings=256).bfloat16().float()
        change(model)
        found = [gradient_of_embeddings(one, ids, mask) for one in (model, exact)]
        errors.append(((found[0] - found[1]).norm() / found[1].norm()).item())
    assert errors[1] < 2 * errors[0]
    assert errors[1] < 0.02


def gradient_of_embeddings(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """Of a sum over the positions that are not padding."""
    states = model.base_model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    weight = model.get_input_embeddings().weight
    (gradient,) = torch.autograd.grad((states.float().sin() * mask[..., None]).sum(), weight)
    found: Tensor = gradient.float()
    return found
