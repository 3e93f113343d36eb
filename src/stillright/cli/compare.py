"""The commands on files of results: compare and gate. They need no extra."""

from __future__ import annotations

import argparse
from typing import Any

from stillright.cli.command import command, console
from stillright.cli.paths import add_outputs, given, outputs, path, refuse_overwriting, write
from stillright.cli.results import add_results, inputs, options, read_results, selection_of
from stillright.errors import ConfigError, StillrightError, one_line


def _compare(args: argparse.Namespace) -> int:
    from stillright.comparison import compare
    from stillright.report.html import html
    from stillright.report.markdown import markdown
    from stillright.report.pages import comparison_page
    from stillright.report.terminal import print_page

    refuse_overwriting(outputs(args), [*inputs(args), *args.candidates])
    if "" in args.slice:
        raise ConfigError("--slice: name a column")
    of_all = selection_of(args, args.slice)
    old, new, *candidates = (read_results(text, of_all) for text in (args.old, args.new, *args.candidates))
    comparison = compare(old, new, candidates, slices=args.slice, **options(args, of_all))
    write(args.json, comparison.to_json())
    page = comparison_page(comparison)
    write(args.markdown, markdown(page))
    write(args.html, html(page))
    print_page(page, console())
    return 0


def _gate(args: argparse.Namespace) -> int:
    from stillright.config import load_policy
    from stillright.report.junit import junit
    from stillright.report.markdown import markdown
    from stillright.report.pages import gate_page, verdict_page
    from stillright.report.terminal import print_page
    from stillright.verdict import Check, Verdict, gate

    refuse_overwriting(outputs(args), [*inputs(args), args.policy])
    try:
        policy = load_policy(args.policy)
        of_all = selection_of(args, policy.columns)
        old, new = (read_results(text, of_all) for text in (args.old, args.new))
        verdict, comparison = gate(old, new, policy, **options(args, of_all))
    except StillrightError as error:  # else a CI system would show no test at all
        bad = Check(name="input", outcome="cannot tell", reason=one_line(error))
        write(args.junit, junit(Verdict(outcome=bad.outcome, checks=(bad,))))
        raise
    write(args.json, verdict.to_json())
    write(args.junit, junit(verdict))
    write(args.markdown, markdown(gate_page(verdict, comparison)))
    print_page(verdict_page(verdict), console())
    return verdict.exit_code


def add_compare_commands(commands: Any) -> None:
    """Adds compare and gate."""
    compare = command(
        commands,
        "compare",
        _compare,
        "what changed between two sets of results",
        "stillright compare old.jsonl new.jsonl compat.jsonl --json comparison.json --markdown report.md",
    )
    add_results(compare)
    compare.add_argument(
        "--slice", action="append", default=[], metavar="COLUMN", help="account for each value of a column; repeatable"
    )
    further = "further models to compare with OLD in place of NEW"
    compare.add_argument("candidates", nargs="*", default=[], type=given, metavar="CANDIDATE", help=further)
    add_outputs(
        compare,
        json="write the comparison as JSON",
        markdown="write a report",
        html="write a report as one page, without scripts",
    )
    gate = command(
        commands,
        "gate",
        _gate,
        "may the update be released? exit code 0 pass, 1 fail, 2 bad input, 3 cannot tell",
        "stillright gate old.jsonl new.jsonl --policy policy.yaml --junit gate.xml",
    )
    add_results(gate)
    gate.add_argument(
        "--policy", type=path, required=True, metavar="POLICY.YAML", help="the rules that the update must keep"
    )
    add_outputs(
        gate,
        json="write the verdict as JSON",
        junit="write JUnit XML, one test case per check",
        markdown="write a report, for instance to $GITHUB_STEP_SUMMARY",
    )
