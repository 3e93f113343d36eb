"""How much a file of results may hold, measured while it is read: what it says of its size is not believed.

Keeps a comparison of files of up to 100 MB within 1.5 GB; larger plain files may take more
(benchmarks/compare_bounds.py).
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

from stillright.errors import DataError

UNPACKED_BYTES = 2**28  # of a compressed file
MEMORY_BYTES = 5 * 2**28  # of decoded JSON that is held at once
MEMORY_PER_BYTE = 13  # the same of a plain file that is larger: usual logs take 4 to 11
ROWS = 2**21  # of a table
BYTES_PER_ROW = 40  # of a larger plain file: usual rows take more
BLANK_LINES = 2**20  # at once
TEXT_BYTES = 2**24  # of one answer, prompt or other cell
ANSWERS = 10_000  # right ones of a sample
ALL_ANSWERS = 2**24  # of a file
# what a mark of JSON stands for once decoded, at most, in bytes: an object, a list, a value, its key
MARKS = ((b"{", 250), (b"[", 90), (b",", 70), (b":", 60))
WIDE = 4  # bytes of every character of a text that has a rare one
MEMORY_OF_A_BYTE = WIDE + max(size for _, size in MARKS)  # at most


class Unpacked(io.RawIOBase):
    """The content of a compressed file. Reading raises DataError once there is more than `limit` bytes of it."""

    def __init__(self, packed: BinaryIO, place: str, limit: int) -> None:
        self._packed, self._place, self._limit, self._left = packed, place, limit, limit

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fills the buffer; returns how much of it is filled."""
        part = self._packed.read(len(buffer))
        self._left -= len(part)
        if self._left < 0:
            raise DataError(
                f"{self._place}: unpacks to more than {self._limit:,} bytes; unpack it yourself if you trust it"
            )
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        """Closes the compressed file too."""
        self._packed.close()
        super().close()


def memory(data: bytes) -> int:
    """Bytes that a JSON text may take once it is decoded: an upper bound, without decoding it."""
    text = len(data) * (1 if _is_narrow(data) else WIDE)
    return text + sum(size * data.count(mark) for mark, size in MARKS)


def memory_of_lines(data: bytes) -> int:
    """The same of JSON lines, of which only those with a rare character are wide."""
    return memory(data) if _is_narrow(data) else sum(map(memory, data.split(b"\n")))


def _is_narrow(data: bytes) -> bool:
    return data.isascii() and b"\\u" not in data


def is_light(path: Path) -> bool:
    """Whether the JSON in a file is within `memory_limit`, whatever it is."""
    return path.suffix != ".gz" and path.is_file() and _size(path) * MEMORY_OF_A_BYTE <= memory_limit(path)


def memory_limit(path: Path) -> int:
    """The bytes that the JSON in a file may take once decoded: more for a large one, whose owner has the memory."""
    return max(MEMORY_BYTES, MEMORY_PER_BYTE * _size(path))


def row_limit(path: Path) -> int:
    """The rows that the table in a file may have: more in a large one, as with memory."""
    return max(ROWS, _size(path) // BYTES_PER_ROW)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0  # one that is not there is refused where it is opened


def refuse_rows(rows: int, limit: int, place: str) -> None:
    """Raises DataError where a table has more rows than the limit."""
    if rows > limit:
        raise DataError(f"{place}: more than {limit:,} rows, too many for a file of its size; split it")


def refuse_heavy(taken: int, limit: int, place: str) -> None:
    """Raises DataError where JSON `taken` bytes large in memory is more than the limit."""
    if taken > limit:
        raise DataError(f"{place}: objects and lists of some {taken:,} bytes in memory, more than {limit:,}; split it")
