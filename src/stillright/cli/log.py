"""The option --log: whether what a command says is for people or for programs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def add_log(parser: argparse.ArgumentParser) -> None:
    """Adds --log."""
    parser.add_argument(
        "--log",
        choices=("text", "json"),
        default="text",
        help="json: every line, errors too, is one JSON object with time, level, event and message",
    )


def wants_json(words: Sequence[str]) -> bool:
    """Whether --log json is among the words, which need not be right: errors in them are JSON too."""
    alone = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    add_log(alone)
    try:
        return bool(alone.parse_known_args(words)[0].log == "json")
    except (argparse.ArgumentError, SystemExit):
        return False  # which the command's own parser will say
