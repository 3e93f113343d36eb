"""The files of a teacher's cache, and how they are opened: memory-mapped, and never written to.

A folder holds a NAME.bin for every column, head.safetensors where the form needs it, and teacher.json, written last,
with the digest of each.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from stillright import ranks
from stillright.digest import folder_digest
from stillright.errors import RunError
from stillright.forward.heads import LMHead
from stillright.training.teachers.forms import FORMS, Columns, Form, Hidden

HEAD, META = "head.safetensors", "teacher.json"


class TeacherOutputs(NamedTuple):
    """One row per scored token, text after text."""

    columns: Columns  # what the form keeps, (rows, ...)
    prediction: Tensor  # (rows,) most likely next token of the vocabulary that student and teachers share
    logp: Tensor  # (rows,) log-probability, among the same, of the true next token, float32

    def digest(self, parts: Iterable[slice]) -> str:
        """SHA-256 of these rows of every column."""
        digest = hashlib.sha256()
        for rows in parts:
            for column in (*self.columns.values(), self.prediction, self.logp):
                digest.update(column[rows].view(torch.uint8).flatten().numpy().data)
        return digest.hexdigest()


class TeacherCache(NamedTuple):
    """The outputs of one teacher, as they are on disk."""

    outputs: TeacherOutputs
    starts: list[int]  # first row of every text, and the number of rows last
    form: Form
    vocabulary: int  # number of the first vocabulary entries, which its outputs are about
    head: LMHead | None  # where the form needs it

    def rows(self, text: int) -> slice:
        return slice(self.starts[text], self.starts[text + 1])


def map_outputs(folder: Path, rows: int, form: Form, width: int, dtype: torch.dtype, *, write: bool) -> TeacherOutputs:
    """The files of `folder` as tensors. write: files are made where they are missing, and get what the tensors get.

    Raises OSError with `write` where the disk has no room for them.
    """

    def file(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        path, size = folder / f"{name}.bin", rows * math.prod(shape)
        if write:
            _take_space(path, size * dtype.itemsize)
        return torch.from_file(str(path), shared=write, size=size, dtype=dtype).view(rows, *shape)

    columns = {name: file(name, *column) for name, column in form.columns(width, dtype).items()}
    return TeacherOutputs(columns, file("prediction", (), torch.int64), file("logp", (), torch.float32))


def _take_space(path: Path, size: int) -> None:
    """Fails at once where the disk has no room; a page in memory that cannot be written ends the process (SIGBUS)."""
    if size and hasattr(os, "posix_fallocate"):  # macOS has none
        with path.open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, size)


def seal(folder: Path, cache: TeacherCache, head: LMHead, dtype: torch.dtype) -> None:
    """Writes what makes the folder of the outputs of a model of this head and dtype a cache."""
    if isinstance(cache.form, Hidden):
        tensors = {"weight": head.weight, **({} if head.bias is None else {"bias": head.bias})}
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, folder / HEAD)
    files = sorted(path for path in folder.iterdir() if path.suffix in (".bin", ".safetensors"))
    digests = {path.name: folder_digest(path) for path in files}
    meta = {
        "form": cache.form._asdict(),
        "starts": cache.starts,
        "vocabulary": cache.vocabulary,
        "width": head.weight.shape[1],
        "dtype": str(dtype).removeprefix("torch."),
        "scale": head.scale,
        "softcap": head.softcap,
        "digests": digests,
    }
    (folder / META).write_text(json.dumps(meta), encoding="utf-8")


def open_cache(folder: Path) -> TeacherCache:
    """What `seal` has made a cache. Raises RunError where a file is not as it was."""
    meta = ranks.on_main(lambda: _whole(folder))
    form, starts = FORMS[meta["form"]["form"]](**meta["form"]), meta["starts"]
    outputs = map_outputs(folder, starts[-1], form, meta["width"], getattr(torch, meta["dtype"]), write=False)
    head = None
    if isinstance(form, Hidden):
        tensors = load_file(folder / HEAD)
        head = LMHead(tensors["weight"], tensors.get("bias"), meta["scale"], meta["softcap"])
    return TeacherCache(outputs, starts, form, meta["vocabulary"], head)


def _whole(folder: Path) -> dict[str, Any]:
    """The content of teacher.json; reads all files, unless this process has done so (see `folder_digest`)."""
    try:
        meta: dict[str, Any] = json.loads((folder / META).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise _damaged(folder / META) from None
    for name, digest in meta["digests"].items():
        if folder_digest(folder / name) != digest:
            raise _damaged(folder / name)
    return meta


def _damaged(file: Path) -> RunError:
    problem = "is not as it was written" if file.exists() else "is missing"
    return RunError(
        f"{file}: {problem}; delete {file.parent} and start again, which caches the outputs of this teacher anew"
    )
