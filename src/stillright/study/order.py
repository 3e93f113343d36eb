"""What a launched process builds, as JSON: reading it runs no code, whoever can write to the study's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pydantic import ValidationError

from stillright.config import UpdateConfig
from stillright.errors import RunError
from stillright.models import ModelRef, Source
from stillright.stages.align import Align
from stillright.stages.answers import Follow, Logged, TeachLabels
from stillright.stages.combine import Carry, Interpolate
from stillright.stages.fit import Fit
from stillright.stages.labels import Labels
from stillright.stages.predict import Ensemble, Predict
from stillright.stages.search import Search
from stillright.stages.stage import Stage
from stillright.stages.teach import Teach, TeachChoices
from stillright.stages.transfer import Transfer

STAGES: dict[str, type[Stage]] = {
    each.__name__: each
    for each in (
        *(Align, Carry, Ensemble, Fit, Follow, Interpolate, Labels, Logged, Predict),
        *(Search, Teach, TeachChoices, TeachLabels, Transfer),
    )
}


def written_stage(stage: Stage) -> dict[str, Any]:
    """A stage and all that it needs, with their keys, as values of JSON."""
    values = {field.name: _written(getattr(stage, field.name)) for field in fields(stage)}
    return {"stage": type(stage).__name__, **values, "known_key": stage.key}


def read_stage(values: Mapping[str, Any]) -> Stage:
    """The stage that `written_stage` wrote. Raises RunError for anything else."""
    try:
        return _stage(values)
    except (AttributeError, LookupError, TypeError, ValidationError) as error:
        raise RunError(f"a launched process got an order that is damaged ({type(error).__name__}); run again") from None


def _written(value: Any) -> Any:
    if isinstance(value, Stage):
        return written_stage(value)
    if isinstance(value, ModelRef):
        return {"model": [[each.name, each.revision] for each in (value.base, value.adapter) if each]}
    if isinstance(value, UpdateConfig):
        return value.model_dump(mode="json", exclude_unset=True)
    return {role: _written(each) for role, each in value.items()} if isinstance(value, Mapping) else value


def _stage(values: Mapping[str, Any]) -> Stage:
    kept: dict[str, Any] = {key: value for key, value in values.items() if key not in ("stage", "config", "teachers")}
    models: dict[str, Any] = {name: _model(value) for name, value in kept.items() if isinstance(value, Mapping)}
    config = UpdateConfig.model_validate(values["config"])
    teachers = {role: _stage(each) for role, each in values["teachers"].items()}
    return STAGES[values["stage"]](**{**kept, **models, "config": config, "teachers": teachers})


def _model(values: Mapping[str, Any]) -> Stage | ModelRef:
    return _stage(values) if "stage" in values else ModelRef(*(Source(*each) for each in values["model"]))
