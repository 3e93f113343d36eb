"""Bases of 4 bits (QLoRA) as both models; on a CPU too, where bitsandbytes is installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from compat_case import pairs, settings, tokenizer
from stillright import CompatTrainer
from stillright.errors import ModelError
from stillright.forward.passes import check_head
from stillright.training.teachers.cache_files import open_cache

pytest.importorskip("bitsandbytes", reason="bitsandbytes, which quantises, is not installed")


@pytest.fixture(scope="module")
def bases(make_base: Callable[..., Path]) -> tuple[Path, Path]:
    """As wide as the CPU kernels of bitsandbytes need."""
    return make_base(seed=1, hidden=64), make_base(seed=2, hidden=128)


def quantised(base: Path, seed: int, prepared: bool = True, **more: Any) -> Any:
    config = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32, **more
    )
    model = AutoModelForCausalLM.from_pretrained(
        base, quantization_config=config, device_map={"": "cpu"}, dtype=torch.bfloat16
    )
    if prepared:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    torch.manual_seed(seed)
    model = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)
    return model


def trainer(bases: tuple[Path, Path], folder: Path, prepared: bool, **more: Any) -> CompatTrainer:
    return CompatTrainer(
        quantised(bases[1], 4, prepared),
        quantised(bases[0], 3, prepared),
        settings(folder, bf16=True, **more),
        train_dataset=pairs(),
        eval_dataset=pairs(),
        processing_class=tokenizer(bases[1]),
    )


@pytest.mark.parametrize("prepared", [True, False], ids=["prepared", "as loaded"])
def test_a_quantised_base_is_trained(bases: tuple[Path, Path], tmp_path: Path, prepared: bool) -> None:
    """Kept and live teachers agree, the student begins as the new one, and nothing but its adapter moves."""
    kept, live = (trainer(bases, tmp_path, prepared, teachers=form).evaluate() for form in ("hidden", "live"))
    assert kept["eval_loss"] == pytest.approx(live["eval_loss"], rel=2**-6)
    assert trainer(bases, tmp_path, prepared, mask="new_only").evaluate()["eval_loss"] == pytest.approx(0.0, abs=1e-4)
    states = open_cache(tmp_path / "out-teachers/new").outputs.columns["hidden"]
    assert states.dtype == (torch.float32 if prepared else torch.bfloat16)  # that of what is not quantised
    trained = trainer(bases, tmp_path, prepared, gradient_checkpointing=True)
    before = {name: weight.detach().clone() for name, weight in trained.model.named_parameters()}
    trained.train()
    moved = {name for name, weight in trained.model.named_parameters() if not torch.equal(weight, before[name])}
    assert moved
    assert moved <= {name for name in before if "lora_" in name}
    assert trained.evaluate()["eval_loss"] < kept["eval_loss"]


def test_a_quantised_head_is_refused(bases: tuple[Path, Path]) -> None:
    with pytest.raises(ModelError, match=r"\(llama\): its LM head is kept as uint8; leave it unquantized"):
        check_head(quantised(bases[0], 3, prepared=False, llm_int8_skip_modules=["none"]))
