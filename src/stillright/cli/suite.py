"""--suite of compare and gate: several tasks at once."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from stillright.cli.bless import bless_suite
from stillright.cli.paths import STANDARD_INPUT, path, path_of
from stillright.cli.results import read_results, selection_in, settings
from stillright.errors import ConfigError, DataError, StillrightError

if TYPE_CHECKING:
    from stillright.comparison.suite import SuiteComparison
    from stillright.config import Policy
    from stillright.config.suite import Suite
    from stillright.importers import Selection
    from stillright.records import PredictionSet
    from stillright.verdict.suite import GatedSuite


class Runs(TypedDict):
    """Further runs of old and new, for each task."""

    old_runs: list[dict[str, PredictionSet]]
    new_runs: list[dict[str, PredictionSet]]


ENDINGS = (".yaml", ".yml")
MEANING = (
    "compare task by task, with one account over all: the tasks of two folders of logs that --task fits, or those of a "
    "SUITE.YAML (names, files, metrics, weights); folders with several tasks are a suite without it"
)


def add_suite(parser: argparse.ArgumentParser) -> None:
    """The option that makes several tasks a suite."""
    parser.add_argument("--suite", nargs="?", const=True, type=_suite_path, metavar="SUITE.YAML", help=MEANING)


def _suite_path(text: str) -> Path:
    file = path(text)
    if file.suffix not in ENDINGS:
        raise argparse.ArgumentTypeError(f"{text}: is no suite.yaml; write --suite behind OLD and NEW, or name one")
    return file


def is_suite(args: argparse.Namespace) -> bool:
    """Whether OLD and NEW are compared part by part: if asked for, or if there are several tasks or metrics."""
    return args.suite is not None or len(_metrics(args)) > 1 or (args.task is None and len(_tasks_in_old(args)) > 1)


def _metrics(args: argparse.Namespace) -> list[str]:
    """Those that --metric names."""
    return [] if args.metric is None else args.metric.split(",")


def _tasks_in_old(args: argparse.Namespace) -> list[str]:
    """The tasks of the folder of logs that OLD is, of those that --task fits; none where it is no such folder."""
    folder = Path(path_of(args.old))
    if "::task=" in args.old or not folder.is_dir():
        return []
    from stillright.importers.task_files import task_files

    with suppress(DataError):  # which reading says again
        return [*task_files(folder, args.task)]
    return []


def suite_inputs(args: argparse.Namespace) -> list[Path]:
    """The files that only a suite reads: suite.yaml, the files that it names, and logs of Inspect in folders."""
    roots = [Path(path_of(text)) for text in (args.old, args.new, *args.old_run, *args.new_run, *_candidates(args))]
    files = [args.suite] if isinstance(args.suite, Path) else []
    with suppress(StillrightError):  # which reading says again
        suite = _suite(args)
        if isinstance(args.suite, Path) and suite is not None:
            files += [root / member.file for member in suite.members if member.file is not None for root in roots]
        elif is_suite(args):
            files += [file for root in roots for file in _logs(root)]
    return files


def _candidates(args: argparse.Namespace) -> list[str]:
    return getattr(args, "candidates", [])


def _logs(root: Path) -> Iterable[Path]:
    from stillright.importers.task_files import task_files

    return task_files(root).values()


def suite_compared(args: argparse.Namespace, of_all: Selection) -> SuiteComparison:
    """The comparison of all tasks."""
    from stillright.comparison.suite import compare_suite

    suite = _suite(args)
    old, new, *candidates = models = _read(args, [args.old, args.new, *args.candidates], suite, of_all)
    compared = compare_suite(
        old, new, candidates, suite=suite, slices=args.slice, **_runs(args, suite, of_all), **settings(args)
    )
    if args.export is not None:
        _export(models, args.export)
    return compared


def _export(models: Sequence[Mapping[str, PredictionSet]], folder: Path) -> None:
    """A file of every_eval_ever for each model and task."""
    from stillright.report.every_eval_ever import export

    for model in models:
        for name, predictions in model.items():
            export(predictions.of_task(predictions.header.task or name), folder)


def suite_gated(
    args: argparse.Namespace, of_all: Selection, policy: Policy
) -> tuple[GatedSuite, Callable[[Path], None]]:
    """The verdict on all tasks, and what makes new the next baseline."""
    from stillright.verdict.suite import gate_suite

    suite = _suite(args)
    old, new = _read(args, [args.old, args.new], suite, of_all)
    gated = gate_suite(old, new, policy, suite=suite, **_runs(args, suite, of_all), **settings(args))
    return gated, partial(bless_suite, new, suite)


def _suite(args: argparse.Namespace) -> Suite | None:
    """That of a suite.yaml, or of several metrics; None for all tasks of folders with one each."""
    from stillright.config.suite import load_suite, suite_of_metrics

    metrics = _metrics(args)
    if len(metrics) < 2:
        return load_suite(args.suite) if isinstance(args.suite, Path) else None
    if isinstance(args.suite, Path):
        raise ConfigError(
            f"--metric {args.metric}: {args.suite} says which metrics each task has; leave one of them out"
        )
    if "" in metrics:
        raise ConfigError(f"--metric {args.metric}: name a metric on each side of a comma")
    return suite_of_metrics(_tasks_in_old(args) or [args.task or Path(path_of(args.old)).stem], metrics)


def _runs(args: argparse.Namespace, suite: Suite | None, of_all: Selection) -> Runs:
    return {
        "old_runs": _read(args, args.old_run, suite, of_all),
        "new_runs": _read(args, args.new_run, suite, of_all),
    }


def _read(
    args: argparse.Namespace, texts: Sequence[str], suite: Suite | None, of_all: Selection
) -> list[dict[str, PredictionSet]]:
    """The tasks, or metrics, of each model or run."""
    from stillright.importers.tasks import read_tasks

    if suite is None or isinstance(args.suite, Path):
        return [read_tasks(Path(path_of(text)), suite, selection_in(text, of_all)) for text in texts]
    if _tasks_in_old(args):
        folders = replace(of_all, task=None, metric=None)
        return [read_tasks(Path(path_of(text)), suite, selection_in(text, folders)) for text in texts]
    if any(path_of(text) == STANDARD_INPUT for text in texts):
        raise ConfigError("-: standard input is read once, and each metric reads its file; write it to one")
    return [
        {member.name: read_results(text, replace(of_all, metric=member.metric)) for member in suite.members}
        for text in texts
    ]
