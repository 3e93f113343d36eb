"""How models are compared: every setting with its default, refused where it has no meaning."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from stillright.comparison.allow import refuse_unknown_names
from stillright.comparison.pairing import OnMissing
from stillright.errors import ConfigError
from stillright.importers import Selection
from stillright.records import Kind
from stillright.scoring.judge import JudgeSettings

ROUNDING = 1e-9  # a smaller excess over epsilon comes from rounding: 0.8 - 0.7 is above 0.1
LISTS = ("slices", "allow", "measures")


@dataclass(frozen=True)
class ComparisonSettings:
    """The settings of compare(), which says what each means. Raises ConfigError for one without a meaning."""

    slices: Sequence[str] = ()
    selection: Selection | None = None
    score: str | JudgeSettings | None = None
    on_missing: OnMissing = "error"
    allow: Collection[str] = ()
    epsilon: float = 0.0
    cluster: str | None = None
    measures: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in LISTS:
            refuse_bare_string(name, getattr(self, name))
        refuse_unknown_names(self.allow)
        if self.on_missing not in get_args(OnMissing):
            raise ConfigError(f"on_missing={self.on_missing!r}: expected one of {', '.join(get_args(OnMissing))}")
        if not 0 <= self.epsilon < math.inf:
            raise ConfigError(f"epsilon {self.epsilon}: the least change that counts must be finite and not below zero")

    @property
    def reading(self) -> Selection:
        """What to take from files: what is selected, and all columns that are asked for."""
        selection, cluster = self.selection or Selection(), [] if self.cluster is None else [self.cluster]
        columns = tuple(dict.fromkeys((*selection.columns, *self.slices, *cluster, *self.measures)))
        return replace(selection, columns=columns, anew=self.score is not None)


def least_change(epsilon: float, kind: Kind) -> float:
    """What a difference of scores must exceed to count. Raises ConfigError for an `epsilon` of right answers."""
    if epsilon and kind == "discrete":
        raise ConfigError(f"epsilon {epsilon:g}: applies to scores only, but these answers are right or wrong")
    return epsilon + ROUNDING if epsilon else 0.0


def refuse_bare_string(name: str, value: object) -> None:
    """Raises ConfigError for a text in place of a list of texts, which would be one of letters."""
    if isinstance(value, str | Path):
        raise ConfigError(f"{name}={str(value)!r}: expected a list, as in {name}=[{str(value)!r}]")
