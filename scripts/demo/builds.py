"""Makes the two builds that the demo updates between: 2 bits of a base, and 2 bits, cut finer, of its next checkpoint.

    pip install --no-deps --target corpus -r scripts/demo/corpus.txt
    python scripts/demo/builds.py --packages corpus --out src/stillright/demo/data

The next checkpoint is `new_base`, trained on over the same corpus, all weights, by the schedule of pretrain.py. Writes
`old_build/` and `new_build/`: weights that 2 bits for each group of GROUP inputs can tell, in bf16. About a quarter of
an hour on two cores.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from corpus import pages
from pretrain import HELD, SIZES, pretrain, windows_of

BITS = 2
GROUP = {"old_build": 64, "new_build": 32}  # inputs that share a scale and an offset
TOKENS, PEAK_LEARNING_RATE, SEED = 4_000_000, 2e-3, 1


def rounded(weight: Tensor, group: int) -> Tensor:
    """`weight` (out, in) at the nearest of 2^BITS even steps between the least and the greatest of each group."""
    groups = weight.view(len(weight), -1, group)
    low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    step = (high - low) / (2**BITS - 1)
    found: Tensor = (((groups - low) / step).round() * step + low).view_as(weight)
    return found


def write_build(base: Path, group: int, out: Path) -> None:
    """The linear layers of a base rounded; its embedding, which is its head too, and its norms as they are."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and name != "lm_head":
            module.weight.data = rounded(module.weight.data, group)
    model.to(torch.bfloat16).save_pretrained(out)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(base / file, out)


def train_on(base: Path, packages: Path, out: Path) -> None:
    """The next checkpoint of a base."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    texts = list(pages(packages))
    held, windows = windows_of(texts[:1000], tokenizer)[:HELD], windows_of(texts, tokenizer)[HELD:]
    size = SIZES["new_base"]._replace(tokens=TOKENS, peak_learning_rate=PEAK_LEARNING_RATE)
    start = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = pretrain(size, windows, held, len(tokenizer), tokenizer.eos_token_id, start, SEED)
    model.to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--packages", type=Path, required=True, help="folder with the packages of corpus.txt")
    parser.add_argument("--out", type=Path, required=True, help="folder that has new_base/, and gets the builds")
    parser.add_argument("--next", type=Path, default=Path("next_base"), help="folder of the next checkpoint")
    args = parser.parse_args()
    if not (args.next / "model.safetensors").exists():
        train_on(args.out / "new_base", args.packages, args.next)
    for name, base in (("old_build", args.out / "new_base"), ("new_build", args.next)):
        write_build(base, GROUP[name], args.out / name)


if __name__ == "__main__":
    main()
