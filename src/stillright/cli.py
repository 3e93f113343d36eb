"""The command line: parse, call the library once, return an exit code. 0 done, 2 bad input, 130 interrupted."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from stillright.errors import ConfigError, MissingExtra, RunError, StillrightError

if TYPE_CHECKING:
    from rich.console import Console

    from stillright.config import UpdateConfig

TRAIN_PACKAGES = frozenset(
    {
        "torch",
        "transformers",
        "trl",
        "peft",
        "accelerate",
        "datasets",
        "lm_eval",
        "filelock",
        "huggingface_hub",
        "jinja2",
    }
)
MODEL_HELP = "base[@revision][+adapter]; hub id or folder"


def _console() -> Console:
    from rich.console import Console

    # in a pipe or a CI log there is no width to ask for, and folded tables are hard to read
    return Console(width=None if sys.stdout.isatty() else 140)


def _quiet_libraries() -> None:
    """Our progress and errors stand alone: the libraries' own bars and notes are for their developers."""
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if not sys.warnoptions:
        import warnings

        warnings.simplefilter("ignore")


def _task_values(text: str) -> Any:
    """`--task`: a harness name, or a YAML file that holds a task or an update with one."""
    from stillright.config import read_yaml

    if not text.endswith((".yaml", ".yml")):
        return text
    values = read_yaml(Path(text))
    return values.get("task", values) if "old" in values else values


def _stage_config(args: argparse.Namespace, old: str, new: str) -> UpdateConfig:
    """The configuration of one stage alone: defaults, the task, and --set."""
    from stillright.config import parse_update, with_overrides

    values = {"old": old, "new": new, "task": _task_values(args.task)}
    return parse_update(with_overrides(values, args.set), "options")


def _pipeline() -> ModuleType:
    """The training half, imported only once the configuration is known to be good."""
    _quiet_libraries()
    from stillright import pipeline

    return pipeline


def _run(args: argparse.Namespace) -> int:
    from stillright.config import load_update

    config = load_update(args.update, args.set)
    _pipeline().run_update(config, _console())
    return 0


def _demo(args: argparse.Namespace) -> int:
    from stillright.config import parse_update, with_overrides
    from stillright.demo import demo_update

    config = parse_update(with_overrides(demo_update(args.out), args.set), "demo")
    _pipeline().run_update(config, _console())
    return 0


def _fit(args: argparse.Namespace) -> int:
    config = _stage_config(args, args.base, args.base)
    _pipeline().fit_alone(config, args.out, _console())
    return 0


def _align(args: argparse.Namespace) -> int:
    config = _stage_config(args, args.old, args.new)
    _pipeline().align_alone(config, args.out, _console())
    return 0


def _predict(args: argparse.Namespace) -> int:
    config = _stage_config(args, args.model, args.model)
    _pipeline().predict_alone(config, args.out, _console())
    return 0


def _compare(args: argparse.Namespace) -> int:
    from stillright.compare import compare_predictions
    from stillright.records import read_predictions
    from stillright.report.markdown import markdown
    from stillright.report.terminal import print_comparison

    old, new, *candidates = [read_predictions(path) for path in (args.old, args.new, *args.candidates)]
    comparison = compare_predictions(old, new, candidates)
    print_comparison(comparison, _console())
    for path, text in ((args.json, comparison.to_json()), (args.markdown, markdown(comparison, old, new))):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 0


def _command(
    commands: Any, name: str, action: Callable[[argparse.Namespace], int], summary: str, example: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(action=action)
    return parser


def _add_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a key, such as training.epochs=3"
    )


def _add_task(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", required=True, help="harness task, or a YAML file with a task mapping")
    _add_set(parser)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stillright",
        description="Keeps right answers right when a language model is updated: measures the flips, trains them away.",
        epilog="start with:\n  stillright demo",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"stillright {version('stillright')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_pipeline_commands(commands)
    _add_stage_commands(commands)
    return parser


def _add_pipeline_commands(commands: Any) -> None:
    demo = _command(commands, "demo", _demo, "the whole job on embedded tiny bases, offline", "stillright demo")
    demo.add_argument("--out", type=Path, default=Path("runs/demo"), help="run folder (default: %(default)s)")
    _add_set(demo)
    run = _command(
        commands,
        "run",
        _run,
        "fit old and new, align compat, predict, compare; skips what is done, resumes what was interrupted",
        "stillright run update.yaml --set training.epochs=3 --set out=runs/short",
    )
    run.add_argument("update", type=Path, metavar="UPDATE.YAML")
    _add_set(run)


def _add_stage_commands(commands: Any) -> None:
    fit = _command(
        commands, "fit", _fit, "train a task adapter", "stillright fit ./new-base --task piqa --out adapters/new"
    )
    fit.add_argument("base", metavar="BASE", help=MODEL_HELP)
    fit.add_argument("--out", type=Path, required=True, help="folder for the adapter")
    _add_task(fit)
    align = _command(
        commands,
        "align",
        _align,
        "train a compat adapter from two models with task adapters",
        "stillright align --old ./old-base+adapters/old --new ./new-base+adapters/new --task piqa --out compat",
    )
    align.add_argument("--old", required=True, metavar="MODEL", help=MODEL_HELP)
    align.add_argument("--new", required=True, metavar="MODEL", help=MODEL_HELP)
    align.add_argument("--out", type=Path, required=True, help="folder for the adapter")
    _add_task(align)
    predict = _command(
        commands,
        "predict",
        _predict,
        "answer the test split",
        "stillright predict ./new-base+adapters/new --task piqa --out predictions/new.jsonl",
    )
    predict.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    predict.add_argument("--out", type=Path, required=True, help="JSONL file for the predictions")
    _add_task(predict)
    compare = _command(
        commands,
        "compare",
        _compare,
        "what changed between two files of predictions",
        "stillright compare old.jsonl new.jsonl compat.jsonl --json comparison.json --markdown report.md",
    )
    compare.add_argument("old", type=Path, metavar="OLD")
    compare.add_argument("new", type=Path, metavar="NEW")
    compare.add_argument("candidates", type=Path, nargs="*", metavar="CANDIDATE", help="models in the new one's place")
    compare.add_argument("--json", type=Path, metavar="FILE", help="write the comparison as JSON")
    compare.add_argument("--markdown", type=Path, metavar="FILE", help="write a report")


def _explained(error: Exception) -> StillrightError | None:
    """What a user can do about `error`; None for what is a fault of ours."""
    if isinstance(error, StillrightError):
        return error
    if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] in TRAIN_PACKAGES:
        return MissingExtra(
            f"this command needs the package {error.name}; install it with: pip install 'stillright[train]'"
        )
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left on device" in str(error):
        return RunError(
            "the disk is full; free some space and run the same command again, it continues where it stopped"
        )
    if isinstance(error, PermissionError | IsADirectoryError | NotADirectoryError | FileExistsError):
        return ConfigError(f"{error.filename}: {error.strerror}; give another path")
    return None


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; prints errors as one line on standard error."""
    args = _parser().parse_args(argv)
    try:
        return int(args.action(args))
    except KeyboardInterrupt:
        print("stillright: interrupted; run the same command again to continue", file=sys.stderr)
        return 130
    except Exception as error:
        explained = _explained(error)
        if explained is None:
            raise
        print(f"stillright: error: {explained}", file=sys.stderr)
        return 2
