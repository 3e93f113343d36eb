"""Outputs are scored anew whatever file they come from, and whether or how it scored them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import polars as pl
import pytest

from stillright.cli import main
from stillright.comparison import compare
from stillright.config import Policy
from stillright.errors import DataError
from stillright.importers import Selection
from stillright.scoring.judge import JudgeSettings
from stillright.verdict import gate

REFERENCES = [f"a red boat on day {day}" for day in range(4)]
OLD = [REFERENCES[0], "red boat", REFERENCES[2], None]  # the last one never came
NEW = [REFERENCES[0], REFERENCES[1], "a ship", "a ship"]
Outputs = Sequence[str | None]
Write = Callable[[Path, Outputs], Path]


def rows(outputs: Outputs, **more: Any) -> list[dict[str, Any]]:
    return [{"id": i, "output": text, "reference": REFERENCES[i], **more} for i, text in enumerate(outputs)]


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def lines(path: Path, values: list[dict[str, Any]]) -> Path:
    return written(path, "".join(json.dumps(value) + "\n" for value in values))


def harness(**logged: Any) -> Write:
    """A log of lm-evaluation-harness whose samples all have these metrics."""

    def write(folder: Path, outputs: Outputs) -> Path:
        samples = [
            {
                "doc_id": i,
                "doc": {},
                "target": REFERENCES[i],
                "arguments": {"gen_args_0": {"arg_0": "Describe it.", "arg_1": {"until": ["."]}}},
                "resps": [[text]] if text is not None else [],
                "filtered_resps": [text] if text is not None else [],
                "filter": "none",
                "metrics": list(logged),
                **logged,
            }
            for i, text in enumerate(outputs)
        ]
        lines(folder / "samples_boats_2026-01-02T03-04-05.000001.jsonl", samples)
        return folder

    return write


def inspect(**values: Any) -> Write:
    """A log of Inspect whose samples have these scorers' values."""

    def write(folder: Path, outputs: Outputs) -> Path:
        samples = [
            {
                "id": i,
                "target": REFERENCES[i],
                "output": {"completion": text, "choices": [{"message": {"content": text}}]} if text else {},
                "scores": {name: {"value": value} for name, value in values.items()} if text else None,
                "error": None if text else {"message": "down"},
            }
            for i, text in enumerate(outputs)
        ]
        head = {"version": 2, "status": "success", "eval": {"task": "boats", "model": folder.name}, "plan": {}}
        return written(folder / "log.json", json.dumps({**head, "samples": samples}))

    return write


def promptfoo(folder: Path, outputs: Outputs) -> Path:
    results = [
        {
            "testIdx": i,
            "provider": "p",
            "success": False,
            "vars": {"expected": REFERENCES[i]},
            "response": {"error": "down"} if text is None else {"output": text},
        }
        for i, text in enumerate(outputs)
    ]
    return written(folder / "results.json", json.dumps({"results": {"results": results}, "config": {}}))


def csv(folder: Path, outputs: Outputs) -> Path:
    """In which an empty output is one of a model that wrote nothing: so the last row has no reference."""
    cells = [f"{i},{text or ''},{REFERENCES[i] if i < 3 else ''}\n" for i, text in enumerate(outputs)]
    return written(folder / "a.csv", "id,output,reference\n" + "".join(cells))


def parquet(folder: Path, outputs: Outputs) -> Path:
    folder.mkdir()
    pl.DataFrame(rows(outputs, correct=False)).write_parquet(folder / "a.parquet")
    return folder / "a.parquet"


FORMATS: dict[str, Write] = {
    "harness verdicts": harness(exact_match=1.0),
    "harness scores": harness(rouge1=0.3, rougeL=0.2),
    "harness predict_only": harness(bypass=999),
    "harness totals alone": harness(bleu=["a", "b"]),
    "harness no metric": harness(),
    "inspect verdicts": inspect(match="C"),
    "inspect two scorers": inspect(match="C", f1=0.25),
    "inspect words": inspect(comment="well done"),
    "inspect unscored": inspect(),
    "promptfoo": promptfoo,
    "csv": csv,
    "parquet": parquet,
    "jsonl": lambda folder, outputs: lines(folder / "a.jsonl", rows(outputs)),
    "jsonl verdicts": lambda folder, outputs: lines(folder / "a.jsonl", rows(outputs, correct=True)),
    "jsonl both": lambda folder, outputs: lines(folder / "a.jsonl", rows(outputs, prediction="x", score=0.5)),
    "jsonl header": lambda folder, outputs: lines(
        folder / "a.jsonl", [{"header": {"name": "m", "metric": "acc", "kind": "discrete"}}, *rows(outputs)]
    ),
    "json": lambda folder, outputs: written(folder / "a.json", json.dumps(rows(outputs, correct=False))),
}
SELECTION = Selection(rename={"reference": "expected"})  # where a format has no right answers of its own


@pytest.fixture(params=FORMATS)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path, Selection | None]:
    write = FORMATS[request.param]
    selection = SELECTION if request.param == "promptfoo" else None
    return write(tmp_path / "old", OLD), write(tmp_path / "new", NEW), selection


def test_every_score(pair: tuple[Path, Path, Selection | None]) -> None:
    old, new, selection = pair
    found = compare(old, new, score="rouge1", selection=selection)
    assert (found.n, found.unscored, found.kind, found.metric) == (3, 1, "continuous", "rouge1")
    assert found.old.score == pytest.approx((1 + 2 * 2 / 8 + 1) / 3)
    assert found.new.score == pytest.approx((1 + 1 + 2 * 1 / 8) / 3)
    assert (found.comparison.regression, found.comparison.unchanged, found.comparison.gain) == (1, 1, 1)
    for score in ("exact_match", "quasi_exact_match", "rouge2", "rougeL", "rougeLsum", "bleu", "chrf"):
        other = compare(old, new, score=score, selection=selection)
        assert (other.n, other.metric) == (3, score)
        assert (other.comparison.regression, other.comparison.gain) == (1, 1)


def test_a_judge(pair: tuple[Path, Path, Selection | None], monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(prompts: list[str], outputs: list[str], references: list[list[str]], settings: JudgeSettings) -> Any:
        return np.array([min(len(text), 10) / 10 for text in outputs])

    monkeypatch.setattr("stillright.comparison.rescore.judge", judge)
    old, new, selection = pair
    settings = JudgeSettings(base_url="http://127.0.0.1:1/v1", model="m")
    found = compare(old, new, score=settings, selection=selection)
    kept = 3 if old.suffix != ".csv" else 4  # nothing written can be judged without a reference
    assert (found.n, found.metric) == (kept, "judge")
    assert found.comparison.regression == 1  # "a ship" is short


def test_gate_and_command(pair: tuple[Path, Path, Selection | None], tmp_path: Path) -> None:
    old, new, selection = pair
    policy = Policy.model_validate({"limits": [{"metric": "nfr", "max": 0.3, "bound": "value"}], "max_unscored": 0.5})
    assert gate(old, new, policy, score="exact_match", selection=selection).verdict.outcome == "fail"
    column = ["--column", "reference=expected"] if selection else []
    out = tmp_path / "c.json"
    assert main(["compare", str(old), str(new), "--score", "exact_match", "--json", str(out), *column]) == 0
    found = json.loads(out.read_text())
    assert (found["n"], found["comparison"]["regression"], found["comparison"]["gain"]) == (3, 1, 1)


@pytest.mark.parametrize("make", [pl.DataFrame, pandas.DataFrame])
def test_frames(make: Callable[[list[dict[str, Any]]], Any]) -> None:
    found = compare(make(rows(OLD, correct=True)), make(rows(NEW, correct=True)), score="exact_match")
    assert (found.n, found.unscored, found.comparison.regression, found.comparison.gain) == (3, 1, 1, 1)


@pytest.mark.parametrize(
    ("write", "outputs", "score", "message"),
    [
        (
            inspect(),
            OLD,
            None,
            r"no sample has a score \(status success, 1 of 4 samples failed\); to score the outputs",
        ),
        (inspect(), [None] * 4, "rouge1", r"no sample has an output to score \(status success\); run the evaluation"),
        (harness(bypass=999), OLD, None, "no sample has a score; to score the outputs anew"),
        (promptfoo, OLD, "rouge1", "no sample can be scored; none has a reference, .* with column reference=THEIRS"),
        (FORMATS["jsonl"], ["?"] * 4, "rogue1", "did you mean 'rouge1'"),
    ],
)
def test_what_cannot_be_scored(tmp_path: Path, write: Write, outputs: Outputs, score: str | None, message: str) -> None:
    old, new = (write(tmp_path / name, outputs) for name in ("old", "new"))
    with pytest.raises(Exception, match=message) as caught:
        compare(old, new, score=score, allow=["identical"])
    assert "\n" not in str(caught.value)


def test_references_without_a_word(tmp_path: Path) -> None:
    smile = [{"id": 1, "output": "a smile", "reference": "😀"}]
    old, new = (lines(tmp_path / f"{name}.jsonl", smile) for name in ("old", "new"))
    with pytest.raises(
        DataError, match="no sample can be scored; no reference has anything that it counts, such as a w"
    ):
        compare(old, new, score="rouge1", allow=["identical"])
    assert compare(old, new, score="exact_match", allow=["identical"]).comparison.both_wrong == 1


def test_texts_alone_name_the_column_to_score(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", [{"id": 1, "prediction": "a", "reference": "a"}])
    with pytest.raises(DataError, match="none has an output; name the texts to score with column output=THEIRS"):
        compare(path, path, score="rouge1", allow=["identical"])
