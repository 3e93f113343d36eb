"""The example script: it trains by itself and by two processes, and docs/trainer.md shows it as it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from compat_case import moved, tokenizer
from launching import PATIENCE, launch
from places import ROOT
from stillright.models import Source, load_base

SCRIPT = ROOT / "examples/trainer/align.py"
SETTINGS = {
    "max_steps": 6,
    "optim": "sgd",
    "learning_rate": 1.0,
    "max_grad_norm": 0.0,
    "per_device_eval_batch_size": 3,  # which does not divide the rows
    "bf16": False,
    "use_cpu": True,
    "disable_tqdm": False,  # its default depends on the level of logging
    "report_to": "none",
    "assistant_only_loss": True,
    "temperature": 1.5,
    "ce_weight": 0.3,
}
# gloo's threads abort a process that ends while they still run, which they do as long as something holds their group
PARTED = f"""
import atexit, gc, os, runpy, torch
from torch.nn.parallel import DistributedDataParallel

@atexit.register
def last():
    if any(isinstance(held, DistributedDataParallel) for held in gc.get_objects()):
        os._exit(3)

runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
assert not torch.distributed.is_initialized()
"""


@pytest.fixture
def options(bases: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of both task models, and 20 chats of unequal lengths."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    names = []
    for role, base, seed in zip(("old", "new"), bases, (3, 4), strict=True):
        moved(base, seed).save_pretrained(tmp_path / role)
        folder = tmp_path / f"{role}-base"
        load_base(Source(str(base)), torch.float32).save_pretrained(folder)
        tokenizer(base).save_pretrained(folder)
        names += [f"--{role}", f"{folder}+{tmp_path / role}"]
    data = tmp_path / "chats.jsonl"
    with data.open("w") as file:
        for i in range(20):
            turns = [("user", f"What colour is thing {i}?"), ("assistant", "blue, " * (1 + i % 5) + "today")]
            file.write(json.dumps({"messages": [{"role": role, "content": text} for role, text in turns]}) + "\n")
    settings = [part for name, value in SETTINGS.items() for part in (f"--{name}", str(value))]
    return [*names, "--data", str(data), *settings]


def result(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    return load_file(folder / "adapter_model.safetensors"), json.loads((folder / "eval_results.json").read_text())


@pytest.mark.parametrize("packing", [False, True])
def test_two_processes_end_with_the_adapter_of_one(
    bases: tuple[Path, Path], options: list[str], tmp_path: Path, packing: bool
) -> None:
    # one step of packed rows, which are no whole number of steps: where they end, two processes read some twice
    more = ["--packing", "True", "--max_length", "100", "--max_steps", "1"] if packing else []
    out = {name: tmp_path / name for name in ("one", "two")}
    one = [str(SCRIPT), *options, *more, "--output_dir", str(out["one"]), "--per_device_train_batch_size", "4"]
    done = subprocess.run([sys.executable, *one], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    parted = tmp_path / "parted.py"
    parted.write_text(PARTED)
    two = [str(parted), *options, *more, "--output_dir", str(out["two"]), "--per_device_train_batch_size", "2"]
    done = launch(*two)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("teach-old: running") == 1  # the main process speaks
    (adapter, found), (expected, alone) = result(out["two"]), result(out["one"])
    start = load_file(tmp_path / "new/adapter_model.safetensors")
    assert adapter.keys() == expected.keys() == start.keys()
    assert any((expected[name] - values).abs().max() > 0.01 for name, values in start.items())
    torch.testing.assert_close(adapter, expected, rtol=1e-3, atol=1e-5)
    for name in ("eval_loss", "eval_cross_entropy", "eval_kl_old", "eval_follow_old"):
        assert found[name] == pytest.approx(alone[name], rel=1e-4), name
    PeftModel.from_pretrained(load_base(Source(str(bases[1])), torch.float32), out["two"])  # a plain PEFT folder


def test_the_page_shows_the_script_that_runs() -> None:
    page = (ROOT / "docs/trainer.md").read_text(encoding="utf-8")
    assert f"```python\n{SCRIPT.read_text(encoding='utf-8')}```" in page
