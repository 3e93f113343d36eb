"""Which of the paper's findings hold in a study: each a rule, the numbers it is applied to, and a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from stillright.paper.paired import Difference
from stillright.paper.rows import StrategyRow, one_an_update, pooled, triple
from stillright.significance import holm, rank_correlation
from stillright.stats import Estimate

Verdict = Literal["holds", "does not hold", "cannot tell"]
Outcome = Literal["fewer", "more", "unclear"]
MUSCLE, OLD_ONLY, CONTINUED = "student_wrong", "old_only", "continue_ce"
CONTROLS = ("retrain", CONTINUED, "new_only", "choice_ce")  # methods that never see the old model
LEVEL = 0.05
FEW = 5  # updates x tasks below which a correlation means little
PAIRS_RULE = (
    "Fewer flips: a pair is one task of one update. It shows fewer flips, or more, where the exact sign-flip test over "
    f"samples has p < {LEVEL:g} after Holm's adjustment among the pairs of the finding; otherwise it is unclear. The "
    "finding holds where more than half of the pairs show fewer and none shows more; it does not hold where some pair "
    "shows more; otherwise one cannot tell."
)
GAIN_RULE = (
    "Gain and flips: Spearman's rho between new - old score and NFR of old -> new, means over seeds, one point per "
    f"task and update, tasks of one kind at a time. Holds where rho < 0 with p < {LEVEL:g} (permutations, two-sided), "
    f"does not hold where rho > 0 with such a p. Fewer than {FEW} points are weak evidence, whatever they show. Points "
    "that share a task or a model are not independent, although p assumes it."
)
MC_RULE = (
    "NFR_mc: of the pairs whose NFR falls by the rule of fewer flips, those whose NFR_mc falls by the same rule: holds "
    "where these are more than half and NFR_mc rises in none, does not hold where it rises in some. Pairs whose NFR_mc "
    "is NFR, as with two choices, where a mistake cannot change, show nothing and are left out."
)


class Pair(NamedTuple):
    """One task of one update: candidate less reference, over the seeds that both have."""

    task: str
    update: str
    seeds: int
    delta: Estimate
    p: float
    p_adjusted: float
    delta_score: Estimate

    @property
    def outcome(self) -> Outcome:
        """fewer or more only where the adjusted test says so."""
        if self.p_adjusted >= LEVEL or not self.delta.value:
            return "unclear"
        return "fewer" if self.delta.value < 0 else "more"


class Correlation(NamedTuple):
    """Spearman's rho of n points; None for fewer than three, or where all have the same gain or the same NFR."""

    n: int
    rho: float | None
    p: float | None


class Finding(NamedTuple):
    """A claim, the numbers for it, and the verdict that `rule` gives."""

    claim: str
    rule: str
    verdict: Verdict
    pairs: tuple[Pair, ...] = ()
    correlation: Correlation | None = None
    notes: tuple[str, ...] = ()


class Compared(NamedTuple):
    """A row, and its candidate less some reference over the seeds that both have."""

    row: StrategyRow
    seeds: int
    difference: Difference


def findings_of(rows: Sequence[StrategyRow], out: Path) -> list[Finding]:
    """All findings that can be checked with the strategies of the study."""
    found = []
    for own in _strategies(row for row in rows if row.method not in CONTROLS):
        retrained = [Compared(row, len(row.done), row.difference) for row in own if row.difference]
        found.append(_fewer("retraining", retrained, own))
        found += [_fewer_than(control, own, out) for control in _of(CONTINUED, rows)]
        found.append(_inconsistency(retrained, own))
    found += [_fewer_than(unmasked, own, out) for own in _of(MUSCLE, rows) for unmasked in _of(OLD_ONLY, rows)]
    return [*found, *_gains(rows)]


def _strategies(rows: Iterable[StrategyRow]) -> list[list[StrategyRow]]:
    """The rows of each strategy."""
    found: dict[str, list[StrategyRow]] = {}
    for row in rows:
        found.setdefault(row.strategy, []).append(row)
    return list(found.values())


def _of(method: str, rows: Sequence[StrategyRow]) -> list[list[StrategyRow]]:
    """The rows of each strategy whose method is `method`."""
    return _strategies(row for row in rows if row.method == method)


def _fewer_than(reference: Sequence[StrategyRow], own: Sequence[StrategyRow], out: Path) -> Finding:
    """Each candidate less that of strategy `reference`, over the seeds that both have on the same old model."""
    compared = []
    for row in own:
        same = [each for each in reference if (each.task, each.update) == (row.task, row.update)]
        others = {(cell.seed, cell.files[0]): cell.files[-1] for each in same for cell in each.done}
        there = [(cell.files, others.get((cell.seed, cell.files[0]))) for cell in row.done]
        shared = [triple((files[0], other, files[-1]), out) for files, other in there if other]
        less, _ = pooled(shared)
        if less:
            compared.append(Compared(row, len(shared), less))
    return _fewer(reference[0].strategy, compared, own)


def _fewer(other: str, compared: Sequence[Compared], own: Sequence[StrategyRow]) -> Finding:
    pairs = _pairs(compared, "nfr")
    claim = f"{own[0].strategy} flips fewer answers than {other}"
    return Finding(claim, PAIRS_RULE, _verdict(pairs), pairs, notes=_left_out(compared, own))


def _inconsistency(compared: Sequence[Compared], own: Sequence[StrategyRow]) -> Finding:
    nfr = _pairs(compared, "nfr")
    fallen = [each for each, pair in zip(compared, nfr, strict=True) if pair.outcome == "fewer"]
    same = [each.row for each in fallen if _mistakes_cannot_change(each.row)]
    pairs = _pairs([each for each in fallen if each.row not in same], "nfr_mc")
    discrete = [row for row in own if row.task.kind == "discrete"]
    known = [each for each in compared if each.difference.nfr_mc_p is not None]
    notes = (*_left_out(known, discrete), *(f"{row.task.name} {row.update}: left out, NFR_mc is NFR" for row in same))
    return Finding(f"{own[0].strategy}: NFR_mc falls with NFR", MC_RULE, _verdict(pairs), pairs, notes=notes)


def _mistakes_cannot_change(row: StrategyRow) -> bool:
    return all((cell.nfr_mc_new, cell.nfr_mc) == (cell.nfr_new, cell.nfr) for cell in row.done)


def _pairs(compared: Sequence[Compared], rate: Literal["nfr", "nfr_mc"]) -> tuple[Pair, ...]:
    """Those that have a p, which is adjusted among them."""
    tested = [(each, p) for each in compared if (p := getattr(each.difference, f"{rate}_p")) is not None]
    corrected = holm([p for _, p in tested])
    return tuple(
        Pair(row.task.name, row.update, seeds, getattr(found, rate), p, p_adjusted, found.score)
        for ((row, seeds, found), p), p_adjusted in zip(tested, corrected, strict=True)
    )


def _verdict(pairs: Sequence[Pair]) -> Verdict:
    outcomes = [pair.outcome for pair in pairs]
    if "more" in outcomes:
        return "does not hold"
    return "holds" if outcomes.count("fewer") > len(outcomes) / 2 else "cannot tell"


def _left_out(compared: Sequence[Compared], own: Sequence[StrategyRow]) -> tuple[str, ...]:
    """What readers must know of the pairs: which are lacking, or lack seeds, and whose answers are the new model's."""
    there = {(each.row.task.name, each.row.update): each for each in compared}
    notes = []
    for row in own:
        place, found = f"{row.task.name} {row.update}", there.get((row.task.name, row.update))
        if found is None:
            notes.append(f"{place}: left out, no results to compare")
            continue
        if found.seeds < len(row.cells):
            notes.append(f"{place}: over {found.seeds} of {len(row.cells)} seeds")
        if row.difference is not None and row.difference.unchanged:
            notes.append(f"{place}: all scores are the new model's; training may have kept its first step")
    return tuple(notes)


def _gains(rows: Sequence[StrategyRow]) -> list[Finding]:
    """Smaller gain, more flips: for each kind of task."""
    found = []
    for kind in ("discrete", "continuous"):
        both = [(row.gain, row["nfr_new"].mean) for row in one_an_update(rows) if row.task.kind == kind]
        points = [(gain, nfr) for gain, nfr in both if gain is not None and nfr is not None]
        if points:
            gains, flips = zip(*points, strict=True)
            correlation = Correlation(len(points), *rank_correlation(gains, flips))
            weak = (f"weak: {len(points)} points",) if len(points) < FEW else ()
            claim = f"the smaller the gain of an update, the more flips ({kind} tasks)"
            found.append(Finding(claim, GAIN_RULE, _sign(correlation), correlation=correlation, notes=weak))
    return found


def _sign(found: Correlation) -> Verdict:
    if found.rho is None or found.p is None or found.p >= LEVEL:
        return "cannot tell"
    return "holds" if found.rho < 0 else "does not hold"
