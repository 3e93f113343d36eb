"""study.yaml: updates x tasks x strategies x seeds. Each key is documented beside its field."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic_core import CoreSchema

from stillright.config.masks import Mask
from stillright.config.strict import GivenPath, Strict, parse, read_yaml
from stillright.config.update import Seed, StrategyConfig, TaskOrName, with_overrides

Baseline = Literal["retrain", "continue_ce", "old_adapter", "interpolation", "ensemble"]
StageKind = Literal["fit", "teach", "align", "transfer", "carry", "interpolate", "predict", "ensemble"]
STUDY_KEYS = frozenset({"old", "new", "task", "strategy", "controls", "seed", "out"})  # set by the study, cell by cell


class StudyUpdate(Strict):
    """One replacement of a base by another."""

    old: str = Field(description="name of a base")
    new: str = Field(description="name of the base that replaces it")
    name: str = Field("", description="default: OLD-to-NEW")

    @model_validator(mode="before")
    @classmethod
    def _pair(cls, values: Any) -> Any:
        if isinstance(values, list | tuple) and len(values) == 2:
            values = {"old": values[0], "new": values[1]}
        if isinstance(values, dict) and not values.get("name"):
            values = {**values, "name": f"{values.get('old')}-to-{values.get('new')}"}
        return values

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        pair = {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2}
        return {"anyOf": [pair, handler.resolve_ref_schema(handler(core))]}


class StudyStrategy(StrategyConfig):
    """A strategy of update.yaml, or a baseline that distils nothing. An entry with neither is what its name means."""

    baseline: Baseline | None = Field(None, description="a model that is not distilled, see docs/study.md")
    weight: float = Field(0.5, ge=0, le=1, description="interpolation: share of the compat adapter")
    of: str | None = Field(None, description="interpolation: the strategy whose compat adapter is mixed in")

    @model_validator(mode="after")
    def _one_kind(self) -> StudyStrategy:
        if self.baseline == "interpolation" and self.of is None:
            raise ValueError("interpolation needs the key of: the strategy whose compat adapter is mixed in")
        return self

    @property
    def method(self) -> str:
        """The baseline, or else the mask."""
        return self.baseline or self.mask

    def _read_keys(self) -> set[str]:
        if self.baseline is None:
            return {"baseline", *super()._read_keys()}
        return {"baseline", "weight", "of"} if self.baseline == "interpolation" else {"baseline"}

    def distillation(self) -> dict[str, Any]:
        """The strategy section of update.yaml."""
        return {} if self.baseline else self.model_dump(include=super()._read_keys())


def _named(strategies: Any) -> Any:
    """Entries with neither mask nor baseline get the one that they are named after."""
    if not isinstance(strategies, dict):
        return None
    return {name: _named_after(name, entry) for name, entry in strategies.items()}


def _named_after(name: str, entry: Any) -> Any:
    values = {} if entry is None else entry
    if not isinstance(values, dict) or values.keys() & {"mask", "baseline"}:
        return values
    if name in get_args(Mask):
        return {"mask": name, **values}
    if name in get_args(Baseline):
        return {"baseline": name, **values}
    known = ", ".join((*get_args(Baseline), *get_args(Mask)))
    raise ValueError(f"{name} needs the key mask or baseline, unless its name is one of {known}")


class Where(Strict):
    """Which cells an override is for; an absent key means all."""

    update: str | None = None
    old: str | None = None
    new: str | None = None
    task: str | None = None
    strategy: str | None = None
    seed: Seed | None = None


class Override(Strict):
    """Other settings for some cells. One that names a strategy does not change the task adapters."""

    where: Where = Where()
    set: dict[str, Any] = Field(description="keys of update.yaml, such as training.epochs")


class Resources(Strict):
    """What one stage takes from a Ray cluster; with several GPUs, one process works on each."""

    num_cpus: float = Field(1, ge=0)
    num_gpus: float = Field(0, ge=0, description="a part of one, or a whole number")

    @field_validator("num_gpus")
    @classmethod
    def _whole_beyond_one(cls, value: float) -> float:
        if value > 1 and not value.is_integer():
            raise ValueError(f"{value:g} GPUs: give a whole number, or a part of one")
        return value


class StudyConfig(Strict):
    """A matrix of updates: study.yaml."""

    bases: dict[str, str] = Field(description="name -> folder, or hub id with perhaps @revision", min_length=1)
    updates: list[StudyUpdate] = Field(description="[old, new], or {old: , new: , name: }", min_length=1)
    tasks: dict[str, TaskOrName] = Field(description="name -> task, as in update.yaml", min_length=1)
    strategies: Annotated[
        dict[str, StudyStrategy], BeforeValidator(_named, json_schema_input_type=dict[str, StudyStrategy | None])
    ] = Field(description="name -> strategy of update.yaml, or baseline", min_length=1)
    seeds: list[Seed] = Field([0], description="of task adapters and of alignment", min_length=1)
    common: dict[str, Any] = Field(
        {}, description="any other key of update.yaml, such as training.epochs, for all cells"
    )
    overrides: list[Override] = Field([], description="for some cells; later ones win")
    resources: dict[StageKind, Resources] = Field({}, description="of stages on a Ray cluster")
    out: GivenPath = Field(Path("runs/study"), description="folder of the study")

    @model_validator(mode="after")
    def _whole(self) -> StudyConfig:
        self._refuse_unknown_names()
        coordinates = {"updates": [update.name for update in self.updates], "seeds": list(map(str, self.seeds))}
        for what, names in coordinates.items():
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise ValueError(f"{what}: {twice} is given twice; every cell needs its own coordinates")
        stray = STUDY_KEYS & {key.split(".")[0] for key in self.common}
        if stray:
            raise ValueError(f"common: {min(stray)} is what a study varies; leave it out")
        return self

    def _refuse_unknown_names(self) -> None:
        for update in self.updates:
            _refuse_unknown("updates", (update.old, update.new), self.bases)
        distilled = [name for name, strategy in self.strategies.items() if strategy.baseline is None]
        for name, strategy in self.strategies.items():
            if strategy.of is not None and strategy.of not in distilled:
                there = f"there are {', '.join(distilled)}" if distilled else "there are none; add one"
                raise ValueError(
                    f"strategies.{name}.of: {strategy.of!r} is not a distilled strategy of this study; {there}"
                )
        for i, override in enumerate(self.overrides):
            self._refuse_unknown_places(f"overrides.{i}", override)

    def _refuse_unknown_places(self, place: str, override: Override) -> None:
        where = override.where
        known: dict[str, Iterable[Any]] = {
            "update": [update.name for update in self.updates],
            "old": self.bases,
            "new": self.bases,
            "task": self.tasks,
            "strategy": self.strategies,
            "seed": self.seeds,
        }
        for key, names in known.items():
            if (value := getattr(where, key)) is not None:
                _refuse_unknown(f"{place}.where.{key}", (value,), names)
        stray = {key.split(".")[0] for key in override.set} & (STUDY_KEYS - {"task", "strategy"})
        if stray:
            raise ValueError(f"{place}.set: {min(stray)} is what a study varies; leave it out")
        if any(key.startswith("strategy") for key in override.set) and where.strategy is None:
            raise ValueError(f"{place}.set: strategy.* needs where.strategy, since strategies have different keys")


def _refuse_unknown(place: str, names: Iterable[Any], known: Iterable[Any]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"{place}: there is no {name!r} in this study; there are {', '.join(map(str, known))}")


def load_study(path: str | Path, overrides: Iterable[str] = ()) -> StudyConfig:
    """The study in a YAML file, with --set overrides. Raises ConfigError."""
    return parse(StudyConfig, with_overrides(read_yaml(path), overrides), str(path))
