"""gate(): all rules of a policy on the results of an update, and the worst of their outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Unpack, get_args

from pydantic import BaseModel

from stillright.comparison import Comparison
from stillright.comparison.comparison import read_and_compare
from stillright.comparison.models import Options, Results
from stillright.config import Limit, Policy, load_policy
from stillright.config.policy import DISCRETE_FRACTIONS, OfAnswers, OfScores
from stillright.errors import ConfigError, NothingScored, one_line
from stillright.verdict.check import Check, Outcome
from stillright.verdict.limits import limit_checks
from stillright.verdict.measures import measure_places
from stillright.verdict.must_pass import must_pass_check
from stillright.verdict.nothing_right import nothing_right_checks
from stillright.verdict.places import places

OF_OTHER_KIND = {"discrete": get_args(OfScores), "continuous": get_args(OfAnswers)}
EXIT_CODES: dict[Outcome, int] = {"pass": 0, "fail": 1, "error": 2, "cannot tell": 3}
OF_SCALE = ("score", "delta_score")  # metrics on the scale of the scores, whatever their direction
WORSE: tuple[Outcome, ...] = ("pass", "cannot tell", "fail")


class Verdict(BaseModel, frozen=True):
    """All checks, and the worst of their outcomes. differences: between the files, which were allowed."""

    outcome: Outcome
    checks: tuple[Check, ...]
    differences: tuple[str, ...] = ()

    @classmethod
    def of(cls, checks: Iterable[Check], differences: Sequence[str]) -> Verdict:
        """The verdict of all rules; differences: between the files."""
        found = tuple(checks)
        outcome = max((check.outcome for check in found), key=WORSE.index)
        return cls(outcome=outcome, checks=found, differences=tuple(differences))

    @classmethod
    def of_one(cls, name: str, outcome: Outcome, reason: str) -> Verdict:
        """The verdict where nothing could be compared, for one reason."""
        return cls(outcome=outcome, checks=(Check(name=name, outcome=outcome, reason=reason),))

    @property
    def exit_code(self) -> int:
        """0 pass, 1 fail, 2 error, 3 cannot tell."""
        return EXIT_CODES[self.outcome]

    def to_json(self) -> str:
        """The verdict for other programs."""
        return self.model_dump_json(indent=2) + "\n"


class Gated(NamedTuple):
    """The verdict, and the comparison it judges; None if no sample is scored in every file."""

    verdict: Verdict
    comparison: Comparison | None


def gate(old: Results, new: Results, policy: Policy | str | Path, **options: Unpack[Options]) -> Gated:
    """The verdict of `policy`, or of that in a file, on the update from `old` to `new`; options are compare()'s.

    Raises what compare() raises, and ConfigError for a slice, an id or a metric that the results do not have.
    """
    policy = policy if isinstance(policy, Policy) else load_policy(policy)
    try:
        options = {**options, "measures": [*options.get("measures", ()), *policy.measures]}
        comparison, models = read_and_compare(old, new, (), policy.columns, **options)
    except NothingScored as error:
        return Gated(Verdict.of_one("scored", "cannot tell", one_line(error)), None)
    for limit in policy.limits:
        refuse_limit(limit, comparison)
    checks = [_unscored_check(policy, comparison), *nothing_right_checks(comparison, *models)]
    held = [place for limit in policy.limits for place in places(limit, comparison)]
    checks += limit_checks(policy, [*held, *measure_places(policy, comparison)])
    if policy.must_pass:
        checks.append(must_pass_check(policy, comparison, *models))
    return Gated(Verdict.of(checks, comparison.differences), comparison)


def refuse_limit(limit: Limit, comparison: Comparison, these: str = "these") -> None:
    """Raises ConfigError for a metric that results of this kind lack, and a limit that is always or never kept."""
    kind, other = ("right or wrong", "scores") if comparison.kind == "discrete" else ("scores", "right or wrong")
    if limit.metric in OF_OTHER_KIND[comparison.kind]:
        raise ConfigError(f"policy: {limit.metric} is for answers that are {other}; {these} are {kind}")
    if comparison.lower_is_better and limit.metric in OF_SCALE and limit.min is not None:
        raise ConfigError(
            f"policy: lower {comparison.metric or 'scores'} is better, so {limit.metric} min {limit.min:g} is kept "
            "by worse answers; write a max"
        )
    if comparison.kind == "discrete" and (problem := limit.problem(DISCRETE_FRACTIONS)):
        raise ConfigError(f"policy: {problem}")


def left_out(comparison: Comparison) -> int:
    """How many samples are unscored, or missing and dropped."""
    return comparison.unscored + (comparison.missing if comparison.on_missing == "drop" else 0)


def _unscored_check(policy: Policy, comparison: Comparison) -> Check:
    out = left_out(comparison)
    share = out / (comparison.n + out)
    return Check(
        name=f"unscored <= {policy.max_unscored:g}",
        rule="unscored",
        outcome="pass" if share <= policy.max_unscored else "cannot tell",
        reason=f"{out:,} of {comparison.n + out:,} samples are unscored or missing ({100 * share:.2f} %)",
    )
