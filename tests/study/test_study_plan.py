"""What is seen of a study before anything is trained: cells that cannot be, and the forecast of the others."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from bases import cut_differently
from samples import colour_rows, generation, write_rows
from stillright.cli import main
from stillright.config import load_study
from stillright.errors import ModelError
from stillright.folder.workspace import Workspace
from stillright.models import Source
from stillright.study.cell_status import Board
from stillright.study.graph import Graph, closure
from stillright.study.matrix import cells_of
from stillright.study.store import Store

HALF = {"baseline": "interpolation", "of": "choice"}


@pytest.fixture
def values(bases: tuple[Path, Path], choice_task: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """One update of one task, three strategies."""
    return {
        "bases": {"small": str(bases[0]), "large": str(bases[1])},
        "updates": [["small", "large"]],
        "tasks": {"colours": choice_task},
        "strategies": {"student_wrong": {}, "choice": {}, "half": HALF},
        "common": {"training": {"max_length": 64}, "dtype": "float32"},
        "out": str(tmp_path / "study"),
    }


def written(values: dict[str, Any], folder: Path) -> Path:
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    return file


def planned(values: dict[str, Any], tmp_path: Path) -> dict[str, tuple[str, str | None]]:
    """Of each strategy what becomes of its cell before any stage is built, and why."""
    board = board_of(values, tmp_path)
    board.plan()
    return {row.strategy: (row.status, row.reason) for row in board.records}


def board_of(values: dict[str, Any], tmp_path: Path) -> Board:
    config, out = load_study(written(values, tmp_path)), Path(values["out"])
    return Board(cells_of(config, "study"), Store(out / "store"), Workspace(out, Console(file=io.StringIO())))


def test_an_interpolation_is_skipped_where_its_strategy_is(
    values: dict[str, Any], choice_task: dict[str, Any], tmp_path: Path
) -> None:
    values["tasks"] = {"told": generation(choice_task, "rouge1")}
    found = planned(values, tmp_path)
    reason = "task colours: its answers are generated, but strategy.mask choice needs choices"
    assert found == {"student_wrong": ("pending", None), "choice": ("skipped", reason), "half": ("skipped", reason)}


def test_an_interpolation_applies_where_its_strategy_does(
    values: dict[str, Any], make_base: Callable[..., Path], tmp_path: Path
) -> None:
    values["bases"]["large"] = str(cut_differently(make_base(seed=7)))
    found = planned(values, tmp_path)
    assert found["student_wrong"][0] == "skipped"
    assert (found["choice"], found["half"]) == (("pending", None), ("pending", None))


def test_an_ensemble_that_generates_needs_one_tokenizer(
    values: dict[str, Any], choice_task: dict[str, Any], make_base: Callable[..., Path], tmp_path: Path
) -> None:
    values["strategies"] = {"ensemble": {}}
    values["tasks"] = {"told": generation(choice_task, "rouge1")}
    assert planned(values, tmp_path) == {"ensemble": ("pending", None)}
    values["bases"]["large"] = str(cut_differently(make_base(seed=7)))
    reason = (
        "task colours: its answers are generated, but an ensemble generates only with one tokenizer; "
        "those of old and new cut training text 0 differently"
    )
    assert planned(values, tmp_path) == {"ensemble": ("skipped", reason)}
    values["tasks"] = {"chosen": choice_task}
    assert planned(values, tmp_path) == {"ensemble": ("pending", None)}


GONE = "model ./gone: neither a folder nor a hub id, which is OWNER/NAME; check the path"


def dry_run(values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str], str]:
    """The exit code, the lines before the table, and what stands on standard error."""
    code = main(["study", str(written(values, tmp_path)), "--dry-run"])
    out, err = capsys.readouterr()
    return code, [line.rstrip() for line in out.split("stages;")[0].splitlines()], err


def test_a_dry_run_of_nothing_is_an_error(
    values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values["strategies"] |= {"retrain": {}, "ensemble": {}}
    values["bases"]["large"] = "./gone"
    code, lines, err = dry_run(values, tmp_path, capsys)
    assert (code, lines) == (2, [f"cannot be planned (5 cells): {GONE}"])
    assert err.count("\n") == 1
    assert "no cell can be planned" in err


def test_a_dry_run_says_each_reason_once_and_forecasts_the_others(
    values: dict[str, Any], choice_task: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values["strategies"]["retrain"] = {}
    values["bases"]["gone"] = "./gone"
    values["updates"].append(["small", "gone"])
    bad = write_rows(tmp_path / "bad.jsonl", [{**row, "label": 7} for row in colour_rows(20, seed=3)])
    values["tasks"]["bad"] = {**choice_task, "train": str(bad)}
    code, lines, err = dry_run(values, tmp_path, capsys)
    assert (code, err) == (1, "")
    of_data, of_base = lines
    assert of_data.startswith("cannot be planned (4 cells): task colours: the answer 7 is not one of the 3 choices")
    assert of_base == f"cannot be planned (8 cells): {GONE}"


def test_a_dry_run_takes_what_does_not_apply_for_no_failure(
    values: dict[str, Any], choice_task: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values["tasks"] = {"told": generation(choice_task, "rouge1")}
    code, lines, _ = dry_run(values, tmp_path, capsys)
    reason = "task colours: its answers are generated, but strategy.mask choice needs choices"
    assert (code, lines) == (0, [f"not applicable (2 cells): {reason}"])


def test_a_dry_run_counts_what_is_left(
    values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values["strategies"] |= {"retrain": {}, "ensemble": {}, "old_only": {}}
    assert main(["study", str(written(values, tmp_path)), "--dry-run"]) == 0
    printed = capsys.readouterr().out
    rows = {line.split("│")[1].strip(): line.split("│")[4:9] for line in printed.splitlines() if line.startswith("│")}
    given = {name: [bool(cell.strip()) for cell in cells] for name, cells in rows.items()}
    read = [True, True, False, False, False]  # samples and tokens, no steps, nothing on disk
    assert given == {
        **dict.fromkeys(["fit", "align", "in total"], [True] * 5),
        "teach": [True, True, False, True, False],
        **dict.fromkeys(["predict", "ensemble"], read),
        "interpolate": [False] * 5,
    }


def test_a_study_that_began_no_stage_shows_no_tracebacks(
    values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values["bases"]["large"] = "./gone"
    assert main(["study", str(written(values, tmp_path))]) == 1
    printed = capsys.readouterr().out
    assert f"failed (3 cells): {GONE}" in printed
    assert "Fix the cause" in printed
    assert "Tracebacks" not in printed


def test_strategies_over_choices_share_their_teachers(values: dict[str, Any], tmp_path: Path) -> None:
    """The control asks old alone; neither temperature nor the seed of alignment matters, but what is read does."""
    values["strategies"] = {"choice": {}, "choice_mixture": {"temperature": 1.0}, "choice_ce": {}, "student_wrong": {}}
    values["strategies"] |= {"half": HALF, "again": {"mask": "choice"}, "longer": {"mask": "choice"}}
    values["overrides"] = [
        {"where": {"strategy": "again"}, "set": {"align_seed": 7}},
        {"where": {"strategy": "longer"}, "set": {"training.max_length": 48}},
    ]
    cells = cells_of(load_study(written(values, tmp_path)), "study")
    graph = Graph(cells)
    made = {cell.strategy: graph.stages_of(cell).candidate.needs["model"] for cell in cells}
    aligned = {name: stage.needs.get("compat", stage) for name, stage in made.items()}
    old, new = (aligned["choice"].needs[f"teach_{role}"] for role in ("old", "new"))

    def asked(name: str) -> dict[str, str]:
        return {role: stage.key for role, stage in aligned[name].teachers.items()}

    assert len({stage.key for stage in aligned.values()}) == 6  # `half` takes the adapter of `choice`
    for name in ("choice", "choice_mixture", "half", "again"):
        assert asked(name) == {"teach_old": old.key, "teach_new": new.key}
    assert {*aligned["choice_ce"].needs} == {"old", "new", "teach_old"}
    assert asked("choice_ce") == {"teach_old": old.key}
    stages = closure(graph.stages_of(cell).candidate for cell in cells)
    assert Counter(stage.kind for stage in stages)["teach"] == 2 + 2 + 2
    assert old.label == "teach small colours seed 0-choices"
    store = Store(tmp_path)
    paths = [store.path(stage.needs["teach_old"]) for stage in (aligned["choice"], aligned["student_wrong"])]
    assert [path.name for path in paths] == ["scores.safetensors", "outputs"]


def test_common_takes_dotted_keys_as_overrides_do(values: dict[str, Any], tmp_path: Path) -> None:
    values["common"] |= {"training.epochs": 3, "dtype": "bfloat16"}
    values["overrides"] = [{"where": {"strategy": "choice"}, "set": {"training.epochs": 4}}]
    cells = cells_of(load_study(written(values, tmp_path)), "study")
    assert {cell.strategy: cell.own.training.epochs for cell in cells} == {"student_wrong": 3, "choice": 4, "half": 3}
    assert {(cell.shared.training.epochs, cell.own.training.max_length) for cell in cells} == {(3, 64)}


def test_a_cell_says_what_its_strategy_is(values: dict[str, Any], tmp_path: Path) -> None:
    values["strategies"] = {"plain": {"baseline": "retrain"}, "muscle": {"mask": "student_wrong"}, "choice": {}}
    values["overrides"] = [{"where": {"strategy": "choice"}, "set": {"strategy.mask": "choice_ce"}}]
    methods = {row.strategy: row.method for row in board_of(values, tmp_path).records}
    assert methods == {"plain": "retrain", "muscle": "student_wrong", "choice": "choice_ce"}


def test_cells_name_bases_so_that_every_process_reads_the_same(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders by their place, hub ids by their commit; what cannot be found is the error of its own cells."""
    commits = {Source("owner/model"): "a" * 40, Source("owner/model", "v1"): "b" * 40}

    def commit_of(source: Source) -> str:
        if source not in commits:
            raise ModelError(f"model {source}: not there")
        return commits[source]

    monkeypatch.setattr("stillright.models.ref.commit_of", commit_of)
    small = Path(values["bases"]["small"])
    monkeypatch.chdir(small.parent)
    both = f"owner/model@v1+{small.name}"
    named = {"small": small.name, "latest": "owner/model", "both": both, "gone": "owner/gone@v1"}
    values |= {"bases": named, "updates": [["small", "latest"], ["both", "gone"]]}
    cells = cells_of(load_study(written(values, tmp_path)), "study")
    found = {name: model for cell in cells for name, model in ((cell.old, cell.shared.old), (cell.new, cell.own.new))}
    pinned = {"small": str(small), "latest": f"owner/model@{'a' * 40}", "both": f"owner/model@{'b' * 40}+{small}"}
    assert found == {**pinned, "gone": "owner/gone@v1"}
