"""The task adapter: LoRA on every linear layer, next-token loss over prompt and answer.

Old and new are this function, called twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peft import LoraConfig as PeftLoraConfig
from trl import SFTConfig, SFTTrainer

from stillright.config import LoraConfig, TrainingConfig
from stillright.models import ModelRef, load_model, load_tokenizer
from stillright.progress import Progress
from stillright.training.loop import TrainingResult, as_dataset, train_adapter, training_arguments
from stillright.training.text import Texts


def lora_config(config: LoraConfig, ref: ModelRef) -> PeftLoraConfig:
    """PEFT's configuration; it names the base's revision, and PEFT adds the base's name."""
    return PeftLoraConfig(
        r=config.r,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
        revision=ref.base.revision,
    )


def fit_adapter(
    ref: ModelRef,
    texts: Texts,
    lora: LoraConfig,
    training: TrainingConfig,
    *,
    seed: int,
    dtype: Any,
    work: Path,
    out: Path,
    progress: Progress,
    label: str,
) -> TrainingResult:
    """Trains an adapter for `ref.base` and saves it in `out`; where `ref` has an adapter, training goes on from it.

    work: folder of checkpoints, from which an interrupted fit goes on.
    """
    model = load_model(ref, dtype, trainable=True)
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(**training_arguments(training, len(texts.train), seed, dtype, work)),
        train_dataset=as_dataset(texts.train),
        eval_dataset=as_dataset(texts.validation),
        processing_class=load_tokenizer(ref.base),
        peft_config=lora_config(lora, ref) if ref.adapter is None else None,
    )
    return train_adapter(trainer, out, progress, label)
