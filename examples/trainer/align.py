"""A compatibility adapter from chats, prompts with completions, or texts: one line of JSON each.

Starts as it is, or by `accelerate launch`. Every field of CompatConfig, and of TRL's SFTConfig, is an option:

    python examples/trainer/align.py --old OLD_BASE+OLD_ADAPTER --new NEW_BASE+NEW_ADAPTER --data chats.jsonl \
        --output_dir runs/compat --mask student_wrong --learning_rate 1e-4 --assistant_only_loss

Without a GPU add --use_cpu.
"""

from __future__ import annotations

from dataclasses import dataclass

from datasets import Dataset
from transformers import HfArgumentParser

from stillright import CompatConfig, CompatTrainer


@dataclass
class Update:
    """What is updated, and on what."""

    old: str  # the old task model: base+adapter
    new: str  # the new one
    data: str  # JSONL with a column "messages", or "prompt" and "completion", or "text"


def main() -> None:
    """Trains the new adapter on, and saves it in --output_dir."""
    update, config = HfArgumentParser((Update, CompatConfig)).parse_args_into_dataclasses()
    data = Dataset.from_json(update.data).train_test_split(test_size=0.2, seed=0)
    trainer = CompatTrainer(
        model=update.new,
        old_model=update.old,
        args=config,
        train_dataset=data["train"],
        eval_dataset=data["test"],
    )
    trainer.train()
    trainer.save_model()
    trainer.save_metrics("eval", trainer.evaluate())
    trainer.accelerator.end_training()  # processes that part without it may abort


if __name__ == "__main__":
    main()
