"""Paths on the command line: an empty one is never the current folder; those of results may choose in a file."""

from __future__ import annotations

import argparse
from pathlib import Path

STANDARD_INPUT = "-"  # in place of a file of results


def given(text: str) -> str:
    """An argument as it is. Raises ArgumentTypeError for an empty one, as from a variable that is not set: as a path it
    would be the current folder."""
    if not text.split("::")[0].strip():
        raise argparse.ArgumentTypeError("is empty; is a variable not set? Give a path or a name")
    return text


def path(text: str) -> Path:
    """A path. Raises ArgumentTypeError for an empty one."""
    return Path(given(text))


def table_path(text: str) -> Path:
    """A path to write a table to. Raises ArgumentTypeError for an empty one, and where its name says no format."""
    from stillright.report.flips_file import FORMATS

    file = path(text)
    if file.suffix not in FORMATS:
        raise argparse.ArgumentTypeError(f"{text}: the name says no format; let it end in {', '.join(FORMATS)}")
    return file


def path_of(results: str) -> str:
    """The path in "PATH::KEY=VALUE::..."."""
    return results.split("::")[0]
