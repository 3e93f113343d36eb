"""Findings -> Markdown and CSV."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stillright.paper.cells_csv import as_csv
from stillright.paper.findings import Finding, Pair
from stillright.paper.tables import number, p_text
from stillright.report.markdown import cell, table
from stillright.report.words import DASH

PAIR_HEAD = ["task", "update", "seeds", "difference", "p", "p adjusted", "shows", "Δ score"]
CSV_HEAD = [
    *("claim", "verdict", "task", "update", "seeds", "difference", "low", "high", "p", "p_adjusted", "outcome"),
    *("points", "rho", "note"),
]


def findings_markdown(findings: Iterable[Finding]) -> str:
    """The page: all verdicts, the rules that gave them, then the numbers each was applied to."""
    listed = list(findings)
    overview = [[cell(each.claim), each.verdict, _summary(each)] for each in listed]
    parts = [
        "# Which findings hold",
        "Findings of Echterhoff et al., 2024, asked of this study's finished cells. Differences are candidate less "
        "reference in points, with 95 % intervals over samples; seeds of a sample stay together.",
        table(["finding", "verdict", "numbers"], overview, align="---"),
        "## Rules",
        "\n".join(f"- {rule}" for rule in dict.fromkeys(each.rule for each in listed)),
    ]
    for each in listed:
        parts += [f"## {cell(each.claim)}: {each.verdict}", f"{_summary(each)}."]
        if each.pairs:
            parts.append(table(PAIR_HEAD, [_pair_cells(pair) for pair in each.pairs]))
        parts += ["\n".join(f"- {cell(note)}" for note in each.notes)] if each.notes else []
    return "\n\n".join(parts) + "\n"


def _summary(finding: Finding) -> str:
    """The numbers behind the verdict, in words."""
    if finding.correlation is not None:
        n, rho, p = finding.correlation
        weak = ", weak" if finding.notes else ""
        return f"n = {n}, rho = {DASH if rho is None else f'{rho:+.2f}'}, p {p_text(p)}{weak}"
    outcomes = [pair.outcome for pair in finding.pairs]
    counts = ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in ("fewer", "more", "unclear"))
    return f"{len(outcomes)} {'pair' if len(outcomes) == 1 else 'pairs'}: {counts}"


def _pair_cells(pair: Pair) -> list[str]:
    """The cells of a pair, under PAIR_HEAD."""
    ps = [p_text(pair.p), p_text(pair.p_adjusted)]
    delta, score = (number(each.value, None, each, "+") for each in (pair.delta, pair.delta_score))
    return [cell(pair.task), cell(pair.update), str(pair.seeds), delta, *ps, pair.outcome, score]


def findings_csv(findings: Iterable[Finding]) -> str:
    """One row per pair, or one for a finding without pairs; fractions in full."""
    return as_csv(CSV_HEAD, (record for finding in findings for record in _records(finding)))


def _records(finding: Finding) -> list[dict[str, Any]]:
    whole = {"claim": finding.claim, "verdict": finding.verdict, "note": "; ".join(finding.notes)}
    if finding.correlation is not None:
        n, rho, p = finding.correlation
        return [{**whole, "points": n, "rho": rho, "p": p}]
    pairs = []
    for pair in finding.pairs:
        interval = {"difference": pair.delta.value, "low": pair.delta.low, "high": pair.delta.high}
        pairs.append({**whole, **pair._asdict(), **interval, "outcome": pair.outcome})
    return pairs or [whole]
