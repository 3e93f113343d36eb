"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from pathlib import Path


def write_atomically(path: Path, content: str | bytes) -> Path:
    """Writes a file, text as UTF-8; a reader sees the former one, or all of the new one."""
    part = path.with_name(f".{secrets.token_hex(8)}.part")  # nobody else's file, and no longer a name than `path` has
    try:
        with part.open("xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def write_first(path: Path, text: str) -> None:
    """Writes a small file unless another process has: of several that fail, the first knows the cause."""
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    try:
        os.link(part, path)  # fails where it is there, unlike a rename
    except FileExistsError:
        pass
    finally:
        Path(part).unlink()


def remove(path: Path) -> None:
    """A file, or a folder with all that it holds; nothing where there is none."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
