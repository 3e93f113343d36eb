"""Transfers in whole runs: as a strategy, with a share that validation chooses, and as a command of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch.testing import assert_close

from bases import tied
from stillright.cli import main
from stillright.config import parse_update
from stillright.errors import ModelError
from stillright.importers import read_predictions
from stillright.models import ModelRef, load_model
from stillright.pipeline import run_update


@pytest.fixture
def alike(update_values: dict[str, Any], make_base: Callable[..., Path]) -> dict[str, Any]:
    """An update whose bases have the same shapes."""
    return {
        **update_values,
        "old": str(make_base(seed=1)),
        "new": str(make_base(seed=3)),
        "strategy": {"mask": "transfer"},
    }


def account(values: dict[str, Any], name: str = "search.json") -> dict[str, Any]:
    """What is said beside the adapter."""
    found: dict[str, Any] = json.loads((Path(values["out"]) / "adapters/compat" / name).read_text())
    return found


def test_a_run_chooses_the_share_on_validation_samples(alike: dict[str, Any]) -> None:
    comparison = run_update(parse_update(alike, "test"))
    assert [candidate.name for candidate in comparison.candidates] == ["compat"]
    found = account(alike)
    tried = found["tried"]
    assert [each["mixture"] for each in tried] == [{}, *({"old": share} for share in (0.15, 0.3, 0.45, 0.6, 0.8))]
    able = [each for each in tried if each["accuracy"] >= tried[0]["accuracy"]]
    taken = next(each for each in tried if each["mixture"] == found["mixture"])
    assert taken in able
    assert taken["nfr"] == min(each["nfr"] for each in able)
    assert not list(Path(alike["out"]).glob(".stillright/teachers/*"))


def test_without_a_better_share_the_new_model_stays(alike: dict[str, Any], make_base: Callable[..., Path]) -> None:
    """Old and new are one: nothing can be lost, and the adapter answers as the new one does."""
    base = str(make_base(seed=1))
    values = {**alike, "old": base, "new": base}
    comparison = run_update(parse_update(values, "test"))
    assert account(values)["mixture"] == {}
    assert "loses fewer answers than new (NFR 0.00%)" in account(values)["reason"]
    out = Path(values["out"]) / "predictions"
    new, compat = (read_predictions(out / f"{name}.jsonl").table["prediction"] for name in ("new", "compat"))
    assert new.equals(compat)
    assert comparison.candidates[0].delta_nfr.value == 0


def test_a_given_share_needs_no_choices(alike: dict[str, Any]) -> None:
    task = {key: value for key, value in alike["task"].items() if key != "choices"}
    told = {**alike, "task": {**task, "answer": "text", "metric": "exact_match", "max_new_tokens": 4}}
    run_update(parse_update({**told, "strategy": {"mask": "transfer", "share": 0.5, "rank": 3}}, "test"))
    made = account(told, "transfer.json")
    assert (made["share"], made["rank"]) == (0.5, 3)


def test_other_shapes_are_refused_before_anything_is_trained(update_values: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="is 24 x 48, in"):
        run_update(parse_update({**update_values, "strategy": {"mask": "transfer"}}, "test"))
    assert not (Path(update_values["out"]) / "adapters").exists()


def test_keys_of_other_strategies_are_refused() -> None:
    for strategy, key in (({"mask": "transfer", "temperature": 1.0}, "temperature"), ({"share": 0.5}, "share")):
        with pytest.raises(Exception, match=f"does not read the key {key}"):
            parse_update({"old": "a", "new": "b", "task": "piqa", "strategy": strategy}, "test")


def test_the_command_needs_no_task(alike: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["transfer", "--old", alike["old"], "--new", alike["new"], "--out", str(tmp_path / "compat")]
    assert main([*command, "--rank", "4"]) == 0
    made = json.loads((tmp_path / "compat/transfer.json").read_text())
    assert (made["share"], made["rank"], made["weighted"]) == (0.5, 4, False)
    assert main([*command, "--rank", "4"]) == 0
    assert "transfer-compat: already done" in capsys.readouterr().out
    assert main([*command, "--share", "auto"]) == 2
    assert "which need --task" in capsys.readouterr().err
    assert main([*command, "--set", "lora.r=4"]) == 2
    assert "has no effect without --task" in capsys.readouterr().err
    assert main([*command, "--share", "1.5"]) == 2
    assert "share" in capsys.readouterr().err


def test_a_checkpoint_is_merged(alike: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a base whose head is its embedding, which the adapter changes."""
    old, new = (tied(Path(alike[side]), tmp_path / f"tied-{side}") for side in ("old", "new"))
    adapter, out, ids = tmp_path / "compat", tmp_path / "merged", torch.arange(5, 45)[None]
    assert main(["transfer", "--old", str(old), "--new", str(new), "--out", str(adapter), "--rank", "99"]) == 0
    assert main(["merge", f"{new}+{adapter}", "--out", str(out)]) == 0
    apart = load_model(ModelRef.parse(f"{new}+{adapter}"), torch.float32)
    whole = load_model(ModelRef.parse(str(out)), torch.float32)
    with torch.no_grad():
        assert_close(whole(input_ids=ids).logits, apart(input_ids=ids).logits, atol=1e-5, rtol=1e-5)
    assert not whole.config.tie_word_embeddings
    assert main(["merge", f"{new}+{adapter}", "--out", str(out)]) == 2
    assert "is not empty; give a new folder" in capsys.readouterr().err
    assert main(["merge", str(new), "--out", str(out)]) == 2
    assert "has no adapter to merge" in capsys.readouterr().err


def test_with_a_task_the_command_chooses_the_share(alike: dict[str, Any], tmp_path: Path) -> None:
    values = {key: alike[key] for key in ("task", "lora", "training", "dtype")}
    task = tmp_path / "task.yaml"
    task.write_text(yaml.safe_dump(values))
    models = []
    for side in ("old", "new"):
        assert main(["fit", alike[side], "--task", str(task), "--out", str(tmp_path / side)]) == 0
        models += [f"--{side}", f"{alike[side]}+{tmp_path / side}"]
    assert main(["transfer", *models, "--task", str(task), "--rank", "4", "--out", str(tmp_path / "compat")]) == 0
    made = json.loads((tmp_path / "compat/search.json").read_text())
    assert len(made["tried"]) == 6
    assert (made["rank"], made["weighted"]) == (4, True)


@pytest.mark.parametrize("strategy", [{"mask": "transfer", "share": 0.5}, {"mask": "old_only"}, {"mask": "choice"}, {}])
def test_the_configuration_that_a_run_writes_can_be_read(strategy: dict[str, Any]) -> None:
    """It names no key that its strategy does not read."""
    config = parse_update({"old": "a", "new": "b", "task": "piqa", "strategy": strategy}, "test")
    assert parse_update(config.model_dump(mode="json"), "test") == config
