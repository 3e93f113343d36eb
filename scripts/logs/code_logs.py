"""Makes tests/logs/evalplus/ and tests/logs/swebench/, offline; the outcomes are canned.

    pip install swebench==5.0.2
    python scripts/logs/code_logs.py [OUT]

The report of SWE-bench is made by its own make_run_report, of logs that are written here. EvalPlus needs its problems,
so its results are written here, field by field as evalplus.evaluate.evaluate does in 0.3.1.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from swebench.harness.reporting import make_run_report

OUT = Path(__file__).parents[2] / "tests" / "logs"
MODEL, RUN = "harbour__tiny", "first"
ISSUES = {  # instance -> what its report says; None: there is none, as the patch could not be applied
    "pier__pier-1": True,
    "pier__pier-2": False,
    "pier__pier-3": None,
    "quay__quay-4": True,
    "quay__quay-5": False,
}
BROKEN = "quay__quay-5"  # unresolved since its environment broke
STATES = {  # problem -> the states of two solutions, by the original and the further tests
    "HumanEval/0": [("pass", "pass"), ("pass", "pass")],
    "HumanEval/1": [("pass", "fail"), ("fail", "fail")],
    "HumanEval/2": [("timeout", "timeout"), ("pass", "pass")],
}


def write_swebench(out: Path) -> None:
    """The report of a run with seven instances: one without a patch, one not submitted."""
    out.mkdir(parents=True, exist_ok=True)
    instances = [{"instance_id": name} for name in (*ISSUES, "quay__quay-6", "quay__quay-7")]
    patches = dict.fromkeys(ISSUES, "diff") | {"quay__quay-6": ""}
    predictions = {
        name: {"instance_id": name, "model_name_or_path": MODEL, "model_patch": patch}
        for name, patch in patches.items()
    }
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # where SWE-bench looks for logs
        for name, resolved in ISSUES.items():
            logs = Path("logs/run_evaluation") / RUN / MODEL / name
            logs.mkdir(parents=True)
            if resolved is not None:
                (logs / "report.json").write_text(json.dumps({name: {"resolved": resolved}}))
            said = "Cannot allocate memory" if name == BROKEN else "1 failed"
            (logs / "test_output.txt").write_text(f">>>>> Start Test Output\n{said}\n>>>>> End Test Output\n")
        make_run_report(predictions, instances, RUN, report_dir=str(out))
        os.chdir(here)


def write_evalplus(out: Path) -> None:
    """Two solutions of each problem, and one each with the original tests alone."""
    solutions = {
        task: [
            {
                "task_id": task,
                "solution": f"def f():\n    return {number}\n",
                "base_status": base,
                "plus_status": plus,
                "base_fail_tests": [],
                "plus_fail_tests": [],
            }
            for number, (base, plus) in enumerate(states)
        ]
        for task, states in STATES.items()
    }
    alone = {task: [{**found[0], "plus_status": None}] for task, found in solutions.items()}
    out.mkdir(parents=True, exist_ok=True)
    for name, found in {"tiny_eval_results.json": solutions, "base_eval_results.json": alone}.items():
        (out / name).write_text(json.dumps({"date": "2026-11-30 10:00", "hash": "fe585eb4", "eval": found}))


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    write_swebench(target / "swebench")
    write_evalplus(target / "evalplus")
