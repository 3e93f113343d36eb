"""JSON of other tools: decoded leniently where tools are lenient, refused in one line where it is not JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from stillright.errors import DataError

LIMIT_BYTES = 4 * 2**30  # of a JSON file that must be held whole
Constant = Callable[[str], Any]
Keys = dict[str, msgspec.Raw]  # decodes only the keys of an object


def decode_json(data: bytes, place: str, kind: Any = Any, constant: Constant = str) -> Any:
    """The value that `data` spells, as a msgspec type.

    NaN and Infinity, which Python writes but JSON lacks, become what `constant` makes of the words.
    Raises DataError naming `place` for anything not UTF-8, not JSON, nested too deeply, or not of the type.
    """
    try:
        return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=kind)
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: not UTF-8 at byte {error.start}; re-encode the file as UTF-8") from None
    except RecursionError:
        raise DataError(f"{place}: JSON nested too deeply; flatten it") from None
    except msgspec.ValidationError as error:
        raise DataError(f"{place}: {_in_words(error)}") from None
    except msgspec.DecodeError as error:
        return _lenient(data, place, error, kind, constant)


def without_nan(word: str) -> str | None:
    """For tables, in which NaN is a missing value."""
    return None if word == "NaN" else word


def _lenient(data: bytes, place: str, error: msgspec.DecodeError, kind: Any, constant: Constant) -> Any:
    """As Python's own decoder reads it: with NaN, and the halves of surrogate pairs that JavaScript may leave."""
    refusal = DataError(f"{place}: not JSON ({error})")
    if not any(word in data for word in (b"NaN", b"Infinity", b"\\ud", b"\\uD")):
        raise refusal from None
    try:
        value = json.loads(data, parse_constant=constant)
        whole = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")  # half a pair becomes "?"
        return msgspec.json.decode(whole, type=kind)
    except msgspec.ValidationError as unfit:
        raise DataError(f"{place}: {_in_words(unfit)}") from None
    except (ValueError, RecursionError):
        raise refusal from None


def _in_words(error: msgspec.ValidationError) -> str:
    return str(error).replace("`", "").replace(" - at $.", " - at ")


def read_json(path: Path, kind: Any = Any, constant: Constant = str) -> Any:
    """The value in a JSON file, see decode_json. Raises DataError naming the file."""
    try:
        size = path.stat().st_size
        if size > LIMIT_BYTES:
            raise DataError(f"{path}: {size:,} bytes of JSON in one value, more than {LIMIT_BYTES:,}; write JSONL")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    return decode_json(data, str(path), kind, constant)


def as_object(value: Any, place: str) -> dict[str, Any]:
    """`value`, if it is a JSON object. Raises DataError naming `place`."""
    if isinstance(value, dict):
        return value
    raise DataError(f"{place}: expected a JSON object, not {value!r:.40}")
