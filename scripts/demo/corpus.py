"""The text the demo bases learn from: docstrings of the standard library and of the packages in corpus.txt.

Leaves out every module of the validation and test parts, and every text elsewhere that repeats a summary of theirs
(packages carry copies of the standard library).
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

from docstrings import Documentation, read_folder
from items import askable, part_of, standard_library

LONGEST = 400  # characters of a docstring; beyond them stand mostly examples


class LeakFilter:
    """Finds held-out summaries inside other texts, by their first words and then whole."""

    def __init__(self, summaries: Iterable[str]) -> None:
        self.by_start: dict[tuple[str, ...], list[str]] = {}
        for summary in summaries:
            words = tuple(summary.split())
            self.by_start.setdefault(words[:3], []).append(" ".join(words))

    def leaks(self, text: str) -> bool:
        """True where `text`, its white space folded, holds a held-out summary."""
        words = text.split()
        folded = " ".join(words)
        starts = {tuple(words[i : i + 3]) for i in range(len(words) - 2)}
        return any(summary in folded for start in starts for summary in self.by_start.get(start, ()))


def shortened(text: str) -> str:
    """Whole paragraphs of `text` as long as they fit LONGEST, at least a first one, cut there."""
    kept = ""
    for paragraph in text.split("\n\n"):
        if kept and len(kept) + len(paragraph) > LONGEST:
            break
        kept = f"{kept}\n\n{paragraph}" if kept else paragraph
    return kept[:LONGEST]


def page(documentation: Documentation) -> str:
    """What a base reads of one function: its heading, then its docstring."""
    return f"{documentation.heading}\n{shortened(documentation.text)}"


def pages(packages: Path) -> dict[str, str]:
    """All pages, each once, in an order drawn with a fixed seed, with the top-level module that each comes from."""
    library = standard_library()
    held_out = [d for d in library if part_of(d.module) != "train"]
    filter_ = LeakFilter(d.summary for d in askable(held_out))
    documented = [d for d in library if part_of(d.module) == "train"]
    documented += read_folder(packages, frozenset({"__pycache__"}))
    by_text = {page(d): d.module.split(".")[0] for d in documented if not filter_.leaks(d.text)}
    texts = list(by_text)
    random.Random(0).shuffle(texts)
    return {text: by_text[text] for text in texts}
