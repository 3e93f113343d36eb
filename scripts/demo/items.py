"""Writes the demo task: which docstring summary belongs to a function of the standard library?

    python scripts/demo/items.py src/stillright/demo/data

Run once, with CPython 3.11.7; its result is frozen in the package, so that every Python answers the same questions.
Top-level modules, not functions, are cut into train, validation and test, and wrong choices come from the same part,
so that no summary stands in two of them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from docstrings import Documentation, read_folder

SKIPPED = frozenset(
    {"site-packages", "test", "tests", "idle_test", "lib2to3", "turtledemo", "ensurepip", "__pycache__"}
)
PARTS = {"train": 0.45, "validation": 0.65, "test": 1.0}  # upper end of the module hash
CHOICES = 4


def hash_fraction(text: str) -> float:
    """A number in [0, 1) that only `text` determines."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def part_of(module: str) -> str:
    """train, validation or test; `_pyio` goes where `io` goes."""
    top = module.split(".")[0].removeprefix("_py").removeprefix("_")
    return next(part for part, end in PARTS.items() if hash_fraction(top) < end)


def standard_library() -> list[Documentation]:
    """Every documented function and class of the running Python's library."""
    return list(read_folder(Path(sysconfig.get_path("stdlib")), SKIPPED))


def askable(documented: Iterable[Documentation]) -> list[Documentation]:
    """Those whose summary is a short sentence that no other function shares."""
    short = [d for d in documented if 3 <= len(d.summary.split()) <= 25 and 15 <= len(d.summary) <= 140]
    often = Counter(d.summary for d in short)
    return [d for d in short if often[d.summary] == 1]


def items_of(part: str, documented: list[Documentation]) -> Iterator[dict[str, object]]:
    """One row a function: its heading, four summaries, the place of the right one.

    Wrong summaries come from the same module where it has enough of them: its name must not give the answer away.
    """
    for d in documented:
        draw = random.Random(d.heading)
        near = [other.summary for other in documented if other.module == d.module and other is not d]
        far = [other.summary for other in documented if other.module != d.module]
        wrong = draw.sample(near, CHOICES - 1) if len(near) >= CHOICES - 1 else draw.sample(far, CHOICES - 1)
        answer = draw.randrange(CHOICES)
        yield {
            "id": f"{part}-{d.module}.{d.name}",
            "module": d.module.split(".")[0],
            "heading": d.heading,
            "choices": [*wrong[:answer], d.summary, *wrong[answer:]],
            "answer": answer,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path, help="folder for train.jsonl, validation.jsonl and test.jsonl")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    documented = askable(standard_library())
    for part in PARTS:
        unique = {f"{d.module}.{d.name}": d for d in documented if part_of(d.module) == part}
        rows = sorted(items_of(part, list(unique.values())), key=lambda row: hash_fraction(str(row["id"])))
        (out / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        print(f"{part}: {len(rows)} items from {len({row['module'] for row in rows})} modules")


if __name__ == "__main__":
    main()
