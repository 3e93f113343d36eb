"""What determines a file or folder: a digest of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

OTHER_WEIGHTS = frozenset({".bin", ".ckpt", ".gguf", ".h5", ".msgpack", ".onnx", ".ot", ".pt", ".pth"})
ABOUT = frozenset({"", ".md"})  # LICENSE, NOTICE, cards

Stamp = tuple[tuple[str, int, int], ...]


@cache
def _file_digest(path: Path, _size: int, _mtime_ns: int) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _digest(folder: Path, files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        status = path.stat()
        digest.update(str(path.relative_to(folder)).encode())
        digest.update(_file_digest(path, status.st_size, status.st_mtime_ns))
    return digest.hexdigest()


def folder_digest(folder: Path, but: str = "") -> str:
    """SHA-256 over names and contents of a file, or of a folder's files but that name; a model card never counts."""
    files = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    return _digest(folder, (path for path in files if path.name not in ("README.md", but)))


def model_folder_digest(folder: Path) -> str:
    """SHA-256 over names and contents of what `from_pretrained` may read of a base or adapter."""
    return _digest(folder, _model_files(folder))


def stamp(folder: Path) -> Stamp:
    """Name, size and time of what `from_pretrained` may read of a base or adapter: changes when it is edited."""
    found = ((path, path.stat()) for path in _model_files(folder))
    return tuple((path.name, status.st_size, status.st_mtime_ns) for path, status in found)


def _model_files(folder: Path) -> list[Path]:
    """The files at the top of a model's folder, without hidden ones, texts about it, and weights in other formats than
    safetensors, which are read only where there are none.

    A list of what is read would miss a file: each tokenizer has its own, and a configuration may name its weights.
    One file too many runs a stage again; one too few leaves a result that is no longer true.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    unread = ABOUT | (OTHER_WEIGHTS if any(path.suffix == ".safetensors" for path in files) else frozenset())
    return [path for path in files if path.suffix not in unread]
