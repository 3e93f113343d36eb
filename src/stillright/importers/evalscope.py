"""EvalScope: reviews/MODEL/BENCHMARK_SUBSET.jsonl, one review a line, with the values of all metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from stillright.directions import is_lower_better
from stillright.importers.grades import Judged, graded, number
from stillright.importers.selection import Selection, choose, choose_metric, refuse_unknown
from stillright.jsonl import read_lines
from stillright.messages import chat_text
from stillright.records import Header, PredictionSet

USABLE = ("success", "fallback")  # of the states of a score; the others count in no mean of EvalScope


class Score(msgspec.Struct):
    """What was found of an answer; only the fields that are read."""

    value: dict[str, Any] = {}
    status: str = "success"  # which old releases do not write
    extracted_prediction: str | None = None
    prediction: str | None = None
    main_score_name: str | None = None


class SampleScore(msgspec.Struct):
    """A score, and whose it is; repeats of a sample are one group."""

    score: Score
    group_id: int | str | None = None
    generation_index: int | None = None
    sample_metadata: dict[str, Any] | None = None


class Review(msgspec.Struct):
    """A line of the file; only the fields that are read."""

    index: int
    sample_score: SampleScore
    target: str | list[str] | None = None
    messages: list[dict[str, Any]] = []
    input: str = ""  # of old releases, in place of messages


class Sample(NamedTuple):
    """A review under the number of its sample, and which repeat it is of."""

    id: int | str
    run: int
    review: Review


def read(path: Path, selection: Selection) -> PredictionSet:
    """The reviews of one repeat, judged by one metric. Raises DataError if `selection` leaves several or none."""
    known = path.parent.name if path.parent.parent.name == "reviews" else None
    task = path.name.removesuffix(".gz").removesuffix(".jsonl")
    names = {"model": [known] if known else [], "task": [task], "filter": (), "prompt": ()}
    refuse_unknown(selection, names, str(path))
    samples = _of_run(list(_numbered([review for _, review in read_lines(path, Review)])), selection.run, path)
    usual = tuple(name for each in samples[:1] if (name := each.review.sample_score.score.main_score_name))
    metrics = [name for each in samples for name in each.review.sample_score.score.value]
    metric = choose_metric(metrics, selection, str(path), (*usual, *metrics[:1]))
    header = Header(
        name=known or task,
        task=task,
        metric=metric,
        lower_is_better=is_lower_better(metric, None, selection.lower_is_better, str(path)),
        source={"tool": "EvalScope", "model": known},
    )
    return graded([_judged(each, metric, path) for each in samples], header, selection, str(path))


def _numbered(reviews: list[Review]) -> Iterator[Sample]:
    """The reviews under their groups where samples were repeated; repeats are numbered from 1."""
    groups = Counter(review.sample_score.group_id for review in reviews)
    repeated = None not in groups and max(groups.values(), default=1) > 1
    seen: Counter[int | str | None] = Counter()
    for review in sorted(reviews, key=lambda each: each.index):
        score = review.sample_score
        seen[score.group_id] += 1
        run = seen[score.group_id] if score.generation_index is None else score.generation_index + 1
        group = score.group_id
        yield Sample(group, run, review) if repeated and group is not None else Sample(review.index, 1, review)


def _of_run(samples: list[Sample], run: int | None, path: Path) -> list[Sample]:
    chosen = choose("run", sorted({each.run for each in samples}), run, str(path))
    return [each for each in samples if str(each.run) == chosen]


def _judged(sample: Sample, metric: str | None, path: Path) -> Judged:
    review, score = sample.review, sample.review.sample_score.score
    row = {
        "id": sample.id,
        "prediction": score.extracted_prediction,
        "reference": review.target or None,
        "prompt": _asked(review),
        "output": score.prediction,
    }
    usable = score.status in USABLE and metric is not None
    value = number(score.value.get(metric or ""), f"{path}: index {review.index}: {metric}") if usable else None
    return Judged(row, value, review.sample_score.sample_metadata or {})


def _asked(review: Review) -> str | None:
    """The messages up to the last of the user."""
    users = [i for i, message in enumerate(review.messages) if message.get("role") == "user"]
    return chat_text(review.messages[: users[-1] + 1]) if users else review.input or None
