"""Mutated inputs of importers, policies and configurations: each is read, or refused in one line."""

from __future__ import annotations

import gzip
import json
import random
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from stillright.config import load_policy, load_study, load_update
from stillright.config.strict import parse, read_yaml
from stillright.errors import StillrightError
from stillright.importers import Selection, read_predictions, write_predictions
from stillright.records import Header, PredictionSet
from stillright.scoring.judge import JudgeSettings
from stillright.study.matrix import Cell, cells_of
from torture.apart import Work, each_apart
from torture.doubts import Changed, verdict
from torture.jobs import ROOT, STUDY, UPDATE
from torture.mutations import spoilt
from torture.table import Tally, faults

LOGS = ROOT / "tests" / "logs"
CHUNK = 500  # inputs that a process reads
PATIENCE = 20  # seconds for one input of some kB
LONGEST = 5000  # letters of an error
# of all inputs; a study takes long to check, and each Parquet file is read by a process of its own
SHARES = {"importers": 0.797, "parquet": 0.003, "policies": 0.15, "configs": 0.05}
CSV = 'id,prediction,reference,correct,score,output\n1,B,B,true,0.5,"x, y"\n2,C,"[""A"", ""B""]",no,,\n3,,B,,1,z\n'
ROWS = [
    {"id": str(n), "prediction": "AB"[n % 2], "reference": ["A", "C"], "correct": n % 2 == 0, "score": n / 8}
    for n in range(6)
]
HEADER = Header(name="own", task="t", kind="discrete")
POLICY = (ROOT / "examples" / "ci" / "policy.yaml").read_bytes()
JUDGE = b"base_url: http://127.0.0.1:8000/v1\nmodel: judge\napi_key_env: null\n"


@dataclass(frozen=True)
class Input:
    """A file that is as it should be, and what reads it."""

    file: str
    form: str  # how it is written, see mutations.VALUES
    content: bytes
    read: Callable[[Path], Any]


def _log(pattern: str, form: str, **selected: Any) -> Input:
    path = next(LOGS.glob(pattern))
    content = path.read_bytes()
    if form == "json" and "samples" in (value := json.loads(content)):
        for sample in value["samples"]:
            sample["events"] = []  # which are not read
        content = json.dumps(value).encode()
    return Input(path.name, form, content, partial(read_predictions, selection=Selection(**selected)))


def _own(folder: Path) -> Iterator[Input]:
    write_predictions(PredictionSet.from_rows(HEADER, ROWS), folder / "own.jsonl")
    lines, table = (folder / "own.jsonl").read_bytes(), CSV.encode()
    for file, form, content in (
        ("own.jsonl", "jsonl", lines),
        ("own.jsonl.gz", "jsonl.gz", gzip.compress(lines)),
        ("a.json", "json", json.dumps(ROWS).encode()),
        ("a.csv", "csv", table),
        ("a.csv.gz", "csv.gz", gzip.compress(table)),
        ("a.tsv", "tsv", table.replace(b",", b"\t")),
    ):
        yield Input(file, form, content, read_predictions)


def _parquet(folder: Path) -> Iterator[Input]:
    PredictionSet.from_rows(HEADER, ROWS).table.write_parquet(folder / "own.parquet")
    yield Input("own.parquet", "parquet", (folder / "own.parquet").read_bytes(), read_predictions)
    yield _log("lighteval/details/**/details_sums_*.parquet", "parquet")


def _cells(path: Path) -> list[Cell]:
    return cells_of(load_study(path), str(path))


def originals(folder: Path) -> dict[str, list[Input]]:
    """The files to spoil, by part."""
    texts = {name: yaml.safe_dump(values).encode() for name, values in (("update", UPDATE), ("study", STUDY))}
    return {
        "importers": [
            _log("harness/gsm8k/*/samples_*.jsonl", "jsonl"),
            _log("harness/choice/*/samples_*.jsonl", "jsonl"),
            _log("inspect/words.eval", "zip", run=1, metric="match"),
            _log("inspect/choice.eval", "zip"),
            _log("inspect/partial.json", "json"),
            _log("promptfoo/models.json", "json", model="terse", metric="score"),
            _log("promptfoo/models.jsonl", "jsonl"),
            _log("every_eval_ever/choice_samples.jsonl", "jsonl", metric="acc"),
            _log("evalscope/reviews/*/sums_main.jsonl", "jsonl"),
            _log("deepeval/*.json", "json"),
            _log("openai_evals/events.jsonl", "jsonl"),
            _log("openai_evals/output_items.json", "json"),
            _log("evalplus/tiny_eval_results.json", "json", run=1),
            _log("swebench/*.json", "json"),
            *_own(folder),
        ],
        "parquet": [*_parquet(folder)],
        "policies": [
            Input("policy.yaml", "yaml", POLICY, load_policy),
            Input("judge.yaml", "yaml", JUDGE, lambda path: parse(JudgeSettings, read_yaml(path), str(path))),
        ],
        "configs": [
            Input("update.yaml", "yaml", texts["update"], load_update),
            Input("study.yaml", "yaml", texts["study"], _cells),
            Input("tiny.yaml", "yaml", (ROOT / "recipes" / "tiny.yaml").read_bytes(), _cells),
        ],
    }


def told(value: Any) -> Any:
    """What was read, to be compared."""
    if isinstance(value, PredictionSet):
        rows = value.table.select("id", "prediction", "reference", "correct", "score").rows()
        return value.kind, value.header.task, value.header.metric, repr(rows)
    if isinstance(value, list):
        return [(str(cell), cell.shared, cell.own) for cell in value]
    return value.model_dump(mode="json")


class Hung(BaseException):
    """An input took longer than PATIENCE."""


def _hung(*_: Any) -> None:
    raise Hung


def chosen(part: list[Input], seed: int, number: int) -> tuple[Input, bytes]:
    """One of the part's files, and its content, spoilt; always the same for a seed and a number."""
    draw = random.Random(f"{seed} {number}")
    each = draw.choice(part)
    return each, spoilt(draw, each.form, each.content)


def chunk(part: str, seed: int, first: int, count: int) -> Tally:
    """Reads `count` mutated inputs."""
    tally = Tally(part)
    signal.signal(signal.SIGALRM, _hung)
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        inputs = originals(Path(folder))[part]
        right = {each.file: told(_read(each, each.content, Path(folder))) for each in inputs}
        for number in range(first, first + count):
            each, content = chosen(inputs, seed, number)
            outcome, why = _outcome(each, content, Path(folder), right[each.file], tally.cases, number)
            tally.note(outcome, f"seed {seed}, input {number} ({each.file}): {why}")
    return tally


def _read(each: Input, content: bytes, folder: Path) -> Any:
    path = folder / each.file
    path.write_bytes(content)
    return each.read(path)


def _outcome(each: Input, content: bytes, folder: Path, right: Any, cases: list[int], number: int) -> tuple[str, str]:
    """What became of an input; notes its number where something else was read."""
    signal.alarm(PATIENCE)
    try:
        if told(_read(each, content, folder)) != right:
            cases.append(number)
        return "survived", ""
    except StillrightError as error:
        message = str(error)
        good = "\n" not in message and len(message) < LONGEST
        return ("refused", "") if good else ("tracebacks", f"a message of several lines or too long: {message[:200]!r}")
    except OSError as error:  # the command line names its file
        return ("refused", "") if error.filename else ("tracebacks", repr(error))
    except Hung:
        return "lost", f"took more than {PATIENCE} s"
    except BaseException as error:  # a panic of Rust is no Exception
        place = traceback.extract_tb(error.__traceback__)[-1]
        return "tracebacks", f"{type(error).__name__}: {str(error)[:150]} ({place.filename}:{place.lineno})"
    finally:
        signal.alarm(0)


def mutated(part: str, seed: int, count: int, workers: int) -> Tally:
    """Reads so many mutated inputs of a part."""
    total = Tally(part)
    for tally in each_apart(part, _chunks(part, seed, count), workers):
        total.add(tally)
        print(f"{faults([tally])}\r{part}: {total.tried:,} of {count:,}, {total.failed} faults", end="", flush=True)
    print()
    return total


def _chunks(part: str, seed: int, count: int) -> Iterator[tuple[str, Work]]:
    for first in range(0, count, CHUNK):
        some = min(CHUNK, count - first)
        yield f"seed {seed}, inputs {first} to {first + some - 1}", partial(chunk, part, seed, first, some)


def judged(part: str, seed: int, cases: list[int], count: int) -> Tally:
    """Judges a sample of the inputs that were read as something else; only a value that could be doubted is wrong."""
    total = Tally(f"{part}, read as other values")
    some = random.Random(seed).sample(sorted(cases), min(count, len(cases)))
    for tally in each_apart(total.part, [(f"seed {seed}", partial(_judged, part, seed, some))], 1):
        total.add(tally)
    return total


def _judged(part: str, seed: int, some: list[int]) -> Tally:
    tally = Tally(part)
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        inputs = originals(Path(folder))[part]
        right = {each.file: _read(each, each.content, Path(folder)) for each in inputs}
        for number in sorted(some):
            each, content = chosen(inputs, seed, number)
            read = _read(each, content, Path(folder))
            outcome, why = verdict(Changed(each.form, each.content, content, right[each.file], read))
            tally.note(outcome, f"seed {seed}, input {number} ({each.file}): {why}")
    return tally
