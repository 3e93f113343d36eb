"""plan(): what a limit needs, against exact sums and by hand; through the command too."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binom, norm

from samples import write_rows
from stillright.cli import main
from stillright.errors import ConfigError
from stillright.planning import Aim, Plan, plan, too_few_to_show
from stillright.records import Header, PredictionSet
from stillright.stats import wilson


def results(name: str, right: list[bool], **more: Any) -> PredictionSet:
    rows = [{"id": str(i), "correct": r, **{key: value[i] for key, value in more.items()}} for i, r in enumerate(right)]
    return PredictionSet.from_rows(Header(name=name), rows)


OLD = results("old", [True] * 400 + [False] * 100)
NEW = results("new", [False] * 20 + [True] * 380 + [True] * 30 + [False] * 70)  # loses 20 of 500, gains 30


def shown_below(n: int, rate: float, limit: float) -> float:
    """How often the upper end of Wilson's interval lies below the limit: summed over all counts."""
    return float(sum(binom.pmf(k, n, rate) for k in range(n + 1) if (wilson(k, n).high or 0) < limit))


def test_what_the_samples_show_is_the_sum_over_all_outcomes() -> None:
    found = plan(OLD, None, Aim(0.05))
    assert (found.n, found.score, found.worth, found.expected) == (500, 0.8, 500, None)
    assert [each.true_value for each in found.below] == [0, 0.0125, 0.025]
    assert [each.true_value for each in found.above] == [0.1, pytest.approx(0.15)]
    for each in found.below:
        assert each.seen == pytest.approx(shown_below(500, each.true_value, 0.05))
        assert each.samples is not None
        assert shown_below(each.samples, each.true_value, 0.05) >= 0.8
    # where nothing is lost the upper end is z² / (n + z²) <= 0.05 from n = 73 on
    assert found.below[0].samples == 73
    kept = found.keeps_up_to
    assert kept is not None
    assert shown_below(500, kept, 0.05) >= 0.8 > shown_below(500, kept + 1e-6, 0.05)
    # 1 - (1 - p)^500 = 0.8
    assert found.shown_from == pytest.approx(1 - 0.2 ** (1 / 500))
    assert (1 - found.shown_from) ** 500 == pytest.approx(0.2)


def test_a_pilot_says_what_to_expect() -> None:
    found = plan(OLD, NEW, Aim(0.05, change=0.02))
    assert found.expected == pytest.approx(0.04)
    assert pytest.approx(0.04) in [each.true_value for each in found.below]
    assert found.change is not None
    # 50 of 500 differ, by +0.02 on average: variance 0.1 - 0.02²; ((1.960 + 0.842) / 0.02)² of it
    variance, z = 0.1 - 0.02**2, norm.ppf(0.975) + norm.ppf(0.8)
    assert found.change.samples == math.ceil(variance * (z / 0.02) ** 2)
    assert found.change.seen == pytest.approx(norm.cdf(0.02 * math.sqrt(500 / variance) - norm.ppf(0.975)))


def test_clusters_are_needed_in_their_size() -> None:
    # each sample five times: worth a fifth, for flips too
    passage = [str(i) for i in range(100) for _ in range(5)]
    right = [i % 10 != 0 for i in range(100) for _ in range(5)]
    new = [i % 10 not in (0, 1) for i in range(100) for _ in range(5)]
    old_set, new_set = results("old", right, passage=passage), results("new", new, passage=passage)
    alone, together = (plan(old_set, new_set, Aim(0.2), cluster=cluster) for cluster in (None, "passage"))
    assert together.clusters == 100
    effect = 5 * 100 / 99 * 499 / 500  # of clusters that are all alike
    assert together.design_effect == pytest.approx(effect)
    assert together.worth == pytest.approx(500 / effect)
    for one, other in zip(alone.below, together.below, strict=True):
        assert one.samples is not None
        assert other.samples == math.ceil(one.samples * effect - 1e-9)
        assert other.clusters == math.ceil(one.samples * effect / 5 - 1e-9)


def test_runs_make_samples_worth_more() -> None:
    # old is right in both runs of half of the samples, in one run of the others; new never: NFR 3/4, from values of 1
    # and 1/2 that vary by 1/16, so worth 3/4 * 1/4 * 100 * 16 = 300, but at most one answer a pair of runs
    old, again = ([True] * 50 + pair * 25 for pair in ([True, False], [False, True]))
    found = plan(
        results("old", old), results("new", [False] * 100), Aim(0.3, true_nfr=0.5), old_runs=[results("b", again)]
    )
    assert (found.expected, found.worth) == (0.75, 200)
    assert found.noise == 0.25
    assert [each.true_value for each in found.above] == [0.5]


@pytest.mark.parametrize(
    ("aim", "message"),
    [
        (Aim(2), "nfr 2: must lie between 0 and 1; for 2 % write 0.02"),
        (Aim(0.02, power=1), "power 1: must lie between 0 and 1"),
        (Aim(0.02, true_nfr=-1), "true NFR -1: must lie between 0 and 1"),
        (Aim(0.02, true_nfr=0.02), "true NFR 0.02: is the limit itself"),
        (Aim(0.02, change=0.1), "needs results of a new one; give new"),
    ],
)
def test_an_aim_without_a_meaning_is_refused(aim: Aim, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(OLD, None, aim)


@pytest.mark.parametrize("change", [math.nan, math.inf, -5.0, 0.0])
def test_a_change_that_cannot_be_is_refused(change: float) -> None:
    with pytest.raises(ConfigError, match=f"change {change:g}: "):
        plan(OLD, NEW, Aim(0.02, change=change))


def test_what_no_number_of_samples_shows_has_none() -> None:
    found = plan(OLD, NEW, Aim(1e-300, change=1e-200))
    assert [each.samples for each in found.below] == [None, None, None]
    assert found.change is not None
    assert found.change.samples is None


def test_what_millions_do_not_show_is_not_counted() -> None:
    (hopeless,) = plan(OLD, None, Aim(0.02, true_nfr=0.01999)).below
    assert (hopeless.samples, hopeless.clusters) == (None, None)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = write_rows(tmp_path / "old.jsonl", [{"id": i, "correct": i < 80} for i in range(100)])
    found = tmp_path / "plan.json"
    assert main(["plan", "--baseline", str(old), "--nfr", "0.02", "--json", str(found)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert (
        "100 samples would not show the limit kept with 80.00 % power, not even by an update that loses nothing." in out
    )
    assert "They would hold some lost answer with 80.00 % power from a true NFR of 1.60 % on." in out
    assert Plan.model_validate_json(found.read_text()).below[0].samples == 189
    assert main(["plan", "--baseline", str(old), "--nfr", "2", "--json", str(found)]) == 2
    assert json.loads(found.read_text())["error"].startswith("nfr 2: must lie between 0 and 1")


def test_few_test_rows_are_named_before_a_run() -> None:
    # (1.960 + 0.842)² x (1 - 0.02) / 0.02 = 384.6 rows; with 100 of them 7.849 / 107.849 = 7.3 points
    assert too_few_to_show(385) is None
    assert too_few_to_show(100) == (
        "100 test rows show a fall of NFR from 7.3 points on, where no other answer is lost (80 % power); 385 rows "
        "would show 2 points"
    )
