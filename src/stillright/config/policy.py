"""policy.yaml: what an update must keep. Each key is documented beside the key."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from stillright.config.measures import Mean, MeasureLimit, Name, fits
from stillright.config.strict import Strict, parse, read_yaml

OfAnswers = Literal["nfr_mc", "nfr_of_old_right", "nfi", "btc", "nfr_of_chance", "nfr_mc_of_chance"]
OfScores = Literal["mean_gain", "mean_regression", "largest_drop"]
Metric = Literal["score", "delta_score", "score_loss", "nfr", "pfr", OfAnswers, OfScores, "nfr_above_noise"]
RATES = ("nfr", "pfr", "nfr_mc", "nfr_of_old_right", "nfi", "btc")
FRACTIONS = {**dict.fromkeys(RATES, (0.0, 1.0)), "nfr_above_noise": (-1.0, 1.0)}  # the range of each metric
DISCRETE_FRACTIONS = {"score": (0.0, 1.0), "delta_score": (-1.0, 1.0)}  # of answers that are right or wrong
OF_SUITE = ("score", "delta_score", "score_loss", "nfr", "pfr", "nfr_mc")  # what there is over all tasks
# metrics of an update that changes nothing
NO_CHANGE = dict.fromkeys(("delta_score", "score_loss", "nfr", "nfr_mc", "nfr_of_old_right", "nfi"), 0.0)
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]  # strict: yes is not 1
Power = Annotated[float, Field(strict=True, gt=0, lt=1)]
Count = Annotated[int, Field(strict=True, ge=1)]
Id = Annotated[
    str, BeforeValidator(lambda value: str(value) if type(value) is int else value, json_schema_input_type=str | int)
]


class Limit(Strict):
    """A bound on one metric of the update, over all samples or over slices of them."""

    metric: Metric = Field(
        description="a metric of comparison.json; `score` is that of new, `score_loss` how much worse it got, in "
        "whichever direction that is, `largest_drop` the most that a single score got worse"
    )
    max: Number | None = Field(None, description="upper limit for the metric")
    min: Number | None = Field(None, description="lower limit for the metric")
    bound: Literal["pessimistic", "value", "low", "high"] = Field(
        "pessimistic", description="what is compared with it: the worse end of the 95 % interval, or the point (value)"
    )
    slice: str | None = Field(
        None, description="COLUMN for each value of a column separately, COLUMN=VALUE for one; default: all samples"
    )
    task: Name | None = Field(
        None, description="of a suite: the limit holds for each task that this name or pattern fits; '*': for all"
    )
    suite: Mean | None = Field(
        None, description="of a suite: the limit holds for the mean over tasks (macro), or for all samples (pooled)"
    )
    min_n: Count | None = Field(None, description="for this limit, in place of the policy's min_n")
    power: Power | None = Field(None, description="for this limit, in place of the policy's power")
    sees: Number | None = Field(
        None, description="the true value that `power` must tell from the limit; default: that of no change at all"
    )

    @model_validator(mode="after")
    def _can_be_kept_and_broken(self) -> Limit:
        if (self.max is None) == (self.min is None):
            raise ValueError(f"the limit on {self.metric} needs either max or min")
        if problem := self.problem(FRACTIONS):
            raise ValueError(problem)
        if self.slice is not None and not self.column:
            raise ValueError("the slice does not name a column; give COLUMN or COLUMN=VALUE")
        if problem := self._misplaced() or self._blind(self.power):
            raise ValueError(problem)
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

    def _misplaced(self) -> str | None:
        """Why there is nothing that it could be held against."""
        if self.suite is not None and (self.task is not None or self.slice is not None):
            return f"the limit on {self.metric} is of suite {self.suite}, or of a task or slice; leave one of them out"
        if self.suite is not None and self.metric not in OF_SUITE:
            return f"over all tasks there is no {self.metric}; there are {', '.join(OF_SUITE)}; or give task: '*'"
        if self.metric == "largest_drop" and (
            self.max is None or self.slice is not None or self.bound in ("low", "high")
        ):
            return "largest_drop is the most that one score of a task got worse: give max, no slice and no end of bound"
        return None

    def _blind(self, power: float | None) -> str | None:
        """Why no number of samples would give this power."""
        if power is not None and self.true_value is None:
            return f"power: which true {self.metric} must be told from the limit? Name it with sees"
        if power is not None and self.true_value == self.threshold:
            return f"power: a true {self.metric} of {self.threshold:g} is at the limit itself; name another with sees"
        return None

    @property
    def true_value(self) -> float | None:
        """What `power` must tell from the limit; None where nothing says so."""
        return NO_CHANGE.get(self.metric) if self.sees is None else self.sees

    @property
    def threshold(self) -> float:
        """What `max` or `min` says."""
        return self.max if self.max is not None else self.min or 0.0

    @property
    def end(self) -> str:
        """The field of an Estimate that is compared with it: the worse end, unless `bound` names another."""
        worse = "high" if self.max is not None else "low"
        if self.metric == "largest_drop":
            return "value"
        return worse if self.bound == "pessimistic" else self.bound

    @property
    def column(self) -> str | None:
        """The column whose values are its slices."""
        return None if self.slice is None else self.slice.partition("=")[0]

    def covers(self, column: str, value: str) -> bool:
        """Whether it applies to the samples with `value` in `column`."""
        return self.slice in (column, f"{column}={value}")

    def fits(self, task: str) -> bool:
        """Whether it applies to a task of a suite."""
        return self.task is not None and fits(self.task, task)


class Policy(Strict):
    """The rules that an update must keep."""

    limits: tuple[Limit, ...] = ()
    min_n: Count = Field(1, description="with fewer samples a limit is not judged: cannot tell")
    max_unscored: Number = Field(
        0.0, ge=0, le=1, description="share of samples that may be unscored or missing; with more: cannot tell"
    )
    adjust: Literal["none", "holm"] = Field(
        "none",
        description="of limits on slices, or on tasks of a suite; holm: one fails only where its samples show the "
        "limit broken, with a p-value adjusted for all of them, so at most 5 % of faultless updates fail by chance",
    )
    power: Power | None = Field(
        None,
        description="a limit that the interval leaves open is not judged, cannot tell, unless so many samples tell the "
        "limit from no change (or from what it `sees`) with this probability; a limit that has neither needs none",
    )
    must_pass: tuple[Id, ...] = Field(
        (), description="ids that new must answer right (continuous: not worse than old); of a suite TASK/ID"
    )
    measures: dict[str, MeasureLimit] = Field(
        default_factory=dict, description="numeric columns, such as latency_ms, and how many times as much new may take"
    )

    @model_validator(mode="after")
    def _has_rules(self) -> Policy:
        if not self.limits and not self.must_pass and not self.measures:
            raise ValueError("the policy has no rules; add limits, measures or must_pass")
        for limit in self.limits:
            if limit.true_value == limit.threshold and self.power_of(limit.power, limit.true_value) is not None:
                raise ValueError(
                    f"power: the limit on {limit.metric} is what no change gives; name another true value with sees"
                )
        return self

    def power_of(self, own: float | None, true_value: float | None) -> float | None:
        """The power that a limit needs, by its `power` and what it must see; None where it is judged without."""
        return own or (None if true_value is None else self.power)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that a limit slices by."""
        return tuple(dict.fromkeys(limit.column for limit in self.limits if limit.column is not None))


def load_policy(path: str | Path) -> Policy:
    """The policy in a YAML file. Raises ConfigError naming the key and the rule."""
    return parse(Policy, read_yaml(path), str(path))
