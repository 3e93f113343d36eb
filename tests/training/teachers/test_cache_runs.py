"""Caches in whole runs: shared by strategies and seeds, made again when damaged, resumed after a kill."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from stillright.config import parse_update
from stillright.forward import trees
from stillright.pipeline import run_update
from stillright.training import align
from stillright.training.loop import train_adapter
from stillright.training.teachers import cache_writing
from stillright.training.teachers.cache_files import open_cache
from stillright.training.teachers.cache_writing import DONE


def printed(values: dict[str, Any]) -> str:
    console = Console(width=140, record=True, file=Path("/dev/null").open("w"))  # noqa: SIM115
    with console.file:
        run_update(parse_update(values, "test"), console)
        return console.export_text()


@pytest.mark.parametrize("padded", ["old", "new"])
def test_an_update_s_teachers_share_a_vocabulary(
    update_values: dict[str, Any], make_base: Callable[..., Path], padded: str
) -> None:
    printed({**update_values, padded: str(make_base(seed=5, vocabulary=384))})
    for role in ("old", "new"):
        teacher = open_cache(Path(update_values["out"]) / ".stillright/teachers" / role)
        assert teacher.head is not None
        assert len(teacher.head.weight) == (384 if role == padded else 320)
        shared = teacher.head.logits(teacher.outputs.columns["hidden"], 320).log_softmax(-1)
        assert (shared - teacher.outputs.logp[:, None]).abs().amin(-1).max() < 1e-5  # it is that of some token
        assert teacher.outputs.prediction.tolist() == shared.argmax(-1).tolist()


def test_strategies_and_seeds_share_teachers(update_values: dict[str, Any]) -> None:
    assert "teach-old: running" in printed(update_values)
    again = printed({**update_values, "strategy": {"mask": "old_only"}, "align_seed": 7})
    assert "align-compat: running" in again
    assert "teach-old: already done" in again
    assert "teach-new: already done" in again


def test_another_cache_format_makes_teachers_again(
    update_values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing else: an adapter is what its teachers were told, in whatever format."""
    printed(update_values)
    monkeypatch.setattr(cache_writing, "CACHE_FORMAT", cache_writing.CACHE_FORMAT + 1)
    again = printed(update_values)
    assert "align-compat: already done" in again
    assert "running" not in again
    again = printed({**update_values, "align_seed": 7})
    assert again.count("teach-old: running") == again.count("teach-new: running") == 1


def test_a_temperature_is_part_of_what_parts_are_kept(update_values: dict[str, Any]) -> None:
    hot = {"strategy": {"mask": "student_wrong", "temperature": 3.0}}
    printed(update_values)
    again = printed({**update_values, **hot, "teachers": {"form": "hidden", "entries": 9}})  # which it does not read
    assert "align-compat: running" in again
    assert again.count("teach-old: already done") == again.count("teach-new: already done") == 1  # states know none
    parts = {**update_values, "teachers": {"form": "sampled", "entries": 8}}
    assert "teach-old: running" in printed({**parts, **hot})
    again = printed({**parts, "strategy": {"temperature": 3.0, "mask": "old_right"}})
    assert again.count("teach-old: already done") == again.count("teach-new: already done") == 1
    again = printed(parts)
    assert again.count("teach-old: running") == again.count("teach-new: running") == 1


@pytest.mark.parametrize("form", ["hidden", "sampled", "live"])
def test_the_trainer_knows_the_form_of_its_teachers(
    update_values: dict[str, Any], monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """By it the trainer decides what can be trained, and a saved training_args.bin holds it."""
    found: list[tuple[str, int]] = []

    def watched(trainer: Any, *rest: Any) -> Any:
        found.append((trainer.args.teachers, trainer.args.entries))
        return train_adapter(trainer, *rest)

    monkeypatch.setattr(align, "train_adapter", watched)
    printed({**update_values, "teachers": {"form": form, "entries": 7}})
    assert found == [(form, 7)]


def test_a_damaged_cache_is_made_again(update_values: dict[str, Any]) -> None:
    printed(update_values)
    cache = Path(update_values["out"]) / ".stillright/teachers/old/hidden.bin"
    content = bytearray(cache.read_bytes())
    content[3] ^= 1
    cache.write_bytes(content)
    again = printed({**update_values, "align_seed": 7})
    assert "teach-old: running" in again
    assert "teach-new: already done" in again


KILLED_IN_CACHING = """
import os, signal, sys
from stillright.cli import main
from stillright.forward import trees
from stillright.training import align
from stillright.training.loop import train_adapter
from stillright.training.teachers import cache_writing

trees.BATCH_TOKENS = 64
write, calls = cache_writing._write_batch, iter(range(100))

def _write_batch(*args):
    if next(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    write(*args)

cache_writing._write_batch = _write_batch
main(["run", sys.argv[1]])
"""


@pytest.mark.parametrize("form", ["hidden", "sampled"])
def test_a_run_killed_while_caching_resumes_to_the_same_adapter(
    update_values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    update_values = {
        **update_values,
        "teachers": {"form": form},
        "training": {**update_values["training"], "epochs": 1},
    }
    monkeypatch.setattr(trees, "BATCH_TOKENS", 64)
    printed({**update_values, "out": str(tmp_path / "unbroken")})
    update = tmp_path / "update.yaml"
    update.write_text(yaml.safe_dump(update_values))
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_CACHING, str(update)], capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    work = Path(update_values["out"]) / ".stillright/work"
    assert len(list(work.glob(f"teach-old-*/outputs/{DONE}/*"))) == 3
    again = printed(update_values)
    assert "fit-new: already done" in again
    adapters = [
        Path(out) / "adapters/compat/adapter_model.safetensors" for out in (update_values["out"], tmp_path / "unbroken")
    ]
    assert adapters[0].read_bytes() == adapters[1].read_bytes()
    kept = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (Path(out) / ".stillright/teachers" for out in (update_values["out"], tmp_path / "unbroken"))
    ]
    assert kept[0] == kept[1] != {}
