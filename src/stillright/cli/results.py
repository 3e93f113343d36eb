"""The results given to compare and gate: which files, and what to take from each."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stillright.cli.command import Once
from stillright.cli.paths import canonical, path_of
from stillright.errors import ConfigError

if TYPE_CHECKING:
    from stillright.comparison.models import Options
    from stillright.importers import Selection
    from stillright.records import PredictionSet
    from stillright.scoring.judge import JudgeSettings

FORMATS = "a file or folder of results: stillright's JSONL, lm-eval, Inspect or promptfoo logs, CSV, TSV, Parquet"


def selection_of(args: argparse.Namespace, columns: Sequence[str]) -> Selection:
    """What to take from every file; columns: further ones to keep, for slices."""
    from stillright.importers import Selection
    from stillright.importers.selection import KINDS
    from stillright.records import COLUMNS

    rename = {}
    for text in args.column:
        ours, equals, theirs = text.partition("=")
        if not equals or not ours or not theirs:
            raise ConfigError(f"--column {text}: expected OURS=THEIRS, for instance prediction=answer")
        if ours not in COLUMNS:
            raise ConfigError(f"--column {text}: there is no column {ours} to fill; there are {', '.join(COLUMNS)}")
        rename[ours] = theirs
    chosen = {kind: getattr(args, kind) for kind in KINDS}
    return Selection(**chosen, columns=tuple(columns), rename=rename)


def read_results(text: str, of_all: Selection) -> PredictionSet:
    """The results in "PATH" or "PATH::KEY=VALUE::...", whose choices come before those for all files."""
    from stillright.importers import read_predictions

    return read_predictions(path_of(text), _selection_in(text, of_all))


def _selection_in(text: str, selection: Selection) -> Selection:
    """The selection for the file in "PATH::KEY=VALUE::..."; `selection` is that for all files."""
    from stillright.importers.selection import KINDS
    from stillright.records import COLUMNS

    _, *choices = text.split("::")
    for choice in choices:
        key, _, value = choice.partition("=")
        known = dict.fromkeys((*KINDS, *COLUMNS))
        if key not in known or not value:
            raise ConfigError(f"{text}: after :: expected KEY=VALUE with a key of {', '.join(known)}")
        if key not in KINDS:
            selection = replace(selection, rename={**selection.rename, key: value})
            continue
        chosen: dict[str, Any] = {key: _number(text, value) if key == "run" else value}
        selection = replace(selection, **chosen)
    return selection


def _number(text: str, value: str) -> int:
    if not value.isdecimal():
        raise ConfigError(f"{text}: run={value}: expected a number from 1")
    return int(value)


def inputs(args: argparse.Namespace) -> list[str | Path | None]:
    """The files that both commands read, by the paths given."""
    return [args.old, args.new, *args.old_run, *args.new_run, args.judge]


def options(args: argparse.Namespace, of_all: Selection) -> Options:
    """What compare() and gate() both take by name. Raises ConfigError if a model has the same run twice."""
    _refuse_repeated([args.old, *args.old_run], of_all)
    _refuse_repeated([args.new, *args.new_run], of_all)
    return {
        "old_runs": [read_results(run, of_all) for run in args.old_run],
        "new_runs": [read_results(run, of_all) for run in args.new_run],
        "score": _score(args),
        "on_missing": args.on_missing,
        "epsilon": args.epsilon,
    }


def _refuse_repeated(runs: list[str], of_all: Selection) -> None:
    """Raises ConfigError if one run is given twice, under whatever names."""
    known: list[tuple[str, Selection]] = []
    for run in runs:
        key = (canonical(path_of(run)), _selection_in(run, of_all))
        if key in known:
            raise ConfigError(
                f"{run}: is given twice for one model; a run compared with itself shows no noise. Give different runs"
            )
        known.append(key)


def _score(args: argparse.Namespace) -> str | JudgeSettings | None:
    if args.judge is None:
        score: str | None = args.score
        return score
    from stillright.config import read_yaml
    from stillright.config.strict import parse
    from stillright.scoring.judge import JudgeSettings

    return parse(JudgeSettings, read_yaml(args.judge), str(args.judge))


def add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="OLD", help=FORMATS)
    parser.add_argument(
        "new",
        metavar="NEW",
        help="the same; FILE::model=NAME chooses in one file, as --model in all, FILE::OURS=THEIRS names its column",
    )
    for model in ("old", "new"):
        parser.add_argument(
            f"--{model}-run",
            action="append",
            default=[],
            metavar="FILE",
            help=f"one more run (seed, repeat) of {model.upper()}; repeatable",
        )
    _add_selection(parser)
    parser.add_argument(
        "--on-missing",
        choices=["error", "drop", "wrong"],
        default="error",
        help="how to treat samples missing from a file; wrong also applies to unscored samples (default: %(default)s)",
    )
    scored = parser.add_mutually_exclusive_group()
    scored.add_argument(
        "--score", metavar="NAME", help="score outputs anew, with exact_match, rouge1, rougeL, bleu ..."
    )
    scored.add_argument("--judge", type=Path, metavar="JUDGE.YAML", help="let a model behind an endpoint score outputs")
    parser.add_argument(
        "--epsilon",
        type=float,
        default=0.0,
        help="changes of a score up to this size do not count (default: %(default)s)",
    )


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", action=Once, help="which task, if a log holds several")
    parser.add_argument("--metric", action=Once, help="which metric; acc for choice tasks by default")
    parser.add_argument("--filter", action=Once, help="which filter of lm-evaluation-harness, if a task has several")
    parser.add_argument("--model", action=Once, help="which provider of promptfoo, if a log holds several")
    parser.add_argument("--prompt", action=Once, help="which prompt of promptfoo: its label, or its number from 1")
    parser.add_argument(
        "--run", action=Once, type=int, metavar="N", help="which epoch of Inspect or repeat of promptfoo, from 1"
    )
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="OURS=THEIRS",
        help="in tables, the column that holds id, prediction, reference, correct, score, prompt or output; "
        "of one table FILE::OURS=THEIRS",
    )
