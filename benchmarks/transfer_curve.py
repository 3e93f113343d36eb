"""A transfer over shares, ranks and weightings, on rows that nothing was trained on: flips, accuracy, and how well the
student follows old.

    stillright run update.yaml                                   # with `align: false`: fits both task adapters
    python benchmarks/transfer_curve.py update.yaml --rows dev.jsonl --limit 2000

Rows have the columns of the task. Slope and correlation are those of (student - new) on (old - new), over margins of
the right choice of two. The student's layers are merged, in the compute dtype.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from stillright.config import load_update
from stillright.models import ModelRef, compute_dtype, load_base, load_model, load_tokenizer
from stillright.progress import Progress
from stillright.tasks import load_task
from stillright.training.choice.choice_batches import reading_of
from stillright.training.choice.teacher_scores import choice_scores
from stillright.training.encode import encode_choices, encode_texts
from stillright.training.text import ChoiceText
from stillright.training.transfer.differences import Differences
from stillright.training.transfer.factors import low_rank
from stillright.training.transfer.moments import moments_of
from stillright.training.transfer.transfer import READ_TEXTS

QUIET = Progress(Console(quiet=True))
Scorer = Callable[[Any], Tensor]  # model -> (n,) margins of the right choice


def scorer(texts: list[ChoiceText], pad: int) -> Scorer:
    """Asks a model for the margin of the right choice over the other."""
    gold, rows = torch.tensor([text.gold for text in texts]), torch.arange(len(texts))

    def margins(model: Any) -> Tensor:
        reading = reading_of(model, texts, pad, QUIET, "curve")
        scores = choice_scores(model, texts, reading, QUIET, "curve")
        return scores[rows, gold] - scores[rows, 1 - gold]

    return margins


def show(name: str, student: Tensor, old: Tensor, new: Tensor) -> None:
    """Prints one row of the table."""
    lost, before = ((old > 0) & (each <= 0) for each in (student, new))
    nfr, plain = float(lost.float().mean()), float(before.float().mean())
    accuracy = float((student > 0).float().mean() - (new > 0).float().mean())
    moved, apart = student - new - (student - new).mean(), old - new - (old - new).mean()
    slope = float(moved @ apart / (apart @ apart))
    correlation = float(moved @ apart / (moved.norm() * apart.norm()).clamp_min(1e-9))
    relative = nfr / plain - 1 if plain else float("nan")
    print(
        f"| {name} | {nfr:.2%} | {relative:+.0%} | {100 * accuracy:+.2f} | {slope:.2f}, {correlation:.2f} |", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("update", type=Path)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=2000)
    parser.add_argument("--ranks", type=int, nargs="+", default=[128])
    parser.add_argument("--shares", type=float, nargs="+", default=[0.15, 0.3, 0.45])
    args = parser.parse_args()
    config = load_update(args.update)
    bases, out = {"old": config.old, "new": config.new}, config.out
    old, new = (ModelRef.parse(f"{base}+{out}/adapters/{name}") for name, base in bases.items())
    dtype, tokenizer, longest = compute_dtype(config.dtype), load_tokenizer(new.base), config.training.max_length
    rows = load_task(config.task.model_copy(update={"train": args.rows, "train_limit": None}), 0)
    margins = scorer(encode_choices(rows, tokenizer, longest)[: args.limit], tokenizer.pad_token_id)
    by_old, by_new = (margins(load_model(ref, dtype)) for ref in (old, new))
    print("| served | NFR | against new | accuracy, points | slope, correlation |\n|---|---:|---:|---:|---:|")
    for name, student in (("new", by_new), ("old", by_old), ("half of each", (by_old + by_new) / 2)):
        show(name, student, by_old, by_new)
    differences = Differences(old, new)
    texts = encode_texts(load_task(config.task, config.split_seed), tokenizer, longest, config.training.loss_on)
    read = [text.ids for text in texts[:READ_TEXTS]]
    moments = moments_of(load_model(new, dtype), differences.layers, read, tokenizer.pad_token_id, QUIET, "curve")
    model = load_base(new.base, dtype)
    for weighted in (False, True):
        for rank in args.ranks:
            found = {
                layer: low_rank(differences.of(layer), rank, moments[layer] if weighted else None)
                for layer in differences.layers
            }
            for share in args.shares:
                for layer, (up, down, _) in found.items():
                    moved = differences.new.of_task(layer) + share * up @ down
                    model.get_submodule(layer).weight.data.copy_(moved)
                name = f"{'weighted' if weighted else 'plain'}, rank {rank}, share {share:g}"
                show(name, margins(model), by_old, by_new)


if __name__ == "__main__":
    main()
