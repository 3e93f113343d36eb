"""Seconds and peak memory of `compare` on files made to be heavy: wide, long, nested, compressed.

    python benchmarks/compare_bounds.py                    # every case, with files of at most 100 MB
    python benchmarks/compare_bounds.py eval csv --megabytes 20

Each case is two files, compared by the command line in a process of its own, which may read them or refuse them in one
line. Prints bytes, seconds of all processors (the same on a busy machine), peak memory and the outcome; exits with 1 if
one takes more than 60 s or 1,500 MB, or ends in a traceback. Needs some 300 MB of disk.
"""

from __future__ import annotations

import argparse
import gzip
import os
import resource
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple

import polars as pl

SECONDS, PEAK_MB = 60, 1500
GIVE_UP = 4  # times the limits, where a case is ended
PART = 2**20  # bytes written at once


class Case(NamedTuple):
    """suffix: of its two files. write: what makes one of at most so many bytes; side: "old" or "new"."""

    suffix: str
    write: Callable[[Path, int, str], None]


def plain(path: Path, size: int, side: str, *, head: str = "", row: str, tail: str = "") -> None:
    """A text of `head`, rows with their number for {i} and the side for {side}, and `tail`."""
    parts = row.replace("{side}", side).split("{i}")
    at_once = max(1, PART // len(row))
    with path.open("w", encoding="utf-8") as file:
        file.write(head.replace("{side}", side))
        for first in count(0, at_once):
            rows = [str(i).join(parts) for i in range(first, first + at_once)] if len(parts) > 1 else parts * at_once
            if file.tell() + len("".join(rows).encode()) + len(tail) > size:
                break
            file.writelines(rows)
        file.write(tail)


def zipped(path: Path, size: int, _: str, *, part: bytes, unpacked: int = 4 * 2**30) -> None:
    """A .gz of one part over and over: far more than `size` once it is unpacked."""
    block = part * (16 * PART // len(part))
    path.write_bytes(gzip.compress(block) * (unpacked // len(block)))


def archive(path: Path, size: int, side: str, *, part: bytes, parts: int = 1, samples: int) -> None:
    """A log of Inspect, in each sample an input of `parts` times `part`."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("header.json", b'{"eval": {"task": "t", "model": "%s"}, "plan": {}}' % side.encode())
        for i in range(samples):
            with file.open(f"samples/{i}.json", "w") as member:
                member.write(b'{"id": %d, "target": "a", "scores": {"match": {"value": "C"}}, "input": ["' % i)
                for _ in range(parts):
                    member.write(part)
                member.write(b'"]}')


def wide_csv(path: Path, size: int, side: str, *, columns: int) -> None:
    """Many columns, two of one name."""
    names = ["id", "prediction", *(f"column number {i} of them" for i in range(columns)), "column number 5 of them"]
    path.write_text(",".join(names) + "\n" + ",".join([side] * len(names)) + "\n")


PAGES = """
import sys
import polars as pl
texts = [f"{sys.argv[2]} {i} {'word ' * 5_000_000}" for i in range(40)]
pl.DataFrame({"id": range(40), "prediction": texts}).write_parquet(sys.argv[1], compression="zstd")
"""


def pages(path: Path, size: int, side: str) -> None:
    """Texts of which no two are equal, so that pages unpack to far more than the file. By a process of its own, since
    the peak of one that is started later counts what this one holds."""
    subprocess.run([sys.executable, "-c", PAGES, path, side], check=True)


def parquet(path: Path, size: int, side: str, *, rows: int, text: str) -> None:
    """Rows that take no room, since their values are all the same."""
    values = {"id": side, "prediction": text or side, "reference": "a"}
    pl.DataFrame({name: pl.repeat(value, rows, eager=True) for name, value in values.items()}).write_parquet(path)


CASES = {
    "own rows": Case(".jsonl", partial(plain, row='{"id":{i},"prediction":"{side}","reference":"old"}\n')),
    "own scores": Case(".jsonl", partial(plain, row='{"id":{i},"score":1}\n')),
    "own ids alone": Case(".jsonl", partial(plain, row='{"id":{i}}\n')),
    "own empty": Case(".jsonl", partial(plain, row="{}\n")),
    "own outputs": Case(
        ".jsonl",
        partial(plain, row='{"id":{i},"output":"{side} ' + "word é " * 1000 + '","reference":"a","score":1}\n'),
    ),
    "own long outputs": Case(
        ".jsonl",
        partial(plain, row='{"id":{i},"output":"{side} ' + "a b c d " * 1_200_000 + '","score":1}\n'),
    ),
    "own references": Case(
        ".jsonl", partial(plain, row='{"id":{i},"prediction":1,"reference":[' + "1," * 5000 + "1]}\n")
    ),
    "own one reference": Case(
        ".jsonl", partial(plain, head='{"id":1,"prediction":1,"reference":[1', row=",1", tail="]}\n")
    ),
    "own one line": Case(".jsonl", partial(plain, head='{"id":1,"output":"', row="x😀x", tail='"}\n')),
    "own header": Case(".jsonl", partial(plain, head='{"header":{"source":{"a":[', row="[],", tail="1]}}}\n")),
    "own nested": Case(".jsonl", partial(plain, head='{"id":1,"header":', row='{"a":[')),
    "blank lines": Case(".jsonl", partial(plain, row="\n")),
    "sparse lines": Case(".jsonl", partial(plain, row='{"id":{i},"score":1}' + "\n" * 1000)),
    "gz of blank lines": Case(".jsonl.gz", partial(zipped, part=b"\n")),
    "gz of rows": Case(".jsonl.gz", partial(zipped, part=b'{"id":1,"prediction":"a"}\n')),
    "gz of one line": Case(".jsonl.gz", partial(zipped, part=b'{"id":1')),
    "gz of csv": Case(".csv.gz", partial(zipped, part=b"id,prediction\n1,a\n")),
    "gz of json": Case(".json.gz", partial(zipped, part=b"[[],")),
    "table rows": Case(".jsonl", partial(plain, row='{"id":{i},"answer":"{side}","gold":"old","prediction":"a"}\n')),
    "table keys": Case(".jsonl", partial(plain, row='{"id":{i},"prediction":"{side}","key {i}":1,"label":2}\n')),
    "table list": Case(
        ".json", partial(plain, head='[{"id":"a","prediction":1}', row=',{"id":{i},"prediction":"a"}', tail="]")
    ),
    "list of nothing": Case(".json", partial(plain, head="[{}", row=",{}", tail="]")),
    "lists of lists": Case(".json", partial(plain, head='{"id":1,"a":[[]', row=",[]", tail="]}")),
    "deep list": Case(".json", partial(plain, row="[")),
    "csv rows": Case(".csv", partial(plain, head="id,prediction,reference\n", row="{i},{side},old\n")),
    "csv scores": Case(".csv", partial(plain, head="id,score\n", row="{i},1\n")),
    "csv of commas": Case(".csv", partial(plain, head="id,prediction\n", row=",")),
    "csv one cell": Case(".csv", partial(plain, head='id,output,score\n1,"', row="word word\n", tail='",1\n')),
    "csv open quote": Case(".csv", partial(plain, head='id,output\n1,"', row='a""\n')),
    "csv blank lines": Case(".csv", partial(plain, head="id,prediction\n", row="\n")),
    "csv references": Case(
        ".csv", partial(plain, head="id,prediction,reference\n", row='{i},1,"[' + "1," * 5000 + '1]"\n')
    ),
    "csv wide": Case(".csv", partial(wide_csv, columns=100_000)),
    "csv wider": Case(".csv", partial(wide_csv, columns=3_000_000)),
    "harness": Case(
        ".jsonl",
        partial(
            plain,
            row='{"doc_id":{i},"doc":{"q":"what, then?"},"target":"a","arguments":[["q","a"],["q","b"]],'
            '"resps":[[["-1.5","False"]],[["-2","False"]]],"filtered_resps":[["-1.5","False"],["-2","False"]],'
            '"filter":"none","acc":1.0}\n',
        ),
    ),
    "harness of lists": Case(
        ".jsonl", partial(plain, row='{"doc_id":{i},"doc":[' + "[]," * 5000 + '1],"resps":[],"acc":1}\n')
    ),
    "harness of targets": Case(
        ".jsonl", partial(plain, row='{"doc_id":{i},"target":"[' + "1," * 50000 + '1]","resps":[],"acc":1}\n')
    ),
    "promptfoo": Case(
        ".json",
        partial(
            plain,
            head='{"config":{},"results":{"results":[{"success":true,"promptIdx":0}',
            row=',{"success":true,"testIdx":{i},"promptIdx":0,"vars":{"a":1},"response":{"output":"{side}"}}',
            tail="]}}",
        ),
    ),
    "inspect": Case(
        ".json",
        partial(
            plain,
            head='{"eval":{"task":"t","model":"m"},"plan":{},"samples":[{"id":"a","scores":{"m":{"value":1}}}',
            row=',{"id":{i},"input":"q","output":{"completion":"{side}"},"scores":{"m":{"value":"C"}},"events":[{},{}]}',
            tail="]}",
        ),
    ),
    "eval bomb": Case(".eval", partial(archive, part=b" " * PART, parts=1024, samples=1)),
    "eval of bombs": Case(".eval", partial(archive, part=b" " * PART, parts=100, samples=20)),
    "eval of members": Case(".eval", partial(archive, part=b"x", samples=300_000)),
    "eval of lists": Case(".eval", partial(archive, part=b'",' + b"[]," * 2_000_000 + b'"', samples=20)),
    "parquet rows": Case(".parquet", partial(parquet, rows=5_000_000, text="")),
    "parquet texts": Case(".parquet", partial(parquet, rows=5_000, text="word " * 20_000)),
    "parquet pages": Case(".parquet", pages),
}


class Outcome(NamedTuple):
    """Of one comparison: seconds of all processors together, peak in megabytes."""

    seconds: float
    peak_mb: float
    code: int
    says: str

    @property
    def is_kept(self) -> bool:
        return (
            self.seconds <= SECONDS
            and self.peak_mb <= PEAK_MB
            and self.code in (0, 2)
            and (self.code == 0 or self.says.startswith("stillright: error:"))
        )


def compared(files: list[Path]) -> Outcome:
    """Time and memory of the command in a process that is ended where it takes far too much."""
    command = [sys.executable, "-m", "stillright", "compare", *map(str, files), "--json", str(files[0].parent / "out")]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (2 * GIVE_UP * SECONDS,) * 2),
    )
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    says = (errors.strip().splitlines() or [""])[-1]
    return Outcome(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, process.returncode, says)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="WORD", help="only the cases whose name has one of these words")
    parser.add_argument("--megabytes", type=int, default=100, help="of each file, at most (default: %(default)s)")
    args = parser.parse_args()
    kept = True
    print(f"{'case':<22}{'MB':>7}{'seconds':>9}{'peak MB':>9}  outcome")
    for name, case in CASES.items():
        if args.cases and not any(word in name for word in args.cases):
            continue
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / f"{side}{case.suffix}" for side in ("old", "new")]
            for file in files:
                case.write(file, args.megabytes * 10**6, file.name.split(".")[0])
            found, size = compared(files), max(file.stat().st_size for file in files) / 10**6
        says = found.says.replace(f"{folder}/", "").removeprefix("stillright: error: ")[:110]
        mark = "" if found.is_kept else "OVER "
        print(
            f"{name:<22}{size:>7.1f}{found.seconds:>9.1f}{found.peak_mb:>9,.0f}  {mark}{found.code} {says}", flush=True
        )
        kept = kept and found.is_kept
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
