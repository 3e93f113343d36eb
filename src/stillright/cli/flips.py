"""--flips and --quadrant of compare and gate: every flip in a file."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from stillright.cli.outputs import Contents
from stillright.errors import ConfigError

if TYPE_CHECKING:
    from stillright.comparison import Comparison
    from stillright.comparison.suite import SuiteComparison

MEANING = "write every sample with its quadrant, texts and scores: .jsonl, .csv or .parquet"


def add_quadrant(parser: argparse.ArgumentParser) -> None:
    """The option that chooses rows of --flips."""
    parser.add_argument(
        "--quadrant",
        action="append",
        default=[],
        metavar="NAME[,NAME]",
        help="in --flips, only what new or a candidate kept, gained, lost, left still_wrong (_same, _changed) or "
        "unchanged, and what a candidate restored or newly_lost; of several runs reliably_lost, reliably_gained or "
        "undecided; repeatable",
    )


def refuse_quadrant_alone(args: argparse.Namespace) -> None:
    """Raises ConfigError for --quadrant without --flips."""
    if args.quadrant and args.flips is None:
        raise ConfigError(f"--quadrant {args.quadrant[0]}: chooses rows of --flips FILE; give that too")


def flips_of(args: argparse.Namespace, comparison: Comparison | SuiteComparison) -> Contents:
    """What --flips writes, if it is given. Raises ConfigError for a quadrant that there is not."""
    if args.flips is None:
        return {}
    from stillright.report.flips_file import flips_file

    names = [name for names in args.quadrant for name in names.split(",")]
    return {"--flips": flips_file(comparison.flips(*names), args.flips.suffix)}


def no_flips(reason: str) -> Contents:
    """What --flips writes where nothing could be compared: in every format a text that is no table of samples."""
    return {"--flips": json.dumps({"error": reason}) + "\n"}
