"""Makes what recipes/tiny.yaml needs of the demo's own data, offline: three small tasks and two tiny Phi bases.

    python recipes/tiny/make.py

All stands beside this script. Tasks: one row a docstring, with its choices, its text and the kind of its object. Bases:
random Phi models with the demo's tokenizer that have read the demo's training docstrings, the new one wider and for
longer; in bfloat16. They are too small to be good; the recipe shows that everything runs, not what it
achieves.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import PhiConfig, PhiForCausalLM, PreTrainedTokenizerFast

from stillright.demo import data

FOLDER = Path(__file__).parent
ROWS = {"train": 240, "test": 120}
WINDOW = 64  # tokens
BATCH = 32  # windows


class Size(NamedTuple):
    """Of a base."""

    hidden: int
    layers: int
    steps: int


SIZES = {"phi_old": Size(hidden=64, layers=2, steps=150), "phi_new": Size(hidden=96, layers=3, steps=250)}


def rows(split: str) -> list[dict[str, object]]:
    """The demo's rows of a split, in its order, each with the text of the right choice and the kind of its object."""
    lines = (data() / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return [{**row, "text": row["choices"][row["answer"]], "kind": kind(row["heading"])} for row in found]


def kind(heading: str) -> str:
    """What `package.Class.name(...)` is, by the case of its names."""
    *_, owner, name = ("", *heading.partition("(")[0].split("."))
    if name.lstrip("_")[:1].isupper():
        return "class"
    return "method" if owner.lstrip("_")[:1].isupper() else "function"


def write_tasks() -> None:
    """train.jsonl and test.jsonl: every so-manieth row, so that all modules are there."""
    for split, wanted in ROWS.items():
        every = rows(split)
        chosen = every[:: len(every) // wanted][:wanted]
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in chosen)
        (FOLDER / f"{split}.jsonl").write_text(text, encoding="utf-8")


def windows(tokenizer: PreTrainedTokenizerFast) -> torch.Tensor:
    """The training docstrings in a row, each behind an end-of-text token: (windows, WINDOW)."""
    texts = [f"{row['heading']}\n{row['text']}" for row in rows("train")]
    ids = [i for encoded in tokenizer(texts)["input_ids"] for i in (tokenizer.eos_token_id, *encoded)]
    return torch.tensor(ids[: len(ids) // WINDOW * WINDOW]).view(-1, WINDOW)


def batches(texts: torch.Tensor, steps: int) -> Iterator[torch.Tensor]:
    """Random batches, the same in every call."""
    draw = torch.Generator().manual_seed(0)
    for _ in range(steps):
        yield texts[torch.randint(len(texts), (BATCH,), generator=draw)]


def pretrain(size: Size, texts: torch.Tensor, tokenizer: PreTrainedTokenizerFast) -> PhiForCausalLM:
    """A Phi of a size that has read so many batches of `texts`."""
    torch.manual_seed(0)
    model = PhiForCausalLM(
        PhiConfig(
            vocab_size=len(tokenizer),
            hidden_size=size.hidden,
            intermediate_size=4 * size.hidden,
            num_hidden_layers=size.layers,
            num_attention_heads=4,
            max_position_embeddings=512,
            bos_token_id=tokenizer.eos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.eos_token_id,
        )
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for batch in batches(texts, size.steps):
        optimizer.zero_grad()
        model(input_ids=batch, labels=batch).loss.backward()
        optimizer.step()
    return model


def write_bases() -> None:
    """Each base with the demo's tokenizer; one that is there already is kept."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(data() / "old_base")
    texts = windows(tokenizer)
    for name, size in SIZES.items():
        folder = FOLDER / name
        if folder.exists():
            continue
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        pretrain(size, texts, tokenizer).bfloat16().save_pretrained(part)
        tokenizer.save_pretrained(part)
        part.rename(folder)


if __name__ == "__main__":
    write_tasks()
    write_bases()
