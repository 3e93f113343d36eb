"""PredictionSet: one row a sample, and a header that says how the rows were made. Reads and writes JSONL.

Knows the format, not the metrics. The least a row needs is an id, a reference, and a prediction or a score.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

from stillright.errors import DataError

Text = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int | float) else value)]
Kind = Literal["discrete", "continuous"]


class Header(BaseModel):
    """How a PredictionSet was made; None where unknown."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    task: str | None = None
    metric: str | None = None
    kind: Kind | None = None
    settings: dict[str, Any] = {}


class Row(BaseModel):
    """One sample. `score` is S(output, reference), higher is better; `correct` overrides prediction = reference."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: Text
    prediction: Text | None = None
    reference: Text | list[Text] | None = None
    correct: bool | None = None
    score: float | None = None
    prompt: str | None = None
    output: str | None = None

    @model_validator(mode="after")
    def _finite(self) -> Row:
        if self.score is not None and not math.isfinite(self.score):
            raise ValueError(f"score {self.score} is not a finite number")
        return self

    @property
    def right(self) -> bool | None:
        """Whether the answer is right; None where there is no answer or no reference."""
        if self.correct is not None:
            return self.correct
        if self.prediction is None or self.reference is None:
            return None
        accepted = self.reference if isinstance(self.reference, list) else [self.reference]
        return self.prediction in accepted


class PredictionSet(BaseModel):
    """The answers of one model to one task."""

    model_config = ConfigDict(frozen=True)

    header: Header
    rows: tuple[Row, ...]

    @property
    def kind(self) -> Kind:
        """The header's kind; without one, continuous where every row has a score and none a prediction."""
        if self.header.kind is not None:
            return self.header.kind
        scored = all(row.score is not None and row.prediction is None for row in self.rows)
        return "continuous" if scored else "discrete"


def write_predictions(predictions: PredictionSet, path: Path) -> None:
    """One JSON object a line: first the header, under the key `header`, then the rows."""
    header = {"header": predictions.header.model_dump(exclude_none=True)}
    lines = [json.dumps(header)]
    lines += (json.dumps(row.model_dump(exclude_none=True), ensure_ascii=False) for row in predictions.rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number (from 1) and object of every line that is not blank.

    Raises DataError for a file that is missing, not UTF-8, or a line that is not a JSON object.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file (looked from {Path.cwd()})") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}; re-encode the file as UTF-8") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, _json_object(line, f"{path}:{number}")


def _json_object(line: str, place: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{place}: not JSON ({error.msg} at column {error.colno}); one JSON object a line") from None
    if not isinstance(value, dict):
        raise DataError(f"{place}: a JSON {type(value).__name__}, but each line must be an object")
    return value


def _row(place: str, value: dict[str, Any]) -> Row:
    try:
        row = Row.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "row"
        raise DataError(f"{place}: {field}: {first['msg']}") from None
    if row.right is None and row.score is None and row.output is None and row.prediction is None:
        raise DataError(f"{place}: sample {row.id!r} has neither a prediction, a score nor an output")
    return row


def _refuse_duplicates(path: Path, rows: Iterable[Row]) -> None:
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise DataError(f"{path}: the id {row.id!r} stands in more than one row; ids must be unique")
        seen.add(row.id)


def read_predictions(path: Path) -> PredictionSet:
    """The PredictionSet in a JSONL file; without a header line, named after the file.

    Raises DataError, naming file and line, for anything that is not one.
    """
    header = Header(name=path.stem)
    rows: list[Row] = []
    for number, value in read_json_lines(path):
        if "header" in value and not rows:
            header = Header.model_validate({"name": path.stem, **value["header"]})
        else:
            rows.append(_row(f"{path}:{number}", value))
    if not rows:
        raise DataError(f"{path}: no samples in this file")
    _refuse_duplicates(path, rows)
    return PredictionSet(header=header, rows=tuple(rows))
