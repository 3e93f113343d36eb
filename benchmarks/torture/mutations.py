"""Spoils content: bytes that are cut off, left out, repeated or changed, and values that nobody expects there."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Callable
from typing import Any

import yaml

from stillright.importers.inspect import zipfile  # type: ignore[attr-defined]  # with Zstandard, on any Python

MIDDLES = (
    b"",
    b"\x00",
    b"\xff\xfe",
    b'"',
    b"{",
    b"}",
    b"]",
    b"\n",
    b":",
    b",",
    b"- ",
    b"&a ",
    b"*a",
    b"!!int ",
    b"9" * 400,
)
LENGTHS = (0, 1, 2, 10, 100, 10**6)
STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 1.5, 10**30, float("nan"), float("inf"), "", " ", "x", "A", "NaN", "true", "[1"),
    *("\ud83d", "a\nb", "1", "0.5", "2026-13-45", "\u202eA", "\x1b[2J", [], {}, [[]], ["A"], {"": None}, "9" * 400),
)
Mutation = Callable[[random.Random, bytes], bytes]


def spoilt_bytes(draw: random.Random, content: bytes) -> bytes:
    """`content` with one part left out, repeated or replaced, and up to three bytes changed."""
    begin = draw.randint(0, len(content))
    end = min(len(content), begin + draw.choice(LENGTHS))
    middle = draw.choice((content[begin:end] * 2, *MIDDLES))
    changed = bytearray(content[:begin] + middle + content[end:])
    for _ in range(draw.randint(0, 3)):
        if changed:
            changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def spoilt_value(draw: random.Random, value: Any) -> Any:
    """`value`, changed in place, somewhere within it."""
    while isinstance(value, dict | list) and value:
        key = draw.choice([*value]) if isinstance(value, dict) else draw.randrange(len(value))
        if not isinstance(value[key], dict | list) or not value[key] or draw.random() < 0.15:
            break
        value = value[key]
    else:
        return value
    choice = draw.randrange(8)
    if choice == 0:
        del value[key]
    elif choice == 1 and isinstance(value, dict):
        value[f"{key}x"] = value.pop(key)
    elif choice == 1 and isinstance(value, list):
        value.append(value[key])
    elif choice == 2:
        other = draw.choice([*value]) if isinstance(value, dict) else draw.randrange(len(value))
        value[key], value[other] = value[other], value[key]
    else:
        value[key] = draw.choice(STRANGE)
    return value


def _json(draw: random.Random, content: bytes) -> bytes:
    value = json.loads(content)
    spoilt_value(draw, value)
    return json.dumps(value).encode()


def _lines(draw: random.Random, content: bytes) -> bytes:
    value = [json.loads(line) for line in content.splitlines()]
    spoilt_value(draw, value)
    return b"".join(json.dumps(each).encode() + b"\n" for each in value)


def _table(draw: random.Random, content: bytes, delimiter: str) -> bytes:
    rows = list(csv.reader(io.StringIO(content.decode()), delimiter=delimiter))
    spoilt_value(draw, rows)
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(row if isinstance(row, list) else [row] for row in rows)
    return text.getvalue().encode(errors="surrogatepass")


def _yaml(draw: random.Random, content: bytes) -> bytes:
    value = yaml.safe_load(content)
    spoilt_value(draw, value)
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=draw.random() < 0.5).encode(errors="surrogatepass")


def _zip(draw: random.Random, content: bytes) -> bytes:
    """One file in the archive is spoilt, and the archive is whole."""
    new = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(new, "w") as archive:
        chosen = draw.choice(old.namelist())
        for name in old.namelist():
            data = old.read(name)
            if name == chosen:
                data = _json(draw, data) if draw.random() < 0.7 else spoilt_bytes(draw, data)
            archive.writestr(name, data)
    return new.getvalue()


def _gzip(draw: random.Random, content: bytes, inner: Mutation) -> bytes:
    return gzip.compress(inner(draw, gzip.decompress(content)), 1)


def _comma(draw: random.Random, content: bytes) -> bytes:
    return _table(draw, content, ",")


def _tab(draw: random.Random, content: bytes) -> bytes:
    return _table(draw, content, "\t")


VALUES: dict[str, Mutation] = {  # by how a file is written
    "json": _json,
    "jsonl": _lines,
    "csv": _comma,
    "tsv": _tab,
    "yaml": _yaml,
    "zip": _zip,
    "jsonl.gz": lambda draw, content: _gzip(draw, content, _lines),
    "csv.gz": lambda draw, content: _gzip(draw, content, _comma),
    "parquet": spoilt_bytes,
}


def spoilt(draw: random.Random, form: str, content: bytes) -> bytes:
    """`content` with strange values in it, or its bytes spoilt."""
    return (spoilt_bytes if draw.random() < 0.4 else VALUES[form])(draw, content)
