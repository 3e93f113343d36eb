"""Continues the pre-training of a base on the docstrings that the demo's bases have read: an update by data.

    pip install --no-deps --target corpus -r scripts/demo/corpus.txt
    python scripts/demo/continue_pretraining.py --packages corpus --base BASE --out NEW_BASE --tokens 400000

All weights are trained, on windows of 512 tokens, with AdamW and a cosine schedule. Prints the loss on windows that are
held back, before and after. About half an hour for SmolLM2-135M on two cores.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase
from trl import SFTConfig, SFTTrainer

from corpus import pages

WINDOW = 512  # tokens
BATCH = 8  # windows
HELD = 32  # windows that are not trained on


def windows_of(texts: list[str], tokenizer: PreTrainedTokenizerBase, count: int) -> list[list[int]]:
    """The first `count` windows of WINDOW tokens, of all texts in a row, an end-of-text token behind each."""
    ids: list[int] = []
    for text in texts:
        if len(ids) >= count * WINDOW:
            break
        ids += [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    if len(ids) < count * WINDOW:
        raise SystemExit(f"the packages hold only {len(ids):,} tokens; lower --tokens")
    return [ids[start : start + WINDOW] for start in range(0, count * WINDOW, WINDOW)]


def settings(out: Path, learning_rate: float) -> SFTConfig:
    return SFTConfig(
        output_dir=str(out / "training"),
        num_train_epochs=1,
        per_device_train_batch_size=BATCH,
        learning_rate=learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=5,
        weight_decay=0.1,
        bf16=True,
        gradient_checkpointing=False,
        max_length=None,
        save_strategy="no",
        logging_steps=5,
        report_to="none",
        seed=0,
        use_cpu=not torch.cuda.is_available(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--packages", type=Path, required=True, help="folder with the packages of corpus.txt")
    parser.add_argument("--base", type=Path, required=True, help="folder of the base to train on")
    parser.add_argument("--out", type=Path, required=True, help="folder for the new base")
    parser.add_argument("--tokens", type=int, default=400_000, help="to train on (default: %(default)s)")
    parser.add_argument("--learning-rate", type=float, default=5e-5, help="at its peak (default: %(default)s)")
    args = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(args.base)
    model = AutoModelForCausalLM.from_pretrained(args.base, dtype=torch.float32)
    windows = windows_of(list(pages(args.packages)), tokenizer, args.tokens // WINDOW + HELD)
    held, train = ([{"input_ids": ids} for ids in part] for part in (windows[:HELD], windows[HELD:]))
    trainer = SFTTrainer(
        model=model,
        args=settings(args.out, args.learning_rate),
        train_dataset=Dataset.from_list(train),
        eval_dataset=Dataset.from_list(held),
        processing_class=tokenizer,
    )
    before = trainer.evaluate()["eval_loss"]
    trainer.train()
    after = trainer.evaluate()["eval_loss"]
    model.to(torch.bfloat16).save_pretrained(args.out)
    tokenizer.save_pretrained(args.out)
    print(json.dumps({"tokens": len(train) * WINDOW, "held_loss_before": before, "held_loss_after": after}))


if __name__ == "__main__":
    main()
