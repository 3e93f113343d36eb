"""The commands that need the extra `train`: demo, run, study, fit, align, transfer, merge, predict."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from stillright.cli.command import command, console
from stillright.cli.interrupts import interrupts_end_at_once
from stillright.cli.log import add_log
from stillright.cli.paths import given, path
from stillright.errors import ConfigError
from stillright.threads import use_fitting_threads

if TYPE_CHECKING:
    from stillright.config import UpdateConfig

SHARE = 0.5  # of a transfer without a task, which cannot choose one
MODEL_HELP = "base[@revision][+adapter]; hub id or folder"


def _quiet_libraries(args: argparse.Namespace) -> None:
    """Silences the libraries' own bars and notes, unless --verbose: only our progress and errors are shown."""
    if args.verbose:
        return
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    if not sys.warnoptions:
        import warnings

        warnings.simplefilter("ignore")


def _task_values(text: str) -> dict[str, Any]:
    """`--task`: a harness name, or a YAML file with a task, or with an update and its further settings."""
    from stillright.config import read_yaml

    if not text.endswith((".yaml", ".yml")):
        return {"task": text}
    values = read_yaml(Path(text))
    return {key: value for key, value in values.items() if key != "out"} if "task" in values else {"task": values}


def _stage_config(args: argparse.Namespace, old: str, new: str) -> UpdateConfig:
    """The configuration of a single stage, from --task and --set."""
    from stillright.config import parse_update, with_overrides

    values = {**_task_values(args.task), "old": old, "new": new, "out": args.out.resolve().parent}
    return parse_update(with_overrides(values, args.set), "options")


def _imported(module: str, args: argparse.Namespace) -> ModuleType:
    """A module that needs the large libraries; imported only once the configuration is known to be good."""
    _quiet_libraries(args)
    with interrupts_end_at_once():
        return import_module(module)


def _pipeline(args: argparse.Namespace) -> ModuleType:
    """What makes stages, or prints what they cost."""
    if getattr(args, "dry_run", False):
        return _imported("stillright.dry_run", args)
    return _at_work("stillright.pipeline", args)


def _at_work(module: str, args: argparse.Namespace) -> ModuleType:
    """A module that computes, with as many threads as there is room for."""
    imported = _imported(module, args)
    use_fitting_threads(console(args))
    return imported


def _done() -> int:
    from stillright import ranks

    ranks.leave()
    return 0


def _run(args: argparse.Namespace) -> int:
    from stillright.config import load_update

    config = load_update(args.update, args.set)
    _pipeline(args).run_update(config, console(args))
    return _done()


def _study(args: argparse.Namespace) -> int:
    from stillright.config import load_study

    config = load_study(args.study, args.set)
    if args.dry_run:
        forecast = _imported("stillright.study.forecast", args)
        return 1 if forecast.print_forecast(config, str(args.study), console(args)) else 0
    study = _at_work("stillright.study.run", args)
    return 1 if study.run_study(config, str(args.study), console(args), args.ray) else 0


def _demo(args: argparse.Namespace) -> int:
    from stillright.config import parse_update, with_overrides
    from stillright.demo import demo_update

    config = parse_update(with_overrides(demo_update(args.out), args.set), "demo")
    _pipeline(args).run_update(config, console(args))
    return _done()


def _fit(args: argparse.Namespace) -> int:
    config = _stage_config(args, args.base, args.base)
    _pipeline(args).fit_alone(config, args.out, console(args))
    return _done()


def _align(args: argparse.Namespace) -> int:
    config = _stage_config(args, args.old, args.new)
    _pipeline(args).align_alone(config, args.out, console(args))
    return _done()


def _transfer(args: argparse.Namespace) -> int:
    from stillright.config import StrategyConfig, parse_update, with_overrides
    from stillright.config.strict import parse

    given = {key: value for key in ("share", "rank") if (value := getattr(args, key)) is not None}
    if args.task is not None:
        values = {
            **_task_values(args.task),
            "old": args.old,
            "new": args.new,
            "strategy": {"mask": "transfer", **given},
        }
        config = parse_update(with_overrides(values, args.set), "options")
        _pipeline(args).align_alone(config, args.out, console(args))
        return _done()
    if args.set:
        raise ConfigError(f"--set {args.set[0]}: has no effect without --task; leave it out, or give a task")
    strategy = parse(StrategyConfig, {"mask": "transfer", "share": SHARE, **given}, "options")
    if strategy.share == "auto":
        raise ConfigError(
            "--share auto: is chosen on validation rows, which need --task; or give a number, such as 0.5"
        )
    _pipeline(args).transfer_alone(args.old, args.new, strategy.rank, strategy.share, args.out, console(args))
    return _done()


def _merge(args: argparse.Namespace) -> int:
    write_merged = _imported("stillright.models.merge", args).write_merged
    from stillright.models import ModelRef, compute_dtype

    write_merged(ModelRef.parse(args.model), compute_dtype(args.dtype), args.out)
    return 0


def _predict(args: argparse.Namespace) -> int:
    config = _stage_config(args, args.model, args.model)
    _pipeline(args).predict_alone(config, args.out, console(args))
    return _done()


def _command(commands: Any, name: str, action: Callable[[argparse.Namespace], int], summary: str, example: str) -> Any:
    parser = command(commands, name, action, summary, example)
    parser.add_argument("--verbose", action="store_true", help="show the warnings of the libraries too")
    add_log(parser)
    return parser


def _add_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a key, such as training.epochs=3"
    )


def _add_dry_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="print tokens, steps and disk of each stage, and stop")


def _add_task(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--task",
        required=True,
        type=given,
        help="harness task, YAML file of a task, or an update.yaml, whose settings apply too",
    )
    _add_set(parser)


def add_pipeline_commands(commands: Any) -> None:
    demo = _command(commands, "demo", _demo, "the whole pipeline on embedded tiny bases, offline", "stillright demo")
    demo.add_argument("--out", type=path, default=Path("runs/demo"), help="run folder (default: %(default)s)")
    _add_dry_run(demo)
    _add_set(demo)
    run = _command(
        commands,
        "run",
        _run,
        "fit old and new, make compat, predict, compare; skips what is done, resumes what was interrupted",
        "stillright run update.yaml --set training.epochs=3 --set out=runs/short\n"
        "  stillright run update.yaml --dry-run    (what it will cost)",
    )
    run.add_argument("update", type=path, metavar="UPDATE.YAML")
    _add_dry_run(run)
    _add_set(run)


def add_study_command(commands: Any) -> None:
    study = _command(
        commands,
        "study",
        _study,
        "a matrix of updates, tasks, strategies and seeds that share their stages; exit code 1 if a cell fails",
        "stillright study study.yaml --set out=runs/study",
    )
    study.add_argument("study", type=path, metavar="STUDY.YAML")
    study.add_argument("--dry-run", action="store_true", help="print which stages are left, and what they cost")
    study.add_argument(
        "--ray", type=given, metavar="ADDRESS", help="run the stages on this Ray cluster, such as auto or HOST:6379"
    )
    _add_set(study)


def add_stage_commands(commands: Any) -> None:
    fit = _command(
        commands, "fit", _fit, "train a task adapter", "stillright fit ./new-base --task piqa --out adapters/new"
    )
    fit.add_argument("base", type=given, metavar="BASE", help=MODEL_HELP)
    fit.add_argument("--out", type=path, required=True, help="folder for the adapter")
    _add_dry_run(fit)
    _add_task(fit)
    align = _command(
        commands,
        "align",
        _align,
        "make a compat adapter from two models with task adapters, by strategy.mask",
        "stillright align --old ./old-base+adapters/old --new ./new-base+adapters/new --task piqa --out compat\n"
        "  stillright align --old ... --new ... --task piqa --out compat --set strategy.mask=student_wrong",
    )
    align.add_argument(
        "--old", required=True, type=given, metavar="MODEL", help=f"{MODEL_HELP}; or a file of its answers"
    )
    align.add_argument("--new", required=True, type=given, metavar="MODEL", help=MODEL_HELP)
    align.add_argument("--out", type=path, required=True, help="folder for the adapter")
    _add_dry_run(align)
    _add_task(align)
    predict = _command(
        commands,
        "predict",
        _predict,
        "answer the test split",
        "stillright predict ./new-base+adapters/new --task piqa --out predictions/new.jsonl",
    )
    predict.add_argument("model", type=given, metavar="MODEL", help=MODEL_HELP)
    predict.add_argument("--out", type=path, required=True, help="JSONL file for the predictions")
    _add_task(predict)


def add_weight_commands(commands: Any) -> None:
    transfer = _command(
        commands,
        "transfer",
        _transfer,
        "a compat adapter from weights alone, where old and new have the same shapes; minutes, no training",
        "stillright transfer --old ./old-base+adapters/old --new ./new-base+adapters/new --out compat --share 0.5\n"
        "  stillright transfer --old ... --new ... --task piqa --out compat    (chooses the share on validation rows)",
    )
    transfer.add_argument("--old", required=True, type=given, metavar="MODEL", help=MODEL_HELP)
    transfer.add_argument("--new", required=True, type=given, metavar="MODEL", help=MODEL_HELP)
    transfer.add_argument("--out", type=path, required=True, help="folder for the adapter")
    transfer.add_argument("--rank", help="of what is added to the new adapter (default: 128)")
    transfer.add_argument("--share", help=f"how far to go towards old (default: auto with --task, else {SHARE})")
    transfer.add_argument(
        "--task", type=given, help="chooses the share, and weighs the ranks by what layers read of its texts"
    )
    _add_set(transfer)
    merge = _command(
        commands,
        "merge",
        _merge,
        "write an ordinary checkpoint: a base with its adapter in the weights",
        "stillright merge ./new-base+adapters/compat --out ./new-compat",
    )
    merge.add_argument("model", type=given, metavar="MODEL", help="base[@revision]+adapter; hub ids or folders")
    merge.add_argument("--out", type=path, required=True, help="folder for the checkpoint")
    merge.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="default: %(default)s")
