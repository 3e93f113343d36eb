"""The strategy auto in whole runs: what it finds, says and leaves behind."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from peft import PeftModel
from rich.console import Console
from transformers import AutoModelForCausalLM

from bases import cut_differently
from launching import launch
from samples import colour_rows, generation, write_rows
from stillright.config import parse_update
from stillright.digest import folder_digest
from stillright.errors import ModelError
from stillright.forward import trees
from stillright.importers import read_predictions
from stillright.models import ModelRef, Source, load_model, load_tokenizer
from stillright.pipeline import align_alone, run_update
from stillright.progress import Progress
from stillright.stages.data import Data
from stillright.training.choice import choice_trainer
from stillright.training.search.question import of_texts


@pytest.fixture
def alike(update_values: dict[str, Any], make_base: Callable[..., Path]) -> dict[str, Any]:
    """An update by the default strategy, whose bases have the same shapes."""
    del update_values["strategy"]
    training = {**update_values["training"], "epochs": 1}
    return {**update_values, "training": training, "old": str(make_base(seed=1)), "new": str(make_base(seed=3))}


def run(values: dict[str, Any]) -> str:
    """Runs the update; what was printed."""
    console = Console(file=io.StringIO(), width=1000)
    run_update(parse_update(values, "test"), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def account(values: dict[str, Any]) -> dict[str, Any]:
    """What is said beside the adapter."""
    found: dict[str, Any] = json.loads((Path(values["out"]) / "adapters/compat/search.json").read_text())
    return found


def directions(found: dict[str, Any]) -> set[str]:
    """Those that were tried by themselves."""
    return {name for each in found["tried"] for name in each["mixture"]}


def assert_kept_to_its_rule(found: dict[str, Any]) -> None:
    """No mixture that is as accurate as new loses fewer answers than the one that is taken."""
    new, taken = found["tried"][0], next(each for each in found["tried"] if each["mixture"] == found["mixture"])
    assert new["mixture"] == {}
    assert taken["accuracy"] >= new["accuracy"]
    assert taken["nfr"] == min(each["nfr"] for each in found["tried"] if each["accuracy"] >= new["accuracy"])
    assert found["reason"]


def answers(values: dict[str, Any], name: str) -> list[str]:
    """The predictions of a model of a run."""
    return read_predictions(Path(values["out"]) / f"predictions/{name}.jsonl").table["prediction"].to_list()


def test_of_the_same_shapes_weights_and_labels_are_followed(alike: dict[str, Any]) -> None:
    printed = run(alike)
    found = account(alike)
    assert directions(found) == {"old", "labels"}
    assert [*found["tried"][1]["imitation"]] == ["slope", "correlation", "r2", "n"]
    assert_kept_to_its_rule(found)
    assert f"transfer compat: {', '.join(f'{k} {v:g}' for k, v in found['mixture'].items()) or 'the new'}" in printed
    assert {path.name for path in (Path(alike["out"]) / "adapters").iterdir()} == {"old", "new", "compat"}
    again = run(alike)
    assert "fit-compat-labels: already done" in again
    assert "transfer-compat: already done" in again


def test_the_adapter_is_plain_peft(alike: dict[str, Any]) -> None:
    """Loaded without us, it likes the choices that the run says it does."""
    run(alike)
    data = Data(parse_update(alike, "test"))
    base, tokenizer = AutoModelForCausalLM.from_pretrained(alike["new"]), load_tokenizer(data.new.base)
    model = PeftModel.from_pretrained(base, str(Path(alike["out"]) / "adapters/compat")).eval()

    def log_likelihood(prompt: str, answer: str) -> float:
        start, ids = len(tokenizer(prompt)["input_ids"]), torch.tensor([tokenizer(prompt + answer)["input_ids"]])
        with torch.no_grad():
            found = model(input_ids=ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[start - 1 :]
        return float(found.sum())

    expected = []
    for row in data.task.test_documents:
        scores = [log_likelihood(data.task.prompt(row), f" {choice}") for choice in data.task.choices(row)]
        expected.append(str(scores.index(max(scores))))
    assert answers(alike, "compat") == expected


def test_of_other_shapes_labels_alone_are_followed(update_values: dict[str, Any]) -> None:
    del update_values["strategy"]
    printed = run(update_values)
    found = account(update_values)
    assert directions(found) == {"labels"}
    assert "left_out" not in found
    assert "is 24 x 48, in" in found["not_followed"]
    assert "transfer compat: old's weights cannot be followed: base " in printed
    assert "is 24 x 48, in" in printed
    assert_kept_to_its_rule(found)


def test_a_quantised_base_has_no_weights_to_follow(alike: dict[str, Any], tmp_path: Path) -> None:
    """What says so is known before anything is trained."""
    config = json.loads((Path(alike["old"]) / "config.json").read_text())
    base = tmp_path / "quantised"
    base.mkdir()
    for file in Path(alike["old"]).iterdir():
        (base / file.name).write_bytes(file.read_bytes())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    (base / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="is quantised, and weights move only between plain ones"):
        run({**alike, "old": str(base), "strategy": {"mask": "transfer"}})
    assert not (Path(alike["out"]) / "adapters").exists()


def test_generated_answers_are_searched_too(alike: dict[str, Any]) -> None:
    values = {**alike, "task": generation(alike["task"], "exact_match")}
    run(values)
    found = account(values)
    assert directions(found) == {"old", "labels"}
    assert all(each["imitation"] is None for each in found["tried"])
    assert_kept_to_its_rule(found)
    values["task"] = {**values["task"], "max_new_tokens": 4}
    printed = run(values)
    assert "transfer-compat: running again, since max_new_tokens changed" in printed
    assert "fit-compat-labels: already done" in printed


def test_a_search_hears_what_predictions_say(alike: dict[str, Any]) -> None:
    """Of the same rows, and generated by all of the task's options."""
    values = {**alike, "task": generation(alike["task"], "rouge1"), "align": False}
    run(values)
    data, out = Data(parse_update(values, "test")), Path(values["out"])
    model = load_model(ModelRef.parse(f"{values['new']}+{out}/adapters/new"), torch.float32).eval()
    asked = of_texts(
        data.task, data.task.test_documents, data.new.base, data.longest, 16, Progress(Console(quiet=True))
    )
    scores = asked.outcomes(asked.ask(model, "test"))
    predicted = read_predictions(out / "predictions/new.jsonl").table["score"]
    assert scores.tolist() == pytest.approx(predicted.to_list())
    assert scores.any()


def test_where_old_and_new_are_one_new_stays(alike: dict[str, Any]) -> None:
    values = {**alike, "old": alike["new"]}
    printed = run(values)
    assert account(values)["mixture"] == {}
    assert "the new adapter stays: none of " in printed
    assert "loses fewer answers than new (NFR 0.00%) at no less accuracy" in printed
    assert answers(values, "compat") == answers(values, "new")


def test_the_old_base_may_have_another_tokenizer(alike: dict[str, Any], make_base: Callable[..., Path]) -> None:
    values = {**alike, "old": str(cut_differently(make_base(seed=1, hidden=32)))}
    run(values)
    assert directions(account(values)) == {"labels"}
    assert_kept_to_its_rule(account(values))


def test_samples_may_have_unequal_numbers_of_choices(alike: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that no first look at margins sees."""
    monkeypatch.setattr(choice_trainer, "ASKED_FIRST", 1)
    more = [{**row, "choices": [*row["choices"], "pink"], "label": 3} for row in colour_rows(20, seed=2)]
    write_rows(Path(alike["task"]["train"]), [*colour_rows(20, seed=0), *more])
    (first, *_) = Data(parse_update(alike, "test")).own_choices(Source(alike["new"])).train
    assert len(first.choices) == 3
    run(alike)
    assert_kept_to_its_rule(account(alike))


def test_rows_that_a_limit_leaves_out_decide_too(alike: dict[str, Any]) -> None:
    """The fewer rows are trained on, the more of those that are labelled are left to decide."""
    data = Data(parse_update({**alike, "task": {**alike["task"], "train_limit": 10}}, "test"))
    trained = {row["id"] for row in data.task.train_documents}
    deciding = [row["id"] for row in data.deciding()]
    assert len(deciding) == len({*deciding}) == 2 + 30
    assert len(trained & {*deciding}) == 2  # of validation


def test_adapters_that_do_not_add_up_are_refused_at_once(alike: dict[str, Any], tmp_path: Path) -> None:
    config = {"peft_type": "LORA", "use_dora": True, "r": 4, "target_modules": ["q_proj"], "task_type": "CAUSAL_LM"}
    (tmp_path / "dora").mkdir()
    (tmp_path / "dora/adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="use_dora: only plain LoRA adds up with weights"):
        run({**alike, "new": f"{alike['new']}+{tmp_path / 'dora'}"})
    assert not (Path(alike["out"]) / "adapters").exists()


BY_TWO = """
import sys
from pathlib import Path
import yaml
from rich.console import Console
from stillright import ranks
from stillright.config import parse_update
from stillright.pipeline import align_alone
from stillright.forward import trees

trees.BATCH_TOKENS = 64
for file in sys.argv[1:]:
    values = yaml.safe_load(Path(file).read_text())
    align_alone(parse_update(values, file), Path(values["out"]), Console(quiet=True))
ranks.leave()
"""


def test_processes_find_what_one_finds(alike: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is trained, which two do in other steps, every byte; and they agree on what they have trained."""
    monkeypatch.setattr(trees, "BATCH_TOKENS", 64)  # so that there is something to share
    run({**alike, "align": False})
    named = {side: f"{alike[side]}+{alike['out']}/adapters/{side}" for side in ("old", "new")}
    told, moved = generation(alike["task"], "exact_match"), {"strategy": {"mask": "transfer"}}
    asked = {"chosen": moved, "told": {**moved, "task": told}, "trained": {}}
    files = []
    for name, more in asked.items():
        file = tmp_path / f"{name}.yaml"
        file.write_text(yaml.safe_dump({**alike, **named, **more, "out": str(tmp_path / "two" / name)}))
        files.append(str(file))
    script = tmp_path / "by_two.py"
    script.write_text(BY_TWO)
    done = launch(str(script), *files)
    assert done.returncode == 0, done.stderr
    for name in ("chosen", "told"):
        values = yaml.safe_load((tmp_path / f"{name}.yaml").read_text())
        align_alone(parse_update(values, "test"), tmp_path / "one" / name, Console(quiet=True))
        assert folder_digest(tmp_path / "one" / name) == folder_digest(tmp_path / "two" / name)
    found = json.loads((tmp_path / "two/trained/search.json").read_text())
    assert directions(found) == {"old", "labels"}
    assert_kept_to_its_rule(found)
