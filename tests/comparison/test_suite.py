"""Several tasks at once: the account over all equals counts by hand, and no task is left out silently."""

from __future__ import annotations

import json
from math import comb
from pathlib import Path

import pytest

from logs import inspect_log
from stillright.comparison import SuiteComparison, compare, compare_suite
from stillright.config.strict import parse
from stillright.config.suite import Suite
from stillright.errors import ConfigError, DataError
from stillright.importers import Selection
from stillright.records import PredictionSet
from suites import harness_folder, scores, verdicts

# knots: 20 samples, 3 lost, 1 gained; ferries: 100 samples, 2 lost, 6 gained
OLD = {"knots": "r" * 15 + "w" * 5, "ferries": "r" * 60 + "w" * 40}
NEW = {"knots": "www" + "r" * 13 + "w" * 4, "ferries": "ww" + "r" * 64 + "w" * 34}


def side(name: str, tasks: dict[str, str]) -> dict[str, PredictionSet]:
    return {task: verdicts(name, right) for task, right in tasks.items()}


def suite(**options: object) -> SuiteComparison:
    return compare_suite(side("o", OLD), side("n", NEW), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("tasks", "message"), [({}, "old has no tasks"), ({1: "rw"}, "a text, and 1 is none")])
def test_tasks_without_names_are_refused(tasks: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        compare_suite(side("o", tasks), side("n", tasks))


def test_the_account_over_all_tasks() -> None:
    found = suite()
    assert [(task.name, task.n, task.weight) for task in found.tasks] == [("knots", 20, 0.5), ("ferries", 100, 0.5)]
    assert found.macro.nfr.value == pytest.approx((3 / 20 + 2 / 100) / 2)
    assert found.pooled.nfr.value == pytest.approx(5 / 120)
    assert found.macro.pfr.value == pytest.approx((1 / 20 + 6 / 100) / 2)
    assert (found.macro.old_score.value, found.pooled.old_score.value) == pytest.approx(((0.75 + 0.6) / 2, 75 / 120))
    assert found.macro.delta_score.value == pytest.approx((-2 / 20 + 4 / 100) / 2)
    assert found.pooled.delta_score.value == pytest.approx(2 / 120)
    assert (found.macro.n, found.pooled.n) == pytest.approx((4 / (1 / 20 + 1 / 100), 120))


def test_one_test_over_all_tasks() -> None:
    # 7 gains, 5 regressions in both tasks: 2 x P(5 or fewer heads of 12)
    assert suite().joint_p == pytest.approx(2 * sum(comb(12, k) for k in range(6)) / 2**12)


def test_tasks_are_adjusted_for_each_other() -> None:
    # knots: 1 against 3, p = 2 x (1 + 4) / 16 = 0.625; ferries: 2 against 6, p = 2 x (1 + 8 + 28) / 256 = 0.289
    ps = {task.name: (task.p, task.p_adjusted) for task in suite().tasks}
    assert ps["ferries"] == pytest.approx((74 / 256, 2 * 74 / 256))
    assert ps["knots"] == pytest.approx((0.625, 0.625))


def test_the_one_task_contract_is_that_of_compare() -> None:
    found, alone = suite().tasks[0], compare(verdicts("o", OLD["knots"]), verdicts("n", NEW["knots"]))
    one = json.loads(found.model_dump_json())
    assert {key: one[key] for key in json.loads(alone.model_dump_json())} == json.loads(alone.to_json())


def test_json_is_the_contract() -> None:
    written = json.loads(suite().to_json())
    over_all = ["macro", "pooled", "joint_p", "candidates"]
    assert list(written) == ["old", "new", "tasks", *over_all, "adjustment", "shared_clusters", "recurring_clusters"]
    assert SuiteComparison.model_validate(written).macro == suite().macro
    assert set(written["macro"]["nfr"]) == {"value", "low", "high"}


def test_swapping_the_sides_swaps_gains_and_losses() -> None:
    found, back = suite(), compare_suite(side("n", NEW), side("o", OLD))
    assert (back.macro.nfr, back.pooled.pfr) == (found.macro.pfr, found.pooled.nfr)
    assert (back.macro.delta_score.value, back.joint_p) == (-(found.macro.delta_score.value or 0), found.joint_p)


def test_candidates_are_compared_with_new() -> None:
    kept = {"knots": "w" + "r" * 15 + "w" * 4, "ferries": NEW["ferries"]}
    found = suite(candidates=[side("c", kept)])
    (candidate,) = found.candidates
    assert candidate.macro.nfr.value == pytest.approx((1 / 20 + 2 / 100) / 2)
    assert candidate.macro.delta_nfr.value == pytest.approx(-2 / 20 / 2)
    assert candidate.pooled.delta_nfr.value == pytest.approx(-2 / 120)
    assert found.macro.delta_nfr.value is None


def test_several_runs_have_no_joint_p() -> None:
    found = suite(old_runs=[side("o", OLD | {"knots": "w" + OLD["knots"][1:]})])
    # NFR of knots over two runs of old: 3 and 2 of 20
    assert found.macro.nfr.value == pytest.approx((2.5 / 20 + 2 / 100) / 2)
    assert (found.joint_p, {task.p for task in found.tasks}) == (None, {None})


def test_weights_and_tasks_apart() -> None:
    of_suite = {"tasks": [{"name": "knots", "weight": 0}, {"name": "ferries", "weight": 3}]}
    found = suite(suite=parse(Suite, of_suite, "suite.yaml"))
    assert [task.weight for task in found.tasks] == [0.0, 1.0]
    assert (found.macro.nfr.value, found.pooled.n) == pytest.approx((2 / 100, 100))
    weighed = {"tasks": [{"name": "knots", "weight": 3}, {"name": "ferries"}]}
    assert suite(suite=parse(Suite, weighed, "suite.yaml")).macro.nfr.value == pytest.approx(0.75 * 0.15 + 0.25 * 0.02)


def test_scores_and_answers_in_one_suite() -> None:
    old = {"knots": verdicts("o", "rrwwrrwwrr"), "texts": scores("o", [0.5] * 20, metric="rouge")}
    new = {"knots": verdicts("n", "wrwwrrwwrr"), "texts": scores("n", [0.4, 0.9] * 10, metric="rouge")}
    found = compare_suite(old, new)
    assert found.macro.nfr.value == pytest.approx((1 / 10 + 10 / 20) / 2)
    assert found.macro.delta_score.value == pytest.approx((-1 / 10 + 0.15) / 2)  # both are fractions
    assert found.macro.nfr_mc.value is None  # of scores there is none
    assert found.joint_p == pytest.approx(1.0)  # 10 against 11


def test_no_mean_of_scores_on_other_scales_or_in_other_directions() -> None:
    old = {"knots": verdicts("o", "rrwwrrwwrr"), "texts": scores("o", [30.0] * 10, metric="ppl", lower_is_better=True)}
    new = {"knots": verdicts("n", "wrwwrrwwrr"), "texts": scores("n", [31.0] * 10, metric="ppl", lower_is_better=True)}
    found = compare_suite(old, new)
    assert (found.macro.delta_score.value, found.macro.score.value) == (None, None)
    assert found.macro.nfr.value == pytest.approx((1 / 10 + 1) / 2)  # a higher perplexity is a loss
    alike = compare_suite({"a": old["texts"], "b": old["texts"]}, {"a": new["texts"], "b": new["texts"]})
    assert alike.macro.delta_score.value == pytest.approx(1.0)
    old, new = ({task: scores(n, [s] * 10) for task in "ab"} for n, s in (("o", 30.0), ("n", 31.0)))
    assert compare_suite(old, new).macro.delta_score.value is None  # of metrics without a name


def test_every_flip_names_its_task() -> None:
    table = suite().flips("lost")
    assert table["task"].to_list() == ["knots"] * 3 + ["ferries"] * 2
    assert set(table["new_quadrant"]) == {"lost"}


def test_no_task_is_left_out_silently() -> None:
    fewer = {"knots": NEW["knots"]}
    with pytest.raises(DataError, match="new lacks ferries; all must have the same tasks"):
        compare_suite(side("o", OLD), side("n", fewer))
    with pytest.raises(DataError, match="new also has ferries"):
        compare_suite(side("o", {"knots": OLD["knots"]}), side("n", NEW))


def test_an_error_names_the_task() -> None:
    new = side("n", NEW) | {"ferries": verdicts("n", "rr")}
    with pytest.raises(DataError, match="ferries: n lacks 98 ids"):
        compare_suite(side("o", OLD), new)


def test_what_is_of_one_task_is_refused() -> None:
    with pytest.raises(ConfigError, match="a PredictionSet is of one task; give a folder, or a mapping"):
        compare_suite(verdicts("o", "r"), verdicts("n", "r"))


def test_folders_of_the_harness(tmp_path: Path) -> None:
    old = harness_folder(tmp_path / "old", OLD, "maker/one")
    new = harness_folder(tmp_path / "new", NEW, "maker/two")
    found = compare_suite(old, new)
    assert ([task.name for task in found.tasks], found.old, found.new) == (
        ["ferries", "knots"],
        "maker/one",
        "maker/two",
    )
    assert found.macro == suite().macro
    one = compare_suite(old, new, selection=Selection(task="kn*"))
    assert [task.name for task in one.tasks] == ["knots"]


def test_groups_of_the_harness(tmp_path: Path) -> None:
    groups = {"water": ["knots", "ferries"]}
    old = harness_folder(tmp_path / "old", OLD | {"snow": "rr"}, "maker/one", group_subtasks=groups)
    new = harness_folder(tmp_path / "new", NEW | {"snow": "rr"}, "maker/two", group_subtasks=groups)
    found = compare_suite(old, new, selection=Selection(task="water"))
    assert [task.name for task in found.tasks] == ["ferries", "knots"]
    # in a suite.yaml a group is one task, whose tasks are slices
    of_suite = parse(Suite, {"tasks": [{"name": "water"}, {"name": "snow"}]}, "suite.yaml")
    of_groups = compare_suite(old, new, suite=of_suite)
    assert [(task.name, task.n, len(task.slices)) for task in of_groups.tasks] == [("water", 120, 2), ("snow", 2, 0)]


def test_folders_of_inspect(tmp_path: Path) -> None:
    for place, scored in (("old", "CCI"), ("new", "CII")):
        (tmp_path / place).mkdir()
        for task in ("knots", "ferries"):
            samples = [
                {"id": i, "input": "?", "target": "a", "output": {"completion": "a"}, "scores": {"match": {"value": s}}}
                for i, s in enumerate(scored)
            ]
            log = inspect_log(tmp_path / place / f"{task}.json", samples)
            log.write_text(log.read_text().replace('"ferry"', f'"{task}"'))
        (tmp_path / place / "notes.json").write_text("[1]")
    found = compare_suite(tmp_path / "old", tmp_path / "new")
    assert [(task.name, task.comparison.regression) for task in found.tasks] == [("ferries", 1), ("knots", 1)]


def test_files_of_a_suite(tmp_path: Path) -> None:
    for place, answer in (("old", "a"), ("new", "b")):
        (tmp_path / place).mkdir()
        row = {"id": "1", "prediction": answer, "reference": "a"}
        (tmp_path / place / "knots.jsonl").write_text(json.dumps(row) + "\n")
        (tmp_path / place / "texts.csv").write_text("id,output,reference,score\n1,x,y,0.5\n")
    tasks = [{"name": "knots", "file": "knots.jsonl"}, {"name": "texts", "file": "texts.csv"}]
    found = compare_suite(
        tmp_path / "old", tmp_path / "new", suite=parse(Suite, {"tasks": tasks}, "suite.yaml"), allow=["identical"]
    )
    assert [(task.name, task.kind) for task in found.tasks] == [("knots", "discrete"), ("texts", "continuous")]
    assert (found.old, found.new) == ("old", "new")  # the files are of one name each, which says nothing
