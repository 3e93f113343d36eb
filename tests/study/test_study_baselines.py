"""Baselines: strategies that train nothing of their own, or mix and serve what others have trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from samples import generation
from stillright.tasks import load_task
from study_rows import Row, assert_row_is_what_its_files_say, read


def test_baselines(
    values: dict[str, Any],
    run: Callable[..., tuple[int, list[Row]]],
    make_base: Callable[..., Path],
    choice_task: dict[str, Any],
) -> None:
    """Two bases of one shape and one of another; a task with choices and one without."""
    values["bases"]["like small"] = str(make_base(seed=3))
    values["updates"].append(["small", "like small"])
    values["tasks"]["told"] = generation(choice_task, "rouge1")
    values["strategies"] = {
        "student_wrong": {},
        "old_adapter": {},
        "ensemble": {},
        "half": {"baseline": "interpolation", "of": "student_wrong", "weight": 0.5},
        "all": {"baseline": "interpolation", "of": "student_wrong", "weight": 1.0},
    }
    code, rows = run(values)
    out = Path(values["out"])
    assert code == 0
    reasons = {(row["update"], row["task"], row["strategy"]): row["reason"] for row in rows if row["status"] != "done"}
    assert set(reasons) == {
        ("small-to-large", "colours", "old_adapter"),
        ("small-to-large", "told", "old_adapter"),
    }
    assert "model.layers.0.mlp.down_proj is 24 x 48, in" in reasons["small-to-large", "colours", "old_adapter"]
    for row in rows:
        if row["status"] == "done":
            assert_row_is_what_its_files_say(row, out)
    by = {row["strategy"]: row for row in rows if (row["update"], row["task"]) == ("small-to-large", "colours")}
    assert answers(out / by["all"]["predictions"]) == answers(out / by["student_wrong"]["predictions"])


def answers(path: Path) -> dict[str, Any]:
    return {sample: row["prediction"] for sample, row in read(path).items()}


def test_an_interpolated_adapter_changes_layers_by_the_mean_of_changes(
    bases: tuple[Path, Path], tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel
    from safetensors.torch import load_file

    from stillright.config import LoraConfig
    from stillright.models import ModelRef, Source, load_base
    from stillright.training.combine import interpolate
    from stillright.training.lora import lora_config

    ref = ModelRef.parse(str(bases[0]))
    for seed, rank in ((1, 2), (2, 3)):
        torch.manual_seed(seed)
        model = PeftModel(load_base(ref.base, torch.float32), lora_config(LoraConfig(r=rank, alpha=2 * seed), ref))
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight)
        model.save_pretrained(tmp_path / str(seed))
    first, second = (ModelRef(ref.base, Source(str(tmp_path / str(seed)))) for seed in (1, 2))
    interpolate(first, second, 0.25, torch.float32, tmp_path / "mixed")

    def change(folder: Path) -> torch.Tensor:
        config = json.loads((folder / "adapter_config.json").read_text())
        weights = load_file(folder / "adapter_model.safetensors")
        (a,) = (weights[name] for name in weights if "layers.1.self_attn.q_proj.lora_A" in name)
        (b,) = (weights[name] for name in weights if "layers.1.self_attn.q_proj.lora_B" in name)
        scale: float = config["lora_alpha"] / config["r"]
        return scale * b @ a

    expected = 0.75 * change(tmp_path / "1") + 0.25 * change(tmp_path / "2")
    torch.testing.assert_close(change(tmp_path / "mixed"), expected)


def test_an_ensemble_ranks_by_mean_log_likelihoods(
    bases: tuple[Path, Path], choice_task: dict[str, Any], make_base: Callable[..., Path]
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from stillright.config.update import TaskConfig
    from stillright.models import ModelRef
    from stillright.prediction.predict import PredictJob, predict
    from stillright.progress import Progress

    both = [bases[0], make_base(seed=9)]
    task, refs = load_task(TaskConfig(**choice_task)), [ModelRef.parse(str(base)) for base in both]
    found = predict(refs, task, PredictJob("both", torch.float32, 4, 64, Progress(Console(quiet=True))))
    models = [AutoModelForCausalLM.from_pretrained(base).eval() for base in both]
    tokenizer = AutoTokenizer.from_pretrained(both[0])

    def said(model: Any, prompt: str, choice: str) -> float:
        ids = torch.tensor([tokenizer(f"{prompt} {choice}")["input_ids"]])
        start = len(tokenizer(prompt)["input_ids"])
        with torch.no_grad():
            log_p = model(ids).logits.log_softmax(-1)[0, :-1]
        return float(log_p.gather(1, ids[0, 1:, None])[start - 1 :].sum())

    for document, row in zip(task.harness.eval_docs, found.table.to_dicts(), strict=True):
        prompt = f"{document['question']}?"
        means = [sum(said(model, prompt, choice) for model in models) / 2 for choice in document["choices"]]
        best = means.index(max(means))
        assert (row["prediction"], row["correct"]) == (str(best), best == document["label"])
