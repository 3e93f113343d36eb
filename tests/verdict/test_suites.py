"""The gate on several tasks: limits on each, on all, over all; power; a largest drop; every verdict's exit code."""

from __future__ import annotations

from typing import Any

import pytest

from stillright.comparison import compare_suite
from stillright.config import Policy
from stillright.config.strict import parse
from stillright.errors import ConfigError
from stillright.records import Header, PredictionSet
from stillright.verdict import Check, Verdict, gate, gate_suite
from suites import scores, verdicts

# knots: 100 samples, 3 lost; ferries: 400 samples, 4 lost
OLD = {"knots": verdicts("o", "r" * 80 + "w" * 20), "ferries": verdicts("o", "r" * 300 + "w" * 100)}
NEW = {"knots": verdicts("n", "w" * 3 + "r" * 77 + "w" * 20), "ferries": verdicts("n", "w" * 4 + "r" * 316 + "w" * 80)}


def judged(*limits: dict[str, Any], new: dict[str, PredictionSet] = NEW, **policy: Any) -> Verdict:
    return gate_suite(OLD, new, parse(Policy, {"limits": limits, **policy}, "policy.yaml")).verdict


def found(verdict: Verdict) -> list[tuple[str, str]]:
    return [(check.name, check.outcome) for check in verdict.checks[1:]]


def test_a_limit_on_each_task() -> None:
    verdict = judged({"metric": "nfr", "max": 0.02, "bound": "value", "task": "*"})
    assert found(verdict) == [("nfr, value <= 0.02 in knots", "fail"), ("nfr, value <= 0.02 in ferries", "pass")]
    assert [check.task for check in verdict.checks] == [None, "knots", "ferries"]
    assert "one of 2 tests on tasks, not adjusted" in verdict.checks[1].reason
    assert verdict.exit_code == 1


def test_a_limit_on_one_task() -> None:
    assert found(judged({"metric": "nfr", "max": 0.02, "task": "ferr*", "bound": "value"})) == [
        ("nfr, value <= 0.02 in ferries", "pass")
    ]


def test_limits_over_all_tasks() -> None:
    # macro: (0.03 + 0.01) / 2 = 0.02; pooled: 7 / 500 = 0.014
    limits = [{"metric": "nfr", "max": 0.015, "bound": "value", "suite": mean} for mean in ("macro", "pooled")]
    assert found(judged(*limits)) == [("nfr, value <= 0.015, macro", "fail"), ("nfr, value <= 0.015, pooled", "pass")]
    suite = compare_suite(OLD, NEW)
    worse = judged({"metric": "nfr", "max": 0.03, "suite": "pooled"}).checks[1]
    assert (worse.held, worse.outcome) == (suite.pooled.nfr.high, "pass")


def test_adjusting_for_the_number_of_tasks() -> None:
    verdict = judged({"metric": "nfr", "max": 0.02, "task": "*"}, adjust="holm")
    assert [check.outcome for check in verdict.checks] == ["pass"] * 3  # none is shown to break it
    assert verdict.checks[1].tests == 2


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"metric": "nfr", "max": 0.1}, r"of what is the limit on nfr\? In a suite say task: NAME"),
        ({"metric": "nfr", "max": 0.1, "task": "boats"}, "no task fits 'boats'; there are: knots, ferries"),
        (
            {"metric": "mean_gain", "min": 0.1, "task": "knots"},
            "mean_gain is for answers that are scores; those of knots",
        ),
        ({"metric": "nfi", "max": 0.1, "suite": "macro"}, "over all tasks there is no nfi; there are score"),
        ({"metric": "nfr", "max": 0.1, "suite": "macro", "task": "*"}, "of suite macro, or of a task or slice"),
        ({"metric": "nfr", "max": 0.1, "task": "knots", "slice": "part"}, "no file has such a column"),
    ],
)
def test_mistakes_in_limits(limit: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        judged(limit)


def test_a_limit_of_a_suite_is_refused_for_one_task() -> None:
    policy = parse(Policy, {"limits": [{"metric": "nfr", "max": 0.1, "task": "*"}]}, "policy")
    with pytest.raises(ConfigError, match="these results are of one task, and no suite"):
        gate(OLD["knots"], NEW["knots"], policy)


def timed(name: str, values: list[float]) -> PredictionSet:
    rows = [{"id": i, "correct": True, "output": name, "ms": str(value)} for i, value in enumerate(values)]
    return PredictionSet.from_rows(Header(name=name), rows)


def test_limits_on_measures_say_of_what() -> None:
    old = {task: timed("o", [10.0] * 40) for task in ("knots", "ferries")}
    new = {"knots": timed("n", [10.0] * 40), "ferries": timed("n", [12.0] * 40)}

    def checks(**limit: Any) -> list[tuple[str, str]]:
        policy = parse(Policy, {"measures": {"ms": {"ratio": 1.15, **limit}}}, "policy.yaml")
        return found(gate_suite(old, new, policy).verdict)

    assert checks(task="*", bound="value") == [
        ("ms ratio, value <= 1.15 in knots", "pass"),
        ("ms ratio, value <= 1.15 in ferries", "fail"),
    ]
    assert checks(suite="macro", bound="value") == [("ms ratio, value <= 1.15, macro", "pass")]  # 11 / 10
    with pytest.raises(ConfigError, match="of what is the limit on ms"):
        checks()
    with pytest.raises(ConfigError, match="no task fits 'boats'"):
        checks(task="boats")
    with pytest.raises(ConfigError, match="of suite macro, or of a task"):
        checks(task="*", suite="macro")
    with pytest.raises(ConfigError, match="these results are of one task, and no suite"):
        gate(old["knots"], new["knots"], parse(Policy, {"measures": {"ms": {"ratio": 1.1, "task": "*"}}}, "policy"))


def test_limits_over_all_tasks_allow_for_clusters() -> None:
    def passages(name: str, lost: int) -> PredictionSet:
        rows = [{"id": i, "correct": i >= lost, "passage": str(i // 10), "output": name} for i in range(200)]
        return PredictionSet.from_rows(Header(name=name), rows)

    old, new = ({task: passages(name, lost) for task in ("a", "b")} for name, lost in (("o", 0), ("n", 10)))
    policy = parse(Policy, {"limits": [{"metric": "nfr", "max": 0.09, "suite": "macro"}]}, "policy")
    alone, together = (gate_suite(old, new, policy, cluster=cluster).verdict for cluster in (None, "passage"))
    assert (alone.outcome, together.outcome) == ("pass", "fail")  # one passage lost in each is no twenty flips


def test_ids_that_must_pass_name_their_task() -> None:
    verdict = judged({"metric": "nfr", "max": 0.9, "task": "*"}, must_pass=["knots/0", "ferries/50"])
    assert found(verdict)[-2:] == [("must pass in knots", "fail"), ("must pass in ferries", "pass")]
    assert verdict.checks[-2].failing == ("0",)
    with pytest.raises(ConfigError, match="must_pass names ids of no task: 0; in a suite write TASK/ID"):
        judged({"metric": "nfr", "max": 0.9, "task": "*"}, must_pass=["0"])


def test_unscored_samples_of_one_task_are_not_hidden_by_the_others() -> None:
    new = NEW | {"knots": verdicts("n", "-" * 2 + "r" * 78 + "w" * 20)}
    limit = {"metric": "nfr", "max": 0.9, "task": "*"}
    verdict = judged(limit, new=new, max_unscored=0.01)  # 2 of 100, though 2 of 500
    assert (verdict.checks[0].outcome, verdict.exit_code) == ("cannot tell", 3)
    assert "in 1 of 2 tasks: knots: 2 of 100" in verdict.checks[0].reason
    assert judged(limit, new=new, max_unscored=0.02).outcome == "pass"


def test_a_task_without_right_answers_fails() -> None:
    verdict = judged(
        {"metric": "nfr", "max": 0.99, "suite": "macro", "bound": "value"},
        new=NEW | {"knots": verdicts("n", "w" * 100)},
    )
    assert ("new has right answers in knots", "fail") in found(verdict)


def test_nothing_scored_cannot_tell() -> None:
    new = NEW | {"knots": verdicts("n", "-" * 100)}
    gated = gate_suite(OLD, new, parse(Policy, {"limits": [{"metric": "nfr", "max": 0.1, "task": "*"}]}, "policy"))
    assert (gated.verdict.exit_code, gated.comparison) == (3, None)
    assert gated.verdict.checks[0].reason.startswith("knots: ")


def one(limit: dict[str, Any], lost: int, n: int, **policy: Any) -> Check:
    """The check of one limit on n right answers of which some are lost."""
    old, new = verdicts("o", "r" * n), verdicts("n", "w" * lost + "r" * (n - lost))
    return gate(old, new, parse(Policy, {"limits": [limit], **policy}, "policy")).verdict.checks[-1]


def test_too_little_power_cannot_tell() -> None:
    # no flip among n has an upper end of 0.03 from 125 on, so among 100 even a faultless update could not pass
    limit = {"metric": "nfr", "max": 0.03}
    check = one(limit, 0, 100, power=0.8)
    assert check.outcome == "cannot tell"
    assert (
        "100 samples tell a true nfr of 0 from 0.03 with a probability of 0, less than 0.8; that takes 125"
        in check.reason
    )
    assert one(limit, 0, 100).outcome == "fail"
    assert one(limit, 0, 125, power=0.8).outcome == "pass"
    assert one({**limit, "power": 0.8}, 0, 100).outcome == "cannot tell"


def test_samples_beyond_all_count_are_not_counted() -> None:
    reason = one({"metric": "nfr", "max": 0.03, "sees": 0.0299999}, 3, 100, power=0.8).reason
    assert "that takes more than 10,000,000; " in reason


def test_what_the_interval_shows_needs_no_power() -> None:
    assert one({"metric": "nfr", "max": 0.03}, 20, 100, power=0.8).outcome == "fail"  # lower end 0.13
    assert one({"metric": "nfr", "max": 0.2}, 1, 50, power=0.999).outcome == "pass"  # upper end 0.10


def test_a_gate_that_would_not_see_a_drop_is_not_green() -> None:
    # 10 of 200 differ: standard error of the change about 0.016, so a drop of 2 points shows in some 24 % of tests
    new = verdicts("n", "w" * 5 + "r" * 95 + "r" * 5 + "w" * 95)
    old = verdicts("o", "r" * 100 + "w" * 100)
    limit = {"metric": "delta_score", "min": -0.02, "bound": "value"}
    blind = gate(old, new, parse(Policy, {"limits": [limit], "power": 0.8}, "policy")).verdict
    assert (blind.exit_code, blind.checks[-1].outcome) == (3, "cannot tell")
    assert "less than 0.8; that takes" in blind.checks[-1].reason
    assert gate(old, new, parse(Policy, {"limits": [limit]}, "policy")).verdict.outcome == "pass"
    # a drop of 20 points it would see
    wide = {**limit, "sees": -0.2}
    assert gate(old, new, parse(Policy, {"limits": [wide], "power": 0.8}, "policy")).verdict.outcome == "pass"


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"metric": "score", "min": 0.5, "power": 0.8}, "which true score must be told from the limit"),
        ({"metric": "delta_score", "min": 0, "power": 0.8}, "a true delta_score of 0 is at the limit itself"),
        ({"metric": "nfr", "max": 0.1, "power": 1}, "less than 1"),
    ],
)
def test_mistakes_in_power(limit: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(Policy, {"limits": [limit]}, "policy")


def scored(new: list[float], *limits: dict[str, Any], lower: bool = False) -> list[Check]:
    """Checks of an update from scores of 0.5."""
    old, now = (scores(n, s, lower_is_better=lower, metric="m") for n, s in (("o", [0.5] * len(new)), ("n", new)))
    return list(gate(old, now, parse(Policy, {"limits": limits}, "policy")).verdict.checks[1:])


def test_the_largest_drop_of_a_single_score() -> None:
    limit = {"metric": "largest_drop", "max": 0.3}
    check = scored([0.6, 0.1, 0.5] * 4, limit)[0]
    assert (check.outcome, check.name) == ("fail", "largest_drop, value <= 0.3")
    assert check.held == pytest.approx(0.4)
    assert "sample '" in check.reason
    assert scored([0.6, 0.3], limit)[0].outcome == "pass"
    assert scored([0.6, 0.7], limit)[0].held == 0.0
    assert scored([0.6, 0.9], limit, lower=True)[0].outcome == "fail"  # where lower is better, a rise is a drop


def test_a_loss_of_score_has_no_direction() -> None:
    limit = {"metric": "score_loss", "max": 0.05, "bound": "value"}
    assert [scored([value] * 12, limit, lower=lower)[0].outcome for value in (0.4, 0.6) for lower in (False, True)] == [
        "fail",
        "pass",
        "pass",
        "fail",
    ]
