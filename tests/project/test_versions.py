"""pyproject.toml and constraints.txt agree on what was tested."""

from __future__ import annotations

import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TESTED = dict(
    line.lower().replace("_", "-").split("==")
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if "==" in line and not line.startswith("#")
)
TRAIN = [Requirement(line) for line in PROJECT["optional-dependencies"]["train"]]
BOUNDED = [requirement for requirement in TRAIN if "<" in str(requirement.specifier)]


@pytest.mark.parametrize("requirement", BOUNDED, ids=str)
def test_bounds_end_after_the_tested_release(requirement: Requirement) -> None:
    (bound,) = (Version(each.version) for each in requirement.specifier if each.operator == "<")
    tested = Version(TESTED[requirement.name]).release[: len(bound.release)]
    assert bound.release == (*tested[:-1], tested[-1] + 1)


def test_those_with_private_parts_in_use_are_bounded() -> None:
    modules = {path.stem for path in (ROOT / "src/stillright/upstream").glob("[!_]*.py")}
    assert modules <= {requirement.name.replace("-", "_") for requirement in BOUNDED}
