"""Changes to bases on disk, and adapters of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stillright.models import ModelRef, Source, load_base


def saved_beside(model: Any, base: Path, folder: Path) -> Path:
    """`model` in a folder, with the tokenizer of `base`."""
    model.save_pretrained(folder)
    for file in base.glob("tokenizer*"):
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def tied(base: Path, folder: Path) -> Path:
    """The same base, whose head is its embedding."""
    from transformers import AutoConfig, AutoModelForCausalLM

    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base, tie_word_embeddings=True))
    weights = AutoModelForCausalLM.from_pretrained(base).state_dict()
    model.load_state_dict({name: weight for name, weight in weights.items() if name != "lm_head.weight"}, strict=False)
    model.tie_weights()
    return saved_beside(model, base, folder)


def cut_differently(base: Path) -> Path:
    """The same base with a tokenizer that lacks merges."""
    file = base / "tokenizer.json"
    content = json.loads(file.read_text())
    content["model"]["merges"] = content["model"]["merges"][:10]
    file.write_text(json.dumps(content))
    return base


def adapted(base: Path, seed: int, folder: Path) -> ModelRef:
    """A base with an adapter that is not zero."""
    import torch
    from peft import get_peft_model

    from stillright.config import LoraConfig
    from stillright.training.lora import lora_config

    ref = ModelRef.parse(str(base))
    torch.manual_seed(seed)
    model = get_peft_model(load_base(ref.base, torch.float32), lora_config(LoraConfig(r=2, alpha=6), ref))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    model.save_pretrained(folder)
    return ModelRef(ref.base, Source(str(folder)))


def moved(base: Path, folder: Path, *, inside: bool = True, outside: bool = False) -> Path:
    """A copy of a base whose linear layers and their norms, or whose embeddings, head and last norm, are others."""
    import torch

    model = load_base(Source(str(base)), torch.float32)
    torch.manual_seed(9)
    for name, weight in model.named_parameters():
        is_outside = "embed" in name or "lm_head" in name or name == "model.norm.weight"
        if (outside and is_outside) or (inside and not is_outside):
            weight.data += 0.1 * torch.randn_like(weight)
    return saved_beside(model, base, folder)
