"""Whether a changed file that was read as something else says so plainly: a rule written by hand.

Both files are parsed here by other readers than stillright's. What is read may differ where the file differs in a value
that no reader could doubt: another answer, another number in its usual range. It may not where all that differs is
broken, out of range, of another type or gone, unless the samples concerned count as they did or as unscored, or
`compare` refuses the pair.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import re
import unicodedata
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from stillright.comparison import compare
from stillright.errors import StillrightError
from stillright.importers.inspect import zipfile  # type: ignore[attr-defined]  # with Zstandard, on any Python
from stillright.records import PredictionSet

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
LARGEST = 1e6  # of the values in these files, by far
GONE = object()
UNSET = ("", "~", "null")  # as YAML says that a key has no value
SHOWN = 3  # changed values in a message


class Changed(NamedTuple):
    """A file before and after, and what was read of it."""

    form: str
    before: bytes
    after: bytes
    right: Any
    read: Any


def verdict(changed: Changed) -> tuple[str, str]:
    """("survived" | "refused" | "wrong", why)."""
    if isinstance(changed.right, PredictionSet):
        try:
            compare(changed.right, changed.read)
        except StillrightError as error:
            return "refused", str(error)
        before, after = numbers(changed.right), numbers(changed.read)
        if all(after[name] in (before[name], None) for name in before):
            return "survived", "the same numbers, or unscored"
    different = differing(changed.form, changed.before, changed.after)
    if different is None:
        return "wrong", "another reader cannot read it"
    if any(_is_id(path) or is_plain(old, new, changed.form) for path, (old, new) in different.items()):
        return "survived", "plain"
    shown = [f"{'.'.join(map(str, path))}: {_short(old)} -> {_short(new)}" for path, (old, new) in different.items()]
    return "wrong", f"{'; '.join(shown[:SHOWN]) or 'nothing differs'}"


def numbers(results: PredictionSet) -> dict[str, float | bool | None]:
    """What counts of each sample: right or wrong, or its score; None: unscored."""
    rows = results.table.select("id", "prediction", "reference", "correct", "score").rows()
    if results.kind == "continuous":
        return {name: score for name, *_, score in rows}
    return {name: _is_right(prediction, reference, correct) for name, prediction, reference, correct, _ in rows}


def _is_right(prediction: str | None, reference: list[str] | None, correct: bool | None) -> bool | None:
    if correct is not None:
        return correct
    return None if prediction is None or not reference else prediction in reference


def _short(value: Any) -> str:
    return "gone" if value is GONE else repr(value)[:60]


def differing(form: str, before: bytes, after: bytes) -> dict[tuple[Any, ...], tuple[Any, Any]] | None:
    """The values that are not the same in both, by place; None where `after` cannot be parsed."""
    try:
        old, new = (dict(_leaves(_parsed(form, content))) for content in (before, after))
    except Exception:  # whatever such parsers raise
        return None
    places = [*old, *(place for place in new if place not in old)]
    pairs = {place: (old.get(place, GONE), new.get(place, GONE)) for place in places}
    return {place: pair for place, pair in pairs.items() if repr(pair[0]) != repr(pair[1])}


def _is_id(path: tuple[Any, ...]) -> bool:
    """Whether it stands in a list of ids, as in resolved_ids: there an id more or less is another verdict, plainly."""
    return bool(path) and str(path[0]).endswith("_ids")


def is_plain(old: Any, new: Any, form: str) -> bool:
    """Whether a value that has become another is one that no reader could doubt."""
    if form == "yaml" and (old is GONE or new in (GONE, *UNSET) or not _is_number(old)):
        return True  # a key that is there or not; a text, which is taken as it is written
    if old is GONE or new is GONE or new is None:
        return False
    if isinstance(new, str):
        if _is_number(old):
            return _is_number(new) and abs(float(new)) < LARGEST
        return isinstance(old, str) and new != "" and all(map(_is_of_text, new))
    if isinstance(new, bool) or isinstance(old, bool):
        return new in (0, 1) and old in (0, 1)
    return isinstance(old, int | float) and math.isfinite(new) and abs(new) < LARGEST


def _is_of_text(letter: str) -> bool:
    """Whether it may stand in an answer, as marks that join or turn letters do in emoji, Persian and Hebrew."""
    return letter != "\ufffd" and (letter.isprintable() or unicodedata.category(letter) == "Cf")


def _is_number(text: Any) -> bool:
    return isinstance(text, str) and NUMBER.fullmatch(text) is not None


def _leaves(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, dict | list) and value:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(inner, (*place, key))
    else:
        yield place, value


def _parsed(form: str, content: bytes) -> Any:
    """As the standard library, PyYAML or Arrow reads it."""
    if form.endswith(".gz"):
        return _parsed(form.removesuffix(".gz"), gzip.decompress(content))
    if form == "parquet":
        from pyarrow import parquet  # type: ignore[import-untyped]

        return parquet.read_table(io.BytesIO(content)).to_pylist()
    if form == "zip":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {name: json.loads(archive.read(name)) for name in archive.namelist()}
    text = content.decode()
    if form == "json":
        return json.loads(text)
    if form == "jsonl":
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    if form == "yaml":
        return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - makes texts alone
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter="," if form == "csv" else "\t"))
