"""Teachers, run once: the hidden states before the LM head, for every training and validation text, on disk.

Training text is fixed, so what a teacher says never changes over epochs, strategies and alignment seeds. States are
kept in the dtype they were computed in, 2 H bytes a token in bfloat16, and are memory-mapped when read; the loss turns
rows into logits with the teacher's head. An interrupted run goes on with the batches that are left; processes of one
machine share them, and write to the same files.
"""

from __future__ import annotations

import json
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
from stillright.training.forward import autocast, check_head, evaluating
from stillright.training.heads import LMHead, lm_head
from stillright.training.lean import lean
from stillright.training.text import Ids, batches

HEAD, META, DONE = "head.safetensors", "teacher.json", "batches-done"


class Said(NamedTuple):
    """What a teacher says, one row a next-token position, text after text; a text of L ids has L - 1 rows."""

    hidden: Tensor  # (rows, H) states before the LM head
    prediction: Tensor  # (rows,) most likely next token of the vocabulary that student and teachers share
    logp: Tensor  # (rows,) log-probability, among the same, of the next token that is there, float32


class Teacher(NamedTuple):
    """A teacher that has run."""

    said: Said
    starts: list[int]  # first row of every text, and the number of rows last
    head: LMHead

    def rows(self, text: int) -> slice:
        """Where the rows of `text` stand."""
        return slice(self.starts[text], self.starts[text + 1])


def first_rows(texts: list[Ids]) -> list[int]:
    """First row of every text, and the number of rows last."""
    starts = [0]
    for ids in texts:
        starts.append(starts[-1] + len(ids) - 1)
    return starts


def _mapped(folder: Path, rows: int, width: int, dtype: torch.dtype) -> Said:
    """The files of `folder` as tensors; what is written to one is in its file."""

    def file(name: str, count: int, dtype: torch.dtype) -> Tensor:
        return torch.from_file(str(folder / name), shared=True, size=count, dtype=dtype)

    hidden = file("hidden.bin", rows * width, dtype).view(rows, width)
    return Said(hidden, file("prediction.bin", rows, torch.int64), file("logp.bin", rows, torch.float32))


@torch.no_grad()
def run_teacher(
    model: Any, texts: list[Ids], folder: Path, progress: Progress, label: str, vocabulary: int | None = None
) -> None:
    """Writes what `model` (base or PeftModel) says after every prefix of `texts` to `folder`, with its head.

    vocabulary: number of the first pieces that predictions and probabilities are over, as the student's are; None: all.
    A call that was interrupted is continued by the same call. Raises ModelError, see `check_head`.
    """
    check_head(model)
    lean(model)
    starts, sizes = first_rows(texts), [len(ids) for ids in texts]
    every = list(batches(sizes))
    done = ranks.on_main(lambda: _batches_done(folder))  # before any process writes
    todo = ranks.share_of_first_node([number for number in range(len(every)) if number not in done])
    with progress.bar(label, sum(sizes[i] for number in todo for i in every[number])) as bar, evaluating(model) as base:
        head = lm_head(base)
        spoken = len(head.weight) if vocabulary is None else vocabulary
        said = _mapped(folder, starts[-1], head.weight.shape[1], base.dtype)
        for number in todo:
            batch = every[number]
            _say(base, head, [texts[i] for i in batch], [starts[i] for i in batch], said, bar, spoken)
            (folder / DONE / str(number)).touch()
    ranks.wait()
    ranks.on_main(lambda: _write_head(head, base.dtype, starts, folder))


def _batches_done(folder: Path) -> set[int]:
    """Numbers of the batches that an interrupted run has done, in whatever process; makes the folder."""
    (folder / DONE).mkdir(parents=True, exist_ok=True)
    return {int(path.name) for path in (folder / DONE).iterdir()}


def _say(base: Any, head: LMHead, texts: list[Ids], starts: list[int], said: Said, bar: Bar, vocabulary: int) -> None:
    """Fills the rows of one batch."""
    padded = pad_sequence([torch.tensor(ids) for ids in texts], batch_first=True).to(base.device)
    with autocast(base):
        # right padding: no real position sees a padded one
        states = base.base_model(input_ids=padded, use_cache=False).last_hidden_state.to(base.dtype)
    for ids, start, text_states in zip(texts, starts, states, strict=True):
        rows, kept = slice(start, start + len(ids) - 1), text_states[: len(ids) - 1]
        logits = head.logits(kept, vocabulary)
        said.hidden[rows] = kept.cpu()
        said.prediction[rows] = logits.argmax(dim=-1).cpu()
        said.logp[rows] = -functional.cross_entropy(logits, padded.new_tensor(ids[1:]), reduction="none").cpu()
    bar.advance(tokens=sum(map(len, texts)))


def _write_head(head: LMHead, dtype: torch.dtype, starts: list[int], folder: Path) -> None:
    """What makes the folder whole."""
    tensors = {"weight": head.weight, **({} if head.bias is None else {"bias": head.bias})}
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, folder / HEAD)
    meta = {"dtype": str(dtype).removeprefix("torch."), "starts": starts, "scale": head.scale, "softcap": head.softcap}
    (folder / META).write_text(json.dumps(meta), encoding="utf-8")
    shutil.rmtree(folder / DONE)


def open_teacher(folder: Path) -> Teacher:
    """What run_teacher has written, memory-mapped."""
    meta = json.loads((folder / META).read_text(encoding="utf-8"))
    tensors = load_file(folder / HEAD)
    head = LMHead(tensors["weight"], tensors.get("bias"), meta["scale"], meta["softcap"])
    said = _mapped(folder, meta["starts"][-1], head.weight.shape[1], getattr(torch, meta["dtype"]))
    return Teacher(said, meta["starts"], head)
