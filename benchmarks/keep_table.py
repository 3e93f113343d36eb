"""One row a cell of a study: the flips of the plain update, and what each strategy makes of flips and accuracy.

    stillright study recipes/keep.yaml
    stillright study-results runs/keep
    python benchmarks/keep_table.py runs/keep

Of each strategy: the relative change of NFR, its change in points, and that of the score, with 95 % intervals of paired
differences. Below the table the means over the cells.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

Row = dict[str, str]
SHOWN = ("continue_ce", "auto", "ensemble")


def cells_of(study: Path) -> dict[tuple[str, str], dict[str, Row]]:
    """(task, update) -> strategy -> its row, of all that are done."""
    found: dict[tuple[str, str], dict[str, Row]] = {}
    for file in sorted(study.glob("tables/*.csv")):
        if file.stem not in ("discrete", "continuous"):
            continue
        for row in csv.DictReader(file.read_text(encoding="utf-8").splitlines()):
            if row["nfr"]:
                found.setdefault((row["task"], row["update"]), {})[row["strategy"]] = row
    return found


def points(row: Row, name: str) -> str:
    value, low, high = (100 * float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"


def relative(row: Row) -> float:
    return float(row["nfr"]) / float(row["nfr_new"]) - 1


def line(place: tuple[str, str], cell: dict[str, Row], shown: Sequence[str]) -> str:
    first = next(iter(cell.values()))
    parts = [f"{place[0]}, {place[1]}", f"{int(first['n']):,} x {first['done']}", f"{float(first['nfr_new']):.2%}"]
    for name in shown:
        if (row := cell.get(name)) is None:
            parts.append("")
        else:
            parts.append(f"{relative(row):+.0%}: {points(row, 'delta_nfr')}; {points(row, 'delta_score')}")
    return f"| {' | '.join(parts)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("study", type=Path, help="its folder, with tables/ in it")
    parser.add_argument("--strategies", nargs="+", default=SHOWN)
    args = parser.parse_args()
    cells = cells_of(args.study)
    print(f"| task, update | items x seeds | NFR, plain | {' | '.join(args.strategies)} |")
    print(f"|---|---:|---:|{'---:|' * len(args.strategies)}")
    for place, cell in cells.items():
        print(line(place, cell, args.strategies))
    for name in args.strategies:
        rows = [cell[name] for cell in cells.values() if name in cell]
        change, score = mean(map(relative, rows)), 100 * mean(float(row["delta_score"]) for row in rows)
        print(f"\n{name}: NFR {change:+.0%}, score {score:+.2f} points, means of {len(rows)} cells")


if __name__ == "__main__":
    main()
