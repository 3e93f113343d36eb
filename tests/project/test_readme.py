"""The README cannot go stale: its commands parse, its YAML is valid, its tree is the tree."""

from __future__ import annotations

import re
import shlex

import pytest
import yaml

from places import ROOT
from stillright.cli import parser
from stillright.config import Policy, parse_update
from stillright.config.strict import parse

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("stillright ")]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_parse(command: str) -> None:
    args = parser().parse_args(shlex.split(command)[1:])
    assert callable(args.action)


@pytest.mark.parametrize("block", blocks("yaml"))
def test_yaml_is_valid(block: str) -> None:
    values = yaml.safe_load(block)
    if block.startswith("# policy.yaml"):
        assert parse(Policy, values, "README").limits
    else:
        assert parse_update({"old": "a", "new": "b", **values}, "README").task.name


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, flags=re.MULTILINE):
        assert f"\n{target}:" in makefile


def test_tree_names_every_module() -> None:
    package = ROOT / "src" / "stillright"
    named = set(re.findall(r"^  (\w+(?:\.py|/)) ", README, flags=re.MULTILINE))
    there = {path.name for path in package.glob("*.py")} | {
        f"{path.parent.name}/" for path in package.glob("*/__init__.py")
    }
    assert there - named == {"__init__.py", "__main__.py"}
