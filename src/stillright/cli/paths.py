"""Which files a command reads and writes: no output may replace an input, or another output."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from stillright.errors import ConfigError


def refuse_overwriting(outputs: Mapping[str, Path | None], inputs: Iterable[str | Path | None]) -> None:
    """Raises ConfigError if an output is also one of `inputs` or another output.

    outputs: by option. inputs: paths; those of results may end in ::KEY=VALUE.
    """
    read = {canonical(file): file for file in _read(inputs)}
    written: dict[str, str] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        if canonical(path) in read:
            raise ConfigError(
                f"{option} {path}: would replace {read[canonical(path)]}, which is read; give another path"
            )
        first = written.setdefault(canonical(path), option)
        if first != option:
            raise ConfigError(f"{option} {path}: is also written by {first}; give another path")


def canonical(path: str | Path) -> str:
    """The canonical path of a file, without links and dots."""
    return os.path.realpath(path)


def path_of(results: str) -> str:
    """The path in "PATH::KEY=VALUE::..."."""
    return results.split("::")[0]


def _read(inputs: Iterable[str | Path | None]) -> Iterable[Path]:
    """The files, those in folders of results, and those read beside them."""
    from stillright.importers.harness import files_read

    for path in (Path(path_of(str(each))) for each in inputs if each is not None):
        yield path
        yield from files_read(path)
