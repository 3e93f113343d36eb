"""Policy + results -> pass, fail or cannot tell.

A limit on too few samples, or whose metric is undefined, is not judged: it cannot tell. One failed check fails the
gate; without one, a check that cannot tell keeps it from passing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, Unpack, get_args

import polars as pl
from pydantic import BaseModel

from stillright.comparison import Comparison, Slice
from stillright.comparison.comparison import least_change, read_and_compare
from stillright.comparison.models import Model, Options, Results
from stillright.comparison.pairing import with_verdicts
from stillright.config import Limit, Policy
from stillright.config.policy import DISCRETE_FRACTIONS, OfAnswers, OfScores
from stillright.errors import ConfigError
from stillright.records import EXAMPLES, PredictionSet
from stillright.stats import Estimate

Outcome = Literal["pass", "fail", "cannot tell"]
OF_OTHER_KIND = {"discrete": get_args(OfScores), "continuous": get_args(OfAnswers)}
EXIT_CODES: dict[Outcome, int] = {"pass": 0, "fail": 1, "cannot tell": 3}
OF_SCALE = ("score", "delta_score")  # metrics on the scale of the scores, whatever their direction
BY_CONTENT = "the files number their samples differently, so what a sample asks is its id; name a variable with --id"
ENDS = {"high": "upper end", "low": "lower end", "value": "value"}
WORSE: tuple[Outcome, ...] = ("pass", "cannot tell", "fail")


class Check(BaseModel, frozen=True):
    """One rule of the policy on some samples, and its outcome; for limits also the numbers."""

    name: str  # "nfr, upper end <= 0.03", with " where subject = law" for a slice
    outcome: Outcome
    reason: str
    metric: str | None = None
    estimate: Estimate | None = None
    held: float | None = None  # what was compared with the limit: an end of the interval, or the value
    n: int | None = None


class Verdict(BaseModel, frozen=True):
    """All checks, and the worst of their outcomes. differences: between the files, which were allowed."""

    outcome: Outcome
    checks: tuple[Check, ...]
    differences: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 pass, 1 fail, 3 cannot tell."""
        return EXIT_CODES[self.outcome]

    def to_json(self) -> str:
        """The verdict for other programs."""
        return self.model_dump_json(indent=2) + "\n"


class Gated(NamedTuple):
    """The verdict, and the comparison it judges."""

    verdict: Verdict
    comparison: Comparison


def gate(old: Results, new: Results, policy: Policy, **options: Unpack[Options]) -> Gated:
    """The verdict of `policy` on the update from `old` to `new`; options are those of compare().

    Raises what compare() raises, and ConfigError for a slice, an id or a metric that the results do not have.
    """
    comparison, models = read_and_compare(old, new, (), policy.columns, **options)
    _refuse_limits(policy, comparison)
    checks = [_unscored_check(policy, comparison)]
    checks += [check for limit in policy.limits for check in _limit_checks(limit, policy, comparison)]
    if policy.must_pass:
        checks.append(_must_pass_check(policy, comparison, *models))
    outcome = max((check.outcome for check in checks), key=WORSE.index)
    verdict = Verdict(outcome=outcome, checks=tuple(checks), differences=comparison.differences)
    return Gated(verdict, comparison)


def _refuse_limits(policy: Policy, comparison: Comparison) -> None:
    """Raises ConfigError for a metric that results of this kind lack, and a limit that is always or never kept."""
    kind, other = ("right or wrong", "scores") if comparison.kind == "discrete" else ("scores", "right or wrong")
    for limit in policy.limits:
        if limit.metric in OF_OTHER_KIND[comparison.kind]:
            raise ConfigError(f"policy: {limit.metric} is for answers that are {other}; these are {kind}")
        if comparison.lower_is_better and limit.metric in OF_SCALE and limit.min is not None:
            raise ConfigError(
                f"policy: lower {comparison.metric or 'scores'} is better, so {limit.metric} min {limit.min:g} is kept "
                "by worse answers; write a max"
            )
        if comparison.kind == "discrete" and (problem := limit.problem(DISCRETE_FRACTIONS)):
            raise ConfigError(f"policy: {problem}")


def _unscored_check(policy: Policy, comparison: Comparison) -> Check:
    out = comparison.unscored + (comparison.missing if comparison.on_missing == "drop" else 0)
    share = out / (comparison.n + out)
    return Check(
        name=f"unscored <= {policy.max_unscored:g}",
        outcome="pass" if share <= policy.max_unscored else "cannot tell",
        reason=f"{out:,} of {comparison.n + out:,} samples are unscored or missing ({100 * share:.2f} %)",
    )


def _limit_checks(limit: Limit, policy: Policy, comparison: Comparison) -> Iterator[Check]:
    least = limit.min_n or policy.min_n
    if limit.slice is None:
        yield _limit_check(limit, comparison, least, "")
        return
    slices = [part for part in comparison.slices if limit.covers(part.column, part.value)]
    if not slices:
        known = ", ".join(f"{part.column}={part.value}" for part in comparison.slices if part.column == limit.column)
        raise ConfigError(f"policy: no sample is in the slice {limit.slice!r}; there are: {known or 'none'}")
    for part in slices:
        yield _limit_check(limit, part, least, f" where {part.column} = {part.value}")


def _limit_check(limit: Limit, account: Comparison | Slice, least: int, where: str) -> Check:
    rule = f"{'<=' if limit.max is not None else '>='} {limit.threshold:g}"
    of_all = {"score": account.new.score_interval, "nfr_above_noise": account.nfr_above_noise}
    estimate: Estimate | None = (of_all | dict(account.comparison))[limit.metric]
    held: float | None = getattr(estimate, limit.end, None)
    known = {
        "name": f"{limit.metric}, {ENDS[limit.end]} {rule}{where}",
        "metric": limit.metric,
        "estimate": estimate,
        "held": held,
        "n": account.n,
    }
    if account.n < least:
        return Check(outcome="cannot tell", reason=f"{account.n:,} samples are fewer than {least:,}", **known)
    if held is None or estimate is None or estimate.value is None:
        hint = "; it needs reruns of old or new" if limit.metric == "nfr_above_noise" else ""
        return Check(outcome="cannot tell", reason=f"{limit.metric} is undefined here{hint}", **known)
    kept = held <= limit.threshold if limit.max is not None else held >= limit.threshold
    ends = "" if estimate.low is None else f" [{estimate.low:.4f}, {estimate.high:.4f}]"
    numbers = f"{limit.metric} = {estimate.value:.4f}{ends}, n = {account.n:,}"
    reason = f"{held:.4f} {'is' if kept else 'is not'} {rule}; {numbers}"
    return Check(outcome="pass" if kept else "fail", reason=reason, **known)


def _must_pass_check(
    policy: Policy, comparison: Comparison, old: Model[PredictionSet], new: Model[PredictionSet]
) -> Check:
    wanted = list(policy.must_pass)
    known = set().union(*(run.table["id"] for run in (old.runs[0], *new.runs)))
    absent = [sample for sample in wanted if sample not in known]
    if absent:
        named = ", ".join(absent[:EXAMPLES])
        hint = f"; {BY_CONTENT}" if comparison.joined_by == "content" else ""
        raise ConfigError(f"policy: must_pass names ids that no file has: {named}{hint}")
    verdicts = [_passes(wanted, comparison, old.runs[0], run) for run in new.runs]
    lost = [sample for i, sample in enumerate(wanted) if any(run[i] is False for run in verdicts)]
    unknown = [sample for i, sample in enumerate(wanted) if any(run[i] is None for run in verdicts)]
    outcome: Outcome = "fail" if lost else "cannot tell" if unknown else "pass"
    named = ", ".join(map(repr, (lost or unknown)[:EXAMPLES]))
    reasons: dict[Outcome, str] = {
        "pass": f"all {len(wanted):,} pass",
        "fail": f"{len(lost):,} of {len(wanted):,} do not pass, such as {named}",
        "cannot tell": f"{len(unknown):,} of {len(wanted):,} are unscored or missing, such as {named}",
    }
    return Check(name="must pass", outcome=outcome, reason=reasons[outcome])


def _passes(wanted: list[str], comparison: Comparison, old: PredictionSet, new: PredictionSet) -> list[bool | None]:
    """Whether new has each wanted id right (continuous: not worse than old), None if unscored."""
    if comparison.kind == "discrete":
        found = _looked_up(wanted, new, with_verdicts(new.table)["right"])
        return (found.fill_null(False) if comparison.on_missing == "wrong" else found).to_list()
    before, now = (_looked_up(wanted, run, run.table["score"]) for run in (old, new))
    better = before - now if comparison.lower_is_better else now - before
    return (better >= -least_change(comparison.epsilon, comparison.kind)).to_list()


def _looked_up(wanted: list[str], run: PredictionSet, values: pl.Series) -> pl.Series:
    held = pl.DataFrame({"id": run.table["id"], "value": values})
    return pl.DataFrame({"id": wanted}).join(held, on="id", how="left", maintain_order="left")["value"]
