"""compare() and gate() with --cluster: the same counts, intervals and tests of clusters, and what is refused."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

import brute
from samples import write_rows
from stillright.cli import main
from stillright.comparison import Comparison, compare
from stillright.config import Policy
from stillright.errors import ConfigError, DataError
from stillright.records import Header, PredictionSet
from stillright.report.words import note
from stillright.stats import Estimate
from stillright.verdict import gate


def rows(name: str, seed: int, passages: int, scores: bool = False) -> list[dict[str, Any]]:
    """Five questions a passage; a passage that is hard for a model is hard for it in all of them."""
    draw = random.Random(f"{name}{seed}")
    found = []
    for passage in range(passages):
        skill = draw.random()
        for question in range(5):
            answer = {"score": round(skill + 0.1 * draw.random(), 3)} if scores else {"correct": draw.random() < skill}
            found.append({"id": f"{passage}-{question}", "passage": f"p{passage}", "output": "word", **answer})
    return found


def sets(passages: int = 25, scores: bool = False) -> tuple[PredictionSet, PredictionSet, PredictionSet]:
    """Old, new and a candidate."""
    old, new, candidate = (
        PredictionSet.from_rows(Header(name=name), rows(name, 0, passages, scores)) for name in ("old", "new", "compat")
    )
    return old, new, candidate


def values(comparison: Comparison) -> list[float | None]:
    """Scores, counts and metrics, without their intervals."""
    found: list[float | None] = [model.score for model in comparison.models]
    for _, flips in comparison.flips_by_model:
        found += [each.value for _, each in flips if isinstance(each, Estimate)]
        found += [flips.gain, flips.regression]
    for candidate in comparison.candidates:
        found += [candidate.delta_score.value, candidate.delta_nfr.value, candidate.delta_nfr_relative.value]
    return found


@pytest.mark.parametrize("scores", [False, True])
def test_clusters_change_intervals_and_tests_alone(scores: bool) -> None:
    old, new, candidate = sets(scores=scores)
    alone, together = compare(old, new, [candidate]), compare(old, new, [candidate], cluster="passage")
    assert values(together) == pytest.approx(values(alone))
    for one, other in zip(alone.models, together.models, strict=True):
        assert one.score_interval.high is not None
        assert other.score_interval.high is not None
        assert other.score_interval.high > one.score_interval.high
    assert together.comparison.smallest_difference > alone.comparison.smallest_difference  # type: ignore[operator]


def test_p_values_and_design_effects_by_plain_loops() -> None:
    old, new, candidate = sets()
    comparison = compare(old, new, [candidate], cluster="passage")
    right = [{row["id"]: row["correct"] for row in each.table.to_dicts()} for each in (old, new, candidate)]
    gaps: dict[str, int] = defaultdict(int)
    flips: dict[str, int] = defaultdict(int)
    lost: dict[str, int] = defaultdict(int)
    for sample in right[0]:
        passage = sample.partition("-")[0]
        before, now, then = (each[sample] for each in right)
        gaps[passage] += now - before
        flips[passage] += (before and not now) - (before and not then)
        lost[passage] += before and not now
    assert comparison.comparison.mcnemar_p == pytest.approx(brute.sign_flip_p(list(gaps.values())))
    assert comparison.candidates[0].delta_nfr_p == pytest.approx(brute.sign_flip_p(list(flips.values())))
    nfr = sum(lost.values()) / 125
    # variance of the passages' sums, over that of as many independent samples, 125/124 n p (1 - p)
    clustered = 25 / 24 * sum((total - 5 * nfr) ** 2 for total in lost.values())
    assert comparison.clusters is not None
    assert comparison.clusters.count == 25
    assert comparison.clusters.largest == 5
    assert comparison.clusters.design_effect["nfr"] == pytest.approx(clustered / (125 / 124 * 125 * nfr * (1 - nfr)))


def test_a_cluster_of_its_own_for_every_sample_is_nearly_none() -> None:
    old, new, _ = sets(60)
    alone, single = compare(old, new).comparison, compare(old, new, cluster="id").comparison
    assert single.mcnemar_p == pytest.approx(alone.mcnemar_p)
    for name in ("nfr", "pfr", "nfr_of_old_right", "delta_score"):
        one, other = getattr(alone, name), getattr(single, name)
        assert (other.low, other.high) == pytest.approx((one.low, one.high), abs=0.004)


def test_slices_have_the_clusters_of_their_samples() -> None:
    old, new, _ = sets(24)
    halves = [
        PredictionSet.from_rows(
            each.header, [{**row, "half": "ab"[int(row["passage"][1:]) % 2]} for row in each.table.to_dicts()]
        )
        for each in (old, new)
    ]
    comparison = compare(halves[0], halves[1], cluster="passage", slices=["half"])
    assert [part.clusters.count for part in comparison.slices if part.clusters] == [12, 12]
    assert all(part.comparison.nfr.low is not None for part in comparison.slices)


def test_few_clusters_are_said_to_be_few() -> None:
    assert "Fewer than 20 clusters" in note(compare(sets(12)[0], sets(12)[1], cluster="passage"))
    assert "Fewer than 20" not in note(compare(sets(25)[0], sets(25)[1], cluster="passage"))
    old, new, _ = sets(9)
    few = compare(old, new, cluster="passage")
    assert few.comparison.nfr.too_few
    assert "Too few: numbers from fewer than 10 clusters have no interval." in note(few)
    policy = Policy.model_validate({"limits": [{"metric": "nfr", "max": 0.9}]})
    verdict, _ = gate(old, new, policy, cluster="passage")
    assert verdict.outcome == "cannot tell"
    assert "9 clusters at most, and fewer than 10 are too few" in verdict.checks[-1].reason


def test_slices_are_not_tested_as_if_samples_were_independent() -> None:
    policy = Policy.model_validate({"limits": [{"metric": "nfr", "max": 0.1, "slice": "half"}], "adjust": "holm"})
    found = []
    for cluster in (None, "passage"):
        old, new = (
            PredictionSet.from_rows(Header(name=name), [{**row, "half": "a"} for row in rows(name, 0, 25)])
            for name in ("old", "new")
        )
        found.append(gate(old, new, policy, cluster=cluster).verdict.checks[-1].p_adjusted)
    assert found[0] is not None
    assert found[1] is not None
    assert found[0] < found[1]


def test_what_has_no_cluster_is_refused() -> None:
    old, new, _ = sets()
    with pytest.raises(ConfigError, match="cluster 'passag': no file has such a column with a value in it"):
        compare(old, new, cluster="passag")
    holed = [
        PredictionSet.from_rows(
            each.header,
            [{**row, "passage": None if row["id"] == "3-2" else row["passage"]} for row in each.table.to_dicts()],
        )
        for each in (old, new)
    ]
    with pytest.raises(DataError, match="cluster='passage': 1 samples have no value in it in any file, .* '3-2'; give"):
        compare(holed[0], holed[1], cluster="passage")
    assert compare(holed[0], new, cluster="passage").clusters is not None  # the other file has it


def test_files_that_name_other_clusters_are_refused() -> None:
    old, *_ = sets(12)
    moved = rows("new", 0, 12)
    moved[3]["passage"] = "p7"
    with pytest.raises(DataError, match="'passage': 1 samples are in different .* '0-3', in 'p0' and 'p7'"):
        compare(old, PredictionSet.from_rows(Header(name="new"), moved), cluster="passage")


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = (write_rows(tmp_path / f"{name}.jsonl", rows(name, 0, 25)) for name in ("old", "new"))
    report, page, found = (tmp_path / name for name in ("report.md", "report.html", "comparison.json"))
    files = ["--markdown", str(report), "--html", str(page), "--json", str(found)]
    assert main(["compare", str(old), str(new), "--cluster", "passage", *files]) == 0
    value = json.loads(found.read_text())
    assert value["cluster"] == "passage"
    assert value["clusters"].keys() == {"count", "largest", "design_effect"}
    effect = f"{value['clusters']['design_effect']['nfr']:.2f}"
    for text in (" ".join(capsys.readouterr().out.split()), report.read_text(), page.read_text()):
        assert f"25 clusters by passage, the largest of 5 samples; design effect {effect} of NFR" in text
    assert main(["compare", str(old), str(new), "--cluster", ""]) == 2
    assert "--cluster: name a column" in capsys.readouterr().err
