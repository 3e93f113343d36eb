"""policy.yaml: what an update must keep. Each key is documented beside the key."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from stillright.config.strict import Strict, parse, read_yaml

OfAnswers = Literal["nfr_mc", "nfr_of_old_right", "nfi", "btc", "nfr_of_chance", "nfr_mc_of_chance"]
OfScores = Literal["mean_gain", "mean_regression"]
Metric = Literal["score", "delta_score", "nfr", "pfr", OfAnswers, OfScores, "nfr_above_noise"]
RATES = ("nfr", "pfr", "nfr_mc", "nfr_of_old_right", "nfi", "btc")
FRACTIONS = {**dict.fromkeys(RATES, (0.0, 1.0)), "nfr_above_noise": (-1.0, 1.0)}  # the range of each metric
DISCRETE_FRACTIONS = {"score": (0.0, 1.0), "delta_score": (-1.0, 1.0)}  # of answers that are right or wrong
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]  # strict: yes is not 1
Count = Annotated[int, Field(strict=True, ge=1)]
Id = Annotated[
    str, BeforeValidator(lambda value: str(value) if type(value) is int else value, json_schema_input_type=str | int)
]


class Limit(Strict):
    """A bound on one metric of the update, over all samples or over slices of them."""

    metric: Metric = Field(description="a metric of comparison.json; `score` is that of new")
    max: Number | None = Field(None, description="upper limit for the metric")
    min: Number | None = Field(None, description="lower limit for the metric")
    bound: Literal["pessimistic", "value", "low", "high"] = Field(
        "pessimistic", description="what is compared with it: the worse end of the 95 % interval, or the point (value)"
    )
    slice: str | None = Field(
        None, description="COLUMN for each value of a column separately, COLUMN=VALUE for one; default: all samples"
    )
    min_n: Count | None = Field(None, description="for this limit, in place of the policy's min_n")

    @model_validator(mode="after")
    def _can_be_kept_and_broken(self) -> Limit:
        if (self.max is None) == (self.min is None):
            raise ValueError(f"the limit on {self.metric} needs either max or min")
        if problem := self.problem(FRACTIONS):
            raise ValueError(problem)
        if self.slice is not None and not self.column:
            raise ValueError("the slice does not name a column; give COLUMN or COLUMN=VALUE")
        return self

    def problem(self, fractions: Mapping[str, tuple[float, float]]) -> str | None:
        """Why every update keeps it, or none does, where its metric has one of these ranges."""
        low, high = fractions.get(self.metric, (-math.inf, math.inf))
        is_max, value = self.max is not None, self.threshold
        rule = f"{'max' if is_max else 'min'} {value:g}"
        always = value >= high if is_max else value <= low
        never = value < low if is_max else value > high
        if always or never:
            hint = f"; for {value:g} % write {value / 100:g}" if value else ""
            kept = "always" if always else "never"
            return f"{self.metric} lies between {low:g} and {high:g}, so {rule} is {kept} kept{hint}"
        if value in (low, high) and self.end == ("high" if is_max else "low"):  # the worse end never gets there
            where = "above" if is_max else "below"
            return f"{self.metric} cannot keep {rule}: its interval reaches {where}; compare the point, bound: value"
        return None

    @property
    def threshold(self) -> float:
        """What `max` or `min` says."""
        return self.max if self.max is not None else self.min or 0.0

    @property
    def end(self) -> str:
        """The field of an Estimate that is compared with it: the worse end, unless `bound` names another."""
        worse = "high" if self.max is not None else "low"
        return worse if self.bound == "pessimistic" else self.bound

    @property
    def column(self) -> str | None:
        """The column whose values are its slices."""
        return None if self.slice is None else self.slice.partition("=")[0]

    def covers(self, column: str, value: str) -> bool:
        """Whether it applies to the samples with `value` in `column`."""
        return self.slice in (column, f"{column}={value}")


class Policy(Strict):
    """The rules that an update must keep."""

    limits: tuple[Limit, ...] = ()
    min_n: Count = Field(1, description="with fewer samples a limit is not judged: cannot tell")
    max_unscored: Number = Field(
        0.0, ge=0, le=1, description="share of samples that may be unscored or missing; with more: cannot tell"
    )
    adjust: Literal["none", "holm"] = Field(
        "none",
        description="of limits on slices; holm: a slice fails only where its samples show the limit broken, with a "
        "p-value adjusted for all slices, so that 5 % of faultless updates fail by chance at most",
    )
    must_pass: tuple[Id, ...] = Field((), description="ids that new must answer right (continuous: not worse than old)")

    @model_validator(mode="after")
    def _has_rules(self) -> Policy:
        if not self.limits and not self.must_pass:
            raise ValueError("the policy has no rules; add limits or must_pass")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that a limit slices by."""
        return tuple(dict.fromkeys(limit.column for limit in self.limits if limit.column is not None))


def load_policy(path: str | Path) -> Policy:
    """The policy in a YAML file. Raises ConfigError naming the key and the rule."""
    return parse(Policy, read_yaml(path), str(path))
