"""The samples of a log, each with the value of one metric -> PredictionSet. Knows no format."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

from stillright.errors import DataError
from stillright.importers.selection import Selection, choose
from stillright.records import COLUMNS, Header, Kind, PredictionSet

# similarities: continuous even where every value of a small log happens to be 0 or 1
SIMILARITIES = ("rouge", "bleu", "chrf", "bert", "f1", "meteor", "similar", "levenshtein", "perplexity", "llm-rubric")


class Judged(NamedTuple):
    """A sample of a log."""

    row: dict[str, Any]  # our columns, without the verdict
    value: float | None  # the metric's; None if unscored
    more: Mapping[str, Any]  # what there is to slice by


def number(value: Any, place: str) -> float | None:
    """A metric's value for a sample, None without one, which tools write as NaN too.

    Raises DataError for anything but a number.
    """
    if value is None or value == "NaN" or value != value:
        return None
    if isinstance(value, int | float):
        with suppress(OverflowError):
            return float(value)
    raise DataError(f"{place} is {value!r:.40}, not a number")


def text(value: Any) -> str | None:
    """A text as it is; None for anything else."""
    return value if isinstance(value, str) else None


def text_or_json(value: Any) -> str | None:
    """A text as it is, None for none, anything else as JSON; keys are sorted, so that equal objects are equal texts."""
    return value if value is None or isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def graded(samples: Sequence[Judged], header: Header, selection: Selection, place: str) -> PredictionSet:
    """The set of `samples`, with verdicts or scores as the header's kind says.

    Without a kind, verdicts are guessed where all values are 0 or 1, except for metrics known to be similarities, and
    those of which lower is better: their mean would be another number than the tool's.
    A sample without a value is unscored, not wrong: it keeps only its output, so that nothing can be judged by it.
    What is None in the header's settings and source is left out. A column renamed to `reference` is one of those to
    slice by, for logs that have no right answers of their own. Raises DataError naming `place`.
    """
    if selection.anew and all(sample.row.get("output") is None for sample in samples):
        status = f" (status {header.source['status']})" if header.source.get("status") else ""
        raise DataError(f"{place}: no sample has an output to score{status}; run the evaluation again")
    samples = _with_references(identified(samples, selection.rename.get("id"), place), selection, place)
    names = [name for name in selection.columns if name not in COLUMNS]
    for name in names:
        choose("column", (key for sample in samples for key in sample.more), name, place)
    guess: Kind = (
        "continuous" if header.lower_is_better else _kind((sample.value for sample in samples), header.metric or "")
    )
    kind = header.kind or guess
    rows = [_row(sample, kind, selection.anew) | {name: sample.more.get(name) for name in names} for sample in samples]
    known = {"settings": _known(header.settings), "source": _known(header.source)}
    found = PredictionSet.from_rows(header.model_copy(update={"kind": kind, **known}), rows, place)
    return replace(found, guessed=header.kind is None and kind == "discrete")


def identified(samples: Sequence[Judged], name: str | None, place: str) -> Sequence[Judged]:
    """The samples under what `name` is for each, such as a variable; this, and no document, is then what they ask.

    name: None leaves them as they are. Raises DataError naming `place` if no sample has it.
    """
    if name is None or name == "id":
        return samples
    choose("column", (key for sample in samples for key in sample.more), name, place)
    return [sample._replace(row=sample.row | {"id": sample.more.get(name), "asked": None}) for sample in samples]


def _kind(values: Iterable[float | None], metric: str) -> Kind:
    similarity = any(name in metric.lower() for name in SIMILARITIES)
    return "discrete" if set(values) <= {0, 1, None} and not similarity else "continuous"


def _with_references(samples: Sequence[Judged], selection: Selection, place: str) -> Sequence[Judged]:
    name = selection.rename.get("reference")
    if name is None:
        return samples
    choose("column", (key for sample in samples for key in sample.more), name, place)
    return [sample._replace(row=sample.row | {"reference": sample.more.get(name)}) for sample in samples]


def _row(sample: Judged, kind: Kind, anew: bool) -> dict[str, Any]:
    """anew: an answer that never came stays None, so that it is not scored as an empty one."""
    row, value, _ = sample
    if value is None:
        output = row.get("output")
        return {**row, "prediction": None, "output": output if anew or output is not None else ""}
    return {**row, **({"correct": bool(value)} if kind == "discrete" else {"score": float(value)})}


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
