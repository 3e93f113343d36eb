"""The task adapter: LoRA on every linear layer, next-token loss over prompt and answer.

Old and new are this function, called twice.
"""

from __future__ import annotations

from peft import LoraConfig as PeftLoraConfig
from trl import SFTConfig

from stillright.config import LoraConfig
from stillright.models import ModelRef, load_model, load_tokenizer
from stillright.training.loop import train_adapter
from stillright.training.memory import frees_memory
from stillright.training.result import TrainingResult
from stillright.training.settings import Job, training_arguments
from stillright.training.text import Text, Texts, as_dataset
from stillright.training.token_trainer import AdapterTrainer


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


@frees_memory
def fit_adapter(ref: ModelRef, texts: Texts[Text], lora: LoraConfig, job: Job) -> TrainingResult:
    """Trains an adapter for `ref.base`; where `ref` has an adapter, training goes on from it."""
    trainer = AdapterTrainer(
        model=load_model(ref, job.dtype, trainable=True),
        args=SFTConfig(**training_arguments(job, len(texts.train))),
        train_dataset=as_dataset(texts.train),
        eval_dataset=as_dataset(texts.validation),
        processing_class=load_tokenizer(ref.base),
        peft_config=lora_config(lora, ref) if ref.adapter is None else None,
    )
    return train_adapter(trainer, job)
