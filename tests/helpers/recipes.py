"""Tiny random stand-ins for the bases that recipes/ names, and made-up rows of the columns of their tasks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers, processors
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import LlamaConfig, LlamaForCausalLM, PhiConfig, PhiForCausalLM, PreTrainedTokenizerFast

from samples import COLOURS, THINGS, write_rows
from stillright.config import load_study
from stillright.tasks import registry, task

StandIn = Callable[[str], Path]
SMALL = {
    "lora.r": 2,
    "lora.alpha": 4,
    "training.epochs": 1,
    "training.batch_size": 4,
    "training.gradient_accumulation": 1,
    "training.learning_rate": 0.01,
    "training.max_length": 64,
    "dtype": "float32",
}
TEXTS = [f"Question: what colour is the {thing}? Answer: it is {colour}." for thing in THINGS for colour in COLOURS]
MERGES = 200  # that a tokenizer learns; its other pieces are never used


class Family(NamedTuple):
    """What bases of one family have in common."""

    specials: tuple[str, ...]  # the first pieces
    special: dict[str, str]  # role -> piece
    pieces: int  # of the tokenizer
    padded: int  # vocabulary of the model
    merges: int = MERGES


LLAMA = Family(("<unk>", "<s>", "</s>"), {"unk": "<unk>", "bos": "<s>", "eos": "</s>"}, 32_000, 32_000)
VICUNA = LLAMA._replace(special={**LLAMA.special, "pad": "<unk>"})
LLAMA_3 = Family(("<begin>", "<end>"), {"bos": "<begin>", "eos": "<end>"}, 128_256, 128_256, MERGES // 2)
PHI = Family(("<|endoftext|>",), {"bos": "<|endoftext|>", "eos": "<|endoftext|>"}, 50_295, 51_200)


class Base(NamedTuple):
    """A stand-in: its family, width, and the seed of its weights."""

    family: Family
    width: int
    seed: int


BASES = {
    "huggyllama/llama-7b": Base(LLAMA, 16, 1),
    "meta-llama/Llama-2-7b-hf": Base(LLAMA, 16, 2),
    "lmsys/vicuna-7b-v1.3": Base(VICUNA, 16, 3),
    "lmsys/vicuna-7b-v1.5": Base(VICUNA, 16, 4),
    "meta-llama/Meta-Llama-3-8B": Base(LLAMA_3, 16, 5),
    "microsoft/phi-1": Base(PHI, 16, 6),
    "microsoft/phi-1_5": Base(PHI, 16, 7),
    "microsoft/phi-2": Base(PHI, 24, 8),
}


def write_base(hub_id: str, folder: Path) -> Path:
    """The stand-in for a base of the hub, as a folder."""
    family, width, seed = BASES[hub_id]
    torch.manual_seed(seed)
    _tokenizer(family).save_pretrained(folder)
    (_phi if family is PHI else _llama)(family, width).save_pretrained(folder)
    return folder


def _tokenizer(family: Family) -> PreTrainedTokenizerFast:
    """A byte-level BPE that begins every text with the family's first token, if it does."""
    blank = Tokenizer(BPE())
    blank.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    size = len(family.specials) + 256 + family.merges
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(
        vocab_size=size, special_tokens=list(family.specials), initial_alphabet=alphabet, show_progress=False
    )
    blank.train_from_iterator(TEXTS, trainer)
    content = json.loads(blank.to_str())
    vocabulary = content["model"]["vocab"]
    vocabulary |= {f"<unused {i}>": i for i in range(len(vocabulary), family.pieces)}
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.decoder = decoders.ByteLevel()
    if family is not PHI:
        begin = family.special["bos"]
        tokenizer.post_processor = processors.TemplateProcessing(f"{begin} $A", None, [(begin, vocabulary[begin])])
    special = {f"{role}_token": piece for role, piece in family.special.items()}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def _settings(family: Family, width: int) -> dict[str, Any]:
    ids = {f"{role}_token_id": family.specials.index(piece) for role, piece in family.special.items() if role != "unk"}
    return {
        **ids,
        "vocab_size": family.padded,
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "tie_word_embeddings": False,
    }


def _llama(family: Family, width: int) -> Any:
    return LlamaForCausalLM(LlamaConfig(**_settings(family, width)))


def _phi(family: Family, width: int) -> Any:
    """With biases that are not zero, of the layer norms and of the LM head too."""
    model = PhiForCausalLM(PhiConfig(**_settings(family, width)))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.02)
    return model


def _piqa(i: int) -> dict[str, Any]:
    thing, colour = THINGS[i % len(THINGS)], COLOURS[i % len(COLOURS)]
    return {"goal": f"paint the {thing}", "sol1": f"take {colour}.", "sol2": "take a nap.", "label": i % 2}


def _hellaswag(i: int) -> dict[str, Any]:
    thing, colour = THINGS[i % len(THINGS)], COLOURS[i % len(COLOURS)]
    endings = [f"is {colour}.", "flies.", "sings [title] twice.", "runs."]
    text = f"We see the {thing}."
    row = {"ind": i, "activity_label": "Painting", "ctx_a": text, "ctx_b": "it", "ctx": f"{text} it"}
    return {**row, "endings": endings, "source_id": f"film~{i // 2}", "split": "val", "label": str(i % 4)}


def _gsm8k(i: int) -> dict[str, Any]:
    question = f"The {THINGS[i % len(THINGS)]} costs {i} and the paint 2. How much is it?"
    return {"question": question, "answer": f"It is {i}+2=<<{i}+2={i + 2}>>{i + 2}.\n#### {i + 2}"}


def _samsum(i: int) -> dict[str, Any]:
    thing, colour = THINGS[i % len(THINGS)], COLOURS[i % len(COLOURS)]
    dialogue = f"Ann: what colour is the {thing}?\r\nBob: it is {colour}."
    return {"id": str(i), "dialogue": dialogue, "summary": f"Bob says the {thing} is {colour}. "}


ROWS = {"piqa": _piqa, "hellaswag": _hellaswag, "gsm8k": _gsm8k, "samsum": _samsum}


TRAIN, TEST = range(5), range(5, 7)


def task_files(name: str, folder: Path) -> dict[str, Path]:
    """5 rows to train on and 2 to predict, in the columns of the task's own data."""
    folder.mkdir(parents=True, exist_ok=True)
    train, test = ([ROWS[name](i) for i in rows] for rows in (TRAIN, TEST))
    return {"train": write_rows(folder / "train.jsonl", train), "test": write_rows(folder / "test.jsonl", test)}


def small_update(name: str, old: Path, new: Path, folder: Path) -> list[str]:
    """Arguments that replace bases, data and sizes of an update."""
    files = {f"task.{split}": path for split, path in task_files(name, folder).items()}
    return _set({"task": name, **files, **SMALL, "old": old, "new": new, "controls": [], "out": folder})


def small_study(recipe: Path, stand_in: StandIn, folder: Path) -> list[str]:
    """The same of a study; its updates, strategies, seeds and overrides stay."""
    study = load_study(recipe)
    bases = {name: stand_in(hub_id) for name, hub_id in study.bases.items()}
    tasks = {name: {"name": each.name, **task_files(each.name, folder / name)} for name, each in study.tasks.items()}
    return _set({"bases": bases, "tasks": tasks, "common": SMALL, "out": folder})


def _set(values: dict[str, Any]) -> list[str]:
    return [
        argument for key, value in values.items() for argument in ("--set", f"{key}={json.dumps(value, default=str)}")
    ]


@contextmanager
def short_answers() -> Iterator[None]:
    """Generates 4 tokens instead of 128 or 256, all of which a random model would write."""

    def shortened(name: str) -> dict[str, Any]:
        keys = registry.harness_config(name)
        generation = {"generation_kwargs": {**keys.get("generation_kwargs", {}), "max_gen_toks": 4}}
        return keys | (generation if keys["output_type"] == "generate_until" else {})

    with mock.patch.object(task, "harness_config", shortened):
        yield
