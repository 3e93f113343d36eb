"""The commands on files of results: compare and gate. They need no extra."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stillright.cli.command import command, console

if TYPE_CHECKING:
    from stillright.importers import Selection
    from stillright.scoring.judge import JudgeSettings

FORMATS = "a file or folder of results: stillright's JSONL, lm-eval, Inspect or promptfoo logs, CSV, TSV, Parquet"


def _selection(args: argparse.Namespace) -> Selection:
    from stillright.errors import ConfigError
    from stillright.importers import Selection
    from stillright.records import COLUMNS

    if "" in getattr(args, "slice", ()):
        raise ConfigError("--slice: name a column")
    rename = {}
    for text in args.column:
        ours, equals, theirs = text.partition("=")
        if not equals or not ours or not theirs:
            raise ConfigError(f"--column {text}: expected OURS=THEIRS, for instance prediction=answer")
        if ours not in COLUMNS:
            raise ConfigError(f"--column {text}: there is no {ours} to fill; there are {', '.join(COLUMNS)}")
        rename[ours] = theirs
    return Selection(
        task=args.task,
        metric=args.metric,
        filter=args.filter,
        model=args.model,
        prompt=args.prompt,
        run=args.run,
        rename=rename,
    )


def _shared(args: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments of both compare() and gate()."""
    return {
        "old_runs": args.old_run,
        "new_runs": args.new_run,
        "selection": _selection(args),
        "score": _score(args),
        "on_missing": args.on_missing,
        "epsilon": args.epsilon,
    }


def _score(args: argparse.Namespace) -> str | JudgeSettings | None:
    if args.judge is None:
        score: str | None = args.score
        return score
    from stillright.config import read_yaml
    from stillright.config.strict import parse
    from stillright.scoring.judge import JudgeSettings

    return parse(JudgeSettings, read_yaml(args.judge), str(args.judge))


def _write(path: Path | None, text: str) -> None:
    from stillright.errors import ConfigError

    if path is not None:
        if not path.name:
            raise ConfigError(f"{path}: is no file to write; give another path")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _compare(args: argparse.Namespace) -> int:
    from stillright.comparison import compare
    from stillright.report.markdown import markdown
    from stillright.report.terminal import print_comparison

    comparison = compare(
        args.old, args.new, args.candidates, slices=args.slice, adjustment=args.adjust, **_shared(args)
    )
    _write(args.json, comparison.to_json())
    _write(args.markdown, markdown(comparison))
    print_comparison(comparison, console())
    return 0


def _gate(args: argparse.Namespace) -> int:
    from stillright.config import load_policy
    from stillright.gate import gate
    from stillright.report.gate import junit, print_verdict, verdict_markdown

    policy = load_policy(args.policy)
    verdict, comparison = gate(args.old, args.new, policy, **_shared(args))
    _write(args.json, verdict.to_json())
    _write(args.junit, junit(verdict))
    _write(args.markdown, verdict_markdown(verdict, comparison))
    print_verdict(verdict, console())
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
    _add_results(compare)
    _add_slices(compare)
    compare.add_argument("candidates", type=Path, nargs="*", metavar="CANDIDATE", help="models in the new one's place")
    compare.add_argument("--json", type=Path, metavar="FILE", help="write the comparison as JSON")
    compare.add_argument("--markdown", type=Path, metavar="FILE", help="write a report")
    gate = command(
        commands,
        "gate",
        _gate,
        "may the update be released? exit code 0 pass, 1 fail, 2 bad input, 3 cannot tell",
        "stillright gate old.jsonl new.jsonl --policy policy.yaml --junit gate.xml",
    )
    _add_results(gate)
    gate.add_argument("--policy", type=Path, required=True, metavar="POLICY.YAML", help="what the update must keep to")
    gate.add_argument("--json", type=Path, metavar="FILE", help="write the verdict as JSON")
    gate.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML, a test case a check")
    gate.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write a report, for instance to $GITHUB_STEP_SUMMARY"
    )


def _add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", type=Path, metavar="OLD", help=FORMATS)
    parser.add_argument("new", type=Path, metavar="NEW")
    for side in ("old", "new"):
        parser.add_argument(
            f"--{side}-run",
            action="append",
            type=Path,
            default=[],
            metavar="FILE",
            help=f"one more run (seed, repeat) of {side.upper()}; may be given again",
        )
    _add_selection(parser)
    parser.add_argument(
        "--on-missing",
        choices=["error", "drop", "wrong"],
        default="error",
        help="what a sample is that some file lacks; wrong also counts unscored ones (default: %(default)s)",
    )
    scored = parser.add_mutually_exclusive_group()
    scored.add_argument(
        "--score", metavar="NAME", help="score outputs anew, with exact_match, rouge1, rougeL, bleu ..."
    )
    scored.add_argument("--judge", type=Path, metavar="JUDGE.YAML", help="let a model behind an endpoint score outputs")
    parser.add_argument(
        "--epsilon", type=float, default=0.0, help="least change of a score that counts (default: %(default)s)"
    )


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", help="which task, where a log holds several")
    parser.add_argument("--metric", help="which metric; acc for choice tasks by default")
    parser.add_argument("--filter", help="which filter of lm-evaluation-harness, where a task has several")
    parser.add_argument("--model", help="which provider of promptfoo, where a log holds several")
    parser.add_argument("--prompt", help="which prompt of promptfoo: its label, or its number from 1")
    parser.add_argument("--run", type=int, metavar="N", help="which epoch of Inspect or repeat of promptfoo, from 1")
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="OURS=THEIRS",
        help="in tables, the column that holds id, prediction, reference, correct, score, prompt or output",
    )


def _add_slices(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--slice", action="append", default=[], metavar="COLUMN", help="account for each value of a column; repeatable"
    )
    parser.add_argument(
        "--adjust",
        choices=["holm", "bh"],
        default="holm",
        help="of p-values among slices: Holm, or Benjamini-Hochberg (default: %(default)s)",
    )
