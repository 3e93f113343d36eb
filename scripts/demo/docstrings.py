"""Functions and their docstrings, read from source files without importing them.

Knows Python syntax and folders of Python files; knows nothing of tokenizers, models or tasks.
"""

from __future__ import annotations

import ast
import inspect
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Documentation(NamedTuple):
    """One documented function or class."""

    module: str  # dotted, "email.message"
    name: str  # dotted inside the module, "Message.get"
    parameters: str  # "self, name, failobj", "" for a class
    text: str  # the cleaned docstring

    @property
    def heading(self) -> str:
        """The line that stands above the docstring, "email.message.Message.get(self, name)"."""
        return f"{self.module}.{self.name}({self.parameters})"

    @property
    def summary(self) -> str:
        """The docstring's first paragraph on one line."""
        return " ".join(self.text.split("\n\n")[0].split())


def _documented_nodes(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Documented]]:
    for node in body:
        if isinstance(node, Documented):
            yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from _documented_nodes(node.body, f"{prefix}{node.name}.")


def _parameters(node: Documented) -> str:
    if isinstance(node, ast.ClassDef):
        return ""
    named = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
    starred = [f"*{node.args.vararg.arg}"] if node.args.vararg else []
    keywords = [argument.arg for argument in node.args.kwonlyargs]
    double = [f"**{node.args.kwarg.arg}"] if node.args.kwarg else []
    return ", ".join((*named, *starred, *keywords, *double))


def read_module(path: Path, module: str) -> Iterator[Documentation]:
    """Every documented function and class of one source file; nothing from a file that does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError, ValueError):
        return
    for name, node in _documented_nodes(tree.body):
        docstring = ast.get_docstring(node, clean=False)
        if docstring and docstring.isascii():
            yield Documentation(module, name, _parameters(node), inspect.cleandoc(docstring))


def read_folder(root: Path, skip: frozenset[str]) -> Iterator[Documentation]:
    """Every documented function and class below `root`, in path order.

    Folders and files whose name (without ending) is in `skip` are left out.
    """
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if not skip.intersection(parts):
            module = ".".join(part for part in parts if part != "__init__") or root.name
            yield from read_module(path, module)
