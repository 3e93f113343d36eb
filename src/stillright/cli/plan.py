"""The command that counts before anything is run: plan. It needs no extra."""

from __future__ import annotations

import argparse
import json
from typing import Any

from stillright.cli.command import Once, command, console
from stillright.cli.outputs import Contents, add_outputs, outputs, saying_failures, write
from stillright.cli.paths import given
from stillright.cli.results import add_selection, read_results, selection_of, settings


def _plan(args: argparse.Namespace) -> int:
    from stillright.planning import Aim, plan
    from stillright.report.plan_page import plan_page
    from stillright.report.terminal import print_page

    files = outputs(args)
    with saying_failures(files, [args.baseline, *args.old_run, *args.new_run, args.judge], _failed):
        terminal = console(args)
        of_all = selection_of(args, ())
        baseline, *old_runs = (read_results(text, of_all) for text in (args.baseline, *args.old_run))
        new_runs = [read_results(text, of_all) for text in args.new_run]
        aim = Aim(args.nfr, args.power, args.true_nfr, args.change)
        runs: Any = {"old_runs": old_runs, "new_runs": new_runs[1:]}
        found = plan(baseline, new_runs[0] if new_runs else None, aim, **runs, **settings(args))
        write(files, {"--json": found.to_json()})
        print_page(plan_page(found), terminal)
    return 0


def _failed(reason: str) -> Contents:
    return {"--json": json.dumps({"error": reason}, indent=2) + "\n"}


def add_plan_command(commands: Any) -> None:
    """Adds plan."""
    parser = command(
        commands,
        "plan",
        _plan,
        "how many samples, runs or clusters a limit needs, and what those at hand could have shown",
        "stillright plan --baseline old.jsonl --nfr 0.02 --power 0.8",
    )
    parser.add_argument("--baseline", required=True, type=given, metavar="OLD", help="results of the model in use")
    rerun = "one more run of the baseline, for its noise; repeatable"
    parser.add_argument("--old-run", action="append", default=[], type=given, metavar="FILE", help=rerun)
    pilot = "results of some new model, for how much changes; repeatable, further ones are runs of it"
    parser.add_argument("--new-run", action="append", default=[], type=given, metavar="FILE", help=pilot)
    parser.add_argument("--nfr", required=True, type=float, metavar="LIMIT", help="the limit of NFR, 0.02 for 2 %%")
    parser.add_argument("--power", type=float, default=0.8, metavar="P", help="how often it is to be shown (0.8)")
    true = "the true NFR to plan for; default: that of --new-run, and several around the limit"
    parser.add_argument("--true-nfr", action=Once, type=float, metavar="RATE", help=true)
    change = "a true change of score to plan for, too; needs --new-run"
    parser.add_argument("--change", action=Once, type=float, metavar="D", help=change)
    add_selection(parser)
    parser.set_defaults(measure=[])
    add_outputs(parser, json="write the plan as JSON")
