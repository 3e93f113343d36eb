"""Several processes: their step is the step of one, a run by them is whole, and what ends one ends all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import filelock
import pytest
import torch
import yaml
from rich.console import Console

import launched
from launched import TRAINERS, Batches, Found, train
from launching import launch
from stillright.config import parse_update
from stillright.digest import folder_digest
from stillright.forward import trees
from stillright.importers import read_predictions
from stillright.pipeline import align_alone, predict_alone, run_update
from stillright.training import text

RESULT = "training.json"
MEANS = {
    "adapter": ("loss", "cross_entropy"),
    "compat": ("loss", "cross_entropy", "follow_old", "kl_old", "kl_new"),
    "choice": ("loss", "kl", "cross_entropy", "right", "lost"),
    "choice_apart": ("loss", "kl", "cross_entropy", "right", "lost"),
}


@pytest.fixture(scope="module")
def base(make_base: Callable[..., Path]) -> Path:
    return make_base(seed=8)


@pytest.fixture(scope="module")
def by_two(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes have trained with batches of 2 each and accumulation 2."""
    folder = tmp_path_factory.mktemp("by-two")
    done = launch(launched.__file__, str(base), str(folder))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def by_one(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Found]:
    def trained(kind: str, *batches: Any) -> Found:
        return train(kind, base, tmp_path_factory.mktemp(kind), Batches(*batches))

    return trained


def assert_same(found: Found, expected: Found) -> None:
    assert len(found.gradients) == len(expected.gradients) == 2
    for ours, theirs in zip(found.gradients, expected.gradients, strict=True):
        assert ours.keys() == theirs.keys()
        assert any(gradient.any() for gradient in ours.values())
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("kind", TRAINERS)
def test_two_processes_take_the_step_of_one(by_two: Path, by_one: Callable[..., Found], kind: str) -> None:
    """Their batches hold unequal numbers of tokens, and their validation texts do not fill whole batches."""
    found, expected = Found(**torch.load(by_two / f"{kind}.pt")), by_one(kind, 4, 2)
    assert_same(found, expected)
    for name in MEANS[kind]:
        assert found.evaluation[f"eval_{name}"] == pytest.approx(expected.evaluation[f"eval_{name}"], rel=1e-5), name


@pytest.mark.parametrize("kind", TRAINERS)
def test_a_step_is_the_same_however_it_is_cut(by_one: Callable[..., Found], kind: str) -> None:
    whole = by_one(kind, 8, 1)
    assert_same(by_one(kind, 2, 4), whole)
    assert_same(by_one(kind, 8, 1, True), whole)  # activations computed twice


@pytest.mark.parametrize("kind", TRAINERS)
def test_loggers_get_the_means_of_all_processes(by_two: Path, by_one: Callable[..., Found], kind: str) -> None:
    found, expected = Found(**torch.load(by_two / f"{kind}.pt")), by_one(kind, 8, 1)
    for ours, theirs in zip(found.logged[:2], expected.logged[:2], strict=True):
        for name in MEANS[kind]:
            assert ours[name] == pytest.approx(theirs[name], rel=1e-3), name  # differences of float32 sums


def test_processes_write_the_teachers_of_one(
    by_two: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, "BATCH_TOKENS", launched.BATCH_TOKENS)
    assert len(list(text.batches([len(one.ids) for one in launched.TEXTS], torch.device("cpu")))) > 2
    launched.cache(base, tmp_path)
    for role in ("old", "new"):
        assert folder_digest(by_two / "compat" / role) == folder_digest(tmp_path / role)


def test_a_sharded_model_has_the_gradients_of_a_whole_one(by_two: Path) -> None:
    """The loss reads the LM head inside the forward, where the parameters of the root are whole."""
    sharded, whole = torch.load(by_two / "sharded.pt")
    assert all(gradient.any() for gradient in whole.values())
    torch.testing.assert_close(sharded, whole, rtol=1e-4, atol=1e-6)


def run_script(folder: Path, values: dict[str, Any]) -> str:
    """The path of `values` as update.yaml."""
    path = folder / f"{Path(values['out']).name}.yaml"
    path.write_text(yaml.safe_dump(values))
    return str(path)


def trainings(values: dict[str, Any]) -> dict[str, bytes]:
    """What was trained, and how it came to be."""
    folder = Path(values["out"]) / "adapters"
    names = [f"{name}/{file}" for name in ("old", "new", "compat") for file in ("adapter_model.safetensors", RESULT)]
    return {name: (folder / name).read_bytes() for name in names}


KILLED = """
import os, signal, sys
from stillright import ranks
from stillright.cli import main
from stillright.training import loop

def on_epoch_begin(self, args, state, control, **kwargs):
    if state.epoch == 1 and "align-compat" in args.output_dir and ranks.rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)

loop._ShowProgress.on_epoch_begin = on_epoch_begin
main(["run", sys.argv[1]])
"""


def test_a_run_by_two_processes(update_values: dict[str, Any], tmp_path: Path) -> None:
    """It is whole, it speaks once, and it resumes to the same adapters when one process was killed."""
    whole, broken, single = ({**update_values, "out": str(tmp_path / name)} for name in ("whole", "broken", "single"))
    for values in (whole, broken, single):
        values["lora"] = {"r": 4, "alpha": 8, "dropout": 0.1}
        values["training"] = {**values["training"], "gradient_accumulation": 1}
    done = launch("-m", "stillright", "run", run_script(tmp_path, whole))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("align-compat: running") == done.stdout.count("written: ") == 1
    assert "warm-up: 0 steps, a tenth of 4, instead of 500" in done.stdout  # 32 texts by two batches of 8
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    killed = launch(str(script), run_script(tmp_path, broken))
    assert killed.returncode != 0
    assert not (tmp_path / "broken/adapters/compat").exists()
    again = launch("-m", "stillright", "run", run_script(tmp_path, broken))
    assert again.returncode == 0, again.stderr
    assert "fit-new: already done" in again.stdout
    assert "align compat: goes on from checkpoint-2" in again.stdout
    assert trainings(broken) == trainings(whole)
    run_update(parse_update(single, "test"), Console(quiet=True))
    old = {**single, "new": f"{single['old']}+{tmp_path / 'whole/adapters/old'}"}
    predict_alone(parse_update(old, "test"), tmp_path / "old.jsonl", Console(quiet=True))
    files = tmp_path / "whole/predictions/old.jsonl", tmp_path / "old.jsonl"
    found, expected = (read_predictions(file).table for file in files)
    assert found.equals(expected)
    losses = [json.loads(trainings(v)[f"old/{RESULT}"])["validation_losses"][0] for v in (whole, single)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


IN_SMALL_BATCHES = """
import sys
from stillright.cli import main
from stillright.forward import trees

trees.BATCH_TOKENS = 64
sys.exit(main(["run", sys.argv[1]]))
"""


def test_processes_share_the_teachers_of_choices(
    update_values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They keep the scores of one process."""
    training = {**update_values["training"], "epochs": 1, "gradient_accumulation": 1}
    values = {**update_values, "training": training, "strategy": {"mask": "choice"}}
    script = tmp_path / "small.py"
    script.write_text(IN_SMALL_BATCHES)
    done = launch(str(script), run_script(tmp_path, values))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("teach-old-choices: running") == done.stdout.count("teach-new-choices: running") == 1
    adapters = Path(values["out"]) / "adapters"
    single = {**values, **{role: f"{values[role]}+{adapters / role}" for role in ("old", "new")}}
    monkeypatch.setattr(trees, "BATCH_TOKENS", 64)
    align_alone(parse_update(single, "test"), tmp_path / "alone/compat", Console(quiet=True))
    for role in ("old", "new"):
        file = f".stillright/teachers/{role}-choices.safetensors"
        assert (Path(values["out"]) / file).read_bytes() == (tmp_path / "alone" / file).read_bytes()


def test_an_error_ends_all_processes(update_values: dict[str, Any], tmp_path: Path) -> None:
    state = Path(update_values["out"]) / ".stillright"
    state.mkdir(parents=True)
    with filelock.FileLock(state / "lock"):
        done = launch("-m", "stillright", "run", run_script(tmp_path, update_values))
    assert done.returncode != 0
    assert done.stderr.count("stillright: error:") == 1
    assert "another run works here; wait for it" in done.stderr
    codes = dict(re.findall(r"rank +: (\d).*\n +exitcode +: (-?\d+)", done.stderr))
    assert codes["0"] == "2"
    assert codes["1"] in ("2", "-15")  # where the launcher was faster
