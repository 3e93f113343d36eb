"""--flips and --quadrant: every sample in a file of three formats, and nothing that looks like one on failure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from samples import write_rows
from stillright.cli import main
from stillright.importers import Selection, read_predictions

# of answers that a spreadsheet, a shell or a reader of lines might take for something else
HOSTILE = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    'a "b", c',
    "one\ntwo\r\nthree",
    "<script>x</script>",
    "\u2028\u202e\x00",
    "",
    "null",
]
READ: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".jsonl": pl.read_ndjson,
    ".parquet": pl.read_parquet,
    ".csv": lambda file: pl.read_csv(file, infer_schema=False),
}


@pytest.fixture(autouse=True)
def _results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten samples; new loses the first two, the candidate only the second and the third."""
    monkeypatch.chdir(tmp_path)
    for name, lost in (("old", ()), ("new", (0, 1)), ("compat", (1, 2))):
        rows: list[dict[str, Any]] = [
            {
                "id": i,
                "prediction": "B" if i in lost else "A",
                "reference": "A",
                "output": text,
                "prompt": text,
                "area": "x",
            }
            for i, text in enumerate(HOSTILE)
        ]
        rows[9]["reference"] = ["A", "AA"]
        write_rows(Path(f"{name}.jsonl"), rows)
    Path("policy.yaml").write_text("limits: [{metric: nfr, max: 0.9}]\nmin_n: 1\n")


@pytest.mark.parametrize("suffix", READ)
def test_a_file_holds_every_sample_and_texts_as_they_are(suffix: str) -> None:
    words = ["compare", "old.jsonl", "new.jsonl", "compat.jsonl", "--slice", "area", "--json", "made.json"]
    assert main([*words, "--flips", f"flips{suffix}"]) == 0
    flips, found = READ[suffix](Path(f"flips{suffix}")), json.loads(Path("made.json").read_text())
    assert Counter(flips["new_quadrant"]) == {"lost": found["comparison"]["regression"], "kept": 8}
    assert flips["candidate_1_against_new"].to_list()[:3] == ["restored", None, "newly_lost"]
    assert flips["new_output"].to_list() == HOSTILE
    assert flips["slice_area"].to_list() == ["x"] * 10
    references = ["A", '["A", "AA"]'] if suffix == ".csv" else [["A"], ["A", "AA"]]
    assert flips["reference"].to_list()[8:] == references


@pytest.mark.parametrize("suffix", READ)
def test_choices_are_lists_that_can_be_read_again(suffix: str) -> None:
    for name, taken in (("old", 0), ("new", 1)):
        row = {"id": 1, "prediction": str(taken), "reference": "0", "margin": 0.5, "choices": 2, "output_tokens": 1}
        lists = {"choice_texts": ['a "b", [c]', "=d\n"], "loglikelihoods": [-0.5, -1.0 - taken]}
        write_rows(Path(f"{name}.jsonl"), [row | lists])
    assert main(["compare", "old.jsonl", "new.jsonl", "--flips", f"flips{suffix}"]) == 0
    renamed = {name: f"new_{name}" for name in ("prediction", "loglikelihoods", "margin", "output_tokens")}
    again = read_predictions(f"flips{suffix}", Selection(rename=renamed)).table
    wanted = ["prediction", "choice_texts", "loglikelihoods", "margin", "output_tokens"]
    assert again.select(wanted).row(0) == ("1", ['a "b", [c]', "=d\n"], [-0.5, -2.0], 0.5, 1)


def test_a_file_of_some_quadrants_of_a_gate() -> None:
    words = ["gate", "old.jsonl", "new.jsonl", "--policy", "policy.yaml", "--flips", "flips.jsonl"]
    assert main([*words, "--quadrant", "lost,gained"]) == 0
    assert [json.loads(line)["id"] for line in Path("flips.jsonl").read_text().splitlines()] == ["0", "1"]


def test_a_file_reads_as_results() -> None:
    assert main(["compare", "old.jsonl", "new.jsonl", "--flips", "flips.csv"]) == 0
    named = [f"flips.csv::prediction={model}_prediction" for model in ("old", "new")]
    assert main(["compare", *named, "--json", "made.json"]) == 0
    assert json.loads(Path("made.json").read_text())["comparison"]["regression"] == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--quadrant", "lost"], "--quadrant lost: chooses rows of --flips FILE; give that too"),
        (["--flips", "flips.csv", "--quadrant", "losst"], "--quadrant: 'losst' is no quadrant of this comparison"),
        (
            ["--flips", "flips.csv", "--new-run", "compat.jsonl", "--quadrant", "lost"],
            "which has reliably_lost, reliably_",
        ),
        (["--flips", "flips.txt"], "flips.txt: the name says no format; let it end in .jsonl, .csv, .parquet"),
        (["--flips", ""], "is empty"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_old_flips(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "old.jsonl", "new.jsonl", "--flips", "flips.csv"]) == 0
    Path("flips.txt").write_text("mine")
    capsys.readouterr()
    assert main(["compare", "old.jsonl", "new.jsonl", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert Path("flips.txt").read_text() == "mine"
    if "flips.csv" in words:
        assert list(json.loads(Path("flips.csv").read_text())) == ["error"]


@pytest.mark.parametrize("suffix", READ)
def test_where_nothing_can_be_compared_no_flips_of_before_stay(suffix: str) -> None:
    words = ["gate", "old.jsonl", "new.jsonl", "--policy", "policy.yaml", "--flips", f"flips{suffix}"]
    assert main(words) == 0
    write_rows(Path("new.jsonl"), [{"id": i, "output": text} for i, text in enumerate(HOSTILE)])
    assert main([*words, "--allow", "prompt"]) in (2, 3)
    assert list(json.loads(Path(f"flips{suffix}").read_text())) == ["error"]


def test_flips_replace_no_input(capsys: pytest.CaptureFixture[str]) -> None:
    before = Path("old.jsonl").read_bytes()
    assert main(["compare", "old.jsonl", "new.jsonl", "--flips", "old.jsonl"]) == 2
    assert "--flips old.jsonl: would replace old.jsonl, which is read" in capsys.readouterr().err
    assert Path("old.jsonl").read_bytes() == before
