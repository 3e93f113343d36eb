"""What a stage is: one piece of work of an update, what determines its result, how that is made, and what it costs.

A stage knows nothing of folders or of other stages' places: whoever orders stages gives both.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import ClassVar, NamedTuple

from stillright import ranks
from stillright.config import UpdateConfig
from stillright.config.study import StageKind
from stillright.events import say
from stillright.folder.mark import fingerprint
from stillright.folder.workspace import Workspace
from stillright.models import ModelRef, Source
from stillright.progress import Progress
from stillright.stages.card import write_card
from stillright.stages.cost import StageCost, adapter_parameters, training_cost
from stillright.stages.data import Data
from stillright.stages.inputs import Inputs
from stillright.training.settings import Job
from stillright.training.text import Text, Texts, cut_texts


class Site(NamedTuple):
    """What a stage is built from, and where."""

    data: Data
    progress: Progress
    work: Path  # folder of checkpoints, kept between interrupted attempts
    out: Path  # of the result
    models: Mapping[str, ModelRef]
    teachers: Mapping[str, Path]

    def tell_cut(self, texts: Texts[Text], label: str) -> None:
        """Prints how many texts are longer than what is read of them."""
        if cut := cut_texts(texts):
            total = len(texts.train) + len(texts.validation)
            say(
                self.progress.console,
                f"  {label}: {cut:,} of {total:,} texts lose their start, which is beyond training.max_length or what "
                "the base reads",
                "data",
                label=label,
                texts_cut=cut,
                texts=total,
            )


@dataclass(frozen=True, eq=False, kw_only=True)
class Stage(ABC):
    """One piece of work. Roles name what it needs: a model that is given, or a stage that makes one.

    name: what it makes, for people; no part of the key. known_key: where it is not that of `config`, which is then only
    one process's part. teachers: stages that are read only while it is built, by role.
    """

    name: str
    config: UpdateConfig
    known_key: str | None = None
    teachers: Mapping[str, Stage] = field(default_factory=dict)

    kind: ClassVar[StageKind]
    result: ClassVar[str] = "adapter"  # what the result is called in a folder of its own
    is_training: ClassVar[bool] = False  # whether it takes optimizer steps
    is_shared: ClassVar[bool] = True  # whether several processes share its work

    @property
    def models(self) -> Mapping[str, Model]:
        """The models it reads, which determine its result: its fields that are such."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {role: value for role, value in values.items() if isinstance(value, ModelRef | Stage)}

    @property
    def base(self) -> Source:
        """That of the adapter it makes, or of the model it asks: its last model's."""
        return [*self.models.values()][-1].base

    @abstractmethod
    def inputs(self, models: Mapping[str, str]) -> Inputs:
        """What determines the result; models: by role, the digest of a model, or the key of the stage that makes it."""

    def reads(self, data: Data) -> Inputs:
        """What determines the result and is known only when data are read."""
        return {}

    def refuse_misfit(self, data: Data) -> None:  # noqa: B027 - most stages always apply
        """Raises ModelError or TaskError where the stage does not apply to a task and bases that can be read."""

    def refuse_missing_reporters(self) -> None:
        """Raises MissingExtra where it, or a stage that it needs, trains and a logger to report to is not there."""
        if self.is_training:
            from stillright.training.reports import refuse_missing_reporters

            refuse_missing_reporters(self.config.training)
        for need in self.needs.values():
            need.refuse_missing_reporters()

    @abstractmethod
    def build(self, site: Site) -> None:
        """Makes the result; several processes do so together."""

    def cost(self, data: Data) -> StageCost:
        """What it will cost, which is next to nothing here. Raises StillrightError where what it reads is wrong."""
        return StageCost(self.label)

    @property
    def needs(self) -> dict[str, Stage]:
        """The stages that are done before it, by role."""
        made = {role: model for role, model in self.models.items() if isinstance(model, Stage)}
        return {**made, **self.teachers}

    @cached_property
    def key(self) -> str:
        """Fingerprint of kind, settings, bases, data and of all that it needs. Raises ModelError for a missing base."""
        if self.known_key is not None:
            return self.known_key
        models = {
            role: model.key if isinstance(model, Stage) else model.fingerprint() for role, model in self.models.items()
        }
        return fingerprint({"kind": self.kind, **self.inputs(models)})

    @property
    def label(self) -> str:
        """What messages call it: its kind and name, once where they are the same word."""
        return " ".join(dict.fromkeys((self.kind, self.name)))

    def job(self, site: Site, seed: int) -> Job:
        """How its adapter is trained."""
        config, dtype, checkpoints = self.config, site.data.dtype, site.work / "checkpoints"
        return Job(self.label, config.training, seed, dtype, checkpoints, site.out, site.progress, config.out)

    def training_cost(self, model: Model, lengths: Sequence[int]) -> StageCost:
        """Of an adapter that is trained from `model` on; lengths: tokens of each training text."""
        ref = model if isinstance(model, ModelRef) else ModelRef(model.base)
        parameters = adapter_parameters(ref, self.config.lora)
        return training_cost(self.label, self.config.training, lengths, parameters)


Model = ModelRef | Stage


def made(
    stage: Stage,
    workspace: Workspace,
    result: str,
    data: Data,
    progress: Progress,
    path_of: Callable[[Stage], Path],
) -> Path:
    """The path of `result` in the workspace, made now unless it is there from the same inputs.

    path_of: of the results of stages that this one needs; teachers are asked for only if it is built.
    """
    models = {
        role: model if isinstance(model, ModelRef) else ModelRef(model.base, Source(str(path_of(model))))
        for role, model in stage.models.items()
    }

    def inputs() -> Inputs:
        return {**stage.inputs({role: ref.fingerprint() for role, ref in models.items()}), **stage.reads(data)}

    def build(work: Path, out: Path) -> None:
        teachers = {role: path_of(teacher) for role, teacher in stage.teachers.items()}
        stage.build(Site(data, progress, work, out, models, teachers))
        if ranks.is_main():
            write_card(stage, data, out)

    return workspace.stage(mark_name(stage, result), result, inputs, build)


def mark_name(stage: Stage, result: str) -> str:
    """What the stage is called in a workspace: its kind and the result's name, once where they are the same word."""
    return "-".join(dict.fromkeys((stage.kind, Path(result).name.removesuffix(Path(stage.result).suffix))))
