"""What answers take: ratios of numeric columns by hand and by resampling, in the gate, and what is refused."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samples import write_rows
from stillright.cli import main
from stillright.comparison import Comparison, compare
from stillright.config import Policy
from stillright.errors import ConfigError, DataError
from stillright.records import Header, PredictionSet
from stillright.verdict import gate


def timed(name: str, values: list[Any], **more: Any) -> PredictionSet:
    rows = [{"id": str(i), "correct": True, "output": name, "ms": value} for i, value in enumerate(values)]
    return PredictionSet.from_rows(
        Header(name=name), [{**row, **{k: v[i] for k, v in more.items()}} for i, row in enumerate(rows)]
    )


def test_ratios_by_hand() -> None:
    # of samples 1 and 2 alone, since the third has no value in new: (30 + 20) / (10 + 20), sqrt(3 * 1)
    old, new = timed("old", ["10", 20, 5]), timed("new", [30, 20.0, None])
    (found,) = compare(old, new, measures=["ms"]).measures
    assert (found.column, found.n, found.unmeasured, found.old_mean) == ("ms", 2, 1, 15)
    (model,) = found.models
    assert (model.mean, model.ratio.value) == pytest.approx((25, 5 / 3))
    assert model.geometric_ratio.value == pytest.approx(3**0.5)
    assert model.ratio.too_few


def test_runs_are_means_and_candidates_are_told_too() -> None:
    old, new, candidate = timed("old", [10, 10]), timed("new", [10, 20]), timed("c", [0, 5])
    (found,) = compare(old, new, [candidate], new_runs=[timed("again", [30, 20])], measures=["ms"]).measures
    assert [(model.name, model.mean, model.ratio.value) for model in found.models] == [("new", 20, 2), ("c", 2.5, 0.25)]
    assert found.models[1].geometric_ratio.value is None  # of a value of 0


def test_intervals_are_those_of_plain_resampling() -> None:
    draw = np.random.default_rng(3)
    before = draw.gamma(4, 25, 200)
    now = before * draw.gamma(20, 0.055, 200)
    (found,) = compare(timed("old", before.tolist()), timed("new", now.tolist()), measures=["ms"]).measures
    drawn = draw.integers(0, 200, (4_000, 200))
    ratios = now[drawn].sum(axis=1) / before[drawn].sum(axis=1)
    geometric = np.exp(np.log(now / before)[drawn].mean(axis=1))
    for estimate, resampled in ((found.models[0].ratio, ratios), (found.models[0].geometric_ratio, geometric)):
        assert (estimate.low, estimate.high) == pytest.approx(np.quantile(resampled, [0.025, 0.975]), abs=0.006)


def test_clusters_widen_them() -> None:
    draw = random.Random(1)
    groups = [str(i // 5) for i in range(100)]
    slow = {group: draw.uniform(0.8, 1.6) for group in groups}
    old = timed("old", [100 + i for i in range(100)], group=groups)
    new = timed("new", [(100 + i) * slow[group] for i, group in enumerate(groups)], group=groups)
    alone, together = (compare(old, new, measures=["ms"], cluster=c).measures[0].models[0] for c in (None, "group"))
    for name in ("ratio", "geometric_ratio"):
        one, other = getattr(alone, name), getattr(together, name)
        assert other.value == pytest.approx(one.value)
        assert other.high - other.low > 1.5 * (one.high - one.low)


def test_limits_of_the_gate() -> None:
    old, new = timed("old", [10.0] * 40), timed("new", [10.5, 11.5] * 20)
    for limit, outcome in (
        ({"ratio": 1.2}, "pass"),
        ({"ratio": 1.1}, "fail"),
        ({"ratio": 1.1, "bound": "value"}, "pass"),
    ):
        policy = Policy.model_validate({"measures": {"ms": limit}})
        verdict, comparison = gate(old, new, policy)
        assert verdict.outcome == outcome
        assert comparison is not None
        assert verdict.checks[-1].metric == "ms ratio"
        end = "value" if "bound" in limit else "upper end"
        assert verdict.checks[-1].rule == f"ms ratio max, {end}"  # which stays if the limit changes
        assert verdict.checks[-1].estimate == comparison.measures[0].models[0].ratio
    few = gate(
        timed("old", [1] * 5), timed("new", [1] * 5), Policy.model_validate({"measures": {"ms": {"ratio": 2.0}}})
    )
    assert few.verdict.outcome == "cannot tell"
    with pytest.raises(ValueError, match="either ratio or geometric_ratio"):
        Policy.model_validate({"measures": {"ms": {}}})


def test_what_cannot_be_measured_is_refused() -> None:
    old = timed("old", [1, 2])
    with pytest.raises(ConfigError, match="measure 'tokens': old has no such column with a value in it"):
        compare(old, timed("new", [1, 2]), measures=["tokens"])
    for wrong in ("fast", -1, "nan", "inf"):
        with pytest.raises(
            DataError, match=f"new: measure 'ms': sample '1' has '{wrong}'; every value must be a number"
        ):
            compare(old, timed("new", [1, wrong]), measures=["ms"])
    with pytest.raises(ConfigError, match="no sample has a value in every file"):
        compare(timed("old", [1, None]), timed("new", [None, 1]), measures=["ms"])


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, factor in (("old", 1), ("new", 2)):
        rows = [{"id": i, "correct": True, "output": name, "ms": factor * (i + 1), "tokens": 5} for i in range(20)]
        write_rows(tmp_path / f"{name}.jsonl", rows)
    old, new, report = (str(tmp_path / name) for name in ("old.jsonl", "new.jsonl", "report.md"))
    found = tmp_path / "found.json"
    assert main(["compare", old, new, "--measure", "ms,tokens", "--json", str(found), "--markdown", report]) == 0
    value = Comparison.model_validate_json(found.read_text())
    assert [each.column for each in value.measures] == ["ms", "tokens"]
    assert "2.00 [2.00, 2.00]" in " ".join(capsys.readouterr().out.split())
    assert "| ms, new | 20 | 10.5 | 21 | 2.00" in Path(report).read_text()
    policy = tmp_path / "policy.yaml"
    policy.write_text("measures: {ms: {ratio: 1.5}}\n")
    assert main(["gate", old, new, "--policy", str(policy), "--json", str(found)]) == 1
    assert [check["outcome"] for check in json.loads(found.read_text())["checks"]] == ["pass", "fail"]
