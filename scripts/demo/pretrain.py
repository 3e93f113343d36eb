"""Pre-trains the two bases of the demo on docstrings: a small old one, and a new one that is larger and saw more.

    pip install --no-deps --target corpus -r scripts/demo/corpus.txt
    python scripts/demo/pretrain.py --packages corpus --out src/stillright/demo/data

Writes `old_base/` and `new_base/`: config, bf16 safetensors and the one tokenizer of both. Needs about an hour on two
cores.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import NamedTuple

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from corpus import pages
from items import hash_fraction

END = "<|endoftext|>"
WINDOW = 256  # tokens
BATCH = 32  # windows
HELD = 64  # windows that no base trains on


class Size(NamedTuple):
    hidden: int
    layers: int
    heads: int
    tokens: int  # to train on
    modules: float  # share of top-level modules whose pages it sees, chosen by a hash of their names
    peak_learning_rate: float


SIZES = {
    "old_base": Size(hidden=160, layers=5, heads=5, tokens=12_000_000, modules=0.5, peak_learning_rate=3e-3),
    "new_base": Size(hidden=192, layers=6, heads=6, tokens=16_000_000, modules=1.0, peak_learning_rate=3e-3),
}


def train_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE of 2,048 pieces with an end-of-text token."""
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(texts, vocab_size=2048, special_tokens=[END])
    return PreTrainedTokenizerFast(tokenizer_object=bpe._tokenizer, eos_token=END, pad_token=END)


def windows_of(texts: list[str], tokenizer: PreTrainedTokenizerFast) -> torch.Tensor:
    """All texts in a row, each behind an end-of-text token, cut into windows: (windows, WINDOW)."""
    ids = [i for encoded in tokenizer(texts)["input_ids"] for i in (tokenizer.eos_token_id, *encoded)]
    return torch.tensor(ids[: len(ids) // WINDOW * WINDOW]).view(-1, WINDOW)


def new_model(size: Size, vocabulary: int, end: int) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=size.hidden,
            intermediate_size=size.hidden * 8 // 3 // 32 * 32,
            num_hidden_layers=size.layers,
            num_attention_heads=size.heads,
            num_key_value_heads=size.heads,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            bos_token_id=end,
            eos_token_id=end,
            pad_token_id=end,
        )
    )


def next_token_loss(model: LlamaForCausalLM, batch: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of the next token, natural logarithm, over `batch` (windows, WINDOW)."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(input_ids=batch, use_cache=False).logits
    return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), batch[:, 1:].flatten())


def pretrain(
    size: Size,
    windows: torch.Tensor,
    held: torch.Tensor,
    vocabulary: int,
    end: int,
    start: LlamaForCausalLM | None = None,
    seed: int = 0,
) -> LlamaForCausalLM:
    """Cosine schedule with 2 % warm-up, AdamW; prints loss on `held` windows on the way.

    start: the model to train on from; None: a new one.
    """
    torch.manual_seed(seed)
    model = new_model(size, vocabulary, end) if start is None else start
    optimizer = torch.optim.AdamW(model.parameters(), lr=size.peak_learning_rate, betas=(0.9, 0.95), weight_decay=0.1)
    steps = size.tokens // (WINDOW * BATCH)
    warm = max(1, steps // 50)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: min((s + 1) / warm, 0.05 + 0.475 * (1 + math.cos(math.pi * s / steps)))
    )
    loss_of = torch.compile(next_token_loss)
    order = torch.cat([torch.randperm(len(windows)) for _ in range(steps * BATCH // len(windows) + 1)])
    started = time.monotonic()
    for step in range(steps):
        loss = loss_of(model, windows[order[step * BATCH : (step + 1) * BATCH]])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 100 == 99 or step == steps - 1:
            with torch.no_grad():
                held_loss = next_token_loss(model, held)
            rate = (step + 1) * BATCH * WINDOW / (time.monotonic() - started)
            print(f"step {step + 1}/{steps} loss {loss:.3f} held {held_loss:.3f} {rate:,.0f} tokens/s", flush=True)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--packages", type=Path, required=True, help="folder with the packages of corpus.txt")
    parser.add_argument("--out", type=Path, required=True, help="folder for old_base/ and new_base/")
    args = parser.parse_args()
    texts = pages(args.packages)
    tokenizer = train_tokenizer(list(texts))
    held = windows_of(list(texts)[:1000], tokenizer)[:HELD]
    print(f"{len(texts):,} pages, {len(tokenizer):,} pieces", flush=True)
    for name, size in SIZES.items():
        if (args.out / name / "model.safetensors").exists():
            print(f"{name}: already there")
            continue
        seen = [text for text, module in texts.items() if hash_fraction(module) < size.modules]
        windows = windows_of(seen, tokenizer)[HELD:]  # so also without the held ones, which stand first of all
        print(f"{name}: {len(seen):,} pages, {windows.numel():,} tokens", flush=True)
        model = pretrain(size, windows, held, len(tokenizer), tokenizer.eos_token_id)
        model.to(torch.bfloat16).save_pretrained(args.out / name)
        tokenizer.save_pretrained(args.out / name)
        print(f"{name}: {json.dumps({'parameters': model.num_parameters(), **size._asdict()})}", flush=True)


if __name__ == "__main__":
    main()
