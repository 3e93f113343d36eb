"""How far draws of a teacher are from the whole: divergence and its gradient, at one position after another.

    python benchmarks/forms_error.py                          # the demo's old base teaches its new one, seconds
    python benchmarks/forms_error.py --old DIR --new DIR      # two others

`KL` is the mean divergence from old to new over next tokens of the demo's texts, at T = 2; `gradient` the length of the
error of the logits' gradient, in parts of that of the exact one: of a position (root mean square), and of the mean over
all positions, in which errors cancel; `itself` the mean KL where the student is the teacher, 0 if exact.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

TEMPERATURE, TEXTS = 2.0, 40


def logits_of(folder: Path, texts: list[list[int]]) -> Tensor:
    """(N, V) in single precision, before every token but the first of a text."""
    from stillright.models import Source, load_base

    model = load_base(Source(str(folder)), torch.float32)
    return torch.cat([model(input_ids=torch.tensor([ids])).logits[0, :-1] for ids in texts])


def demo_texts(base: Path) -> list[list[int]]:
    """Ids of the demo's first training texts."""
    from stillright.config import parse_update
    from stillright.demo import demo_update
    from stillright.models import Source, load_tokenizer
    from stillright.tasks import load_task
    from stillright.training.encode import encode_texts

    task = load_task(parse_update(demo_update(Path("unused")), "benchmark").task)
    texts = encode_texts(task, load_tokenizer(Source(str(base))), 256, "all")
    return [text.ids for text in texts[:TEXTS]]


def targets(old: Tensor) -> dict[int, Any]:
    """What is kept of the teacher, by number of draws."""
    from stillright.training.teachers.forms import Sampled
    from stillright.training.teachers.targets import Drawn

    found: dict[int, Any] = {}
    for entries in (16, 64, 256):
        kept = Sampled(entries, TEMPERATURE).keep(old, old, torch.Generator().manual_seed(0))
        found[entries] = Drawn(kept["ids"], kept["entropy"])
    return found


@torch.no_grad()
def main() -> None:
    """Prints a table."""
    from stillright.demo import data
    from stillright.training.teachers.targets import Dense

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", type=Path, default=data() / "old_base")
    parser.add_argument("--new", type=Path, default=data() / "new_base")
    args = parser.parse_args()
    texts = demo_texts(args.old)
    old, new = (logits_of(folder, texts) for folder in (args.old, args.new))
    log_p, log_q = ((logits / TEMPERATURE).log_softmax(-1) for logits in (old, new))
    exact, gradient = Dense(log_p.clone()).divergence(log_q.clone())
    right = gradient()
    print(f"{len(old)} positions, {old.shape[1]} pieces; exact KL {exact.mean():.4f}")
    print(f"{'entries':>7} {'KL':>8} {'gradient':>9} {'its mean':>9} {'itself':>8}")
    for entries, target in targets(old).items():
        kl, gradient = target.divergence(log_q.clone())
        wrong = gradient() - right
        apart = wrong.norm() / right.norm()
        mean = wrong.mean(0).norm() / right.mean(0).norm()
        itself = target.divergence(log_p.clone())[0].mean()
        print(f"{entries:>7} {kl.mean():8.4f} {apart:9.4f} {mean:9.4f} {itself:8.4f}")


if __name__ == "__main__":
    main()
