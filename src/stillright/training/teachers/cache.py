"""A teacher's outputs before every scored token of the training and validation texts, computed once and kept on disk.

Training text is fixed, so they never change over epochs, strategies and alignment seeds. Rows are kept in a form, see
forms.py, and are memory-mapped when read. An interrupted run goes on with the batches that are left, and makes those
anew whose rows are not as they were written; processes of one machine share the batches, and write to the same files.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Iterable, Mapping, Sequence, Sized
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from stillright import ranks
from stillright.forward.heads import LMHead, chunk_rows, lm_head
from stillright.forward.lean import slim_layers
from stillright.forward.passes import (
    Collate,
    autocast,
    check_head,
    check_packing,
    evaluating,
    last_states,
    model_inputs,
)
from stillright.progress import Progress
from stillright.training.teachers.forms import FORMS, Columns, Form, Hidden
from stillright.training.text import IGNORED, batches

HEAD, META, DONE = "head.safetensors", "teacher.json", "batches-done"
PADDED: Collate = DataCollatorForLanguageModeling(pad_token_id=0)


class Readable(Protocol):
    """A text for teachers."""

    @property
    def ids(self) -> Sized:
        """All its tokens."""

    @property
    def scored(self) -> Sized:
        """Those whose prediction is scored."""

    @property
    def example(self) -> dict[str, Any]:
        """The row of a data set, as a collator reads it."""


class CacheSpec(NamedTuple):
    """What both teachers read, and what is kept of their outputs."""

    texts: Sequence[Readable]
    key: Mapping[str, Any]  # what determines the texts and the precision
    form: Form
    vocabulary: int  # number of the first vocabulary entries, which both teachers share
    collate: Collate = PADDED  # makes batches of `Readable.example`; its labels decide what is scored


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
        """The rows of `text`."""
        return slice(self.starts[text], self.starts[text + 1])


def first_rows(texts: Sequence[Readable]) -> list[int]:
    """First row of every text, and the number of rows last."""
    starts = [0]
    for text in texts:
        starts.append(starts[-1] + len(text.scored))
    return starts


def _mapped(folder: Path, rows: int, form: Form, width: int, dtype: torch.dtype) -> TeacherOutputs:
    """The files of `folder` as tensors; what is written to one is in its file."""

    def file(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        size = rows * math.prod(shape)
        return torch.from_file(str(folder / f"{name}.bin"), shared=True, size=size, dtype=dtype).view(rows, *shape)

    columns = {name: file(name, *column) for name, column in form.columns(width, dtype).items()}
    return TeacherOutputs(columns, file("prediction", (), torch.int64), file("logp", (), torch.float32))


@torch.no_grad()
def write_cache(model: Any, spec: CacheSpec, folder: Path, progress: Progress, label: str) -> None:
    """Writes the outputs of `model` (base or PeftModel) on all texts of `spec` to `folder`.

    An interrupted call is continued by the same call. Raises ModelError, see `check_head` and `check_packing`.
    """
    check_head(model)
    if getattr(spec.collate, "padding_free", False):
        check_packing(model, spec.collate)
    slim_layers(model)
    starts = first_rows(spec.texts)
    ranks.on_main(lambda: (folder / DONE).mkdir(parents=True, exist_ok=True))
    with evaluating(model) as base:
        head = lm_head(base)
        outputs = _mapped(folder, starts[-1], spec.form, head.weight.shape[1], base.dtype)
        every = _batches(spec.texts, starts, folder)
        left = ranks.on_main(lambda: [number for number, batch in enumerate(every) if not batch.is_done(outputs)])
        todo = [every[number] for number in ranks.share_of_first_node(left)]
        with progress.bar(label, sum(batch.tokens for batch in todo)) as bar:
            for batch in todo:
                _write_batch(base, head, spec, batch.texts, starts, outputs)
                batch.mark.write_text(outputs.digest(batch.rows), encoding="ascii")
                bar.advance(tokens=batch.tokens)
    ranks.wait()
    meta = _meta(spec, starts, head, base.dtype)
    ranks.on_main(lambda: _finish(folder, meta, head if isinstance(spec.form, Hidden) else None))


class _Batch(NamedTuple):
    """Texts that are read together."""

    texts: list[int]  # their numbers
    rows: list[slice]
    tokens: int
    mark: Path  # once they are read: a digest of their rows

    def is_done(self, outputs: TeacherOutputs) -> bool:
        """Whether some process has read the texts, and their rows are still what it wrote."""
        return self.mark.exists() and self.mark.read_bytes() == outputs.digest(self.rows).encode()


def _batches(texts: Sequence[Readable], starts: list[int], folder: Path) -> list[_Batch]:
    sizes = [len(text.ids) for text in texts]
    return [
        _Batch(
            numbers,
            [slice(starts[i], starts[i + 1]) for i in numbers],
            sum(sizes[i] for i in numbers),
            folder / DONE / str(number),
        )
        for number, numbers in enumerate(batches(sizes))
    ]


def _meta(spec: CacheSpec, starts: list[int], head: LMHead, dtype: torch.dtype) -> dict[str, Any]:
    """What `open_cache` needs beside the tensors."""
    return {
        "form": spec.form._asdict(),
        "starts": starts,
        "vocabulary": spec.vocabulary,
        "width": head.weight.shape[1],
        "dtype": str(dtype).removeprefix("torch."),
        "scale": head.scale,
        "softcap": head.softcap,
    }


def _finish(folder: Path, meta: dict[str, Any], head: LMHead | None) -> None:
    """Writes what makes the folder whole."""
    if head is not None:
        _write_head(head, folder)
    (folder / META).write_text(json.dumps(meta), encoding="utf-8")
    shutil.rmtree(folder / DONE)


def _write_batch(
    base: Any, head: LMHead, spec: CacheSpec, numbers: list[int], starts: list[int], outputs: TeacherOutputs
) -> None:
    """Fills the rows of the texts of these numbers."""
    texts = [spec.texts[i] for i in numbers]
    batch = spec.collate([text.example for text in texts])
    with autocast(base):
        states = last_states(base, model_inputs(batch, base.device))
    labels = batch["labels"][:, 1:].to(base.device)
    scored = labels != IGNORED
    sizes = [len(text.scored) for text in texts]
    parts = zip(numbers, states[:, :-1][scored].split(sizes), labels[scored].split(sizes), strict=True)
    for number, kept, known in parts:
        _write_text(head, spec, kept, known, starts[number], outputs)


def _write_text(
    head: LMHead, spec: CacheSpec, states: Tensor, labels: Tensor, first: int, outputs: TeacherOutputs
) -> None:
    """Fills the rows from `first` on of one text, which may be long: logits exist for `chunk_rows` rows at a time."""
    generator, size = torch.Generator().manual_seed(first), chunk_rows(head)
    for kept, known in zip(states.split(size), labels.split(size), strict=True):
        rows, logits = slice(first, first + len(kept)), head.logits(kept, spec.vocabulary)
        for name, values in spec.form.keep(kept, logits, generator).items():
            outputs.columns[name][rows] = values.cpu()
        prediction, logp = prediction_and_logp(logits, known)
        outputs.prediction[rows], outputs.logp[rows] = prediction.cpu(), logp.cpu()
        first += len(kept)


def prediction_and_logp(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The most likely token of logits (N, V), and the log-probability of the label: (N,) each."""
    return logits.argmax(dim=-1), -functional.cross_entropy(logits, labels, reduction="none")


def _write_head(head: LMHead, folder: Path) -> None:
    tensors = {"weight": head.weight, **({} if head.bias is None else {"bias": head.bias})}
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, folder / HEAD)


def open_cache(folder: Path) -> TeacherCache:
    """What write_cache has written, memory-mapped."""
    meta = json.loads((folder / META).read_text(encoding="utf-8"))
    form, starts = FORMS[meta["form"]["form"]](**meta["form"]), meta["starts"]
    outputs = _mapped(folder, starts[-1], form, meta["width"], getattr(torch, meta["dtype"]))
    head = None
    if isinstance(form, Hidden):
        tensors = load_file(folder / HEAD)
        head = LMHead(tensors["weight"], tensors.get("bias"), meta["scale"], meta["softcap"])
    return TeacherCache(outputs, starts, form, meta["vocabulary"], head)
