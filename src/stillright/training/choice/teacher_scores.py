"""The teachers' scores of the choices of all samples, one number each: computed once, and kept in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from stillright import ranks
from stillright.forward.passes import autocast, evaluating
from stillright.forward.trees import log_likelihoods, padded
from stillright.models import ModelRef, load_model, load_tokenizer
from stillright.progress import Progress
from stillright.tasks.ranking import normalized
from stillright.training.choice.choice_batches import Reading, reading_of
from stillright.training.memory import frees_memory
from stillright.training.text import ChoiceText, batches

SCORES = "scores"  # name of the tensor in a file


class ScoreFiles(NamedTuple):
    """Where the teachers' scores are kept, of the training samples and then of the validation samples."""

    old: Path
    new: Path | None  # None: not asked
    old_is_log: bool = False  # whether old's are labels, of a model that is gone


@torch.no_grad()
def choice_scores(model: Any, texts: list[ChoiceText], reading: Reading, progress: Progress, label: str) -> Tensor:
    """(n, K) scores of the choices by `model` (base or PeftModel); processes share the batches."""
    lengths = padded([text.lengths for text in texts], 0)
    sizes = [text.tokens(reading.apart) for text in texts]
    todo, found = ranks.share(list(batches(sizes, model.device))), []
    with progress.bar(label, sum(sizes[i] for batch in todo for i in batch)) as bar, evaluating(model) as base:
        for batch in todo:
            trees = reading.plant([texts[i] for i in batch]).to(base.device)
            with autocast(base):
                found.append((batch, log_likelihoods(base, trees, (len(batch), lengths.shape[1])).cpu()))
            bar.advance(tokens=sum(sizes[i] for i in batch))
    sums = torch.zeros(lengths.shape)
    for batch, values in ranks.gather(found):
        sums[batch] = values
    return normalized(sums, lengths)


@frees_memory
def teacher_scores(
    ref: ModelRef, texts: list[ChoiceText], dtype: torch.dtype, progress: Progress, label: str
) -> Tensor:
    """(n, K) scores by a model that is loaded for them, and gone from memory afterwards."""
    model = load_model(ref, dtype)
    reading = reading_of(model, texts, load_tokenizer(ref.base).pad_token_id, progress, label)
    return choice_scores(model, texts, reading, progress, label)


def write_scores(scores: Tensor, file: Path) -> None:
    """Keeps scores (n, K); of several processes the main one writes."""
    ranks.on_main(lambda: save_file({SCORES: scores.contiguous()}, file))


def read_scores(file: Path) -> Tensor:
    """(n, K) what `write_scores` has kept."""
    return load_file(file)[SCORES]
