"""Which files a command reads and writes: no output may replace an input, or another output."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from stillright.errors import ConfigError


def add_outputs(parser: argparse.ArgumentParser, **meanings: str) -> None:
    """An option for each file that the command can write."""
    for name, meaning in meanings.items():
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=meaning)
    parser.set_defaults(outputs=tuple(meanings))


def outputs(args: argparse.Namespace) -> dict[str, Path]:
    """The files to write, by option."""
    return {f"--{name}": path for name in args.outputs if (path := getattr(args, name)) is not None}


def write(path: Path | None, text: str) -> None:
    """Writes an output that was asked for. Raises ConfigError for a path that cannot be a file."""
    if path is not None:
        if not path.name:
            raise ConfigError(f"{path}: is not a file to write; give another path")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def refuse_overwriting(outputs: Mapping[str, Path], inputs: Iterable[str | Path | None]) -> None:
    """Raises ConfigError if an output is also one of `inputs` or another output.

    outputs: by option. inputs: paths; those of results may end in ::KEY=VALUE.
    """
    read = {os.path.realpath(file): file for file in _read(inputs)}
    written: dict[str, str] = {}
    for option, path in outputs.items():
        if (file := os.path.realpath(path)) in read:
            raise ConfigError(f"{option} {path}: would replace {read[file]}, which is read; give another path")
        first = written.setdefault(file, option)
        if first != option:
            raise ConfigError(f"{option} {path}: is also written by {first}; give another path")


def path_of(results: str) -> str:
    """The path in "PATH::KEY=VALUE::..."."""
    return results.split("::")[0]


def _read(inputs: Iterable[str | Path | None]) -> Iterable[Path]:
    """The files, those in folders of results, and those read beside them."""
    from stillright.importers.harness_files import files_read

    for path in (Path(path_of(str(each))) for each in inputs if each is not None):
        yield path
        yield from files_read(path)
