"""Tables, figures and findings of a made-up study: every number is that of plain arithmetic, what is missing shows."""

from __future__ import annotations

import json
import math
import re
import shutil
import sys
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.container import BarContainer

import brute
import recount
from recount import FIGURES
from samples import write_rows
from stillright.cli import main
from stillright.errors import DataError, MissingExtra
from stillright.paper import drawing, write_results
from stillright.paper.findings import Correlation, Finding, findings_of
from stillright.paper.paired import Triple, difference
from stillright.paper.rank_correlation import rank_correlation
from stillright.paper.rows import rows_of
from stillright.records import Header, PredictionSet
from stillright.study.cells_csv import read_cells
from study_case import TASKS, UPDATES, Study

STRATEGIES = ("retrain", "continue_ce", "student_wrong")
LOST = ("phi-to-100%", "piqa", "continue_ce", 1)
GONE = ("phi-to-100%", "sam_sum", "student_wrong")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Two updates x two tasks x three strategies x two seeds, of which three cells failed; results written."""
    made = Study(tmp_path_factory.mktemp("study"), STRATEGIES)
    made.fail(*LOST, reason="out of memory")
    for seed in (0, 1):
        made.fail(*GONE, seed, reason="50% of the_disk")
    made.write()
    assert main(["study-results", str(made.folder)]) == 0
    return made


def table(study: Study, name: str) -> list[dict[str, str]]:
    return recount.table(study.folder / name)


@pytest.mark.parametrize("name", ["discrete", "continuous", "ablation"])
def test_every_number_is_that_of_plain_arithmetic(study: Study, name: str) -> None:
    done = [cell for cell in study.cells if cell["status"] == "done"]
    rows = recount.assert_table(study.folder / f"tables/{name}.csv", done, study.answers)
    kinds = [kind for _, kind in TASKS.values() if name in (kind, "ablation")]
    assert len(rows) == len(UPDATES) * len(kinds) * (2 if name == "ablation" else 3)


def test_what_failed_shows(study: Study) -> None:
    rows = table(study, "tables/missing.csv")
    assert [row["reason"] for row in rows] == ["out of memory", "50% of the_disk", "50% of the_disk"]
    discrete = (study.folder / "tables/discrete.md").read_text(encoding="utf-8")
    assert re.search(r"continue_ce \\\[1\\\] \| 1/2 \|", discrete)
    assert "[1] over 1 of 2 seeds; seed 1 failed: out of memory" in discrete
    continuous = (study.folder / "tables/continuous.md").read_text(encoding="utf-8")
    line = next(line for line in continuous.splitlines() if "0/2" in line)
    assert set(line.split("0/2 | ")[1].split(" | ")) - {"- |"} == {"-"}
    assert "no result; seeds 0, 1 failed: 50% of the_disk" in continuous
    assert "left out, no results to compare" in (study.folder / "findings.md").read_text(encoding="utf-8")


def test_numbers_of_people_are_percent_with_two_decimals(study: Study) -> None:
    row = next(row for row in table(study, "tables/discrete.csv") if row["strategy"] == "student_wrong")
    text = (study.folder / "tables/discrete.md").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if "student_wrong" in line)
    assert f"| {100 * float(row['score']):.2f} ± {100 * float(row['score_sd']):.2f} |" in line
    low, high = (f"{100 * float(row[f'delta_nfr_{end}']):+.2f}" for end in ("low", "high"))
    delta = f"{100 * float(row['delta_nfr']):+.2f} ± {100 * float(row['delta_nfr_sd']):.2f}"
    assert rf"{delta} \[{low}, {high}\]" in line


def test_latex_is_escaped_and_of_booktabs(study: Study) -> None:
    for path in (study.folder / "tables").glob("*.tex"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(?<!\\)[_#]|[^\\{]%", text), path
        assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]
        columns = len(re.findall(r"\{tabular\}\{([lr]+)\}", text)[0])
        lines = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert {line.count(" & ") for line in lines} == {columns - 1}
    assert r"phi-to-100\% & continue\_ce" in (study.folder / "tables/ablation.tex").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_readable_and_labelled(study: Study, name: str) -> None:
    assert (study.folder / f"figures/{name}.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    root = ElementTree.parse(study.folder / f"figures/{name}.svg").getroot()
    texts = {"".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"piqa (acc)", *UPDATES} <= texts
    wanted = {
        "quadrants": {"both right", "gained", "new (retrained)", "continue_ce [1/2 seeds]", "no result"},
        "nfr_vs_gain": {"NFR, old → new (%)", "gain in score, new - old (points)"},
        "nfr_mc": {"NFR", "NFR_mc", "new (retrained)", "share of samples (%)"},
        "plane": {"NFR (%)", "acc (%)", "rouge1 (%)", "no result: student_wrong", "hollow: fewer seeds than asked"},
    }
    assert wanted[name] <= texts


def test_the_legend_names_no_strategy_without_results(tmp_path: Path) -> None:
    made = Study(tmp_path, STRATEGIES)
    for update, task, seed in product(UPDATES, TASKS, (0, 1)):
        made.fail(update, task, "continue_ce", seed, reason="out of memory")
    write_results(made.write())
    root = ElementTree.parse(tmp_path / "figures/plane.svg").getroot()
    texts = ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"student_wrong", "no result: continue_ce"} <= set(texts)
    assert "continue_ce" not in texts


def graded_alone(path: Path) -> None:
    """Leaves of every answer whether it is right, which defines NFR but not NFR_mc."""
    header, *rows = map(json.loads, path.read_text().splitlines())
    write_rows(path, [header, *({"id": row["id"], "correct": row["prediction"] == "A"} for row in rows)])


def test_an_undefined_value_is_no_bar_of_length_zero(tmp_path: Path) -> None:
    made = Study(tmp_path, ["student_wrong", "old_only"], seeds=[0])
    for cell in made.cells:
        if (cell["task"], cell["strategy"]) == ("piqa", "student_wrong"):
            graded_alone(tmp_path / cell["predictions"])
    rows = [row for row in rows_of(read_cells(made.write()), tmp_path) if row.task.kind == "discrete"]
    axes = drawing.nfr_mc(rows).axes[0]
    nfr, nfr_mc = ([bar.get_width() for bar in bars] for bars in axes.containers if isinstance(bars, BarContainer))
    assert not any(map(math.isnan, nfr))
    assert [math.isnan(width) for width in nfr_mc] == [False, True, False]  # new, student_wrong, old_only
    assert [text.get_text() for text in axes.texts] == ["undefined"]


def test_the_same_study_gives_the_same_bytes(study: Study, tmp_path: Path) -> None:
    again = shutil.copytree(study.folder, tmp_path / "again")
    (again / "tables/continuous.md").write_text("of before")
    write_results(again)
    for path in study.folder.rglob("*"):
        if path.is_file():
            assert (again / path.relative_to(study.folder)).read_bytes() == path.read_bytes(), path


def found(study: Study) -> dict[str, Finding]:
    study.write()
    findings = findings_of(rows_of(read_cells(study.folder), study.folder), study.folder)
    return {finding.claim: finding for finding in findings}


def test_findings_follow_their_rules(study: Study) -> None:
    findings = found(study)
    for finding in findings.values():
        shown = [pair.outcome for pair in finding.pairs]
        decided = "more" not in shown and shown.count("fewer") * 2 > len(shown)
        if finding.correlation is None:
            assert finding.verdict == ("does not hold" if "more" in shown else "holds" if decided else "cannot tell")
    against = findings["student_wrong flips fewer answers than continue_ce"]
    assert [(pair.task, pair.update, pair.seeds) for pair in against.pairs] == [
        ("piqa", "llama_1-to-2", 2),
        ("piqa", "phi-to-100%", 1),
        ("sam_sum", "llama_1-to-2", 2),
    ]
    rows = {(row["task"], row["update"], row["strategy"]): row for row in table(study, "tables/ablation.csv")}
    for pair in (pair for pair in against.pairs if pair.seeds == 2):
        nfr = [float(rows[pair.task, pair.update, name]["nfr"]) for name in ("student_wrong", "continue_ce")]
        assert pair.delta.value == pytest.approx(nfr[0] - nfr[1])
    gains = findings["the smaller the gain of an update, the more flips (discrete tasks)"]
    assert gains.correlation == Correlation(2, None, None)
    assert (gains.verdict, gains.notes) == ("cannot tell", ("weak: 2 points",))


def test_findings_know_strategies_by_what_they_are(tmp_path: Path) -> None:
    strategies = (*STRATEGIES, "old_only")
    plain = Study(tmp_path / "plain", strategies)
    called = {"retrain": "plain", "continue_ce": "ce", "student_wrong": "muscle", "old_only": "unmasked"}
    renamed = Study(tmp_path / "renamed", strategies, called=called)
    expected, given = ({claim: each.verdict for claim, each in found(made).items()} for made in (plain, renamed))
    assert len(expected) == 9  # of two taught strategies three each, one against the other, and gains of two kinds

    def translated(claim: str) -> str:
        return re.sub(rf"\b({'|'.join(strategies)})\b", lambda match: called[match[0]], claim)

    assert given == {translated(claim): verdict for claim, verdict in expected.items()}


def test_strategies_of_one_kind_have_a_finding_each(tmp_path: Path) -> None:
    made = Study(tmp_path, ("continue_ce", "student_wrong", "old_only"))
    for cell in list(made.cells):
        if cell["method"] != "old_only":
            made.cells.append({**cell, "strategy": f"second {cell['strategy']}"})
    claims = [claim for claim in found(made) if "than" in claim and "retraining" not in claim]
    taught = ("student_wrong", "old_only", "second student_wrong")
    expected = [
        f"{name} flips fewer answers than {ce}" for name in taught for ce in ("continue_ce", "second continue_ce")
    ]
    expected += [f"{name} flips fewer answers than old_only" for name in ("student_wrong", "second student_wrong")]
    assert sorted(claims) == sorted(expected)


def graded(name: str, right: str) -> PredictionSet:
    rows = [{"id": str(i), "prediction": answer, "reference": "A"} for i, answer in enumerate(right)]
    return PredictionSet.from_rows(Header(name=name), rows)


def test_a_difference_by_hand() -> None:
    """Of ten samples that old has right, new loses four, the candidate one of them; with one seed, then it twice."""
    seed = Triple(graded("old", "A" * 10), graded("new", "BBBB" + "A" * 6), graded("c", "B" + "A" * 9))
    once, twice = difference([seed]), difference([seed, seed])
    for less in (once, twice):
        assert less.n == 10
        assert less.nfr.value == pytest.approx(-0.3)
        assert less.nfr_relative.value == pytest.approx(-0.75)
        assert less.score.value == pytest.approx(0.3)
        assert less.nfr_p == pytest.approx(2 * 0.5**3)  # three samples that only new loses
        assert less.nfr_mc.value == pytest.approx(-0.3)


def test_two_choices_say_nothing_of_changed_mistakes(tmp_path: Path) -> None:
    two, four = (found(Study(tmp_path / wrong, ("student_wrong",), wrong=wrong)) for wrong in ("B", "BCD"))
    fewer = [pair for pair in two["student_wrong flips fewer answers than retraining"].pairs if pair.outcome == "fewer"]
    assert {"piqa"} <= {pair.task for pair in fewer}
    claim = "student_wrong: NFR_mc falls with NFR"
    assert (two[claim].pairs, two[claim].verdict) == ((), "cannot tell")
    assert "piqa llama_1-to-2: left out, NFR_mc is NFR" in two[claim].notes
    assert {pair.task for pair in four[claim].pairs} == {"piqa"}


def test_rank_correlation_by_hand() -> None:
    assert list(rank_correlation([1, 2, 3, 4], [9, 7, 5, 1])) == [pytest.approx(-1), pytest.approx(2 / 24)]
    rho, p = rank_correlation([1, 2, 3], [1, 3, 2])  # 1 - 6 * 2 / (3 * 8)
    assert rho == pytest.approx(0.5)
    assert p == pytest.approx(1.0)  # of the six orders all have |rho| of 0.5 or 1
    assert rank_correlation([1, 2], [2, 1]) == (None, None)
    assert rank_correlation([1, 1, 1], [2, 1, 3]) == (None, None)
    long = [float(i) for i in range(12)]
    assert list(rank_correlation(long, long)) == [pytest.approx(1), pytest.approx(1 / 20_001)]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"status": "gone"}, "row 1: status"),
        ({"nfr": ""}, "row 1: its status is done, but nfr is empty"),
        ({"nfr": "0.9"}, "nfr 0.9, but its prediction files give"),
        ({"nfr": "nan"}, "nfr nan, but its prediction files give"),
        ({"n": "4"}, "llama_1-to-2 piqa continue_ce seed 0: n 4, but its prediction files give 60"),
        ({"n": "4", "score": "0.5"}, "n 4, but its prediction files give 60"),
        ({"predictions": "nowhere.jsonl"}, "nowhere.jsonl: no such file"),
        ({"seed": "1"}, "is there twice"),
        ({"metric": "f1"}, "several metrics"),
    ],
)
def test_a_wrong_cell_is_an_error(tmp_path: Path, change: dict[str, str], says: str) -> None:
    made = Study(tmp_path, ["continue_ce"])
    made.cells[0].update(change)
    with pytest.raises(DataError, match=re.escape(says)):
        write_results(made.write())


def cut(path: Path, samples: int) -> None:
    """Leaves the header and the first samples."""
    path.write_text("".join(path.read_text().splitlines(keepends=True)[: 1 + samples]))


@pytest.mark.parametrize("columns", [("predictions",), ("predictions_old", "predictions_new", "predictions")])
def test_a_file_that_was_cut_is_an_error(tmp_path: Path, columns: tuple[str, ...]) -> None:
    made = Study(tmp_path, ["continue_ce"])
    for column in columns:
        cut(tmp_path / made.cells[0][column], samples=4)
    with pytest.raises(
        DataError, match=r"cells.csv: llama_1-to-2 piqa continue_ce seed 0: .*run the study again"
    ) as error:
        write_results(made.write())
    assert "--" not in str(error.value)


def test_seeds_that_answer_different_samples_have_no_interval(tmp_path: Path) -> None:
    made = Study(tmp_path, ["continue_ce"])
    cell = made.cells[0]
    for name in ("predictions_old", "predictions_new", "predictions"):
        cut(tmp_path / cell[name], samples=40)
    files = [[{**made.answers[cell[f"predictions{side}"]]}] for side in ("_old", "_new", "")]
    for (file,) in files:
        for sample in list(file)[40:]:
            del file[sample]
    found = brute.account(files, cell["kind"])
    cell |= {"n": 40, "old_score": found["old"]["score"], "new_score": found["new"]["score"]}
    cell |= {"nfr_new": found["comparison"]["nfr"], "score": found["candidates"][0]["score"]}
    cell["nfr"] = found["candidates"][0]["comparison"]["nfr"]
    write_results(made.write())
    text = (tmp_path / "tables/discrete.md").read_text(encoding="utf-8")
    assert "no interval over all seeds: they answer different samples" in text


def test_a_folder_that_is_no_study_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cells.csv: no such file"):
        write_results(tmp_path)
    (tmp_path / "cells.csv").write_text("update,task\n")
    with pytest.raises(DataError, match="no column old, new"):
        write_results(tmp_path)


def test_a_study_without_any_result_says_so(tmp_path: Path) -> None:
    made = Study(tmp_path, ["student_wrong"])
    for update, task, seed in product(UPDATES, TASKS, (0, 1)):
        made.fail(update, task, "student_wrong", seed, reason="killed")
    assert {path.name for path in write_results(made.write())} == {
        *("missing.md", "missing.tex", "missing.csv", "findings.md", "findings.csv")
    }


def test_without_matplotlib_there_are_tables_and_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=re.escape("pip install 'stillright[figures]'")):
        write_results(Study(tmp_path, ["student_wrong"]).write())
    assert (tmp_path / "tables/discrete.csv").is_file()
    assert (tmp_path / "findings.md").is_file()
    assert not (tmp_path / "figures").exists()


def test_without_matplotlib_figures_of_before_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Study(tmp_path, ["student_wrong"])
    write_results(made.write())
    before = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    (tmp_path / "tables/discrete.csv").write_text("of before")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match="tables and findings are written, but no figures; .*figures still holds"):
        write_results(tmp_path)
    assert {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()} == before
    assert (tmp_path / "tables/discrete.csv").read_text() != "of before"
