"""What a stage is: its key says all that determines it, and a run and a study mean the same by it."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from rich.console import Console

from samples import write_rows
from stillright.config import StudyConfig, UpdateConfig, parse_update
from stillright.config.study import StageKind
from stillright.models import ModelRef
from stillright.pipeline import run_update
from stillright.stages.align import Align
from stillright.stages.combine import Carry, Interpolate
from stillright.stages.data import Data, texts_digest
from stillright.stages.fit import Fit
from stillright.stages.predict import Ensemble, Predict
from stillright.stages.stage import Stage
from stillright.stages.teach import Teach, TeachChoices
from stillright.stages.transfer import Transfer
from stillright.stages.update import models_of, predictions_of
from stillright.study.graph import Graph, closure
from stillright.study.matrix import cells_of

KINDS: tuple[type[Stage], ...] = (Fit, Teach, TeachChoices, Align, Transfer, Carry, Interpolate, Predict, Ensemble)


def reading(base: Path, tokens: int, folder: Path) -> str:
    """A copy of a base that reads no more than so many tokens."""
    copy = Path(shutil.copytree(base, folder / f"reads-{tokens}"))
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "max_position_embeddings": tokens}))
    return str(copy)


@pytest.fixture
def long_values(update_values: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """An update whose prompts have some hundred tokens."""
    rows = [{"question": f"{i} " * 60, "choices": ["red", "blue"], "label": i % 2} for i in range(20)]
    update_values["task"] |= {key: str(write_rows(tmp_path / f"{key}.jsonl", rows)) for key in ("train", "test")}
    update_values["training"]["max_length"] = 100
    return update_values


def longest(texts: Any) -> int:
    return max(len(text.ids) for text in [*texts.train, *texts.validation])


def keys_of(config: UpdateConfig) -> dict[str, str]:
    """The keys of a run's models, and of its predictions."""
    models = models_of(config)
    stages = {name: model for name, model in models.items() if isinstance(model, Stage)}
    answers = {f"{stage.name} answers": stage for stage in predictions_of(models, config)}
    return {name: stage.key for name, stage in {**stages, **answers}.items()}


def test_a_fit_knows_its_own_base_alone(long_values: dict[str, Any], tmp_path: Path) -> None:
    """A new base that reads shorter texts changes what alignment reads, but neither the old adapter nor its key."""
    base = ModelRef.parse(long_values["old"]).base
    config = parse_update(long_values, "test")
    shorter = parse_update({**long_values, "new": reading(Path(long_values["new"]), 24, tmp_path)}, "test")
    data, with_shorter = Data(config), Data(shorter)
    assert longest(data.texts(base)) == longest(with_shorter.texts(base)) == 100
    assert (longest(data.aligned_texts(base)), longest(with_shorter.aligned_texts(base))) == (100, 24)
    before, after = keys_of(config), keys_of(shorter)
    assert before["old"] == after["old"]
    assert before["old answers"] == after["old answers"]
    assert before["new"] != after["new"]
    assert before["compat"] != after["compat"]


def test_a_base_that_reads_less_is_another_fit(long_values: dict[str, Any], tmp_path: Path) -> None:
    """Also where only the length differs that texts are cut to."""
    lengths = (24, 100, 120)
    bases = [reading(Path(long_values["old"]), tokens, tmp_path) for tokens in lengths]
    texts = [
        Data(parse_update({**long_values, "old": base}, "test")).texts(ModelRef.parse(base).base) for base in bases
    ]
    assert [longest(each) for each in texts] == [24, 100, 100]
    digests = [texts_digest(each.train) for each in texts]
    assert digests[0] != digests[1] == digests[2]


COLDER = {"strategy": {"mask": "student_wrong", "temperature": 1.0}}


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"seed": 1}, set()),
        ({"align_seed": 1}, {"old", "new", "old answers", "new answers"}),
        (COLDER, {"old", "new", "continue_ce", "old answers", "new answers"}),
        ({"predict_batch_size": 3}, {"old", "new", "compat", "continue_ce"}),
        ({"lora": {"r": 2, "alpha": 8}}, set()),
        ({"controls": ["continue_ce"], "out": "elsewhere"}, {"old", "new", "compat", "continue_ce", "old answers"}),
    ],
)
def test_a_key_changes_with_what_determines_the_result(
    update_values: dict[str, Any], changed: dict[str, Any], same: set[str]
) -> None:
    values = {**update_values, "controls": ["continue_ce"]}
    before, after = (keys_of(parse_update(each, "test")) for each in (values, {**values, **changed}))
    kept = {name for name in before if before[name] == after[name]}
    assert same <= kept
    if "out" not in changed:
        assert kept - {f"{name} answers" for name in same} == {name for name in same if "answers" not in name}


def test_a_run_and_a_study_mean_the_same_stages(update_values: dict[str, Any], make_base: Callable[..., Path]) -> None:
    study = {
        "bases": {"small": update_values["old"], "large": update_values["new"]},
        "updates": [["small", "large"]],
        "tasks": {"colours": update_values["task"]},
        "strategies": {"retrain": {}, "continue_ce": {}, "student_wrong": {}, "ensemble": {}},
        "common": {key: update_values[key] for key in ("lora", "training", "dtype")},
    }
    cells = cells_of(StudyConfig.model_validate(study), "study")
    graph = Graph(cells)
    found = {stage.key for cell in cells for stage in closure(graph.stages_of(cell).predictions)}
    config = parse_update({**update_values, "controls": ["continue_ce", "ensemble"]}, "test")
    wanted = closure(predictions_of(models_of(config), config))
    assert {stage.kind for stage in wanted} == {"fit", "teach", "align", "predict", "ensemble"}
    assert {stage.key for stage in wanted} == found


def test_a_given_adapter_is_not_fitted(update_values: dict[str, Any], tmp_path: Path) -> None:
    config = parse_update({**update_values, "old": f"{update_values['old']}+{tmp_path}"}, "test")
    models = models_of(config)
    assert isinstance(models["old"], ModelRef)
    assert isinstance(models["new"], Fit)
    align = models["compat"]
    assert isinstance(align, Align)
    assert [*align.needs] == ["new", "teach_old", "teach_new"]


def test_kinds_are_those_that_a_user_gives_resources_to() -> None:
    assert {stage.kind for stage in KINDS} == set(get_args(StageKind))
    assert {stage.kind for stage in KINDS if stage.is_training} == {"fit", "align"}
    assert {stage.kind for stage in KINDS if not stage.is_shared} == {"carry", "interpolate"}


def test_texts_that_are_cut_are_counted(long_values: dict[str, Any]) -> None:
    """The numbers from 10 on take two tokens each."""
    console = Console(file=io.StringIO(), width=200)
    run_update(parse_update({**long_values, "align": False, "out": long_values["out"]}, "test"), console)
    assert isinstance(console.file, io.StringIO)
    assert re.search(r"fit old: \d+ of 20 texts lose their start", console.file.getvalue())
