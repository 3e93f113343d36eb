"""suite.yaml: the tasks that one account is made over. Each key is documented beside the key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field, model_validator

from stillright.config.strict import GivenPath, Strict, parse, read_yaml

Text = Annotated[str, Field(min_length=1)]
Weight = Annotated[float, Field(strict=True, ge=0, le=1e6, allow_inf_nan=False)]  # sums stay finite


class Member(NamedTuple):
    """One task with one metric. weight: in the macro mean; 0: a table, but no part of the account over all."""

    name: str
    task: str | None
    file: Path | None
    metric: str | None
    filter: str | None
    weight: float


class SuiteTask(Strict):
    """A task of a suite, and where its samples are."""

    name: Text = Field(description="what reports and policy.yaml call it")
    task: Text | None = Field(
        None, description="what the logs call it: a task, or a group or pattern, read as one; default: the name"
    )
    file: GivenPath | None = Field(
        None,
        description="its file, within each of OLD, NEW and the candidates; default: found in their logs by its task",
    )
    metrics: tuple[Text, ...] = Field(
        (),
        description="the first counts in the account over all; several are rows NAME/METRIC; default: the usual one",
    )
    filter: Text | None = Field(None, description="of lm-evaluation-harness, if the task has several")
    weight: Weight = Field(1.0, description="in the macro mean, relative to the others; 0: a table, but no part of it")

    def members(self) -> Iterator[Member]:
        """One for each metric; only the first has a weight."""
        task = self.task if self.file is not None else self.task or self.name
        for i, metric in enumerate(self.metrics or (None,)):
            name = self.name if len(self.metrics) < 2 else f"{self.name}/{metric}"
            yield Member(name, task, self.file, metric, self.filter, self.weight if i == 0 else 0.0)


class Suite(Strict):
    """Tasks that are compared at once."""

    tasks: tuple[SuiteTask, ...] = Field(min_length=1, description="a list of tasks")
    shared_clusters: Annotated[bool, Field(strict=True)] = Field(
        False,
        description="whether a name of a cluster (--cluster) in several tasks is one cluster, such as a document with "
        "questions in each; default: each task has its own",
    )

    @model_validator(mode="after")
    def _can_be_told_apart_and_weighed(self) -> Suite:
        names = [member.name for member in self.members]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(
                f"tasks: the name {twice!r} occurs twice; give each task, and each metric, a name of its own"
            )
        if not any(member.weight for member in self.members):
            raise ValueError("tasks: all weights are 0; at least one task must count")
        return self

    @property
    def members(self) -> list[Member]:
        """All tasks, once for each metric."""
        return [member for task in self.tasks for member in task.members()]


def suite_of_metrics(tasks: Sequence[str], metrics: Sequence[str]) -> Suite:
    """Each of these tasks with each of these metrics, of which the first counts in the account over all. Raises
    ConfigError for a metric that is named twice."""
    return parse(Suite, {"tasks": [{"name": task, "metrics": list(metrics)} for task in tasks]}, "--metric")


def load_suite(path: Path) -> Suite:
    """The suite in a YAML file. Raises ConfigError naming the key and the rule."""
    return parse(Suite, read_yaml(path), str(path))
