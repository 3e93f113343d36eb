"""Cuts a JSONL file into train.jsonl and test.jsonl, so that rows with the same value of a column stay together.

    python scripts/split_rows.py hellaswag_val.jsonl --by source_id --out data/hellaswag

A hash of the value decides, so the same file is always cut alike, and a value that comes later moves no other one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path


def fraction(value: object) -> float:
    """A number in [0, 1) that only `value` determines."""
    return int.from_bytes(hashlib.sha256(json.dumps(value).encode()).digest()[:8], "big") / 2**64


def split(lines: list[str], column: str, test: float) -> tuple[list[str], list[str]]:
    """The lines for training, and those for the test: those whose value falls below `test`. Raises KeyError."""
    train: list[str] = []
    held: list[str] = []
    for line in lines:
        (held if fraction(json.loads(line)[column]) < test else train).append(line)
    return train, held


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="JSONL, one object a line")
    parser.add_argument("--by", required=True, metavar="COLUMN", help="rows with the same value stay together")
    parser.add_argument("--test", type=float, default=0.2, help="about this part of the values (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="folder for train.jsonl and test.jsonl")
    args = parser.parse_args()
    lines = [line for line in args.file.read_text(encoding="utf-8").split("\n") if line.strip()]
    try:
        train, test = split(lines, args.by, args.test)
    except KeyError:
        parser.error(f"{args.file}: a row has no column {args.by!r}; give one that all rows have")
    if not (train and test):
        parser.error(f"{args.file}: --test {args.test} of the values of {args.by!r} leave one side empty")
    args.out.mkdir(parents=True, exist_ok=True)
    for name, part in (("train", train), ("test", test)):
        path = args.out / f"{name}.jsonl"
        path.write_text("".join(f"{line}\n" for line in part), encoding="utf-8")
        print(f"{path}: {len(part):,} rows")


if __name__ == "__main__":
    main()
