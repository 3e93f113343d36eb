"""Odd input to compare and gate on the command line: one clear line and exit code 2, or a right result."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from launching import PATIENCE
from samples import environment, write_rows
from stillright.cli import main
from stillright.comparison import compare
from stillright.errors import StillrightError
from stillright.records import Header, PredictionSet
from stillright.report.pages import comparison_page
from stillright.report.terminal import print_page

Run = Callable[..., tuple[int, str, str]]
EVIL = "\x1b[2J\x1b]0;owned\x07\u202e[red]x[/red] ![i](http://e/x.png) <script>alert(1)</script>"


def rows(wrong: int = 0, **more: Any) -> list[dict[str, Any]]:
    """Twenty right answers but for the first few."""
    return [{"id": i, "prediction": "AB"[i < wrong], "reference": "A", "prompt": "?", **more} for i in range(20)]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in a folder with old.jsonl, new.jsonl (two lost), scores.jsonl: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "old.jsonl", rows())
    write_rows(tmp_path / "new.jsonl", rows(wrong=2))
    write_rows(tmp_path / "scores.jsonl", [{"id": i, "score": i / 20} for i in range(20)])

    def run(*argv: str) -> tuple[int, str, str]:
        code = main(argv)
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("old.jsonl new.jsonl --slice nope", "slice 'nope': no file has such a column with a value in it"),
        ("old.jsonl new.jsonl --slice=", "--slice: name a column"),
        ("scores.jsonl scores.jsonl --allow identical --epsilon nan", "epsilon nan: the least change"),
        ("scores.jsonl scores.jsonl --allow identical --epsilon inf", "epsilon inf: the least change"),
        ("old.jsonl new.jsonl --epsilon 0.5", "epsilon 0.5: applies to scores only"),
        ("old.jsonl new.jsonl --column garbage", "--column garbage: expected OURS=THEIRS"),
        ("old.jsonl new.jsonl --column foo=bar", "--column foo=bar: there is no column foo to fill; there are id"),
        ("old.jsonl new.jsonl --json .", ".: is not a file to write"),
        ("old.jsonl new.jsonl --json old.jsonl/x", "old.jsonl: File exists"),
        (f"old.jsonl new.jsonl --json {'a' * 300}", "File name too long"),
        ("old.jsonl scores.jsonl", "the files differ in kind"),
    ],
)
def test_one_clear_line(run: Run, arguments: str, message: str) -> None:
    code, _, errors = run("compare", *arguments.split())
    assert (code, errors.count("\n")) == (2, 1)
    assert message in errors


@pytest.mark.parametrize(
    ("new", "arguments", "message", "on_command_line"),
    [
        ("new.jsonl", {"score": "rogue1"}, "score='rogue1': no such score; did you mean 'rouge1'?", None),
        (
            "choices.jsonl",
            {"score": "rouge1"},
            "choices: score='rouge1': its answers are choices, already right or wrong",
            None,
        ),
        ("few.jsonl", {}, "unless on_missing is 'drop' or 'wrong'", "unless --on-missing is drop or wrong"),
        ("scores.jsonl", {"on_missing": "wrong"}, "on_missing='wrong': scores have", "--on-missing wrong: scores have"),
        ("both.jsonl", {}, "outputs (column output=prediction)", "outputs (--column output=prediction)"),
        ("empty.jsonl", {}, "name one with column prediction=THEIRS", "name one with --column prediction=THEIRS"),
        ("other.jsonl", {}, "or allow it with allow=['prompt']", "or allow it with --allow prompt"),
        ("new.jsonl", {"allow": "promt"}, "allow=['promt']: no such", "--allow promt: no such"),
    ],
)
def test_one_wording_fits_command_and_library_but_for_options(
    run: Run, tmp_path: Path, new: str, arguments: dict[str, str], message: str, on_command_line: str | None
) -> None:
    write_rows(tmp_path / "few.jsonl", rows()[:10])
    write_rows(tmp_path / "choices.jsonl", rows(output="x", choices=2))
    write_rows(tmp_path / "both.jsonl", rows(score=0.5))
    write_rows(tmp_path / "empty.jsonl", [{"id": 1, "prediction": None}])
    write_rows(tmp_path / "other.jsonl", rows(prompt="another"))
    write_rows(tmp_path / "asked.jsonl", rows(prompt="one"))
    old = {"other.jsonl": "asked.jsonl"}.get(new, new if new in ("scores.jsonl", "choices.jsonl") else "old.jsonl")
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in arguments.items()]
    code, _, errors = run("compare", old, new, "--allow=identical", *flags)
    with pytest.raises(StillrightError) as caught:
        compare(old, new, **{**arguments, "allow": ["identical", *filter(None, [arguments.get("allow")])]})  # type: ignore[arg-type]
    assert message in str(caught.value)
    in_command = str(caught.value).replace(message, on_command_line or message)
    assert (code, errors) == (2, f"stillright: error: {in_command}\n")


def test_a_folder_that_takes_no_files(run: Run) -> None:
    code, _, errors = run("compare", "old.jsonl", "new.jsonl", "--markdown", "/proc/none/x.md")
    assert (code, errors.count("\n")) == (2, 1)


@pytest.mark.parametrize("choices", [10**30, -1])
def test_choices_that_are_no_count(run: Run, tmp_path: Path, choices: int) -> None:
    write_rows(tmp_path / "odd.jsonl", rows(choices=choices))
    code, _, errors = run("compare", "odd.jsonl", "odd.jsonl")
    assert (code, errors) == (2, f"stillright: error: odd.jsonl: row 1: choices: {choices} is not a count\n")


def test_the_same_file_twice_is_told_apart(run: Run) -> None:
    code, output, _ = run("compare", "old.jsonl", "old.jsonl", "old.jsonl", "--allow", "identical")
    assert code == 0
    assert "old (new) shows no clear difference from old (old)" in output
    assert "old (candidate 1) shows no clear change" in output


def test_nothing_varied_shows_nothing(run: Run, tmp_path: Path) -> None:
    write_rows(tmp_path / "one.jsonl", rows()[:1])
    code, output, _ = run("compare", "one.jsonl", "one.jsonl", "--allow", "identical", "--json", "one.json")
    assert code == 0
    assert "would show in 8 of 10 tests" not in output
    assert json.loads((tmp_path / "one.json").read_text())["comparison"]["smallest_difference"] is None


def test_right_answers_may_stand_in_any_order(run: Run, tmp_path: Path) -> None:
    for name, reference in (("ab", ["A", "B"]), ("ba", ["B", "A"]), ("ac", ["A", "C"])):
        write_rows(tmp_path / f"{name}.jsonl", [{"id": 1, "prediction": "A", "reference": reference}])
    assert run("compare", "ab.jsonl", "ba.jsonl")[0] == 0
    assert run("compare", "ab.jsonl", "ac.jsonl")[0] == 2


def test_models_do_not_steer_the_terminal_or_the_report(run: Run, tmp_path: Path) -> None:
    header = {"header": {"name": EVIL}}
    evil = [{**row, "id": f"{EVIL}{row['id']}", "output": EVIL} for row in rows()]
    worse = [{**row, "prediction": "B", "output": f"{EVIL} worse"} for row in evil]
    write_rows(tmp_path / "evil.jsonl", [header, *evil])
    write_rows(tmp_path / "worse.jsonl", [{"header": {"name": f"{EVIL}\n2"}}, *worse])
    code, output, _ = run("compare", "evil.jsonl", "worse.jsonl", "--markdown", "report.md")
    report = (tmp_path / "report.md").read_text()
    assert code == 0
    assert "[red]x[/red]" in output  # as it is, not as markup
    for text in (output, report):
        assert not set("\x1b\x07\u202e") & set(text)
    assert "<script" not in report
    assert "![" not in report
    _, _, errors = run("compare", "evil.jsonl", "new.jsonl")
    assert errors.count("\n") == 1
    assert "\x1b" not in errors


def test_long_outputs_and_odd_ids(run: Run, tmp_path: Path) -> None:
    ids = ["日本語", 1, "two", "a,b", " "]
    for name, word in (("long", "word "), ("longer", "wurd ")):
        scores = [2 * len(name), *[len(name)] * 4]  # the first drops most, so it is shown
        rows = [{"id": i, "output": word * 200_000, "score": s} for i, s in zip(ids, scores, strict=True)]
        write_rows(tmp_path / f"{name}.jsonl", rows)
    code, output, _ = run("compare", "longer.jsonl", "long.jsonl")
    assert code == 0
    assert len(output) < 10_000
    assert "日本語" in output


def test_intervals_are_not_broken_on_a_narrow_terminal() -> None:
    old, new, compat = (
        PredictionSet.from_rows(Header(name=n), rows(i)) for i, n in enumerate(("old", "new", "compat"))
    )
    shown = {}
    for width in (80, 140):
        console = Console(width=width, file=StringIO())
        with console.capture() as capture:
            print_page(comparison_page(compare(old, new, [compat])), console)
        shown[width] = capture.get()
    assert "100.00 % [83.89, 100.00]" in shown[140]
    assert "100.00 % [" not in shown[80]
    assert "[83.89, 100.00]" in shown[80]


def test_a_reader_that_leaves_is_no_error(run: Run) -> None:
    command = [sys.executable, "-m", "stillright", "compare", "old.jsonl", "new.jsonl"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (141, b"")


@pytest.mark.parametrize(
    ("options", "code", "reason"),
    [
        (["--on-missing", "wrong"], 1, "1 of 2 do not pass: '19'"),
        (["--on-missing", "drop"], 3, "1 of 2 are unscored or missing: '19'"),
    ],
)
def test_an_id_that_must_pass_and_is_missing(
    run: Run, tmp_path: Path, options: list[str], code: int, reason: str
) -> None:
    write_rows(tmp_path / "short.jsonl", rows()[:-1])
    (tmp_path / "policy.yaml").write_text("must_pass: [18, 19]\nmax_unscored: 1.0\n")
    found, _, _ = run("gate", "old.jsonl", "short.jsonl", "--policy", "policy.yaml", "--json", "gate.json", *options)
    assert found == code
    assert json.loads((tmp_path / "gate.json").read_text())["checks"][-1]["reason"] == reason
