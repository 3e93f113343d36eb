"""Teachers, run once: what each says before every scored token of the training and validation texts, on disk.

Training text is fixed, so what a teacher says never changes over epochs, strategies and alignment seeds. Rows are kept
in a form, see forms.py, and are memory-mapped when read. An interrupted run goes on with the batches that are left;
processes of one machine share them, and write to the same files.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from stillright import ranks
from stillright.forward.heads import LMHead, lm_head
from stillright.forward.lean import lean
from stillright.forward.passes import (
    Collate,
    autocast,
    check_head,
    check_packing,
    evaluating,
    last_states,
    model_inputs,
)
from stillright.progress import Bar, Progress
from stillright.training.teachers.forms import FORMS, Form, Hidden, Words
from stillright.training.text import IGNORED, batches

HEAD, META, DONE = "head.safetensors", "teacher.json", "batches-done"
PADDED: Collate = DataCollatorForLanguageModeling(pad_token_id=0)


class Readable(Protocol):
    """A text for teachers."""

    @property
    def ids(self) -> list[int]:
        """All its tokens."""

    @property
    def scored(self) -> list[int]:
        """Those whose prediction is scored."""

    @property
    def example(self) -> dict[str, Any]:
        """The row of a data set, as a collator reads it."""


class Said(NamedTuple):
    """What a teacher says, one row a scored token, text after text."""

    words: Words  # what its form keeps, (rows, ...)
    prediction: Tensor  # (rows,) most likely next token of the vocabulary that student and teachers share
    logp: Tensor  # (rows,) log-probability, among the same, of the next token that is there, float32


class Teacher(NamedTuple):
    """A teacher that has run."""

    said: Said
    starts: list[int]  # first row of every text, and the number of rows last
    form: Form
    vocabulary: int  # number of the first pieces that it speaks of
    head: LMHead | None  # where the form needs it

    def rows(self, text: int) -> slice:
        """Where the rows of `text` stand."""
        return slice(self.starts[text], self.starts[text + 1])


def first_rows(texts: Sequence[Readable]) -> list[int]:
    """First row of every text, and the number of rows last."""
    starts = [0]
    for text in texts:
        starts.append(starts[-1] + len(text.scored))
    return starts


def _mapped(folder: Path, rows: int, form: Form, width: int, dtype: torch.dtype) -> Said:
    """The files of `folder` as tensors; what is written to one is in its file."""

    def file(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        size = rows * math.prod(shape)
        return torch.from_file(str(folder / f"{name}.bin"), shared=True, size=size, dtype=dtype).view(rows, *shape)

    words = {name: file(name, *column) for name, column in form.columns(width, dtype).items()}
    return Said(words, file("prediction", (), torch.int64), file("logp", (), torch.float32))


@torch.no_grad()
def run_teacher(
    model: Any,
    texts: Sequence[Readable],
    folder: Path,
    progress: Progress,
    label: str,
    vocabulary: int | None = None,
    form: Form = Hidden(),  # noqa: B008 - immutable
    collate: Collate = PADDED,
) -> None:
    """Writes what `model` (base or PeftModel) says before every scored token of `texts` to `folder`.

    vocabulary: number of the first pieces that it speaks of, as the student does; None: all. collate: makes batches of
    `Readable.example`; what is scored, its labels say.
    A call that was interrupted is continued by the same call. Raises ModelError, see `check_head` and `check_packing`.
    """
    check_head(model)
    if getattr(collate, "padding_free", False):
        check_packing(model, collate)
    lean(model)
    starts, sizes = first_rows(texts), [len(text.ids) for text in texts]
    every = list(batches(sizes))
    done = ranks.on_main(lambda: _batches_done(folder))  # before any process writes
    todo = ranks.share_of_first_node([number for number in range(len(every)) if number not in done])
    with progress.bar(label, sum(sizes[i] for number in todo for i in every[number])) as bar, evaluating(model) as base:
        head = lm_head(base)
        width, spoken = head.weight.shape[1], len(head.weight) if vocabulary is None else vocabulary
        said = _mapped(folder, starts[-1], form, width, base.dtype)
        for number in todo:
            batch = every[number]
            _say(base, head, [texts[i] for i in batch], [starts[i] for i in batch], said, bar, spoken, form, collate)
            (folder / DONE / str(number)).touch()
    meta = {
        "form": form._asdict(),
        "starts": starts,
        "vocabulary": spoken,
        "width": width,
        "dtype": str(base.dtype).removeprefix("torch."),
        "scale": head.scale,
        "softcap": head.softcap,
    }
    ranks.wait()
    ranks.on_main(lambda: _finish(folder, meta, head if isinstance(form, Hidden) else None))


def _batches_done(folder: Path) -> set[int]:
    """Numbers of the batches that an interrupted run has done, in whatever process; makes the folder."""
    (folder / DONE).mkdir(parents=True, exist_ok=True)
    return {int(path.name) for path in (folder / DONE).iterdir()}


def _finish(folder: Path, meta: dict[str, Any], head: LMHead | None) -> None:
    """Writes what makes the folder whole."""
    if head is not None:
        _write_head(head, folder)
    (folder / META).write_text(json.dumps(meta), encoding="utf-8")
    shutil.rmtree(folder / DONE)


def _say(
    base: Any,
    head: LMHead,
    texts: Sequence[Readable],
    starts: list[int],
    said: Said,
    bar: Bar,
    vocabulary: int,
    form: Form,
    collate: Collate,
) -> None:
    """Fills the rows of one batch."""
    batch = collate([text.example for text in texts])
    with autocast(base):
        states = last_states(base, model_inputs(batch, base.device))
    labels = batch["labels"][:, 1:].to(base.device)
    scored = labels != IGNORED
    sizes = [len(text.scored) for text in texts]
    for start, kept, known in zip(
        starts, states[:, :-1][scored].split(sizes), labels[scored].split(sizes), strict=True
    ):
        rows, logits = slice(start, start + len(kept)), head.logits(kept, vocabulary)
        for name, values in form.keep(kept, logits, seed=start).items():
            said.words[name][rows] = values.cpu()
        prediction, logp = judged(logits, known)
        said.prediction[rows], said.logp[rows] = prediction.cpu(), logp.cpu()
    bar.advance(tokens=sum(len(text.ids) for text in texts))


def judged(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Of logits (N, V) the likeliest piece, and the log-probability of the label: (N,) each."""
    return logits.argmax(dim=-1), -functional.cross_entropy(logits, labels, reduction="none")


def _write_head(head: LMHead, folder: Path) -> None:
    tensors = {"weight": head.weight, **({} if head.bias is None else {"bias": head.bias})}
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, folder / HEAD)


def open_teacher(folder: Path) -> Teacher:
    """What run_teacher has written, memory-mapped."""
    meta = json.loads((folder / META).read_text(encoding="utf-8"))
    form, starts = FORMS[meta["form"]["form"]](**meta["form"]), meta["starts"]
    said = _mapped(folder, starts[-1], form, meta["width"], getattr(torch, meta["dtype"]))
    head = None
    if isinstance(form, Hidden):
        tensors = load_file(folder / HEAD)
        head = LMHead(tensors["weight"], tensors.get("bias"), meta["scale"], meta["softcap"])
    return Teacher(said, starts, form, meta["vocabulary"], head)
