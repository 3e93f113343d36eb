"""The command line: parse, call the library once, return an exit code.

0 done or pass, 1 the gate fails, 2 bad input or a failure of ours, 3 the gate cannot tell, 130 interrupted, 141 broken
pipe.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import nullcontext
from importlib.metadata import version
from typing import NoReturn

from stillright import ranks
from stillright.cli.command import Parser
from stillright.cli.compare import add_compare_commands, replace_old_outputs, with_example
from stillright.cli.failures import explained, reason_of
from stillright.cli.interrupts import (
    INTERRUPTED,
    interrupts_are_heard,
    interrupts_end_silently,
    say_interrupted,
)
from stillright.cli.log import wants_json
from stillright.cli.plan import add_plan_command
from stillright.cli.push import add_push_command
from stillright.cli.setup import add_setup_commands
from stillright.cli.study_results import add_study_results_command
from stillright.cli.train import add_pipeline_commands, add_stage_commands, add_study_command, add_weight_commands
from stillright.errors import ConfigError, StillrightError, on_command_line, one_line
from stillright.events import complain, json_streams
from stillright.report.controls import without_marks

LONGEST = 5000  # characters of an error, which may quote a file
GRACE = 3.0  # seconds; a launcher ends all processes sooner once one has failed


def parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="stillright",
        description="Keeps right answers right when a language model is updated: measures the flips, trains them away.",
        epilog="start with:\n  stillright compare --example\n  stillright compare old.jsonl new.jsonl\n"
        "  stillright demo    (needs the extra demo)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"stillright {version('stillright')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add_pipeline_commands(commands)
    add_study_command(commands)
    add_stage_commands(commands)
    add_weight_commands(commands)
    add_push_command(commands)
    add_compare_commands(commands)
    add_plan_command(commands)
    add_study_results_command(commands)
    add_setup_commands(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; prints an error as one line on standard error."""
    words = list(sys.argv[1:] if argv is None else argv)
    with json_streams() if wants_json(words) else nullcontext():
        return _exit_code(words)


def _exit_code(words: list[str]) -> int:
    try:
        with on_command_line(), interrupts_are_heard():
            args = _parsed(words)
            code = int(args.action(args))
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        say_interrupted()
        return INTERRUPTED
    except BrokenPipeError:  # `stillright ... | head` has read enough
        _print_no_more()
        return 141
    except BaseException as error:  # a panic of Polars is no Exception
        if isinstance(error, SystemExit) and not error.code:  # --help
            raise
        return _failed(error)


def command_line() -> NoReturn:
    """What the installed command is: `main`, and the end of the process."""
    code = main()
    interrupts_end_silently()
    sys.exit(code)


def _parsed(words: list[str]) -> argparse.Namespace:
    words = with_example(words)
    try:
        return parser().parse_args(words, argparse.Namespace(words=words))  # reports show them
    except ConfigError as error:
        replace_old_outputs(words, one_line(error))
        raise


def _failed(error: BaseException) -> int:
    """Says what went wrong; never 1, which from the gate means that it fails."""
    try:
        sys.stdout.flush()
    except (AttributeError, OSError):  # closed, or full
        _print_no_more()
    known = explained(error)
    if known is None:
        complain("", "".join(traceback.format_exception(error)).rstrip(), "traceback")
        known = StillrightError(f"{reason_of(error)}; please report it with the lines above")
    _print_error(known, known=ranks.is_from_main(error))
    return 2


def _print_no_more() -> None:
    """What is left to print goes nowhere, or Python would fail once more at its end."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_error(error: StillrightError, known: bool) -> None:
    """Prints one line on standard error, once: from another process only if the main one has not failed.

    known: whether the main process has printed it.
    """
    who = "" if ranks.is_main() else f" process {ranks.rank()}:"
    if who:
        time.sleep(GRACE)  # mostly the main process failed too and prints, and the launcher ends this one meanwhile
    if not known:
        line = without_marks(one_line(error))
        message = line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
        fields = {"kind": type(error).__name__, "process": ranks.rank(), "exit_code": 2}
        complain(f"stillright: error:{who} ", message, "error", **fields)
