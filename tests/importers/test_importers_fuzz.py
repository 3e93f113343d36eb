"""Whatever a file holds, reading it gives a PredictionSet or a DataError of one line, and nothing else."""

from __future__ import annotations

import copy
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from places import LOGS
from stillright.errors import DataError
from stillright.importers import Selection, read_predictions, write_predictions
from stillright.records import Header, PredictionSet

CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]  # that do not apply here
CSV = b'id,prediction,reference,correct,score,output\n1,B,B,true,0.5,"x, y"\n2,C,"[""A"", ""B""]",no,,\n3,,B,,1,z\n'
OWN = PredictionSet.from_rows(
    Header(name="old", task="t", kind="discrete"),
    [{"id": str(n), "prediction": "A", "reference": ["A", "B"], "correct": True, "score": 0.5} for n in range(5)],
)


def steady(examples: int) -> settings:
    """The same examples in every run, however long one takes."""
    return settings(max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=CHECKS)


def find(pattern: str) -> Path:
    return next(LOGS.glob(pattern))


# format -> the file to spoil, and what to take from it
REAL = {
    "harness": (find("harness/gsm8k/*/samples_*.jsonl"), Selection(columns=("question",))),
    "choice": (find("harness/choice/*/samples_*.jsonl"), Selection()),
    "eval": (find("inspect/words.eval"), Selection(run=1, metric="match")),
    "inspect": (find("inspect/partial.json"), Selection(columns=("grade",))),
    "promptfoo": (find("promptfoo/models.json"), Selection(model="terse", metric="score", columns=("thing",))),
    "lines": (find("promptfoo/models.jsonl"), Selection()),
    "every_eval_ever": (find("every_eval_ever/choice_samples.jsonl"), Selection(metric="acc", columns=("filter",))),
    "evalscope": (find("evalscope/reviews/*/sums_twice.jsonl"), Selection(run=2, columns=("kind",))),
    "lighteval": (find("lighteval/details/**/details_sums_*.parquet"), Selection(columns=("unit",))),
    "deepeval": (find("deepeval/*.json"), Selection(columns=("kind",))),
    "events": (find("openai_evals/events.jsonl"), Selection()),
    "items": (find("openai_evals/output_items.json"), Selection(columns=("expected",))),
    "evalplus": (find("evalplus/tiny_eval_results.json"), Selection(run=1)),
    "opencompass": (find("opencompass/results/*/twice.json"), Selection(run=2)),
    "pydantic_evals": (find("pydantic_evals/twice.json"), Selection(run=2, metric="one_word", columns=("tone",))),
    "langfuse": (find("langfuse/items.json"), Selection(metric="exact", columns=("kind",))),
    "braintrust": (find("braintrust/zeros.json"), Selection(metric="exact", columns=("kind",))),
    "trials": (find("braintrust/trials.jsonl"), Selection(metric="exact", run=1)),
    "swebench": (find("swebench/*.json"), Selection(columns=("repository",))),
}
STRANGE: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    "",
    "x",
    "NaN",
    "[1",
    "\ud83d",
    "a\nb",
    [],
    {},
    [[]],
    {"": None},
    float("nan"),
]


def check(path: Path, selection: Selection) -> None:
    """Reads the file, and fails on any other outcome than the two."""
    try:
        refusal, rows = "", len(read_predictions(path, selection).table)
    except DataError as error:
        refusal, rows = str(error), 0
    assert rows or path.name in refusal
    assert "\n" not in refusal
    assert len(refusal) < 5000


@st.composite
def spoilt(draw: st.DrawFn, content: bytes) -> bytes:
    """`content`, cut off, with a part left out, repeated or replaced, or with some bytes changed."""
    start = draw(st.integers(0, len(content)))
    end = min(len(content), start + draw(st.sampled_from([0, 1, 2, 10, 100, 10**6])))
    middle = draw(
        st.sampled_from([b"", content[start:end] * 2, b"\x00", b"\xff\xfe", b'"', b"{", b"]", b"\n", b"9" * 400])
    )
    changed = bytearray(content[:start] + middle + content[end:])
    for place, value in draw(st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=4)):
        if changed:
            changed[place % len(changed)] = value
    return bytes(changed)


def parts(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a JSON value, as container and key."""
    keys: list[Any] = (
        list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    )
    return [(value, key) for key in keys] + [part for key in keys for part in parts(value[key])]


@pytest.mark.parametrize("name", REAL)
def test_spoilt_bytes(name: str, tmp_path: Path) -> None:
    original, selection = REAL[name]
    content = original.read_bytes()

    @steady(150)
    @given(spoilt(content))
    def run(changed: bytes) -> None:
        path = tmp_path / original.name
        path.write_bytes(changed)
        check(path, selection)

    run()


@pytest.mark.parametrize("name", [name for name in REAL if name not in ("eval", "lighteval")])
def test_strange_values(name: str, tmp_path: Path) -> None:
    original, selection = REAL[name]
    lines = original.suffix == ".jsonl"
    text = original.read_text(encoding="utf-8")
    whole = [json.loads(line) for line in text.splitlines()][:4] if lines else json.loads(text)
    for sample in whole.get("samples", []) if isinstance(whole, dict) else []:
        sample["events"] = []  # which are not read
    count = len(parts(whole))

    @steady(300)
    @given(st.integers(0, count - 1), st.sampled_from(STRANGE))
    def run(place: int, value: Any) -> None:
        changed = copy.deepcopy(whole)
        container, key = parts(changed)[place]
        container[key] = value
        path = tmp_path / original.name
        path.write_text("".join(json.dumps(each) + "\n" for each in changed) if lines else json.dumps(changed))
        check(path, selection)

    run()


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz", "a.jsonl", "a.jsonl.gz"])
def test_spoilt_tables(name: str, tmp_path: Path) -> None:
    write_predictions(OWN, tmp_path / "own.jsonl")
    content = (
        CSV if "csv" in name else CSV.replace(b",", b"\t") if "tsv" in name else (tmp_path / "own.jsonl").read_bytes()
    )

    @steady(80)
    @given(spoilt(gzip.compress(content) if name.endswith(".gz") else content))
    def run(changed: bytes) -> None:
        path = tmp_path / name
        path.write_bytes(changed)
        check(path, Selection())

    run()


@pytest.mark.parametrize("name", ["per_instance_stats.json", "scenario_state.json", "run_spec.json"])
def test_a_folder_with_strange_values(name: str, tmp_path: Path) -> None:
    for original in LOGS.glob("helm/*/*.json"):
        (tmp_path / original.name).write_bytes(original.read_bytes())
    whole = json.loads((tmp_path / name).read_text())
    count = len(parts(whole))

    @steady(150)
    @given(st.integers(0, count - 1), st.sampled_from(STRANGE))
    def run(place: int, value: Any) -> None:
        changed = copy.deepcopy(whole)
        container, key = parts(changed)[place]
        container[key] = value
        (tmp_path / name).write_text(json.dumps(changed))
        check(tmp_path, Selection(metric="exact_match", columns=("split",)))

    run()


def test_spoilt_parquet(tmp_path: Path) -> None:
    OWN.table.write_parquet(tmp_path / "own.parquet")

    @steady(150)
    @given(spoilt((tmp_path / "own.parquet").read_bytes()))
    def run(changed: bytes) -> None:
        path = tmp_path / "a.parquet"
        path.write_bytes(changed)
        check(path, Selection())

    run()


@steady(150)
@given(
    st.sampled_from(["a.json", "a.jsonl", "a.csv", "a.csv.gz", "a.eval", "a.parquet", "a.jsonl.gz", "a"]),
    st.sampled_from(
        [b"", b"PK\x03\x04", b"PAR1", b"\x1f\x8b\x08\x00", b"{", b"[", b'{"id": ', b"\xef\xbb\xbf", b"\xff\xfe"]
    ),
    st.binary(max_size=300),
)
def test_random_bytes(tmp_path_factory: pytest.TempPathFactory, name: str, start: bytes, rest: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(start + rest)
    check(path, Selection())


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv"])
@pytest.mark.parametrize(("start", "end"), [("[", "]"), ('{"id":', "}")])
def test_deep_nesting(tmp_path: Path, name: str, start: str, end: str) -> None:
    path = tmp_path / name
    path.write_text(start * 100_000 + "1" + end * 100_000)
    check(path, Selection())
