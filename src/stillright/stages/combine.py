"""Adapters that no training makes: the old one on the new base, and a mixture of two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from stillright.config.study import StageKind
from stillright.models import ModelRef, Source
from stillright.stages.data import Data
from stillright.stages.inputs import Inputs
from stillright.stages.stage import Model, Site, Stage
from stillright.training.combine import carry, interpolate, refuse_other_shapes


@dataclass(frozen=True, eq=False, kw_only=True)
class Carry(Stage):
    """The old adapter's weights on the new base."""

    old: Model

    kind: ClassVar[StageKind] = "carry"
    is_shared = False

    @property
    def base(self) -> Source:
        return ModelRef.parse(self.config.new).base

    def inputs(self, models: Mapping[str, str]) -> Inputs:
        return {**models, "base": self.base.fingerprint()}

    def refuse_misfit(self, data: Data) -> None:
        refuse_other_shapes(*data.bases)

    def build(self, site: Site) -> None:
        carry(site.models["old"], self.base, site.out)


@dataclass(frozen=True, eq=False, kw_only=True)
class Interpolate(Stage):
    """The new adapter's change of every layer times (1 - weight), plus that of the compat adapter times weight."""

    new: Model
    compat: Model
    weight: float

    kind: ClassVar[StageKind] = "interpolate"
    is_shared = False

    def inputs(self, models: Mapping[str, str]) -> Inputs:
        return {**models, "weight": self.weight}

    def build(self, site: Site) -> None:
        interpolate(site.models["new"], site.models["compat"], self.weight, site.data.dtype, site.out)
