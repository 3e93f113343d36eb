"""Inspect: .eval, a zip of JSON files compressed with Zstandard, and .json, the same in one object.

A log holds one task, the scores of all its scorers, and every sample once for each epoch.
"""

from __future__ import annotations

import math
import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from stillright import bounds
from stillright.directions import is_lower_better, lower_by_name
from stillright.errors import DataError, cut
from stillright.importers.glimpse import ZIP
from stillright.importers.grades import Judged, graded
from stillright.importers.selection import Selection, choose, choose_metric, refuse_unknown
from stillright.jsonl import decode_json, first_bytes, read_json
from stillright.messages import chat_text
from stillright.records import Header, PredictionSet

if sys.version_info >= (3, 14):
    import zipfile

    from compression.zstd import ZstdError
else:
    from backports.zstd import ZstdError, zipfile

MEMBER_BYTES = 2**27  # of one file in the zip, decompressed
UNPACKING_BYTES = 2 * MEMBER_BYTES  # which holds a file twice
ALL_BYTES = 2**32  # of all of them; most of it are events, which are not kept
MEMBERS = 2**17  # files in the zip
PART_BYTES = 4096  # read at once: a zip reader may unpack as many whole, which in Zstandard can hold 100 MB
GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}  # as Inspect's own accuracy counts them
WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
# how requests are sent and what comes back with an answer, not how the answer is drawn
SENDING = {
    *("max_connections", "adaptive_connections", "max_retries", "timeout", "attempt_timeout", "extra_headers"),
    *("cache", "cache_prompt", "batch", "logprobs", "top_logprobs"),
}
NOT_PACKED = (zipfile.BadZipFile, ZstdError, zlib.error, struct.error)
DAMAGED = (*NOT_PACKED, OSError, EOFError, RuntimeError, LookupError, ValueError)


class Score(msgspec.Struct):
    """A scorer's result for a sample; the value may be a grade, a number, or an object of several."""

    value: Any = None
    answer: str | None = None


class Sample(msgspec.Struct):
    """A sample's answer; only the fields that are read."""

    id: int | str
    epoch: int = 1
    input: Any = None
    choices: list[str] | None = None
    target: str | list[str] = ""
    output: Any = None
    scores: dict[str, Score] | None = None
    error: Any = None
    metadata: dict[str, Any] | None = None
    attachments: dict[str, str] | None = None
    invalidation: Any = None  # who took the sample back, and why


class Spec(msgspec.Struct):
    """What was evaluated."""

    task: str
    model: str
    task_version: int | str = 0
    task_args: dict[str, Any] | None = None
    model_generate_config: dict[str, Any] | None = None
    packages: dict[str, str] | None = None
    revision: dict[str, Any] | None = None
    created: str | None = None


class Plan(msgspec.Struct):
    """How it was evaluated."""

    config: dict[str, Any] | None = None


class Head(msgspec.Struct):
    """A log without its samples."""

    eval: Spec


class Log(msgspec.Struct):
    """A whole log, or its head without samples."""

    eval: Spec
    plan: Plan = msgspec.field(default_factory=Plan)
    status: str | None = None
    samples: list[Sample] | None = None


def read(path: Path, selection: Selection) -> PredictionSet:
    """The samples of one epoch with the values of one scorer, in a .eval or .json log.

    Raises DataError for anything that Inspect has not written, and if `selection` leaves several results or none.
    """
    log = _unpacked(path) if first_bytes(path, 4) == ZIP else read_json(path, Log)
    named = {"task": [log.eval.task], "model": [log.eval.model], "filter": (), "prompt": ()}
    refuse_unknown(selection, named, str(path))
    samples = _epoch(log.samples or [], selection.run, path)
    failed = sum(sample.error is not None for sample in samples)
    state = f"status {log.status or 'unknown'}, {failed:,} of {len(samples):,} samples failed"
    names = (name for sample in samples for name in _values(sample))
    metric = choose_metric(names, selection, str(path), state=state)
    judged = [_judged(sample, metric, path, selection.anew) for sample in samples]
    lower = selection.lower_is_better or is_lower_better(metric, _direction(metric, judged), False, str(path))
    header = _header(log, metric).model_copy(update={"lower_is_better": lower})
    return graded(judged, header, selection, str(path))


def task_in(path: Path) -> str:
    """The task of a log, of which only the head is read from a .eval file. Raises DataError."""
    if first_bytes(path, 4) == ZIP:
        with _opened(path) as archive:
            return _head(archive, path).eval.task
    head: Head = read_json(path, Head)
    return head.eval.task


def _direction(metric: str | None, samples: list[Judged]) -> bool | None:
    """False (higher is better) where all values are grades of right and wrong, unless the metric is a known error."""
    of_name = lower_by_name(metric) if metric else None
    return of_name or (False if all(sample.value in (0, 1, None) for sample in samples) else None)


def _unpacked(path: Path) -> Log:
    """The log in a zip. Raises DataError if it is damaged, or decompresses to more than a log would."""
    with _opened(path) as archive:
        log = _head(archive, path)
        names = dict.fromkeys(archive.namelist())
        log.samples = _samples(archive, [name for name in names if name.startswith("samples/")], path)
        return log


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The zip of a log. Raises DataError for whatever reading from it raises."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except DAMAGED as error:
        raise DataError(f"{path}: not a log of Inspect, or damaged ({cut(error)})") from None


def _head(archive: Any, path: Path) -> Log:
    names = archive.namelist()
    if len(names) > MEMBERS:
        raise DataError(f"{path}: {len(names):,} files in one log, more than {MEMBERS:,}")
    head = "header.json" if "header.json" in names else "_journal/start.json"  # the latter of a cut-off run
    log: Log = decode_json(_member(archive, head, path, 0), f"{path}: {head}", Log)
    return log


def _samples(archive: Any, names: list[str], path: Path) -> list[Sample]:
    """The samples in these files of the zip. Raises DataError once they are more than a log would hold."""
    samples, unpacked, kept = [], 0, 0
    limit = bounds.memory_limit(path)
    for name in names:
        place = f"{path}: {name}"
        data = _member(archive, name, path, unpacked)
        unpacked += len(data)
        bounds.refuse_heavy(kept + len(data) + bounds.memory(data), limit, place)
        sample: Sample = decode_json(data, place, Sample)
        del data  # before the next one is unpacked beside it
        kept += bounds.memory(msgspec.json.encode(sample))  # of what is read of it
        bounds.refuse_heavy(kept, limit - UNPACKING_BYTES, place)
        samples.append(sample)
    return samples


def _member(archive: Any, name: str, path: Path, before: int) -> bytes:
    """The content of a file in the zip, of which `before` bytes are unpacked already, whatever sizes the zip names."""
    data = bytearray()
    with archive.open(name) as file:
        while part := file.read1(PART_BYTES):
            data += part
            if len(data) > MEMBER_BYTES or before + len(data) > ALL_BYTES:
                rule = f"more than {MEMBER_BYTES:,} bytes, or all files to {ALL_BYTES:,}"
                raise DataError(f"{path}: {name}: unpacks to {rule}; no log of Inspect does")
    return bytes(data)


def _epoch(samples: list[Sample], run: int | None, path: Path) -> list[Sample]:
    if not samples:
        raise DataError(f"{path}: no samples; the run ended before the first one was written, so run it again")
    chosen = choose("run", sorted({sample.epoch for sample in samples}), run, str(path))
    return [sample for sample in samples if str(sample.epoch) == chosen]


def _values(sample: Sample) -> dict[str, Any]:
    """The sample's values by name; SCORER/NAME for a scorer that gives several."""
    values: dict[str, Any] = {}
    for scorer, score in (sample.scores or {}).items():
        several = isinstance(score.value, dict)
        values |= {f"{scorer}/{key}": each for key, each in score.value.items()} if several else {scorer: score.value}
    return values


def _number(value: Any, place: str) -> float | None:
    """A grade as a number; None if the scorer gave none, which Inspect writes as NaN."""
    if value is None or value == "NaN":
        return None
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str):
        with suppress(ValueError):
            number = float(GRADES.get(value, WORDS.get(value.lower(), value)))
            if math.isfinite(number):
                return number
    raise DataError(f"{place} is {value!r:.40}, neither a number nor one of {', '.join(GRADES)}")


def _judged(sample: Sample, metric: str | None, path: Path, anew: bool) -> Judged:
    score = (sample.scores or {}).get((metric or "").partition("/")[0])
    prompt = _text(sample.input, sample)
    row = {
        "id": sample.id,
        "prediction": score.answer if score else None,
        "reference": sample.target,
        "prompt": prompt,
        "output": _completion(sample),
        "choices": len(sample.choices) if sample.choices else None,
    }
    value = None if anew else _number(_values(sample).get(metric or ""), f"{path}: sample {sample.id}: {metric}")
    if sample.invalidation is not None:
        value, row["output"] = None, None if anew else row["output"]
    target = sample.target if isinstance(sample.target, str) else ", ".join(sample.target)
    given = sample.metadata or {}  # counts before the others, whatever its names
    return Judged(row, value, {**given, "input": prompt, "target": target, **given})


def _completion(sample: Sample) -> str | None:
    """The final text of the model; None if it failed before."""
    output = sample.output if isinstance(sample.output, dict) else {}
    if not output.get("completion") and not output.get("choices"):
        return None
    if isinstance(output.get("completion"), str):
        return _text(output["completion"], sample)
    return _text([choice.get("message") for choice in _objects(output.get("choices"))[:1]], sample)


def _text(content: Any, sample: Sample) -> str:
    return chat_text(content, sample.attachments or {}) or ""


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _header(log: Log, metric: str | None) -> Header:
    spec = log.eval
    given = {**(spec.model_generate_config or {}), **(log.plan.config or {})}
    generation = {key: value for key, value in given.items() if value is not None and key not in SENDING}
    source = {
        "tool": "Inspect",
        "model": spec.model,
        "inspect_ai": (spec.packages or {}).get("inspect_ai"),
        "commit": (spec.revision or {}).get("commit"),
        "created": spec.created,
        "status": log.status,
    }
    settings = {"task_version": spec.task_version, "task_args": spec.task_args or None, "generation": generation}
    return Header(name=spec.model, task=spec.task, metric=metric, settings=settings, source=source)
