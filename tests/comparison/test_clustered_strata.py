"""Means over tasks whose samples are in clusters: variances by hand, what remains of one task, and shared clusters."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from stillright.clusters import Clusters
from stillright.comparison.clustered_strata import (
    TaskClusters,
    cluster_numbers,
    clustered_design_effect,
    mean_over,
    rate_over,
)
from stillright.comparison.strata import Stratum
from stillright.significance import Array
from stillright.stats import Estimate

ONES = np.ones


def drawn(seed: int, clusters: int) -> tuple[Array, np.ndarray]:
    """Values of samples that are 0 or 1, and their clusters, some of which are hard."""
    draw = np.random.default_rng(seed)
    numbers = np.repeat(np.arange(clusters), draw.integers(2, 12, clusters))
    return (draw.random(len(numbers)) < draw.beta(1, 3, clusters)[numbers]).astype(float), numbers


def strata(*weighed: tuple[float, Array]) -> list[Stratum]:
    return [Stratum(weight, values, ONES(len(values))) for weight, values in weighed]


def ends(found: Estimate) -> tuple[float, float, float]:
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    return found.value, found.low, found.high


def test_names_are_of_their_task_unless_they_are_shared() -> None:
    names = [["a", "b"], ["b", "c"]]
    assert [each.tolist() for each in cluster_numbers(names, shared=False)] == [[0, 1], [2, 3]]
    assert [each.tolist() for each in cluster_numbers(names, shared=True)] == [[0, 1], [1, 2]]


def test_a_cluster_without_rows_is_none() -> None:
    found = TaskClusters.of([np.array([0, 4, 4]), np.array([9, 7])])
    assert [each.tolist() for each in found.numbers] == [[0, 1, 1], [3, 2]]
    assert found.strata.tolist() == [0, 0, 1, 1]


def test_the_design_effect_by_hand() -> None:
    # ten clusters of two samples a task, both 1 in the first of each ten: mean 0.1, deviations 0.9 x 2 and -0.1 x 2.
    # u_g = w/n times these, w = 1/2, n = 20: variance of a task 10/9 x (1.8² + 9 x 0.2²) / 40² = 10/9 x 3.6 / 1600
    values = np.repeat([1.0] + [0.0] * 9, 2)
    numbers = np.repeat(np.arange(10), 2)
    both = strata((0.5, values), (0.5, values))
    clusters = TaskClusters.of([numbers, numbers + 10])
    # independent: 1/4 x 0.09 x 20/19 / 20 a task
    expected = 2 * 10 / 9 * 3.6 / 1600 / (2 * 0.25 * 0.09 / 19)
    assert clustered_design_effect(both, clusters) == pytest.approx(expected)
    # shared: cluster g counts in both tasks, so u_g is twice as large, and all are one stratum
    shared = TaskClusters.of([numbers, numbers], shared=True)
    assert shared.count == 10
    assert clustered_design_effect(both, shared) == pytest.approx(2 * expected)


@pytest.mark.parametrize("shared", [False, True])
def test_one_task_is_nearly_what_one_comparison_says(shared: bool) -> None:
    values, numbers = drawn(0, 40)
    alone, over = Clusters.of(numbers, ONES(len(values))), TaskClusters.of([numbers], shared)
    one = strata((1.0, values))
    rate = alone.rate(values, ONES(len(values)), len(values))
    assert ends(rate_over(one, over)) == pytest.approx(ends(rate), abs=1e-3)
    assert ends(mean_over(one, over)) == pytest.approx(ends(alone.mean(values)), abs=1e-3)
    assert clustered_design_effect(one, over) == pytest.approx(alone.design_effect(values))


def test_a_bootstrap_of_clusters_within_tasks_gives_the_same_interval() -> None:
    tasks = [drawn(seed, clusters) for seed, clusters in ((1, 40), (2, 80))]
    over = TaskClusters.of([numbers + 100 * i for i, (_, numbers) in enumerate(tasks)])
    found = ends(mean_over(strata(*((0.5, values) for values, _ in tasks)), over))
    draw, means = np.random.default_rng(3), np.zeros(4_000)
    for values, numbers in tasks:
        sums, sizes = np.bincount(numbers, weights=values), np.bincount(numbers)
        picked = draw.integers(0, len(sums), (4_000, len(sums)))
        means += 0.5 * sums[picked].sum(axis=1) / sizes[picked].sum(axis=1)
    assert found[1:] == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.012)


def test_too_few_clusters_have_no_interval() -> None:
    values = np.array([0.0, 1.0] * 10)
    few = TaskClusters.of([np.arange(20) % 4, 10 + np.arange(20) % 5])
    alone = TaskClusters.of([np.arange(20), np.full(20, 30)])  # one cluster shows no variance
    both = strata((0.5, values), (0.5, values))
    for clusters, estimate in itertools.product((few, alone), (rate_over, mean_over)):
        assert estimate(both, clusters) == Estimate(0.5, None, None)
        assert clustered_design_effect(both, clusters) is None


def test_nothing_that_varies_has_the_width_of_as_many_clusters() -> None:
    values, z2 = np.zeros(40), 1.959963984540054**2
    clusters = TaskClusters.of([np.arange(40) // 2, 20 + np.arange(40) // 2])
    both = strata((0.5, values), (0.5, values))
    assert ends(mean_over(both, clusters))[2] == pytest.approx(z2 / (40 + z2))
    rate = ends(rate_over(both, clusters))
    assert rate[:2] == (0, 0)
    # as if the largest cluster were lost: the effect is its size, 2, so at most 80 / 2 samples
    assert rate[2] > z2 / (40 + z2)


def test_signs_are_those_of_clusters() -> None:
    # sums of the shared clusters 3, 1, -1: of 8 signs those with |sum| >= 3 are 3+1+1, 3+1-1, 3-1+1 and their opposites
    differences = [np.array([2.0, 1.0]), np.array([1.0, -1.0])]
    shared = TaskClusters.of([np.array([0, 1]), np.array([0, 2])], shared=True)
    assert shared.sign_flip_p(differences) == pytest.approx(6 / 8)
    # each of its task: 2, 1, 1, -1, whose sum is 3 or more with all plus (5), or one of the ones minus (3, three times)
    own = TaskClusters.of([np.array([0, 1]), np.array([2, 3])])
    assert own.sign_flip_p(differences) == pytest.approx(2 * 4 / 16)
    assert not math.isnan(own.sign_flip_p(differences))
