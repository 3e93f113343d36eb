"""The ids that new must answer right."""

from __future__ import annotations

import polars as pl

from stillright.comparison import Comparison
from stillright.comparison.models import Model
from stillright.comparison.pairing import with_verdicts
from stillright.comparison.settings import least_change
from stillright.config import Policy
from stillright.errors import ConfigError
from stillright.importers.selection import listed
from stillright.records import PredictionSet
from stillright.verdict.check import Check, Outcome

BY_CONTENT = "the files number their samples differently, so what a sample asks is its id; name a variable with --id"


def must_pass_check(
    policy: Policy, comparison: Comparison, old: Model[PredictionSet], new: Model[PredictionSet]
) -> Check:
    """Whether every run of new has them right, with all that it has not. Raises ConfigError for ids of no file."""
    wanted = list(policy.must_pass)
    known = set().union(*(run.table["id"] for run in (old.runs[0], *new.runs)))
    absent = [sample for sample in wanted if sample not in known]
    if absent:
        hint = f"; {BY_CONTENT}" if comparison.joined_by == "content" else ""
        raise ConfigError(f"policy: must_pass names ids that no file has: {listed(absent)}{hint}")
    verdicts = [_passes(wanted, comparison, old.runs[0], run) for run in new.runs]
    lost = [sample for i, sample in enumerate(wanted) if any(run[i] is False for run in verdicts)]
    unknown = [sample for i, sample in enumerate(wanted) if any(run[i] is None for run in verdicts)]
    outcome: Outcome = "fail" if lost else "cannot tell" if unknown else "pass"
    named = listed(list(map(repr, lost or unknown)))
    reasons: dict[Outcome, str] = {
        "pass": f"all {len(wanted):,} pass",
        "fail": f"{len(lost):,} of {len(wanted):,} do not pass: {named}",
        "cannot tell": f"{len(unknown):,} of {len(wanted):,} are unscored or missing: {named}",
    }
    return Check(
        name="must pass", outcome=outcome, reason=reasons[outcome], failing=tuple(lost), unscored=tuple(unknown)
    )


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
