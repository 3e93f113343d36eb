"""What servers refuse in an adapter, or read past: no adapter that is written here has any of it (docs/serving.md)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors import safe_open

from bases import adapted, moved, tied
from stillright.config import TrainingConfig
from stillright.models import ModelRef, Source
from stillright.progress import Progress
from stillright.training.combine import carry, interpolate
from stillright.training.settings import Job
from stillright.training.transfer.transfer import Settings, transfer_adapter

# By hand, after what vLLM 0.32 refuses. SGLang 0.5.23 reads neither of the patterns.
PLAIN = {
    "peft_type": "LORA",
    "bias": "none",
    "lora_bias": False,
    "modules_to_save": None,
    "rank_pattern": {},
    "alpha_pattern": {},
    "init_lora_weights": True,
    "use_rslora": False,
    "use_dora": False,
    "use_qalora": False,
    "use_bdlora": None,
    "alora_invocation_tokens": None,
    "layer_replication": None,
    "trainable_token_indices": None,
    "target_parameters": None,
}
PREFIX = "base_model.model."
FACTORS = (".lora_A.weight", ".lora_B.weight", ".lora_embedding_A", ".lora_embedding_B")


@pytest.fixture(params=["untied", "tied"])
def pair(request: pytest.FixtureRequest, make_base: Callable[..., Path], tmp_path: Path) -> tuple[ModelRef, ModelRef]:
    """Task models of one shape that differ everywhere."""
    base = make_base(seed=1) if request.param == "untied" else tied(make_base(seed=1), tmp_path / "tied")
    other = moved(base, tmp_path / "base", inside=True, outside=True)
    return adapted(base, 1, tmp_path / "old"), adapted(other, 2, tmp_path / "new")


def fitted(pair: tuple[ModelRef, ModelRef], folder: Path) -> Path:
    assert pair[1].adapter is not None
    return Path(pair[1].adapter.name)


def transferred(pair: tuple[ModelRef, ModelRef], folder: Path) -> Path:
    job = Job("transfer", TrainingConfig(), 0, torch.float32, folder / "work", folder / "out", QUIET)
    transfer_adapter(*pair, Settings(3, weighted=False), 0.5, [], job)
    return folder / "out"


def mixed(pair: tuple[ModelRef, ModelRef], folder: Path) -> Path:
    compat = adapted(Path(pair[1].base.name), 3, folder / "compat")
    interpolate(pair[1], compat, 0.25, torch.float32, folder / "mixed")
    return folder / "mixed"


def carried(pair: tuple[ModelRef, ModelRef], folder: Path) -> Path:
    carry(pair[0], Source(pair[1].base.name), folder / "carried")
    return folder / "carried"


QUIET = Progress(Console(quiet=True))
WRITERS = {"fit": (fitted, 2), "transfer": (transferred, 2 + 3), "interpolate": (mixed, 2 + 2), "carry": (carried, 2)}


@pytest.mark.parametrize("kind", WRITERS)
def test_an_adapter_is_plain_lora_of_one_rank(pair: tuple[ModelRef, ModelRef], tmp_path: Path, kind: str) -> None:
    write, rank = WRITERS[kind]
    folder = write(pair, tmp_path)
    config: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text())
    assert {key: config.get(key, value) for key, value in PLAIN.items()} == PLAIN
    assert config["r"] == rank
    with safe_open(folder / "adapter_model.safetensors", framework="pt") as weights:
        shapes = {name: weights.get_slice(name).get_shape() for name in weights.keys()}  # noqa: SIM118
    assert all(name.startswith(PREFIX) and name.endswith(FACTORS) for name in shapes), sorted(shapes)
    assert {shape[0 if "_A" in name else 1] for name, shape in shapes.items()} == {rank}
