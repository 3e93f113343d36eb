"""Items that change reliably, and pass^k and pass@k, by hand, by loops and by SciPy."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import false_discovery_control, fisher_exact

from samples import write_rows
from stillright.cli import main
from stillright.comparison import Comparison, compare
from stillright.errors import ConfigError
from stillright.records import Header, PredictionSet
from stillright.report.runs import reliable_lines


def run(name: str, right: list[bool]) -> PredictionSet:
    return PredictionSet.from_rows(Header(name=name), [{"id": str(i), "correct": r} for i, r in enumerate(right)])


def compared(old: list[int], new: list[int], runs: tuple[int, int]) -> Comparison:
    """Of items that are right in the first so many of each model's runs."""
    olds, news = (
        [run(f"{name}{r}", [r < count for count in counts]) for r in range(number)]
        for name, counts, number in (("old", old, runs[0]), ("new", new, runs[1]))
    )
    return compare(olds[0], news[0], old_runs=olds[1:], new_runs=news[1:])


def test_an_item_that_turns_in_all_runs_is_named() -> None:
    # five runs each: 5 of 5 to 0 of 5 has p = 1 / C(10, 5) = 1/252; 5 to 2: (C(7,5) + ...) = 21/252 = 0.083
    comparison = compared([5, 5, 5, 0, 3], [0, 2, 5, 0, 5], (5, 5))
    found = comparison.reliable
    assert found is not None
    # tested: items whose total could have p <= 0.05: totals 5 and 7 (21/252 = 0.083 could not), 10, 0, 8 (56/252)
    assert found.lost.tested == 1
    assert [(item.id, item.old_right, item.new_right) for item in found.lost.items] == [("0", 5, 0)]
    assert found.lost.items[0].p_adjusted == pytest.approx(1 / 252)
    assert (found.lost.count, found.gained.count, found.lost.least_items) == (1, 0, 1)
    # five items: C(2k, k) >= 100 from k = 5 (252; of 4: 70)
    assert found.least_runs == 5


def test_too_few_runs_name_nothing_and_say_so() -> None:
    found = compared([2] * 10, [0] * 10, (2, 2)).reliable
    assert found is not None
    assert (found.lost.count, found.lost.least_items) == (0, None)  # least p: 1 / C(4, 2) = 1/6
    # ten items: C(2k, k) >= 200 from k = 5
    assert reliable_lines(found) == [
        "2 and 2 runs are too few to name any item as lost, whatever they show: from 5 runs a model on a single item "
        "could be named."
    ]


def test_few_runs_need_many_items() -> None:
    # three runs each: least p 1/20 = 0.05, so all that are tested must turn
    found = compared([3] * 4, [0] * 4, (3, 3)).reliable
    assert found is not None
    assert (found.lost.count, found.lost.tested, found.lost.least_items) == (4, 4, 4)
    not_all = compared([3] * 4, [0, 0, 0, 3], (3, 3)).reliable
    assert not_all is not None
    assert (not_all.lost.count, not_all.lost.tested) == (3, 3)  # the fourth is right in all runs, whoever's they are


def test_p_values_are_those_of_scipy() -> None:
    generator = np.random.default_rng(5)
    old = generator.integers(0, 8, 60).tolist()
    new = [int(generator.binomial(6, 0.2)) if each > 4 else int(generator.binomial(6, 0.6)) for each in old]
    flips = compared(old, new, (7, 6)).flips()
    for part, (higher, lower), (more, fewer) in (("lost", (old, new), (7, 6)), ("gained", (new, old), (6, 7))):
        tables = [([a, more - a], [b, fewer - b]) for a, b in zip(higher, lower, strict=True)]
        ps = [fisher_exact(table, alternative="greater").pvalue for table in tables]
        least = [
            min(
                fisher_exact(([x, more - x], [a + b - x, fewer - a - b + x]), alternative="greater").pvalue
                for x in range(more + 1)
                if 0 <= a + b - x <= fewer
            )
            for a, b in zip(higher, lower, strict=True)
        ]
        tested = [i for i, p in enumerate(least) if p <= 0.05 + 1e-12]
        adjusted = dict(zip(tested, false_discovery_control([ps[i] for i in tested]), strict=True))
        assert flips[f"p_{part}"].to_list() == [
            None if i not in adjusted else pytest.approx(adjusted[i]) for i in range(60)
        ]


def test_attempts_are_means_over_all_choices_of_runs() -> None:
    generator = np.random.default_rng(6)
    right = generator.random((4, 30)) < 0.6
    olds = [run(f"old{r}", each.tolist()) for r, each in enumerate(right)]
    comparison = compare(olds[0], run("new", [True] * 30), old_runs=olds[1:])
    assert comparison.attempts.keys() == {"old"}
    found = comparison.attempts["old"]
    assert list(found.pass_at_k) == list(found.pass_hat_k) == [1, 2, 4]
    for k in found.pass_at_k:
        drawn = [right[list(some)] for some in combinations(range(4), k)]
        assert found.pass_at_k[k].value == pytest.approx(np.mean([each.any(axis=0) for each in drawn]))
        assert found.pass_hat_k[k].value == pytest.approx(np.mean([each.all(axis=0) for each in drawn]))
    assert found.pass_at_k[1].value == found.pass_hat_k[1].value == pytest.approx(comparison.old.score)


def test_flips_of_several_runs() -> None:
    comparison = compared([5, 5, 0, 3], [0, 5, 5, 3], (5, 5))
    flips = comparison.flips()
    assert flips["new_quadrant"].to_list() == ["reliably_lost", "undecided", "reliably_gained", "undecided"]
    assert flips["old_right_runs"].to_list() == [5, 5, 0, 3]
    assert flips["new_right_runs"].to_list() == [0, 5, 5, 3]
    assert comparison.flips("reliably_lost")["id"].to_list() == ["0"]
    with pytest.raises(ConfigError, match="'lost' is no quadrant of this comparison, which has reliably_lost"):
        comparison.flips("lost")


def test_one_run_of_each_has_neither() -> None:
    comparison = compare(run("old", [True]), run("new", [False]))
    assert comparison.reliable is None
    assert comparison.attempts == {}


def test_reports_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"{name}{r}" for name in ("old", "new") for r in range(4)]
    for name in names:
        rows = [{"id": f"q{i}", "correct": True, "output": "x"} for i in range(12)]
        for row in rows[:3]:
            row["correct"] = name.startswith("old")
        write_rows(tmp_path / f"{name}.jsonl", rows)
    old, *olds = (str(tmp_path / f"old{r}.jsonl") for r in range(4))
    new, *news = (str(tmp_path / f"new{r}.jsonl") for r in range(4))
    runs = [word for each in olds for word in ("--old-run", each)] + [w for each in news for w in ("--new-run", each)]
    report, found = tmp_path / "report.md", tmp_path / "found.json"
    code = main(["compare", old, new, *runs, "--allow", "identical", "--markdown", str(report), "--json", str(found)])
    assert code == 0
    value = json.loads(found.read_text())
    assert value["reliable"]["lost"]["count"] == 3
    assert Comparison.model_validate_json(found.read_text()).reliable is not None
    for text in (" ".join(capsys.readouterr().out.split()), report.read_text()):
        assert "3 lost reliably, 0 gained" in text
        assert "3 items could be shown to be lost with 4 and 4 runs, if at least 1 of them turned wholly" in text
    assert "| q0 | 4 of 4 | 0 of 4 | 0.0143 |" in report.read_text()
    assert "| pass^4 | 100.00 %" in report.read_text().replace("\\", "")
