"""Results that are not on this machine, copied here through fsspec, which is imported only then."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from stillright.errors import DataError, missing_extra, refusing
from stillright.importers.selection import listed
from stillright.jsonl import LIMIT_BYTES

SCHEMES = ("s3://", "gs://", "hf://", "https://")


@contextmanager
def copied(url: str) -> Iterator[Path]:
    """A copy of the file or folder, kept while it is read; errors within name the address in place of the copy.

    Raises DataError for what cannot be had, or is too large; MissingExtra without the packages for it.
    """
    if not url.startswith(SCHEMES):
        raise DataError(f"{url}: no known kind of address; known are {', '.join(SCHEMES)}")
    with tempfile.TemporaryDirectory(prefix="stillright-") as folder:
        copy = Path(folder) / _name(url)
        with refusing(DataError, f"{url}: cannot be read"):
            _copy(url, copy)
        try:
            yield copy
        except DataError as error:
            message = str(error).replace(str(copy), url).replace(folder, url.rpartition("/")[0])
            raise type(error)(message) from None


def _copy(url: str, copy: Path) -> None:
    try:
        import fsspec

        system, root = fsspec.url_to_fs(url)
    except ImportError as error:
        raise missing_extra(url, "remote", error) from None
    files: dict[str, Any] = system.find(root, detail=True) or {root: system.info(root)}
    size = sum(each.get("size") or 0 for each in files.values())
    if size > LIMIT_BYTES:
        raise DataError(f"{url}: {size:,} bytes, more than {LIMIT_BYTES:,}; copy what is to be read yourself")
    for name in files:
        target = copy / _below(name, root)
        target.parent.mkdir(parents=True, exist_ok=True)
        system.get_file(name, str(target))


def _name(url: str) -> str:
    """The last part of the address, which names a file or folder. Raises DataError where there is none."""
    name = PurePosixPath(urlsplit(url).path).name
    if name in ("", ".."):
        raise DataError(f"{url}: names no file or folder")
    return name


def _below(name: str, root: str) -> PurePosixPath:
    """Where a file is in the folder; nowhere for the root itself. Raises DataError for one that is outside of it."""
    inside = PurePosixPath(name.removeprefix(root).lstrip("/"))
    if not name.startswith(root) or ".." in inside.parts:
        raise DataError(f"{listed([name])}: a file outside the folder that was asked for")
    return inside
