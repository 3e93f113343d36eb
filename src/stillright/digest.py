"""What determines a file or folder: a digest of its content."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path


@cache
def _file_digest(path: Path, _size: int, _mtime_ns: int) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def folder_digest(folder: Path) -> str:
    """SHA-256 over names and contents of a file, or of a folder's files; a model card does not count."""
    digest = hashlib.sha256()
    for path in [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.name != "README.md":
            status = path.stat()
            digest.update(str(path.relative_to(folder)).encode())
            digest.update(_file_digest(path, status.st_size, status.st_mtime_ns))
    return digest.hexdigest()
