"""JSON of other tools: decoded leniently where tools are lenient, refused in one line where it is not JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from stillright.errors import DataError

T = TypeVar("T")
LIMIT_BYTES = 4 * 2**30  # of a JSON file that must be held whole


def decode_json(data: bytes, place: str) -> Any:
    """The value that `data` spells. NaN and Infinity, which Python writes although JSON has none, come as these words.

    Raises DataError naming `place` for what is not UTF-8, not JSON or nested too deeply.
    """
    try:
        return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: not UTF-8 at byte {error.start}; re-encode the file as UTF-8") from None
    except RecursionError:
        raise DataError(f"{place}: JSON nested too deeply") from None
    except msgspec.DecodeError as error:
        return _lenient(data, f"{place}: not JSON ({error})")


def _lenient(data: bytes, message: str) -> Any:
    """As Python's own decoder reads it: it knows NaN, and halves of surrogate pairs as JavaScript cuts them."""
    if not any(word in data for word in (b"NaN", b"Infinity", b"\\ud", b"\\uD")):
        raise DataError(message)
    try:
        value = json.loads(data, parse_constant=str)
        whole = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")  # half a pair becomes "?"
        return msgspec.json.decode(whole)
    except (ValueError, RecursionError):
        raise DataError(message) from None


def read_json(path: Path) -> Any:
    """The value in a JSON file. Raises DataError naming the file."""
    try:
        if path.stat().st_size > LIMIT_BYTES:
            raise DataError(f"{path}: {path.stat().st_size:,} bytes of JSON in one value, too large to be read whole")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    return decode_json(data, str(path))


def as_object(value: Any, place: str) -> dict[str, Any]:
    """`value`, if it is a JSON object. Raises DataError naming `place`."""
    if isinstance(value, dict):
        return value
    raise DataError(f"{place}: a JSON object was expected, not {value!r:.40}")


def as_type(value: Any, kind: type[T], place: str) -> T:
    """`value`, decoded before, as a msgspec type. Raises DataError naming `place` and the field that does not fit."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise DataError(f"{place}: {str(error).replace('`', '')}") from None
