"""The rooms of the package, its top-level modules and folders, import each other in no circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from places import ROOT


def imported(source: str) -> Iterator[str]:
    """The modules of stillright that a source imports, inside functions and for type checking too."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{each.name}" for each in node.names]
        yield from (name.removeprefix("stillright.") for name in names if name.startswith("stillright."))


def circle(package: Path) -> list[str]:
    """The rooms of some circle of imports, the last the same as the first; empty without one."""
    rooms: dict[str, set[str]] = {}
    for path in package.rglob("*.py"):
        room = path.relative_to(package).parts[0].removesuffix(".py")
        if room != "__init__":  # which hands on public names when they are asked for
            found = {name.split(".")[0] for name in imported(path.read_text(encoding="utf-8"))}
            rooms[room] = rooms.get(room, set()) | found - {room}
    try:
        TopologicalSorter(rooms).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_rooms_import_each_other_in_no_circle() -> None:
    assert circle(ROOT / "src" / "stillright") == []


@pytest.mark.parametrize(
    "source",
    [
        "from stillright.upper.rows import Row\n",
        "from stillright import upper\n",
        "import stillright.upper.rows\n",
        "def late():\n    from stillright.upper import rows\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from stillright.upper.rows import Row\n",
    ],
)
def test_a_circle_is_found_however_it_is_imported(tmp_path: Path, source: str) -> None:
    (tmp_path / "upper").mkdir()
    (tmp_path / "upper" / "rows.py").write_text("from stillright.lower import thing\n")
    (tmp_path / "lower.py").write_text("")
    assert circle(tmp_path) == []
    (tmp_path / "lower.py").write_text(source)
    assert set(circle(tmp_path)) == {"upper", "lower"}
