"""The results given to compare and gate: which files, and what to take from each."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from stillright.cli.command import Once
from stillright.cli.paths import STANDARD_INPUT, given, path, path_of
from stillright.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    from stillright.comparison.models import Options, Settings
    from stillright.importers import Selection
    from stillright.records import PredictionSet
    from stillright.scoring.judge import JudgeSettings

RESULTS_HELP = (
    "a file or folder of results: stillright's JSONL, logs of evaluation tools (lm-eval, Inspect, ...), tables; "
    "- reads JSON or JSONL from standard input"
)
CHOICES = {  # what to take from a log that holds several results
    "task": "which task, if a log holds several; a group (mmlu) or a pattern ('mmlu_*') is one comparison",
    "metric": "which metric; acc for choice tasks by default; several (A,B) are compared as a suite",
    "filter": "which filter of lm-evaluation-harness, if a task has several",
    "model": "which provider of promptfoo or experiment of Langfuse or Braintrust, if a log holds several",
    "prompt": "which prompt of promptfoo: its label, or its number from 1",
    "run": "which epoch of Inspect, or repeat of a sample, from 1",
    "preset": "the tool whose names the columns of a table have: azure, langsmith, mlflow, mlflow-models, ragas; "
    "scores are those of --metric",
}

SHOWING = ("flips", "html", "bless")  # the outputs that hold every sample


def selection_of(args: argparse.Namespace, columns: Sequence[str]) -> Selection:
    """What to take from every file; columns: further ones to keep, for slices, besides those of clusters and
    measures."""
    from stillright.importers import Selection
    from stillright.records import TYPES

    rename = {}
    for text in args.column:
        ours, equals, theirs = text.partition("=")
        if not equals or not ours or not theirs:
            raise ConfigError(f"--column {text}: expected OURS=THEIRS, for instance prediction=answer")
        if ours not in TYPES:
            hint = did_you_mean(ours, TYPES) or f"there are {', '.join(TYPES)}"
            raise ConfigError(f"--column {text}: there is no column {ours} to fill; {hint}")
        rename[ours] = theirs
    if args.id is not None:
        if "id" in rename:
            raise ConfigError(f"--id {args.id}: --column id={rename['id']} names another one; give one of them")
        rename["id"] = args.id
    chosen = {kind: getattr(args, kind) for kind in CHOICES}
    anew = args.score is not None or args.judge is not None
    if args.cluster == "":
        raise ConfigError("--cluster: name a column")
    kept = (*columns, *filter(None, [args.cluster]), *measures(args))
    shows_samples = any(getattr(args, name, None) for name in SHOWING)
    given = {"columns": kept, "rename": rename, "lower_is_better": args.lower_is_better}
    return Selection(**chosen, **given, anew=anew, all_choices=shows_samples)


def read_results(text: str, of_all: Selection) -> PredictionSet:
    """The results in "PATH" or "PATH::KEY=VALUE::...", whose choices come before those for all files."""
    from stillright.importers import read_predictions

    selection = selection_in(text, of_all)
    if path_of(text) != STANDARD_INPUT:
        return read_predictions(path_of(text), selection)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "stdin"
        with file.open("wb") as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
        try:
            return read_predictions(file, selection)
        except DataError as error:
            raise type(error)(str(error).replace(str(file), "stdin")) from None


def selection_in(text: str, selection: Selection) -> Selection:
    """The selection for the file in "PATH::KEY=VALUE::..."; `selection` is that for all files."""
    from stillright.records import TYPES

    chosen: dict[str, Any] = {"rename": dict(selection.rename)}
    known = dict.fromkeys((*CHOICES, *TYPES))
    for choice in text.split("::")[1:]:
        key, _, value = choice.partition("=")
        if key not in known or not value:
            raise ConfigError(f"{text}: after :: expected KEY=VALUE with a key of {', '.join(known)}")
        if key == "run" and not value.isdecimal():
            raise ConfigError(f"{text}: run={value}: expected a number from 1")
        (chosen if key in CHOICES else chosen["rename"])[key] = int(value) if key == "run" else value
    return replace(selection, **chosen)


def inputs(args: argparse.Namespace) -> list[str | Path | None]:
    """The files that both commands read, by the paths given. Raises ConfigError for standard input as two of them."""
    results = [args.old, args.new, *args.old_run, *args.new_run, *getattr(args, "candidates", ())]
    if [path_of(each) for each in results].count(STANDARD_INPUT) > 1:
        raise ConfigError("-: standard input can be read once, as one file; write the others to files")
    return [*results, args.judge]


def options(args: argparse.Namespace, of_all: Selection) -> Options:
    """What compare() and gate() both take by name. Raises ConfigError if a model has the same run twice."""
    _refuse_repeated([args.old, *args.old_run], of_all)
    _refuse_repeated([args.new, *args.new_run], of_all)
    return {
        "old_runs": [read_results(run, of_all) for run in args.old_run],
        "new_runs": [read_results(run, of_all) for run in args.new_run],
        **settings(args),
    }


def measures(args: argparse.Namespace) -> list[str]:
    """The numeric columns to tell ratios of. Raises ConfigError for one without a name."""
    names = [name for names in args.measure for name in names.split(",")]
    if "" in names:
        raise ConfigError("--measure: name a column")
    return names


def settings(args: argparse.Namespace) -> Settings:
    """How models are compared, of one task or of several."""
    return {
        "score": args.score if args.judge is None else _judge(args.judge),
        "on_missing": args.on_missing,
        "allow": [name for names in args.allow for name in names.split(",")],
        "epsilon": args.epsilon,
        "cluster": args.cluster,
        "measures": measures(args),
    }


def _refuse_repeated(runs: list[str], of_all: Selection) -> None:
    """Raises ConfigError if one run is given twice, under whatever names."""
    keys = [(os.path.realpath(path_of(run)), selection_in(run, of_all)) for run in runs]
    for i, run in enumerate(runs):
        if keys[i] in keys[:i]:
            raise ConfigError(
                f"{run}: is given twice for one model; a run compared with itself shows no noise. Give different runs"
            )


def _judge(path: Path) -> JudgeSettings:
    from stillright.config import read_yaml
    from stillright.config.strict import parse
    from stillright.scoring.judge import JudgeSettings

    return parse(JudgeSettings, read_yaml(path), str(path))


def add_results(parser: argparse.ArgumentParser) -> None:
    """The arguments that say which results, and what to take from them."""
    chosen = "the same; FILE::model=NAME chooses in one file, as --model in all, FILE::OURS=THEIRS names its column"
    parser.add_argument("old", type=given, metavar="OLD", help=RESULTS_HELP)
    parser.add_argument("new", type=given, metavar="NEW", help=chosen)
    for model in ("old", "new"):
        text = f"one more run (seed, repeat) of {model.upper()}; repeatable"
        parser.add_argument(f"--{model}-run", action="append", default=[], type=given, metavar="FILE", help=text)
    parser.add_argument(
        "--measure",
        action="append",
        default=[],
        metavar="COLUMN[,COLUMN]",
        help="a numeric column, such as latency_ms or tokens: its ratio of new to old, by samples; repeatable",
    )
    add_selection(parser)


def add_selection(parser: argparse.ArgumentParser) -> None:
    """The arguments that say what to take from results, and how to compare them."""
    _add_choices(parser)
    _add_settings(parser)


def _add_choices(parser: argparse.ArgumentParser) -> None:
    for kind, text in CHOICES.items():
        number: dict[str, Any] = {"type": int, "metavar": "N"} if kind == "run" else {}
        parser.add_argument(f"--{kind}", action=Once, help=text, **number)
    parser.add_argument(
        "--id",
        action=Once,
        metavar="NAME",
        help="what tells samples apart: a column; of promptfoo a variable, all (vars) or the description; a key "
        "of lm-eval's documents or of Inspect's metadata",
    )
    parser.add_argument(
        "--lower-is-better",
        action="store_true",
        help="of the metric, where the files do not say so and its name does not tell",
    )
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="OURS=THEIRS",
        help="in tables, the column that holds id, prediction, reference, correct, score, prompt or output; "
        "of one table FILE::OURS=THEIRS",
    )


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--on-missing",
        choices=["error", "drop", "wrong"],
        default="error",
        help="how to treat samples missing from a file; wrong also applies to unscored samples (default: %(default)s)",
    )
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="NAME[,NAME]",
        help="compare files that differ in this, and say so in every report: prompt, task, generation, "
        "identical (one run twice); repeatable",
    )
    anew = parser.add_mutually_exclusive_group()
    anew.add_argument("--score", metavar="NAME", help="score outputs anew, with exact_match, rouge1, rougeL, bleu ...")
    anew.add_argument("--judge", type=path, metavar="JUDGE.YAML", help="let a model behind an endpoint score outputs")
    least = "changes of a score up to this size do not count (default: %(default)s)"
    parser.add_argument("--epsilon", type=float, default=0.0, help=least)
    parser.add_argument(
        "--cluster",
        action=Once,
        metavar="COLUMN",
        help="samples with one value in this column belong together, such as questions about one passage: intervals "
        "and tests take these to be drawn",
    )
