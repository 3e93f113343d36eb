"""Pages of the reference, from the code itself: commands, keys of the four YAML files, names for Python."""

from __future__ import annotations

import argparse
import inspect
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import stillright
from stillright.cli import parser
from stillright.config.schema import MODELS

TITLES = {"update": "update.yaml", "study": "study.yaml", "suite": "suite.yaml", "policy": "policy.yaml"}
WIDTH = "100"  # of the help texts


def write_pages(folder: Path) -> None:
    """Writes every page; one that has not changed keeps its time, so that it is not built again."""
    pages = {"commands": commands(), "python": names()} | {kind: keys(kind) for kind in TITLES}
    folder.mkdir(exist_ok=True)
    for name, lines in pages.items():
        path, text = folder / f"{name}.md", "\n".join(lines) + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def commands() -> Iterator[str]:
    """The help of each command."""
    os.environ["COLUMNS"] = WIDTH
    yield "# Commands"
    yield "`stillright COMMAND --help` shows the same."
    whole = parser()
    found = next(action for action in whole._actions if isinstance(action, argparse._SubParsersAction))
    for name, command in found.choices.items():
        yield f"\n## stillright {name}\n\n```text\n{command.format_help().rstrip()}\n```"


def keys(kind: str) -> Iterator[str]:
    """The keys of a file, its nested ones in tables of their own."""
    whole = MODELS[kind].model_json_schema()
    yield f"# {TITLES[kind]}\n"
    yield f"{_sentence(whole)} For editors, `stillright schema {kind}` prints a JSON Schema.\n"
    yield from _table(whole)
    for name, part in whole.get("$defs", {}).items():
        yield f"\n## {name}\n\n{_sentence(part)}\n"
        yield from _table(part) if "properties" in part else (_type(part),)


def _sentence(part: dict[str, Any]) -> str:
    return str(part.get("description", "")).split("\n\n")[0].replace("\n", " ")


def _table(part: dict[str, Any]) -> Iterator[str]:
    yield "| key | type | default | meaning |\n|---|---|---|---|"
    needed = part.get("required", ())
    for key, value in part.get("properties", {}).items():
        default = "needed" if key in needed else _code(value["default"]) if "default" in value else ""
        cells = (f"`{key}`", _type(value), default, value.get("description", ""))
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _code(value: Any) -> str:
    return "none" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(value: dict[str, Any]) -> str:
    """A JSON Schema in words, with links to the tables of objects."""
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    for several in ("anyOf", "oneOf", "allOf"):
        if several in value:
            return " or ".join(dict.fromkeys(_type(each) for each in value[several] if each.get("type") != "null"))
    if "enum" in value or "const" in value:
        return ", ".join(f"`{each}`" for each in value.get("enum", [value.get("const")]))
    kind = value.get("type", "any")
    if kind == "array":
        return f"list of {_type(value['items'])}" if "items" in value else "list"
    if kind == "object" and isinstance(inner := value.get("additionalProperties"), dict):
        return f"name: {_type(inner)}"
    return f"{kind}{_range(value)}"


def _range(value: dict[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {value[name]}" for name, sign in signs.items() if name in value]
    return f" {', '.join(found)}" if found else ""


def names() -> Iterator[str]:
    """What `stillright.__all__` lists."""
    yield "# Python\n\n`import stillright` needs no extra; names that do say so when they are used.\n"
    for name in stillright.__all__:
        if name != "__version__":
            yield from _name(name, getattr(stillright, name))


def _name(name: str, value: Any) -> Iterator[str]:
    is_error = inspect.isclass(value) and issubclass(value, Exception)
    signature = "" if is_error else re.sub(r" at 0x[0-9a-f]+", "", str(inspect.signature(value)))
    yield f"\n## {name}\n\n```python\nstillright.{name}{signature}\n```\n"
    yield f"```text\n{inspect.getdoc(value)}\n```"
