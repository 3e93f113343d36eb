"""Teachers, run once: what each says before every scored token of the training and validation texts, on disk.

Training text is fixed, so what a teacher says never changes over epochs, strategies and alignment seeds. Rows are kept
in a form, see forms.py, and are memory-mapped when read. An interrupted run goes on with the batches that are left;
processes of one machine share them, and write to the same files.
"""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from stillright import ranks
from stillright.progress import Bar, Progress
from stillright.training.forms import FORMS, Form, Hidden, Words
from stillright.training.forward import autocast, check_head, evaluating
from stillright.training.heads import LMHead, lm_head
from stillright.training.lean import lean
from stillright.training.text import Text, batches

HEAD, META, DONE = "head.safetensors", "teacher.json", "batches-done"


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


def first_rows(texts: list[Text]) -> list[int]:
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
    texts: list[Text],
    folder: Path,
    progress: Progress,
    label: str,
    vocabulary: int | None = None,
    form: Form = Hidden(),  # noqa: B008 - immutable
) -> None:
    """Writes what `model` (base or PeftModel) says before every scored token of `texts` to `folder`.

    vocabulary: number of the first pieces that it speaks of, as the student does; None: all.
    A call that was interrupted is continued by the same call. Raises ModelError, see `check_head`.
    """
    check_head(model)
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
            _say(base, head, [texts[i] for i in batch], [starts[i] for i in batch], said, bar, spoken, form)
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
    base: Any, head: LMHead, texts: list[Text], starts: list[int], said: Said, bar: Bar, vocabulary: int, form: Form
) -> None:
    """Fills the rows of one batch."""
    padded = pad_sequence([torch.tensor(text.ids) for text in texts], batch_first=True).to(base.device)
    with autocast(base):
        states = last_states(base, padded)
    for text, start, text_states in zip(texts, starts, states, strict=True):
        rows, kept = slice(start, start + len(text.scored)), text_states[text.said]
        logits = head.logits(kept, vocabulary)
        for name, values in form.keep(kept, logits, seed=start).items():
            said.words[name][rows] = values.cpu()
        prediction, logp = judged(logits, padded.new_tensor(text.scored))
        said.prediction[rows], said.logp[rows] = prediction.cpu(), logp.cpu()
    bar.advance(tokens=sum(len(text.ids) for text in texts))


def last_states(base: Any, ids: Tensor) -> Tensor:
    """(B, L, H) states before the LM head, in the dtype of the weights, of ids (B, L) that are padded on the right.

    No mask is needed: no real position sees a padded one.
    """
    states: Tensor = base.base_model(input_ids=ids, use_cache=False).last_hidden_state
    return states.to(base.dtype)


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
