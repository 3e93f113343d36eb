"""A teacher's outputs before every scored token of the training and validation texts, computed once and kept on disk.

Training text is fixed, so they never change over epochs, strategies and alignment seeds. An interrupted run goes on
with the batches that are left, and makes those anew whose rows are not as they were written; processes of one machine
share the batches, and write to the same files.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from stillright import ranks
from stillright.folder.workspace import Workspace
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
from stillright.training.prepared_rows import Row
from stillright.training.resume import names_full_disk
from stillright.training.teachers.cache_files import TeacherCache, TeacherOutputs, map_outputs, seal
from stillright.training.teachers.forms import Form, prediction_and_logp
from stillright.training.text import IGNORED, Text, batches

CACHE_FORMAT = 2  # of teachers' outputs; raise it when the same model and texts give other ones
DONE = "batches-done"
PADDED: Collate = DataCollatorForLanguageModeling(pad_token_id=0)


class CacheSpec(NamedTuple):
    """What both teachers read, and what is kept of their outputs."""

    texts: Sequence[Text | Row]
    key: Mapping[str, Any]  # what determines the texts and the precision
    form: Form
    vocabulary: int  # number of the first vocabulary entries, which both teachers share
    collate: Collate = PADDED  # makes batches of their examples; its labels decide what is scored


def cache_inputs(
    model: str, read: Mapping[str, Any], form: Mapping[str, Any], vocabulary: int | None
) -> dict[str, Any]:
    """What determines a teacher's outputs; read: what it reads, and in which precision."""
    versions = {name: version(name) for name in ("torch", "transformers", "peft")}
    kept = {"form": form, "vocabulary": vocabulary, "cache_format": CACHE_FORMAT}
    return {"model": model, **read, **kept, "versions": versions}


def cache_stage(
    workspace: Workspace, name: str, model: Callable[[], str], load: Callable[[], Any], spec: CacheSpec
) -> Path:
    """The folder `name` of a workspace with the outputs of the model that `load` gives, made now unless it is there
    from the same inputs; model: gives what determines it."""
    return workspace.stage(
        f"teach-{name}",
        name,
        lambda: cache_inputs(model(), spec.key, spec.form._asdict(), spec.vocabulary),
        lambda work, out: build_cache(load(), spec, work, out, Progress(workspace.console), f"{name} teacher"),
    )


def build_cache(model: Any, spec: CacheSpec, work: Path, out: Path, progress: Progress, label: str) -> None:
    """The folder `out` with the outputs of `model`; an interrupted attempt left its part in `work`."""
    with names_full_disk(out.parent):
        write_cache(model, spec, work / "outputs", progress, label)
    ranks.on_main(lambda: (work / "outputs").replace(out))


@torch.no_grad()
def write_cache(model: Any, spec: CacheSpec, folder: Path, progress: Progress, label: str) -> None:
    """Writes the outputs of `model` (base or PeftModel) on all texts of `spec` to `folder`.

    An interrupted call is continued by the same call. Raises ModelError, see `check_head` and `check_packing`.
    """
    check_head(model)
    if getattr(spec.collate, "padding_free", False):
        check_packing(model, spec.collate)
    slim_layers(model)
    starts = [0, *accumulate(len(text.scored) for text in spec.texts)]
    ranks.on_main(lambda: (folder / DONE).mkdir(parents=True, exist_ok=True))
    with evaluating(model) as base:
        head = lm_head(base)
        outputs = map_outputs(folder, starts[-1], spec.form, head.weight.shape[1], base.dtype, write=True)
        cache = TeacherCache(outputs, starts, spec.form, spec.vocabulary, head)
        every = _batches(spec.texts, cache, folder / DONE, base.device)
        left = ranks.on_main(lambda: [number for number, batch in enumerate(every) if not batch.is_done(outputs)])
        todo = [every[number] for number in ranks.share_of_first_node(left)]
        with progress.bar(label, sum(batch.tokens for batch in todo)) as bar:
            for batch in todo:
                _write_batch(base, head, spec, batch.texts, cache)
                batch.mark.write_text(outputs.digest(batch.rows), encoding="ascii")
                bar.advance(tokens=batch.tokens)
    ranks.wait()
    ranks.on_main(lambda: seal(folder, cache, head, base.dtype))
    ranks.on_main(lambda: shutil.rmtree(folder / DONE))


class _Batch(NamedTuple):
    """Texts that are read together."""

    texts: list[int]  # their numbers
    rows: list[slice]
    tokens: int
    mark: Path  # once they are read: a digest of their rows

    def is_done(self, outputs: TeacherOutputs) -> bool:
        """Whether some process has read the texts, and their rows are still what it wrote."""
        return self.mark.exists() and self.mark.read_bytes() == outputs.digest(self.rows).encode()


def _batches(texts: Sequence[Text | Row], cache: TeacherCache, folder: Path, device: torch.device) -> list[_Batch]:
    sizes = [len(text.ids) for text in texts]
    return [
        _Batch(numbers, [cache.rows(i) for i in numbers], sum(sizes[i] for i in numbers), folder / str(n))
        for n, numbers in enumerate(batches(sizes, device))
    ]


def _write_batch(base: Any, head: LMHead, spec: CacheSpec, numbers: list[int], cache: TeacherCache) -> None:
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
        _write_text(head, cache, cache.starts[number], kept, known)


def _write_text(head: LMHead, cache: TeacherCache, first: int, states: Tensor, labels: Tensor) -> None:
    """Fills the rows from `first` on of one text, which may be long: logits exist for `chunk_rows` rows at a time."""
    generator, size = torch.Generator().manual_seed(first), chunk_rows(head)
    outputs = cache.outputs
    for kept, known in zip(states.split(size), labels.split(size), strict=True):
        rows, logits = slice(first, first + len(kept)), head.logits(kept, cache.vocabulary)
        for name, values in cache.form.keep(kept, logits, generator).items():
            outputs.columns[name][rows] = values.cpu()
        prediction, logp = prediction_and_logp(logits, known)
        outputs.prediction[rows], outputs.logp[rows] = prediction.cpu(), logp.cpu()
        first += len(kept)
