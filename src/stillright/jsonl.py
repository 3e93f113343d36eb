"""JSON and JSONL of any origin, perhaps gzipped: read leniently where tools write leniently, refused in one line.

Knows files and JSON; knows nothing of samples.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import msgspec

from stillright import bounds
from stillright.errors import DataError

LIMIT_BYTES = 4 * 2**30  # of a JSON file that must be held whole
BLOCK_BYTES = 4 * 2**20  # of a JSONL file, read at once
LINE_BYTES = 2**30
Constant = Callable[[str], Any]
Keys = dict[str, msgspec.Raw]  # decodes only the keys of an object


def decode_json(data: bytes, place: str, kind: Any = Any, constant: Constant = str, limit: int | None = None) -> Any:
    """The value that `data` spells, as a msgspec type.

    NaN and Infinity, which Python writes but JSON lacks, become what `constant` makes of the words.
    limit: bytes that the value may take in memory.
    Raises DataError naming `place` for anything not UTF-8, not JSON, nested too deeply, too heavy, or not of the type.
    """
    bounds.refuse_heavy(bounds.memory(data), limit or bounds.MEMORY_BYTES, place)
    return _value(data, place, kind, constant)


def _value(data: bytes, place: str, kind: Any, constant: Constant) -> Any:
    """The same of what is known not to be too heavy."""
    try:
        return _decoded(data.removeprefix(b"\xef\xbb\xbf"), kind, constant)
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: not UTF-8 at byte {error.start}; re-encode the file as UTF-8") from None
    except RecursionError:
        raise DataError(f"{place}: JSON nested too deeply; flatten it") from None
    except msgspec.ValidationError as error:
        words = str(error).replace("`", "").replace(" - at $.", " - at ")
        raise DataError(f"{place}: {words}") from None
    except msgspec.DecodeError as error:
        raise DataError(f"{place}: not JSON ({error})") from None


def without_nan(word: str) -> str | None:
    """For tables, in which NaN is a missing value."""
    return None if word == "NaN" else word


def _decoded(data: bytes, kind: Any, constant: Constant) -> Any:
    """If need be, as Python reads it: with NaN, and the halves of surrogate pairs that JavaScript may leave."""
    try:
        return _decoder(kind).decode(data)
    except msgspec.DecodeError as error:
        may_be_python = any(word in data for word in (b"NaN", b"Infinity", b"\\ud", b"\\uD"))
        if isinstance(error, msgspec.ValidationError) or not may_be_python:
            raise
        try:
            value = json.loads(data, parse_constant=constant)
        except ValueError:
            raise error from None
    whole = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")  # half a pair becomes "?"
    return _decoder(kind).decode(whole)


@lru_cache
def _decoder(kind: Any) -> Any:
    """One for each type, since making one takes as long as a line of a log."""
    return msgspec.json.Decoder(kind)


def read_json(path: Path, kind: Any = Any, constant: Constant = str) -> Any:
    """The value in a JSON file, see decode_json. Raises DataError naming the file."""
    with open_binary(path) as file:
        size = path.stat().st_size
        if size > LIMIT_BYTES:
            raise DataError(f"{path}: {size:,} bytes of JSON in one value, more than {LIMIT_BYTES:,}; write JSONL")
        data = _read(file, -1, path, "damaged or cut off")
    return decode_json(data, str(path), kind, constant, bounds.memory_limit(path))


def open_binary(path: Path) -> IO[bytes]:
    """The file's bytes, decompressed if its name ends in .gz. Raises DataError if it cannot be opened.

    Reading raises DataError where more comes out of a compressed file than it may hold.
    """
    try:
        if path.suffix != ".gz":
            return path.open("rb")
        packed = cast("BinaryIO", gzip.open(path))  # noqa: SIM115 - closed with what reads it
        return io.BufferedReader(bounds.Unpacked(packed, str(path), bounds.UNPACKED_BYTES))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file (looked from {Path.cwd()})") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def first_bytes(path: Path, count: int) -> bytes:
    """The first bytes of the file, decompressed. Raises DataError."""
    with open_binary(path) as file:
        return _read(file, count, path, "damaged or cut off")


def _read(file: IO[bytes], count: int, path: Path, problem: str, of_line: bool = False) -> bytes:
    """At most `count` bytes, or those of a line. Raises DataError that says the `problem` where they cannot be read."""
    try:
        return file.readline(count) if of_line else file.read(count)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path}: {problem} ({error})") from None


def blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    """Whole lines of the file, some 4 MB at a time, with the number (from 1) of the first. Raises DataError."""
    number = 1
    with open_binary(path) as file:
        while data := _block(file, path, number - 1):
            lines = data.count(b"\n")
            if lines > bounds.BLANK_LINES and data.count(b"\n\n") > bounds.BLANK_LINES:
                what = f"more than {bounds.BLANK_LINES:,} blank lines"
                raise DataError(f"{path}:{number}: {what}; write one sample per line")
            # without the mark that some editors put before UTF-8
            yield number, data.removeprefix(b"\xef\xbb\xbf") if number == 1 else data
            number += lines


def lines_of(data: bytes) -> list[bytes]:
    """The lines, which end at a line feed alone."""
    return io.BytesIO(data).readlines()


def _block(file: IO[bytes], path: Path, before: int) -> bytes:
    """Some whole lines; before: how many were read before them. Raises DataError for what no samples would need."""
    problem = f"damaged or cut off after line {before}"
    data = _read(file, BLOCK_BYTES, path, problem)
    rest = _read(file, LINE_BYTES, path, problem, of_line=True) if data and not data.endswith(b"\n") else b""
    if len(rest) == LINE_BYTES and not rest.endswith(b"\n"):
        raise DataError(f"{path}: a line of more than {LINE_BYTES:,} bytes; write one sample per line")
    data += rest
    limit = bounds.memory_limit(path)
    if len(data) * bounds.MEMORY_OF_A_BYTE > limit:
        bounds.refuse_heavy(bounds.memory(data), limit, f"{path}:{before + 1}")
    return data


def read_lines(path: Path, kind: Any = Any, constant: Constant = str) -> Iterator[tuple[int, Any]]:
    """Line number (from 1) and value of every line that is not blank, see decode_json. Raises DataError.

    The values together may be as heavy as the file allows, since callers keep them.
    """
    taken, limit, is_light = 0, bounds.memory_limit(path), bounds.is_light(path)
    for first, data in blocks(path):
        if not is_light:
            taken += bounds.memory_of_lines(data)
            bounds.refuse_heavy(taken, limit, f"{path}:{first}")
        for number, line in _filled(data, first):
            yield number, _value(line, f"{path}:{number}", kind, constant)


def filled_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number (from 1) and content of every line that is not blank. Raises DataError."""
    for first, data in blocks(path):
        yield from _filled(data, first)


def _filled(data: bytes, first: int) -> Iterator[tuple[int, bytes]]:
    return ((number, line) for number, line in enumerate(lines_of(data), start=first) if line.strip())


def read_objects(path: Path, constant: Constant = str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The same of a file that holds a JSON object per line. Raises DataError for a line that does not."""
    return read_lines(path, dict[str, Any], constant)
