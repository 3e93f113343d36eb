"""The commands on files of results: compare and gate. They need no extra."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stillright.cli.bless import bless
from stillright.cli.command import command, console
from stillright.cli.flips import MEANING, add_quadrant, flips_of, no_flips, refuse_quadrant_alone
from stillright.cli.outputs import Contents, add_outputs, outputs, replace_old, saying_failures, write
from stillright.cli.paths import given, path
from stillright.cli.results import add_results, inputs, options, read_results, selection_of
from stillright.cli.suite import add_suite, is_suite, suite_compared, suite_gated, suite_inputs
from stillright.errors import ConfigError

EXAMPLE = Path(__file__).parent / "example"

if TYPE_CHECKING:
    from stillright.comparison import Comparison
    from stillright.config import Policy
    from stillright.importers import Selection
    from stillright.report.page import Page
    from stillright.verdict import Gated, Verdict


def _compare(args: argparse.Namespace) -> int:
    from stillright.comparison.suite import SuiteComparison
    from stillright.report.made import Origin
    from stillright.report.markdown import markdown
    from stillright.report.pages import comparison_page
    from stillright.report.report_page import report_page
    from stillright.report.suite_pages import suite_page
    from stillright.report.terminal import print_page

    files = outputs(args)
    with saying_failures(files, [*inputs(args), *suite_inputs(args)], _failed_comparison):
        terminal = console(args)
        refuse_quadrant_alone(args)
        if "" in args.slice:
            raise ConfigError("--slice: name a column")
        of_all = selection_of(args, args.slice)
        comparison = suite_compared(args, of_all) if is_suite(args) else _one_compared(args, of_all)
        explored: Page | Callable[[], Page]
        if isinstance(comparison, SuiteComparison):
            page = explored = suite_page(comparison)
        else:
            page, explored = comparison_page(comparison), partial(report_page, comparison, Origin(args.words))
        reports = {"--json": comparison.to_json(), "--markdown": markdown(page)}
        write(files, {**reports, **_html_of(args, explored), **flips_of(args, comparison)})
        print_page(page, terminal)
    return 0


def _one_compared(args: argparse.Namespace, of_all: Selection) -> Comparison:
    from stillright.comparison import compare
    from stillright.report.every_eval_ever import export

    old, new, *candidates = models = [read_results(text, of_all) for text in (args.old, args.new, *args.candidates)]
    comparison = compare(old, new, candidates, slices=args.slice, **options(args, of_all))
    if args.export is not None:
        for model in models:
            export(model, args.export)
    return comparison


def _gate(args: argparse.Namespace) -> int:
    from stillright.comparison.suite import SuiteComparison
    from stillright.config import load_policy
    from stillright.report.made import Origin
    from stillright.report.pages import gate_page, verdict_page
    from stillright.report.report_page import gate_report_page
    from stillright.report.suite_pages import gate_suite_page
    from stillright.report.terminal import print_page

    files = outputs(args)
    with saying_failures(files, [*inputs(args), *suite_inputs(args), args.policy], _failed_gate):
        terminal = console(args)
        refuse_quadrant_alone(args)
        policy = load_policy(args.policy)
        of_all = selection_of(args, (*policy.columns, *policy.measures))
        comparison: Comparison | SuiteComparison | None
        if is_suite(args):
            (verdict, comparison), accept = suite_gated(args, of_all, policy)
        else:
            (verdict, comparison), accept = _one_gated(args, of_all, policy)
        explored: Page | Callable[[], Page]
        if isinstance(comparison, SuiteComparison):
            page = explored = gate_suite_page(verdict, comparison)
        else:
            origin = Origin(args.words, {"policy": policy.model_dump(mode="json", exclude_defaults=True)})
            page, explored = gate_page(verdict, comparison), partial(gate_report_page, verdict, comparison, origin)
        flips = no_flips(verdict.checks[0].reason) if comparison is None else flips_of(args, comparison)
        write(files, {**_texts_of_gate(verdict, page), **_html_of(args, explored), **flips})
        if args.bless is not None and verdict.outcome == "pass":
            accept(args.bless)
        print_page(verdict_page(verdict), terminal)
    return verdict.exit_code


def _one_gated(args: argparse.Namespace, of_all: Selection, policy: Policy) -> tuple[Gated, Callable[[Path], None]]:
    """The verdict, and what makes new the next baseline."""
    from stillright.verdict import gate

    old, new = (read_results(text, of_all) for text in (args.old, args.new))
    return gate(old, new, policy, **options(args, of_all)), partial(bless, new)


def _html_of(args: argparse.Namespace, page: Page | Callable[[], Page]) -> Contents:
    """What --html writes, if it is given; one that holds every sample is made only then."""
    if args.html is None:
        return {}
    from stillright.report.html import html

    return {"--html": html(page() if callable(page) else page)}


def _texts_of_gate(verdict: Verdict, page: Page) -> Contents:
    from stillright.report.junit import junit
    from stillright.report.markdown import markdown

    return {"--json": verdict.to_json(), "--junit": junit(verdict), "--markdown": markdown(page)}


def _failed_gate(reason: str) -> Contents:
    from stillright.report.html import html
    from stillright.report.pages import verdict_page
    from stillright.verdict import Verdict

    verdict = Verdict.of_one("gate", "error", reason)
    page = verdict_page(verdict)
    return {**_texts_of_gate(verdict, page), "--html": html(page), **no_flips(reason)}


def _failed_comparison(reason: str) -> Contents:
    from stillright.report.html import html
    from stillright.report.markdown import markdown
    from stillright.report.page import Page

    page = Page("comparison: error", [reason], "", [])
    return {
        "--json": json.dumps({"error": reason}, indent=2) + "\n",
        "--markdown": markdown(page),
        "--html": html(page),
        **no_flips(reason),
    }


def replace_old_outputs(words: Sequence[str], reason: str) -> None:
    """After a mistake on the command line, which `reason` says, no output of an earlier run stays as it is."""
    failed = {"compare": _failed_comparison, "gate": _failed_gate}.get(words[0] if words else "")
    if failed is not None:
        texts = failed(reason)
        replace_old(words, texts, texts)


def with_example(words: Sequence[str]) -> list[str]:
    """`compare --example` with the sample logs of the package in its place, so that it needs no files."""
    if words[:1] != ["compare"] or "--example" not in words:
        return list(words)
    others = [word for word in words if word != "--example"]
    return [*others, *(str(EXAMPLE / f"{name}.jsonl") for name in ("old", "new", "compat")), "--slice", "queue"]


def add_compare_commands(commands: Any) -> None:
    """Adds compare and gate."""
    _add_compare(commands)
    _add_gate(commands)


def _add_compare(commands: Any) -> None:
    compare = command(
        commands,
        "compare",
        _compare,
        "what changed between two sets of results",
        "stillright compare old.jsonl new.jsonl compat.jsonl --json comparison.json --markdown report.md",
    )
    add_results(compare)
    add_suite(compare)
    compare.add_argument(
        "--slice", action="append", default=[], metavar="COLUMN", help="account for each value of a column; repeatable"
    )
    compare.add_argument(
        "--example", action="store_true", help="compare three invented logs of a router of tickets, in place of files"
    )
    further = "further models to compare with OLD in place of NEW"
    compare.add_argument("candidates", nargs="*", default=[], type=given, metavar="CANDIDATE", help=further)
    add_outputs(
        compare,
        json="write the comparison as JSON",
        markdown="write a report",
        html="write a report as one page, with every sample to explore, that needs no network",
        flips=MEANING,
    )
    add_quadrant(compare)
    compare.add_argument(
        "--export", type=path, metavar="FOLDER", help="write the results of each model as every_eval_ever has them"
    )


def _add_gate(commands: Any) -> None:
    gate = command(
        commands,
        "gate",
        _gate,
        "may the update be released? exit code 0 pass, 1 fail, 2 bad input, 3 cannot tell",
        "stillright gate old.jsonl new.jsonl --policy policy.yaml --junit gate.xml",
    )
    add_results(gate)
    add_suite(gate)
    gate.add_argument(
        "--policy", type=path, required=True, metavar="POLICY.YAML", help="the rules that the update must keep"
    )
    gate.add_argument(
        "--bless",
        type=path,
        metavar="FILE",
        help="if the gate passes, write what was read of NEW there, as the next OLD; it may be OLD itself; of a suite "
        "a folder, with a file a task",
    )
    add_outputs(
        gate,
        json="write the verdict as JSON",
        junit="write JUnit XML, one test case per check",
        markdown="write a report, for instance to $GITHUB_STEP_SUMMARY",
        html="write the report as one page, with every sample to explore, that needs no network",
        flips=MEANING,
    )
    add_quadrant(gate)
