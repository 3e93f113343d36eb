"""What launched processes are told: every kind of stage is read as it was written, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samples import write_rows
from stillright.config import StudyConfig, UpdateConfig
from stillright.errors import RunError
from stillright.stages.stage import Stage
from stillright.stages.update import models_of
from stillright.study.graph import Graph
from stillright.study.matrix import cells_of
from stillright.study.order import STAGES, read_stage, written_stage

STRATEGIES: dict[str, Any] = {
    "retrain": {},
    "ensemble": {},
    "continue_ce": {},
    "old_adapter": {},
    "student_wrong": {},
    "choice": {},
    "transfer": {},
    "auto": {},
    "half": {"baseline": "interpolation", "of": "student_wrong", "weight": 0.5},
}


def closure(stage: Stage) -> Iterator[Stage]:
    yield stage
    for need in stage.needs.values():
        yield from closure(need)


def again(stage: Stage) -> Stage:
    return read_stage(json.loads(json.dumps(written_stage(stage))))


def assert_same(a: Stage, b: Stage) -> None:
    assert type(a) is type(b)
    assert (a.key, a.label, a.config, a.base) == (b.key, b.label, b.config, b.base)
    assert a.needs.keys() == b.needs.keys()
    for role, need in a.needs.items():
        assert_same(need, b.needs[role])
    assert {role: str(model) for role, model in a.models.items() if not isinstance(model, Stage)} == {
        role: str(model) for role, model in b.models.items() if not isinstance(model, Stage)
    }


def test_every_stage_of_a_study_is_read_as_it_was_written(values: dict[str, Any]) -> None:
    values["strategies"] = STRATEGIES
    values["updates"] = [["small", "large"], ["large", "large"]]
    cells = cells_of(StudyConfig.model_validate(values), "study.yaml")
    graph = Graph(cells)
    for cell in cells:
        for stage in (*graph.stages_of(cell).predictions, *graph.stages_of(cell).own):
            assert_same(again(stage), stage)


def test_stages_of_an_old_log_too(update_values: dict[str, Any], tmp_path: Path) -> None:
    log = write_rows(tmp_path / "log.jsonl", [{"id": 0, "prediction": "0"}])
    update_values |= {"old": {"train": str(log), "test": str(log)}}
    for mask in ("old_answers", "choice"):
        config = UpdateConfig.model_validate({**update_values, "strategy": {"mask": mask}})
        for stage in models_of(config).values():
            for each in closure(stage) if isinstance(stage, Stage) else ():
                assert_same(again(each), each)


def concrete(kind: type[Stage]) -> Iterator[str]:
    for each in kind.__subclasses__():
        yield from concrete(each)
        if not each.__name__.startswith("_") and each.__module__.startswith("stillright."):
            yield each.__name__


def test_all_kinds_are_known() -> None:
    assert set(concrete(Stage)) == set(STAGES)  # type: ignore[type-abstract]


@pytest.mark.parametrize("values", [{}, {"stage": "os.system"}, {"stage": "Fit", "config": {"old": 1}}, []])
def test_anything_else_is_refused(values: Any) -> None:
    with pytest.raises(RunError, match="damaged"):
        read_stage(values)
