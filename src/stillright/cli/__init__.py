"""The command line: parse, call the library once, return an exit code.

0 done or pass, 1 the gate fails, 2 bad input, 3 the gate cannot tell, 130 interrupted, 141 broken pipe.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version

from stillright import ranks
from stillright.cli.command import Parser
from stillright.cli.compare import add_compare_commands
from stillright.cli.study_results import add_study_results_command
from stillright.cli.train import add_pipeline_commands, add_stage_commands, add_study_command, add_weight_commands
from stillright.errors import ConfigError, DataError, MissingExtra, RunError, StillrightError, one_line
from stillright.report.controls import without_marks

LONGEST = 5000  # characters of an error, which may quote a file
GRACE = 3.0  # seconds; a launcher ends all processes sooner once one has failed
TRAIN_PACKAGES = {"torch", "transformers", "trl", "peft", "accelerate", "datasets", "lm_eval", "filelock"}
THEIR_PACKAGES = {"huggingface_hub", "jinja2"}  # which come with those


def parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="stillright",
        description="Keeps right answers right when a language model is updated: measures the flips, trains them away.",
        epilog="start with:\n  stillright compare old.jsonl new.jsonl\n  stillright demo    (needs the extra train)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"stillright {version('stillright')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add_pipeline_commands(commands)
    add_study_command(commands)
    add_stage_commands(commands)
    add_weight_commands(commands)
    add_compare_commands(commands)
    add_study_results_command(commands)
    return parser


def _explained(error: BaseException) -> StillrightError | None:
    """The error with what a user can do about it; None for a bug of ours."""
    if isinstance(error, StillrightError):
        return error
    if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] in TRAIN_PACKAGES | THEIR_PACKAGES:
        return MissingExtra(
            f"this command needs the package {error.name}; install it with: pip install 'stillright[train]'"
        )
    if isinstance(error, MemoryError):
        return RunError("not enough memory; give smaller files, or a machine with more")
    if type(error).__name__ == "PanicException":  # of Polars, which is no Exception
        return DataError(f"the results cannot be read as a table ({one_line(error)[:200]}); check the files")
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left on device" in str(error):
        return RunError(
            "the disk is full; free some space and run the same command again, it continues where it stopped"
        )
    if isinstance(error, OSError) and error.filename and not isinstance(error, BrokenPipeError):
        return ConfigError(f"{error.filename}: {error.strerror}; give another path")
    return None


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; prints an error as one line on standard error."""
    try:
        args = parser().parse_args(argv)
        return int(args.action(args))
    except KeyboardInterrupt:
        if ranks.is_main():
            print("stillright: interrupted; run the same command again to continue", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `stillright ... | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except BaseException as error:
        explained = _explained(error)
        if explained is None:
            raise
        _print_error(explained, known=ranks.is_from_main(error))
        return 2


def _print_error(error: StillrightError, known: bool) -> None:
    """Prints one line on standard error, once: from another process only if the main one has not failed.

    known: whether the main process has printed it.
    """
    who = "" if ranks.is_main() else f" process {ranks.rank()}:"
    if who:
        time.sleep(GRACE)  # mostly the main process failed too and prints, and the launcher ends this one meanwhile
    if not known:
        line = without_marks(one_line(error))
        print(f"stillright: error:{who} {line if len(line) <= LONGEST else f'{line[:LONGEST]}…'}", file=sys.stderr)
