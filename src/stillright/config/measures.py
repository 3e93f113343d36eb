"""The limits of policy.yaml on what answers cost."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field, model_validator

from stillright.config.strict import Strict

Name = Annotated[str, Field(min_length=1)]
Mean = Literal["macro", "pooled"]
Ratio = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]


class MeasureLimit(Strict):
    """How many times as much new may take of one numeric column as old."""

    ratio: Ratio | None = Field(None, description="the most that the mean of new may be, as a multiple of old's")
    geometric_ratio: Ratio | None = Field(None, description="the same of the geometric mean of the samples' ratios")
    bound: Literal["pessimistic", "value"] = Field(
        "pessimistic", description="what is compared with it: the upper end of the 95 % interval, or the point (value)"
    )
    task: Name | None = Field(
        None, description="of a suite: the limit holds for each task that this name or pattern fits; '*': for all"
    )
    suite: Mean | None = Field(
        None, description="of a suite: the limit holds for the mean over tasks (macro), or for all samples (pooled)"
    )

    @model_validator(mode="after")
    def _limits(self) -> MeasureLimit:
        if (self.ratio is None) == (self.geometric_ratio is None):
            raise ValueError("needs either ratio or geometric_ratio")
        if self.task is not None and self.suite is not None:
            raise ValueError(f"is of suite {self.suite}, or of a task; leave one of them out")
        return self

    @property
    def metric(self) -> str:
        """The field of a model's measure that is limited."""
        return "ratio" if self.ratio is not None else "geometric_ratio"

    @property
    def most(self) -> float:
        """The limit."""
        return self.ratio or self.geometric_ratio or 0.0


def fits(pattern: str, task: str) -> bool:
    """Whether the name or pattern of tasks that a limit has is that of a task."""
    return pattern == task or fnmatchcase(task, pattern)
