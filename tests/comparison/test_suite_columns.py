"""Suites by further columns of their samples: clusters, each of its task or shared, and what answers take."""

from __future__ import annotations

import math
import random

import pytest

from stillright.comparison import SuiteComparison, compare, compare_suite
from stillright.config.suite import Suite
from stillright.errors import ConfigError
from stillright.records import Header, PredictionSet
from stillright.report.suite_pages import suite_page

TASKS = ("knots", "ferries")


def answers(name: str, task: str, passages: int = 12) -> PredictionSet:
    """Five questions a passage, which is hard in all of them; new takes twice as long in knots, thrice in ferries."""
    draw, rows = random.Random(f"{name}{task}"), []
    slower = 1 if name == "old" else 2 if task == "knots" else 3
    for passage in range(passages):
        skill = draw.random()
        for question in range(5):
            taken = {"ms": str(slower * (passage + 1)), "output": name}
            found = {"id": f"{passage}-{question}", "passage": f"p{passage}", "correct": draw.random() < skill}
            rows.append({**found, **taken})
    return PredictionSet.from_rows(Header(name=name, task=task), rows)


def side(name: str, **passages: int) -> dict[str, PredictionSet]:
    return {task: answers(name, task, passages.get(task, 12)) for task in TASKS}


def clustered(shared: bool = False, **passages: int) -> SuiteComparison:
    members = [{"name": task} for task in TASKS]
    suite = Suite.model_validate({"tasks": members, "shared_clusters": shared})
    return compare_suite(side("old", **passages), side("new", **passages), suite=suite, cluster="passage")


def test_each_task_has_the_intervals_of_its_comparison() -> None:
    for task in clustered().tasks:
        alone = compare(answers("old", task.name), answers("new", task.name), cluster="passage")
        assert (task.comparison, task.clusters) == (alone.comparison, alone.clusters)


def test_clusters_change_intervals_and_tests_over_all_alone() -> None:
    found, plain = clustered(), compare_suite(side("old"), side("new"))
    for mean in ("macro", "pooled"):
        together, alone = getattr(found, mean), getattr(plain, mean)
        assert (together.nfr.value, together.n) == pytest.approx((alone.nfr.value, alone.n))
        assert together.nfr.high - together.nfr.low > alone.nfr.high - alone.nfr.low
        assert alone.clusters is None
    assert found.joint_p != plain.joint_p


def test_a_cluster_is_of_its_task_unless_the_suite_says_otherwise() -> None:
    counts = {shared: clustered(shared).pooled.clusters for shared in (False, True)}
    assert {shared: each.count for shared, each in counts.items() if each} == {False: 24, True: 12}
    assert {shared: each.largest for shared, each in counts.items() if each} == {False: 5, True: 10}
    recur = "12 names of clusters are in several tasks, and taken for a cluster of each; if they are one, say"
    for shared, said in ((False, recur), (True, "A name in several tasks is one cluster.")):
        note = suite_page(clustered(shared)).note
        assert f"{12 if shared else 24} clusters by passage over all tasks, the largest of" in note
        assert said in note


def test_a_task_of_one_cluster_leaves_no_interval_over_all() -> None:
    found = clustered(knots=1)
    assert (found.macro.nfr.low, found.pooled.delta_score.low) == (None, None)
    assert "or where a task has one alone" in suite_page(found).note
    assert clustered(shared=True, knots=1).macro.nfr.low is not None


def test_what_answers_take_in_each_task_and_over_all() -> None:
    found = compare_suite(side("old", ferries=24), side("new", ferries=24), measures=["ms"])
    assert [task.measures[0].models[0].ratio.value for task in found.tasks] == pytest.approx([2, 3])
    # means of old 6.5 and 12.5, of new 13 and 37.5; 60 and 120 samples
    macro, pooled = found.macro.measures[0], found.pooled.measures[0]
    assert (macro.old_mean, macro.mean, macro.n) == pytest.approx((9.5, 25.25, 180))
    assert macro.ratio.value == pytest.approx(25.25 / 9.5)
    assert pooled.ratio.value == pytest.approx((13 + 2 * 37.5) / (6.5 + 2 * 12.5))
    assert macro.geometric_ratio.value == pytest.approx(math.sqrt(2 * 3))
    assert pooled.geometric_ratio.value == pytest.approx((2 * 3 * 3) ** (1 / 3))
    assert "ms, new, macro" in [row[0] for row in suite_page(found).sections[1].blocks[0].rows]  # type: ignore[union-attr]


def test_a_measure_of_one_task_is_that_of_its_comparison() -> None:
    for cluster in (None, "passage"):
        old, new = ({"knots": answers(name, "knots")} for name in ("old", "new"))
        new["knots"] = PredictionSet.from_rows(
            new["knots"].header,
            [{**row, "ms": str(i % 7 + 1)} for i, row in enumerate(new["knots"].table.to_dicts())],
        )
        over = compare_suite(old, new, measures=["ms"], cluster=cluster).macro.measures[0]
        alone = compare(old["knots"], new["knots"], measures=["ms"], cluster=cluster).measures[0].models[0]
        for one, other in ((over.ratio, alone.ratio), (over.geometric_ratio, alone.geometric_ratio)):
            assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), abs=0.02)


def test_a_column_that_a_task_lacks_is_refused_by_name() -> None:
    old, new = side("old"), side("new")
    old["knots"] = PredictionSet.from_rows(Header(name="old"), [{"id": "0-0", "correct": True}])
    with pytest.raises(ConfigError, match="knots: measure 'ms': old has no such column"):
        compare_suite(old, new, measures=["ms"], on_missing="drop")
