"""What the commands share: a console, and a parser with an example."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from stillright.errors import ConfigError, did_you_mean
from stillright.events import JsonLines

if TYPE_CHECKING:
    from rich.console import Console


STANDARD_OUTPUT = Path("-")


class Parser(argparse.ArgumentParser):
    """Reports mistakes on the command line in one line, like all others."""

    def error(self, message: str) -> NoReturn:
        """Raises ConfigError that points to the command's help."""
        raise ConfigError(f"{message}; see {self.prog} --help")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """The arguments. Raises ConfigError for unknown ones here, so that it points to the command's own help."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            hint = did_you_mean(unknown[0].partition("=")[0], self._option_string_actions)
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint and '; ' + hint}")
        return found, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Raises ArgumentError for a value, such as a command, that is none of those to choose from."""
        if action.choices is not None and value not in action.choices:
            hint = did_you_mean(str(value), action.choices) or f"choose from {', '.join(action.choices)}"
            raise argparse.ArgumentError(action, f"invalid choice: {value!r}; {hint}")


class Once(argparse.Action):
    """An option whose second value would silently replace the first."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        """Stores the value. Raises ConfigError if there is one already."""
        if getattr(namespace, self.dest) is not None:
            raise ConfigError(
                f"{option} is given twice, but applies to every file; to choose in one, write FILE::KEY=VALUE"
            )
        setattr(namespace, self.dest, values)


def console(args: argparse.Namespace) -> Console:
    """The terminal; pipes and CI logs have no width, and folded tables are hard to read, so there it is wide.

    Silent with --quiet, where an output is standard output, and in all processes but the main one. Raises ConfigError
    if nothing can be printed.
    """
    from rich.console import Console

    from stillright import ranks

    if sys.stdout is None:
        raise ConfigError("standard output is closed; open it, or send it to /dev/null")

    class Terminal(Console):
        def on_broken_pipe(self) -> None:
            """Rich would exit with 1, which from the gate means that it fails."""
            raise BrokenPipeError

    quiet = args.quiet or _is_printed_to(args) or not ranks.is_main()
    terminal = False if isinstance(sys.stdout, JsonLines) else None  # whatever FORCE_COLOR says
    return Terminal(width=None if sys.stdout.isatty() else 140, quiet=quiet, force_terminal=terminal)


def _is_printed_to(args: argparse.Namespace) -> bool:
    """Whether an output of the command is standard output, which then has nothing else."""
    return any(getattr(args, name) == STANDARD_OUTPUT for name in getattr(args, "outputs", ()))


def command(
    commands: Any, name: str, action: Callable[[argparse.Namespace], int], summary: str, example: str
) -> argparse.ArgumentParser:
    """A subparser of `commands` that calls `action` and shows `example` in its help."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    parser.set_defaults(action=action)
    return parser
