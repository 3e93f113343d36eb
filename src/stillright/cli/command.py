"""What the commands share: a console, and a parser with an example."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from stillright.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console


class Parser(argparse.ArgumentParser):
    """Reports mistakes on the command line in one line, like all others."""

    def error(self, message: str) -> NoReturn:
        """Raises ConfigError that points to the command's help."""
        raise ConfigError(f"{message}; see {self.prog} --help")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """The arguments. Raises ConfigError for unknown ones here, so that it points to the command's own help."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            near = difflib.get_close_matches(unknown[0].partition("=")[0], self._option_string_actions, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return found, unknown


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


def console() -> Console:
    """The terminal; pipes and CI logs have no width, and folded tables are hard to read, so there it is wide.

    Of several processes only the main one prints. Raises ConfigError if nothing can be printed.
    """
    from rich.console import Console

    from stillright import ranks

    if sys.stdout is None:
        raise ConfigError("standard output is closed; open it, or send it to /dev/null")

    class Terminal(Console):
        def on_broken_pipe(self) -> None:
            """Rich would exit with 1, which from the gate means that it fails."""
            raise BrokenPipeError

    return Terminal(width=None if sys.stdout.isatty() else 140, quiet=not ranks.is_main())


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
    parser.set_defaults(action=action)
    return parser
