"""Changes to bases on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


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
