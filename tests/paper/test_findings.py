"""Findings follow their rules, and the numbers they are applied to are those worked out by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import recount
from stillright.paper.cells_csv import read_cells
from stillright.paper.findings import Correlation, Finding, findings_of
from stillright.paper.paired import Triple, difference
from stillright.paper.rows import rows_of
from stillright.records import Header, PredictionSet
from study_case import STRATEGIES, Study


def found(study: Study) -> dict[str, Finding]:
    study.write()
    findings = findings_of(rows_of(read_cells(study.folder), study.folder), study.folder)
    return {finding.claim: finding for finding in findings}


def test_findings_follow_their_rules(study: Study) -> None:
    findings = found(study)
    for finding in findings.values():
        shown = [pair.outcome for pair in finding.pairs]
        decided = "more" not in shown and shown.count("fewer") * 2 > len(shown)
        if finding.correlation is None:
            assert finding.verdict == ("does not hold" if "more" in shown else "holds" if decided else "cannot tell")
    against = findings["student_wrong flips fewer answers than continue_ce"]
    assert [(pair.task, pair.update, pair.seeds) for pair in against.pairs] == [
        ("piqa", "llama_1-to-2", 2),
        ("piqa", "phi-to-100%", 1),
        ("sam_sum", "llama_1-to-2", 2),
    ]
    table = recount.table(study.folder / "tables/ablation.csv")
    rows = {(row["task"], row["update"], row["strategy"]): row for row in table}
    for pair in (pair for pair in against.pairs if pair.seeds == 2):
        nfr = [float(rows[pair.task, pair.update, name]["nfr"]) for name in ("student_wrong", "continue_ce")]
        assert pair.delta.value == pytest.approx(nfr[0] - nfr[1])
    gains = findings["the smaller the gain of an update, the more flips (discrete tasks)"]
    assert gains.correlation == Correlation(2, None, None)
    assert (gains.verdict, gains.notes) == ("cannot tell", ("weak: 2 points",))


def test_findings_know_strategies_by_what_they_are(tmp_path: Path) -> None:
    strategies = (*STRATEGIES, "old_only")
    plain = Study(tmp_path / "plain", strategies)
    called = {"retrain": "plain", "continue_ce": "ce", "student_wrong": "muscle", "old_only": "unmasked"}
    renamed = Study(tmp_path / "renamed", strategies, called=called)
    expected, given = ({claim: each.verdict for claim, each in found(made).items()} for made in (plain, renamed))
    assert len(expected) == 9  # of two taught strategies three each, one against the other, and gains of two kinds

    def translated(claim: str) -> str:
        return re.sub(rf"\b({'|'.join(strategies)})\b", lambda match: called[match[0]], claim)

    assert given == {translated(claim): verdict for claim, verdict in expected.items()}


def test_strategies_of_one_kind_have_a_finding_each(tmp_path: Path) -> None:
    made = Study(tmp_path, ("continue_ce", "student_wrong", "old_only"))
    for cell in list(made.cells):
        if cell["method"] != "old_only":
            made.cells.append({**cell, "strategy": f"second {cell['strategy']}"})
    claims = [claim for claim in found(made) if "than" in claim and "retraining" not in claim]
    taught = ("student_wrong", "old_only", "second student_wrong")
    expected = [
        f"{name} flips fewer answers than {ce}" for name in taught for ce in ("continue_ce", "second continue_ce")
    ]
    expected += [f"{name} flips fewer answers than old_only" for name in ("student_wrong", "second student_wrong")]
    assert sorted(claims) == sorted(expected)


def test_two_choices_say_nothing_of_changed_mistakes(tmp_path: Path) -> None:
    two, four = (found(Study(tmp_path / wrong, ("student_wrong",), wrong=wrong)) for wrong in ("B", "BCD"))
    fewer = [pair for pair in two["student_wrong flips fewer answers than retraining"].pairs if pair.outcome == "fewer"]
    assert {"piqa"} <= {pair.task for pair in fewer}
    claim = "student_wrong: NFR_mc falls with NFR"
    assert (two[claim].pairs, two[claim].verdict) == ((), "cannot tell")
    assert "piqa llama_1-to-2: left out, NFR_mc is NFR" in two[claim].notes
    assert {pair.task for pair in four[claim].pairs} == {"piqa"}


def graded(name: str, right: str) -> PredictionSet:
    rows = [{"id": str(i), "prediction": answer, "reference": "A"} for i, answer in enumerate(right)]
    return PredictionSet.from_rows(Header(name=name), rows)


def test_a_difference_by_hand() -> None:
    """Of ten samples that old has right, new loses four, the candidate one of them; with one seed, then it twice."""
    seed = Triple(graded("old", "A" * 10), graded("new", "BBBB" + "A" * 6), graded("c", "B" + "A" * 9))
    once, twice = difference([seed]), difference([seed, seed])
    for less in (once, twice):
        assert less.nfr.value == pytest.approx(-0.3)
        assert less.nfr_relative.value == pytest.approx(-0.75)
        assert less.score.value == pytest.approx(0.3)
        assert less.nfr_p == pytest.approx(2 * 0.5**3)  # three samples that only new loses
        assert less.nfr_mc.value == pytest.approx(-0.3)
