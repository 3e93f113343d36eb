"""Private parts of TRL, and what is assumed of them."""

from __future__ import annotations

from typing import Any


def is_end_to_end(trainer: Any) -> bool:
    """Whether the collator of an SFTTrainer lays texts end to end in one row."""
    return bool(trainer.padding_free)


def tokenizer_of(trainer: Any) -> Any:
    """The tokenizer of an SFTTrainer, whose `processing_class` may be a processor that contains it."""
    return trainer._tokenizer
