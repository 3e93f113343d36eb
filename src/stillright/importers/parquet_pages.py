"""Decodes the pages of a Parquet file, as a process of its own: a damaged one can abort Polars, which nothing catches.

Run by parquet.py, which writes a Request to its input as JSON; the frame leaves it as an Arrow stream. It imports
nothing of stillright, so that it starts at once.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    import polars as pl


REFUSED = 3  # exit code; any other is that of an abort, a panic or a lack of memory


class Request(TypedDict):
    """What is to be read."""

    path: str
    columns: dict[str, list[str] | None]  # the fields of an object that are kept; None: the column as it is
    memory: int  # bytes it may take, besides what the process takes at the start
    packages: list[str]  # where Polars is found


def main() -> None:
    """Reads one request; exits with REFUSED and the reason as its error where Polars refuses the file."""
    request: Request = json.load(sys.stdin)
    sys.path[:] = request["packages"]
    import polars as pl

    _start_threads()
    _limit_memory(request["memory"])
    try:
        columns = [_column(name, fields) for name, fields in request["columns"].items()]
        frame = pl.scan_parquet(request["path"], glob=False).select(columns).collect()
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        sys.exit(REFUSED)
    frame.write_ipc_stream(sys.stdout.buffer)


def _start_threads() -> None:
    """All that Polars reads with, before memory is limited: where a thread cannot start, others wait for it."""
    import polars as pl

    empty = BytesIO()
    pl.DataFrame({"a": [""]}).write_parquet(empty)
    pl.scan_parquet(BytesIO(empty.getvalue())).collect()


def _column(name: str, fields: list[str] | None) -> pl.Expr:
    import polars as pl

    column = pl.col(name)
    return column if fields is None else pl.struct(column.struct.field(each) for each in fields).alias(name)


def _limit_memory(more: int) -> None:
    """What is written is limited where the system can; Linux counts the data of a process as it is mapped."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[5])
        now = pages * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (now + more, resource.getrlimit(resource.RLIMIT_DATA)[1]))


if __name__ == "__main__":
    main()
