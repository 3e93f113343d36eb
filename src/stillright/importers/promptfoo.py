"""promptfoo: the results that `promptfoo eval --output x.json` writes, or .jsonl, which has one result per line.

A file holds the results of all tests with all prompts and providers, perhaps with several repeats of each test.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from stillright.directions import is_lower_better
from stillright.importers.grades import Judged, graded, number, text_or_json
from stillright.importers.selection import Selection, choose, refuse_unknown
from stillright.jsonl import read_json, read_lines
from stillright.records import Header, Kind, PredictionSet

PASS = "pass"  # noqa: S105 - the metric that is the verdict on all assertions
SCORE = "score"  # the metric that is promptfoo's score over all assertions
KNOWN_KINDS: dict[str, Kind] = {PASS: "discrete", SCORE: "continuous"}  # named scores are either
OF_A_RUN = ("sessionId", "_conversation")  # variables that promptfoo itself sets
PROVIDER_FAILED = 2  # a failureReason; 1 is an assertion


class Prompt(msgspec.Struct):
    """The prompt with its variables filled in, and its name."""

    raw: str = ""
    label: str | None = None


class Result(msgspec.Struct):
    """One test with one prompt and one provider; only the fields that are read."""

    success: bool
    score: Any = None
    test: int | None = msgspec.field(default=None, name="testIdx")
    column: int = msgspec.field(default=0, name="promptIdx")
    prompt: Prompt = msgspec.field(default_factory=Prompt)
    provider: str | dict[str, Any] = ""
    vars: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    response: Any = None
    named: dict[str, Any] | None = msgspec.field(default=None, name="namedScores")
    failure: int | None = msgspec.field(default=None, name="failureReason")
    case: dict[str, Any] | None = msgspec.field(default=None, name="testCase")
    grading: dict[str, Any] | None = msgspec.field(default=None, name="gradingResult")

    @property
    def model(self) -> str:
        """The name of the provider: its label, else its id."""
        if isinstance(self.provider, str):
            return self.provider
        return str(self.provider.get("label") or self.provider.get("id"))

    @property
    def label(self) -> str:
        """The name of the prompt."""
        return self.prompt.label or str(self.column)

    @property
    def answered(self) -> bool:
        """Whether there was an answer to judge; if not, the failure is not the model's."""
        if self.failure is not None:
            return self.failure != PROVIDER_FAILED
        return isinstance(self.response, str) or (isinstance(self.response, dict) and "output" in self.response)


class Grades(NamedTuple):
    """The results of a test's assertions, by whether there was a grade."""

    failed: bool  # an assertion that could be graded was not met
    ungraded: set[str]  # the metrics of those whose grader failed, empty for those without a name


Tests = list[tuple[str, Result]]  # with their numbers, or what stands for them


class Results(msgspec.Struct):
    """The results of an evaluation."""

    results: list[Result]


class File(msgspec.Struct):
    """A whole file of results."""

    results: Results
    id: str | None = msgspec.field(default=None, name="evalId")
    metadata: dict[str, Any] | None = None
    options: dict[str, Any] | None = msgspec.field(default=None, name="runtimeOptions")


def read(path: Path, selection: Selection) -> PredictionSet:
    """The results of one provider and one prompt, judged by one metric: `pass`, `score` or a named score.

    Raises DataError for anything that promptfoo has not written, and if `selection` leaves several results or none.
    """
    refuse_unknown(selection, {"filter": ()}, str(path))
    file = _file(path)
    model = choose("model", (result.model for result in file.results.results), selection.model, str(path))
    results = [result for result in file.results.results if result.model == model]
    tests = _numbered(_of_prompt(results, selection.prompt, path))
    tests = _of_run(tests, file.options or {}, selection.run, path)
    metrics = [PASS, SCORE, *(name for _, result in tests for name in result.named or {})]
    metric = choose("metric", metrics, selection.metric, str(path), (PASS,))
    judged = [_judged(test, result, metric, path) for test, result in tests]
    release = (file.metadata or {}).get("promptfooVersion")
    source = {"tool": "promptfoo", "model": model, "promptfoo": release, "eval": file.id}
    header = Header(
        name=model,
        task=selection.task,
        metric=metric,
        kind=KNOWN_KINDS.get(metric),
        lower_is_better=_is_lower_better(metric, selection, str(path)),
        source=source,
    )
    return graded(judged, header, selection, str(path))


def _is_lower_better(metric: str, selection: Selection, place: str) -> bool:
    """False unless the user says so: assertions give scores of which higher is better, whatever they measure."""
    said = None if selection.lower_is_better and metric not in KNOWN_KINDS else False
    return bool(is_lower_better(metric, said, selection.lower_is_better, place))


def _file(path: Path) -> File:
    if path.name.removesuffix(".gz").endswith(".json"):
        file: File = read_json(path, File)
        return file
    return File(Results([result for _, result in read_lines(path, Result)]))


def _of_prompt(results: list[Result], wanted: str | None, path: Path) -> list[Result]:
    """The results of the prompt with this label, or this number (from 1, in the order of the file)."""
    labels = list(dict.fromkeys(result.label for result in sorted(results, key=lambda result: result.column)))
    numbers = {str(number): label for number, label in enumerate(labels, start=1)}
    if wanted is not None and wanted not in labels:
        wanted = numbers.get(wanted, wanted)
    label = choose("prompt", labels, wanted, str(path))
    return [result for result in results if result.label == label]


def _numbered(results: Iterable[Result]) -> Tests:
    """The results with their test's number, in this order; with its variables in old releases, which lack numbers."""
    known = sorted(results, key=lambda result: -1 if result.test is None else result.test)
    return [(_variables(result) if result.test is None else str(result.test), result) for result in known]


def _variables(result: Result) -> str:
    return json.dumps(result.vars or {}, sort_keys=True, ensure_ascii=False)


def _of_run(tests: Tests, options: dict[str, Any], run: int | None, path: Path) -> Tests:
    """The results of one repeat, numbered as they would be without repeats.

    promptfoo numbers repeats like separate tests; the repeats of a test follow one another and have the same variables.
    """
    seen: Counter[str] = Counter()
    runs = []
    for _, result in tests:
        runs.append((seen[_variables(result)] % _repeats(result, options) + 1, result))
        seen[_variables(result)] += 1
    found = sorted({number for number, _ in runs})
    if found == [1] and run in (None, 1):
        return tests
    chosen = choose("run", found, run, str(path))
    return [(str(test), result) for test, result in enumerate(result for n, result in runs if str(n) == chosen)]


def _repeats(result: Result, options: dict[str, Any]) -> int:
    own = (result.case or {}).get("options")
    repeats = (options | own if isinstance(own, dict) else options).get("repeat")
    return repeats if isinstance(repeats, int) and repeats > 1 else 1


def _judged(test: str, result: Result, metric: str, path: Path) -> Judged:
    row = {"id": test, "prompt": result.prompt.raw, "asked": _asked(result), "output": _output(result.response)}
    given = result.vars or {}  # count before metadata of the same name
    described = {"description": _description(result), "vars": _variables(result)}
    more = (
        given | (result.metadata or {}) | {key: value for key, value in described.items() if key not in given} | given
    )
    return Judged(row, _value(result, metric, f"{path}: test {test}: {metric}"), more)


def _value(result: Result, metric: str, place: str) -> float | None:
    """The metric's value for a result; None without an answer that it judged, or if a grader failed to."""
    if not result.answered:
        return None
    grades = _grades(result.grading)
    if metric == PASS:  # a test that fails by another assertion is wrong, and one that passes all the same is right
        return None if grades.ungraded and not grades.failed and not result.success else float(result.success)
    if grades.ungraded and metric in (SCORE, *grades.ungraded):
        return None
    return number(result.score if metric == SCORE else (result.named or {}).get(metric), place)


def _grades(grading: dict[str, Any] | None) -> Grades:
    """What the assertions of a test came to, those in sets of assertions too."""
    open_results, failed, ungraded = [grading or {}], False, set[str]()
    while open_results:
        each = open_results.pop()
        parts = each.get("componentResults")
        parts = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
        if _object(each.get("metadata")).get("graderError") is True:
            ungraded.add(str(_object(each.get("assertion")).get("metric") or ""))
        elif not parts:
            failed = failed or each.get("pass") is False
        open_results += parts
    return Grades(failed, ungraded)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _asked(result: Result) -> str | None:
    """What makes the test this one wherever it stands in its suite: its variables, or without any its description."""
    given = {name: value for name, value in (result.vars or {}).items() if name not in OF_A_RUN}
    return json.dumps(given, sort_keys=True, ensure_ascii=False) if given else _description(result)


def _description(result: Result) -> str | None:
    found = (result.case or {}).get("description")
    return found if isinstance(found, str) else None


def _output(response: Any) -> str | None:
    """The text of an answer, JSON if it is not a text; None if no answer came."""
    return text_or_json(response.get("output") if isinstance(response, dict) else response)
