"""Which files a command reads and writes: no output may replace an input, or another output."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from stillright.errors import ConfigError


def refuse_overwriting(outputs: Mapping[str, Path | None], inputs: Iterable[str | Path | None]) -> None:
    """Raises ConfigError if an output, by the name of its option, is one of `inputs` or a second output.

    inputs: paths, of results perhaps with ::KEY=VALUE.
    """
    read = {resolved(file): file for file in _read(inputs)}
    written: dict[str, str] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        if resolved(path) in read:
            raise ConfigError(
                f"{option} {path}: would replace {read[resolved(path)]}, which is read; give another path"
            )
        first = written.setdefault(resolved(path), option)
        if first != option:
            raise ConfigError(f"{option} {path}: is what {first} writes; give another path")


def resolved(path: str | Path) -> str:
    """The one name of a file that has several: no links, no dots."""
    return os.path.realpath(path)


def path_of(results: str) -> str:
    """The path in "PATH::KEY=VALUE::..."."""
    return results.split("::")[0]


def _read(inputs: Iterable[str | Path | None]) -> Iterable[Path]:
    """The files, those in folders of results, and what is read beside them."""
    from stillright.importers.harness import files_read

    for path in (Path(path_of(str(each))) for each in inputs if each is not None):
        yield path
        yield from files_read(path)
