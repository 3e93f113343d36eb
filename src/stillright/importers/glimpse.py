"""What is seen of a file or folder before it is read: enough to recognize its format. Knows no format of a tool."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from stillright.errors import DataError
from stillright.importers import parquet
from stillright.jsonl import Keys, blocks, decode_json, first_bytes, read_json

ZIP, PARQUET = b"PK\x03\x04", b"PAR1"
DELIMITED = (".csv", ".tsv", ".csv.gz", ".tsv.gz")


@dataclass(frozen=True)
class Glimpse:
    """A file or folder, by its first bytes and names."""

    path: Path
    is_folder: bool = False
    magic: bytes = b""  # the first four bytes of a file
    keys: frozenset[str] = frozenset()  # of the first JSON object, or the columns of a Parquet file
    one_per_line: bool = False  # JSON objects; else the file is one JSON value

    @property
    def is_delimited(self) -> bool:
        """Whether the file's name is that of comma- or tab-separated values."""
        return self.path.name.lower().endswith(DELIMITED)

    def has(self, *keys: str) -> bool:
        """Whether a file of JSON has all these keys."""
        return self.magic not in (ZIP, PARQUET) and self.keys.issuperset(keys)


def glimpse(path: Path, known: str) -> Glimpse:
    """What is seen of `path`. Raises DataError, which names the formats `known`, for what is none of them."""
    if path.is_dir():
        return Glimpse(path, is_folder=True)
    if not path.is_file():
        raise DataError(f"{path}: neither a file nor a folder; write the results to a file first")
    magic = first_bytes(path, 4)
    if magic == PARQUET:
        return Glimpse(path, magic=magic, keys=_columns(path))
    if magic == ZIP:
        return Glimpse(path, magic=magic)
    if path.suffix.lower() in (".parquet", ".eval"):
        raise DataError(f"{path}: the name ends in {path.suffix}, but the content is something else; it may be cut off")
    plain = Glimpse(path, magic=magic)
    if plain.is_delimited:
        return plain
    keys, one_per_line = _first_keys(path, known)
    return Glimpse(path, magic=magic, keys=keys, one_per_line=one_per_line)


def _columns(path: Path) -> frozenset[str]:
    with suppress(DataError):
        return frozenset(parquet.schema(path))
    return frozenset()  # damaged, as its reader says


def _first_keys(path: Path, known: str) -> tuple[frozenset[str], bool]:
    """The keys of the first JSON object, and whether the file has one per line; else it is one value."""
    data = next((data for _, data in blocks(path)), b"")
    line = next((line for line in BytesIO(data) if line.strip()), b"")
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path}: UTF-16; re-encode the file as UTF-8")
    if line and line.lstrip()[:1] not in (b"{", b"["):
        raise DataError(f"{path}: unknown format; {known}")
    try:
        value = decode_json(line, str(path), Keys | list[Keys])
        one_per_line = isinstance(value, dict)
    except DataError:
        if path.suffix != ".json" and line.lstrip()[:1] != b"[":
            return frozenset(), True
        value, one_per_line = read_json(path, Keys | list[Keys]), False
    first = value if isinstance(value, dict) else value[0] if value else ()
    return frozenset(first), one_per_line
