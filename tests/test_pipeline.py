"""The whole job on random bases: results, skipping, rerunning, resuming, and the errors of every stage."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from huggingface_hub import ModelCard
from rich.console import Console

import stillright
from bases import cut_differently
from samples import colour_rows, generation, write_rows
from stillright import dry_run
from stillright.comparison import Comparison
from stillright.config import parse_update
from stillright.errors import ConfigError, ModelError, TaskError
from stillright.importers import read_predictions
from stillright.pipeline import run_update
from stillright.training import loop


def run(values: dict[str, Any]) -> tuple[Comparison, str]:
    """The comparison, and what was printed."""
    console = Console(width=140, record=True, quiet=False, file=Path("/dev/null").open("w"))  # noqa: SIM115
    with console.file:
        return run_update(parse_update(values, "test"), console), console.export_text()


FITS = ("old", "new", "continue_ce")


def test_whole_update(update_values: dict[str, Any]) -> None:
    comparison, printed = run({**update_values, "controls": ["continue_ce"], "align_seed": 5, "slices": ["label"]})
    out = Path(update_values["out"])
    assert comparison.n == 12
    assert [candidate.name for candidate in comparison.candidates] == ["compat", "continue_ce"]
    assert json.loads((out / "comparison.json").read_text())["n"] == 12
    rows = [json.loads(line) for line in Path(update_values["task"]["test"]).read_text().splitlines()]
    labels = Counter(str(row["label"]) for row in rows)
    assert [(part.column, part.value, part.n) for part in comparison.slices] == [
        ("label", value, labels[value]) for value in sorted(labels)
    ]
    flips = pl.read_parquet(out / "flips.parquet")
    assert (len(flips), flips["candidate_2_quadrant"].null_count()) == (12, 0)
    assert "## Answers that new lost" in (out / "report.md").read_text()
    for name in ("old", "new", "compat", "continue_ce"):
        predictions = read_predictions(out / "predictions" / f"{name}.jsonl")
        assert predictions.table["id"][0].startswith("q1-")
        assert (out / "adapters" / name / "adapter_model.safetensors").exists()
    assert "NFR" in printed
    assert "warm-up: 0 steps, a tenth of 4, instead of 500" in printed
    assert printed.index("warning: 12 test rows") < printed.index("fit-old: running")
    assert printed.splitlines()[-2].startswith(f"next, to serve it: stillright merge {update_values['new']}+")
    assert "warning: of 12 rows to predict 1 are also trained on" in printed  # drawn from a few things and colours
    seeds = {name: json.loads((out / f".stillright/fit-{name}.json").read_text())["inputs"]["seed"] for name in FITS}
    assert seeds == {"old": 0, "new": 0, "continue_ce": 5}  # the control trains on as the compat adapter does


def test_a_column_to_slice_by_that_no_test_row_has_is_refused_before_anything_is_trained(
    update_values: dict[str, Any],
) -> None:
    with pytest.raises(TaskError, match="slices: the test rows of .* have no column 'subject'; there is id, question"):
        run({**update_values, "slices": ["subject"]})
    assert not (Path(update_values["out"]) / "adapters").exists()


def test_an_ensemble_is_a_candidate_of_its_own(update_values: dict[str, Any]) -> None:
    """What its answers are, tests/prediction says; here it is one of the candidates, made once, from old and new."""
    values = {**update_values, "align": False, "controls": ["ensemble"]}
    comparison, printed = run(values)
    out = Path(update_values["out"])
    assert [candidate.name for candidate in comparison.candidates] == ["ensemble"]
    assert {path.name for path in (out / "predictions").iterdir()} == {"old.jsonl", "new.jsonl", "ensemble.jsonl"}
    assert {path.name for path in (out / "adapters").iterdir()} == {"old", "new"}
    models = read_predictions(out / "predictions/ensemble.jsonl").header.source["model"]
    assert models == " & ".join(f"{update_values[name]}+{out / 'adapters' / name}" for name in ("old", "new"))
    assert "\nensemble: running" in printed
    again, printed = run(values)
    assert again == comparison
    assert "\nensemble: already done" in printed


def test_adapter_is_plain_peft(update_values: dict[str, Any], bases: tuple[Path, Path]) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    run(update_values)
    folder = Path(update_values["out"]) / "adapters" / "compat"
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(bases[1]), folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(bases[1])
    adapted = {name.split(".")[-4] for name, _ in model.named_parameters() if "lora_A" in name}
    assert adapted == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def test_the_card_tells_the_last_comparison_and_no_path(
    update_values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison, _ = run(update_values)
    adapters = Path(update_values["out"]) / "adapters"
    kept = (adapters / "compat/README.md").read_text()
    assert "Measured on 12 items of colours" in kept
    data: Any = ModelCard(kept).data
    assert data.eval_results[0].metric_value == round(comparison.candidates[0].score, 4)
    assert "strategy: mask: student_wrong" in kept
    assert 'task: name: "colours", prompt: "{{question}}?"' in kept
    for name in ("old", "new", "compat"):
        card = (adapters / name / "README.md").read_text()
        assert "/" not in card.replace("https://", "").replace("OWNER/NAME", "")
        assert "More Information Needed" not in card  # PEFT's empty form
    assert "task adapter" in (adapters / "new/README.md").read_text()
    write_rows(Path(update_values["task"]["test"]), colour_rows(15, seed=2))
    monkeypatch.setattr("stillright.pipeline.predictions_of", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(update_values)
    assert "Nothing was measured" in (adapters / "compat/README.md").read_text()  # rather than on other rows
    monkeypatch.undo()
    run(update_values)
    assert "Measured on 15 items of colours" in (adapters / "compat/README.md").read_text()


def test_done_stages_are_skipped_and_changed_inputs_run_again(update_values: dict[str, Any]) -> None:
    first, _ = run(update_values)
    again, printed = run(update_values)
    assert again == first
    assert printed.count("already done") == 6
    assert "running" not in printed
    _, printed = run({**update_values, "strategy": {"mask": "old_only"}})
    assert "fit-new: already done" in printed
    assert "predict-new: already done" in printed
    assert "align-compat: running" in printed
    assert "predict-compat: running" in printed


def test_changed_data_and_damaged_results_run_again(update_values: dict[str, Any]) -> None:
    run(update_values)
    adapter = Path(update_values["out"]) / "adapters" / "old" / "adapter_model.safetensors"
    adapter.write_bytes(adapter.read_bytes()[:-8])
    _, printed = run(update_values)
    assert "fit-old: running" in printed
    assert "fit-new: already done" in printed
    write_rows(Path(update_values["task"]["test"]), colour_rows(15, seed=2))
    comparison, printed = run(update_values)
    assert comparison.n == 15
    assert "predict-old: running" in printed
    for stage in ("fit-old", "fit-new", "align-compat"):
        assert f"{stage}: already done" in printed


def assert_equal_trainings(first: Path, second: Path) -> None:
    """The same adapters, and the same account of how they came to be."""
    for name in ("old", "new", "compat"):
        for file in ("adapter_model.safetensors", "training.json"):
            contents = [(out / "adapters" / name / file).read_bytes() for out in (first, second)]
            assert contents[0] == contents[1], f"{name}/{file}"


def test_an_interrupted_run_resumes_to_the_same_adapter(
    update_values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run({**update_values, "out": str(tmp_path / "unbroken")})

    def interrupt(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop._ShowProgress, "on_epoch_begin", interrupt, raising=False)
        with pytest.raises(KeyboardInterrupt):
            run(update_values)
    _, printed = run(update_values)
    assert "fit old: goes on from checkpoint-2" in printed
    assert_equal_trainings(Path(update_values["out"]), tmp_path / "unbroken")


KILLED_IN_ALIGNMENT = """
import os, signal, sys
from stillright.cli import main
from stillright.training import loop

def on_epoch_begin(self, args, state, control, **kwargs):
    if state.epoch == 1 and "align-compat" in args.output_dir:
        os.kill(os.getpid(), signal.SIGKILL)

loop._ShowProgress.on_epoch_begin = on_epoch_begin
main(["run", sys.argv[1]])
"""


@pytest.mark.parametrize("form", ["hidden", "live"])
def test_a_run_killed_while_aligning_resumes_to_the_same_adapter(
    update_values: dict[str, Any], tmp_path: Path, form: str
) -> None:
    update_values["teachers"] = {"form": form}
    run({**update_values, "out": str(tmp_path / "unbroken")})
    update = tmp_path / "update.yaml"
    update.write_text(yaml.safe_dump(update_values))
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_ALIGNMENT, str(update)], capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    _, printed = run(update_values)
    assert "fit-new: already done" in printed
    assert "align compat: goes on from checkpoint-2" in printed
    assert_equal_trainings(Path(update_values["out"]), tmp_path / "unbroken")


def test_given_adapters_are_not_fitted(update_values: dict[str, Any], tmp_path: Path) -> None:
    run(update_values)
    folder = Path(update_values["out"]) / "adapters"
    values = {
        **update_values,
        "old": f"{update_values['old']}+{folder / 'old'}",
        "new": f"{update_values['new']}+{folder / 'new'}",
        "out": str(tmp_path / "second"),
    }
    _, printed = run(values)
    assert "fit" not in printed.replace("first", "")
    assert (tmp_path / "second/adapters/compat/adapter_config.json").exists()


@pytest.mark.parametrize("metric", ["rouge1", "exact_match"])
def test_generated_answers(update_values: dict[str, Any], metric: str) -> None:
    comparison, _ = run({**update_values, "task": generation(update_values["task"], metric)})
    assert comparison.kind == ("continuous" if metric == "rouge1" else "discrete")
    assert comparison.metric == metric


def test_padded_vocabulary_of_one_base(update_values: dict[str, Any], make_base: Callable[..., Path]) -> None:
    comparison, _ = run({**update_values, "new": str(make_base(seed=5, vocabulary=384))})
    assert comparison.n == 12


def test_training_lowers_the_validation_loss(update_values: dict[str, Any]) -> None:
    run(update_values)
    for name in ("old", "compat"):
        result = json.loads((Path(update_values["out"]) / "adapters" / name / "training.json").read_text())
        assert result["best_validation_loss"] < result["validation_losses"][0]
        assert len(result["validation_losses"]) == 3  # step 0 and two epochs
    assert 0 < result["validation"][-1]["follow_old"] <= 1


@pytest.mark.parametrize("loss_on", ["all", "completion"])
def test_every_form_of_teachers(update_values: dict[str, Any], tmp_path: Path, loss_on: str) -> None:
    """One run folder: each form teaches, states and live models alike; and the cache is of scored tokens alone."""
    out = Path(update_values["out"])
    update_values["training"] = {**update_values["training"], "epochs": 1, "loss_on": loss_on}
    found = {}
    for form in ("hidden", "sampled", "live"):
        comparison, printed = run({**update_values, "teachers": {"form": form, "entries": 320}})
        assert comparison.n == 12
        assert printed.count("teach-old: running") == (form != "live")
        assert "fit-old: running" in printed or form != "hidden"
        found[form] = json.loads((out / "adapters/compat/training.json").read_text())
        files = {path.name for path in (out / "adapters/compat").iterdir()}
        assert files == {"README.md", "adapter_config.json", "adapter_model.safetensors", "training.json"}
    losses = {form: result["validation_losses"] for form, result in found.items()}
    assert losses["live"] == pytest.approx(losses["hidden"], rel=1e-4)
    assert losses["sampled"] != pytest.approx(losses["hidden"], rel=1e-3)
    rows = (out / ".stillright/teachers/old/prediction.bin").stat().st_size // 8
    answers = 40 * 3  # a colour is at most three tokens
    assert 40 <= rows <= answers if loss_on == "completion" else rows > answers


def test_a_base_that_is_none(update_values: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="its configuration cannot be loaded"):
        run({**update_values, "old": str(tmp_path)})
    with pytest.raises(ModelError, match="no-such/base"):
        run({**update_values, "old": "no-such/base"})


def test_different_tokenizers(update_values: dict[str, Any], make_base: Callable[..., Path]) -> None:
    changed = {**update_values, "new": str(cut_differently(make_base(seed=6)))}
    with pytest.raises(ModelError, match="only the choice strategies .* work with two tokenizers"):
        run(changed)
    comparison, _ = run({**changed, "align": False, "controls": ["ensemble"]})
    assert comparison.n == 12
    assert [candidate.name for candidate in comparison.candidates] == ["ensemble"]  # of choices


def test_an_ensemble_that_cannot_be_is_refused_before_any_work(
    update_values: dict[str, Any], make_base: Callable[..., Path]
) -> None:
    task, other = generation(update_values["task"], "rouge1"), cut_differently(make_base(seed=6))
    values = {**update_values, "task": task, "new": str(other), "align": False, "controls": ["ensemble"]}
    for refusing in (run_update, dry_run.run_update):
        with pytest.raises(ModelError) as refused:
            refusing(parse_update(values, "test"), Console(quiet=True))
        assert str(refused.value) == (
            "controls: task colours: its answers are generated, but an ensemble generates only with one tokenizer; "
            "those of old and new cut training text 0 differently; leave ensemble out"
        )
    assert not (Path(values["out"]) / "adapters").exists()


def test_an_update_in_python_is_quiet(update_values: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match=r"update: unknown key 'align_sed'"):
        stillright.parse_update({**update_values, "align_sed": 1}, "update")
    comparison = stillright.run_update(stillright.parse_update({**update_values, "align": False}, "update"))
    assert comparison.to_json() == (Path(update_values["out"]) / "comparison.json").read_text(encoding="utf-8")
    assert "running" not in "".join(capfd.readouterr())
