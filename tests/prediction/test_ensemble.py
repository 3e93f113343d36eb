"""Models that generate together, against a loop that reads every text anew, alone and without padding."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from architectures import tiny
from bases import cut_differently
from samples import colour_rows, write_rows
from stillright.config.update import TaskConfig
from stillright.errors import ModelError, TaskError
from stillright.models import ModelRef, Source, load_base, load_tokenizer
from stillright.prediction.predict import PredictJob, predict
from stillright.progress import Progress
from stillright.tasks import Task, load_task

NEW_TOKENS = 10
STOP = "k"
WINDOW = {"sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"]}
CONVOLUTION = {"layer_types": ["conv", "full_attention"]}
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path, tokenizer_folder: Path) -> Make:
    """A base whose random weights are large enough to say something."""

    def make(seed: int, kind: str = "llama", **settings: Any) -> Path:
        folder = tmp_path / f"{kind}-{seed}"
        model = tiny(kind, eos_token_id=0, max_position_embeddings=64, **settings)
        torch.manual_seed(seed)
        for weight in model.parameters():
            torch.nn.init.normal_(weight, std=0.4)
        model.save_pretrained(folder)
        load_tokenizer(Source(str(tokenizer_folder))).save_pretrained(folder)
        return folder

    return make


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """Prompts of unequal length, to which texts are generated."""
    rows = [{**row, "question": row["question"][10 * (i % 2) :]} for i, row in enumerate(colour_rows(20, seed=0))]
    files = {name: str(write_rows(tmp_path / f"{name}.jsonl", rows)) for name in ("train", "test")}
    own = {"prompt": "{{question}}?", "answer": "text", "metric": "exact_match", "stop": [STOP]}
    return load_task(TaskConfig(name="told", **files, **own, max_new_tokens=NEW_TOKENS, test_limit=9))


def answers(folders: Sequence[Path], task: Task) -> list[str]:
    job = PredictJob("both", torch.float32, 4, 64, Progress(Console(quiet=True)))
    found = predict([ModelRef.parse(str(folder)) for folder in folders], task, job)
    return list(found.table["output"])


def naive(folders: Sequence[Path], task: Task) -> list[str]:
    models = [load_base(Source(str(folder)), torch.float32).eval() for folder in folders]
    tokenizer = load_tokenizer(Source(str(folders[0])))
    ngram = task.harness.config.generation_kwargs.get("no_repeat_ngram_size", 0)
    documents = list(task.harness.eval_docs)
    prompts = [tokenizer(task.prompt(documents[i]))["input_ids"] for i in task.test_positions]
    assert len(set(map(len, prompts))) > 2
    return [_told(models, tokenizer, prompt, ngram) for prompt in prompts]


@torch.no_grad()
def _told(models: list[Any], tokenizer: Any, prompt: list[int], ngram: int) -> str:
    ids = list(prompt)
    while len(ids) < len(prompt) + NEW_TOKENS and ids[-1] != tokenizer.eos_token_id:
        each = [model(torch.tensor([ids])).logits[0, -1, :320].log_softmax(-1) for model in models]
        mean = sum(each) / len(each)
        for i in range(len(ids) - 1 if ngram == 2 else 0):
            if ids[i] == ids[-1]:
                mean[ids[i + 1]] = -torch.inf
        ids.append(int(mean.argmax()))
    text: str = tokenizer.decode(ids[len(prompt) :], skip_special_tokens=True)
    return text.split(STOP)[0].strip()


@pytest.mark.parametrize("ngram", [0, 2])
def test_it_says_what_is_likeliest_on_average(make: Make, task: Task, ngram: int) -> None:
    task.harness.config.generation_kwargs["no_repeat_ngram_size"] = ngram
    both = [make(1), make(2, hidden_size=24, head_dim=12)]
    expected = naive(both, task)
    assert answers(both, task) == expected
    assert len({*expected}) > 2
    for folder in both:
        assert answers([folder], task) == naive([folder], task) != expected


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("llama", {"vocab_size": 336}), ("gemma3_text", WINDOW), ("lfm2", CONVOLUTION), ("mamba", {})],
)
def test_architectures_and_padded_vocabularies(make: Make, task: Task, kind: str, settings: dict[str, Any]) -> None:
    both = [make(1, kind, **settings), make(2)]
    expected = naive(both, task)
    assert answers(both, task) == expected
    assert answers(both[::-1], task) == expected


def test_a_cache_of_fixed_size_is_not_used(make: Make, task: Task) -> None:
    both = [make(1), make(2)]
    file = both[0] / "generation_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "cache_implementation": "static"}))
    assert answers(both, task) == naive(both, task)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_with_itself_is_itself(make: Make, task: Task, dtype: torch.dtype) -> None:
    ref = ModelRef.parse(str(make(1)))
    job = PredictJob("one", dtype, 4, 64, Progress(Console(quiet=True)))
    assert predict([ref, ref], task, job).table.equals(predict([ref], task, job).table)


def test_other_tokenizers_and_beams_are_refused(make: Make, task: Task) -> None:
    both = [make(1), cut_differently(make(2))]
    with pytest.raises(ModelError, match="task told: its answers are generated, but an ensemble .* one tokenizer"):
        answers(both, task)
    task.harness.config.generation_kwargs["num_beams"] = 4
    with pytest.raises(TaskError, match="generates greedily, but the task has num_beams 4"):
        answers(both, task)
