"""The pages of docs/: they build into a site without a warning, their commands run or parse, their messages exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from places import ROOT
from samples import environment
from stillright.cli import parser
from stillright.cli.compare import with_example

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
NEEDS_NETWORK = "pip install "


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of each block."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def commands(page: Path) -> list[str]:
    """The lines of stillright in its blocks; one that goes on in the next line is joined."""
    texts = [text.replace("\\\n", " ") for language, text in blocks(page) if language == "sh"]
    return [line for text in texts for line in text.splitlines() if line.startswith("stillright ")]


COMMANDS = [pytest.param(line, id=f"{page.name}: {line}") for page in PAGES for line in commands(page)]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_parse(command: str) -> None:
    words = [word for word in shlex.split(command.partition(" > ")[0], comments=True) if word != "$@"]
    assert callable(parser().parse_args(with_example(words[1:])).action)


def run(line: str, folder: Path) -> str:
    """What a line of a page prints. Its comment may name the exit code."""
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    done = subprocess.run(
        ["/bin/bash", "-c", line], cwd=folder, capture_output=True, text=True, env=environment(PATH=path)
    )
    expected = re.search(r"# exit code (\d)$", line)
    assert done.returncode == int(expected[1] if expected else 0), done.stderr
    return done.stdout


def test_the_first_page_does_what_it_says(tmp_path: Path) -> None:
    """Its commands run one after another, and what it shows as their output is there."""
    page, printed, shown = DOCS / "start.md", "", 0
    (tmp_path / "make.py").write_text(next(text for language, text in blocks(page) if language == "python"))
    for language, text in blocks(page):
        if language == "sh":
            lines = [line for line in text.splitlines() if not line.startswith(NEEDS_NETWORK)]
            printed = "".join(run(line, tmp_path) for line in lines)
        elif not language:
            assert " ".join(text.split()) in " ".join(printed.split())
            shown += 1
    assert shown == 2
    assert {"report.html", "lost.csv", "policy.yaml", "gate.xml"} <= {path.name for path in tmp_path.iterdir()}


def pieces(message: str) -> list[str]:
    return [piece for piece in (part.strip(" :;'`") for part in message.split("...")) if len(piece) > 3]


def test_messages_that_are_explained_exist() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    source = re.sub(r'"\n\s*f?"', "", source)  # texts that are written over several lines
    listed = re.findall(r"^(`.*`)\n: ", (DOCS / "troubleshooting.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(listed) > 8
    for message in listed:
        for piece in pieces(message.replace("`, `", "...")):
            assert piece in source, (message, piece)


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-n", "-W", "--keep-going", "-b", "html", str(DOCS), str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("index", "start", "reference/commands", "reference/policy", "reference/python"):
        assert (tmp_path / f"{name}.html").stat().st_size > 5000
