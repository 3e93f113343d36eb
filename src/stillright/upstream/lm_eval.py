"""Private parts of lm_eval, and what is assumed of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from lm_eval import evaluator
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from torch import Tensor

Request = tuple[tuple[str, str], list[int], list[int]]  # prompt and continuation; token ids of each


def entry_in_file(path: Path, name: str) -> Any:
    """The entry of one YAML file, if it has this name. Avoids the index of all tasks, which takes seconds."""
    from lm_eval.tasks._index import TaskIndex

    entry = TaskIndex.entry_from_path(path)
    return entry if entry is not None and entry.name == name else None


def own_file(name: str) -> Path:
    """Where the harness keeps a task of its own that has a file of its name."""
    return _own_tasks() / name / f"{name}.yaml"


def own_files_naming(name: str) -> Iterator[Path]:
    """The harness's files of tasks, of 14,000, that have the name somewhere in them."""
    word = name.encode()
    return (path for path in _own_tasks().rglob("*.yaml") if word in path.read_bytes())


def _own_tasks() -> Path:
    import lm_eval.tasks

    return Path(lm_eval.tasks.__file__).parent


def kind_of(entry: Any) -> str:
    """ "task", or what else a name stands for."""
    return str(entry.kind.name).lower()


def full_config(entry: Any) -> dict[str, Any]:
    """What the YAML of a task says, with what it includes and the functions that it names."""
    from lm_eval.tasks._factory import TaskFactory

    config: dict[str, Any] = TaskFactory()._load_full_config(entry, None)
    return config


def metric_names(task: Any) -> list[str]:
    """The metrics of a task, in its order."""
    return list(map(str, task._metric_fn_list))


def filter_names(task: Any) -> list[str]:
    """The filters of a task, in its order; the harness logs every sample once for each."""
    return [str(ensemble.name) for ensemble in task._filters]


def metrics_of(task: Any, filter_name: str, document: dict[str, Any], text: str) -> dict[str, Any]:
    """The value of each metric of a generated text, which goes through a filter first, as in an evaluation."""
    instance = Instance("generate_until", document, ("", {}), 0, resps=[text])
    for ensemble in task._filters:
        if ensemble.name == filter_name:
            ensemble.apply([instance])
    found: dict[str, Any] = task.process_results(document, [instance.filtered_resps[filter_name]])
    return found


def logged_samples(lm: Any, name: str, task: Any, positions: list[int]) -> list[dict[str, Any]]:
    """What is logged of the test documents at `positions`, for each filter: doc_id, doc, target, filter, resps,
    filtered_resps, and the value of each metric.

    positions: ascending; in another order, doc_id would be that of another document.
    """
    results = evaluator.evaluate(
        lm=lm,
        task_dict={"tasks": {name: task}, "groups": {}, "group_map": {}},
        samples={name: positions},
        bootstrap_iters=0,
    )
    assert results is not None
    samples: list[dict[str, Any]] = results["samples"][name]
    return samples


def instances(kind: Literal["loglikelihood", "generate_until"], arguments: Sequence[Any]) -> list[Instance]:
    """What the harness would ask of documents: prompt and continuation of each, or prompt and options."""
    return [Instance(kind, {}, each, i) for i, each in enumerate(arguments)]


class Encoder(HFLM):
    """The tokenization of HFLM, without a model."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.backend = "causal"
        self.add_bos_token = None
        self.custom_prefix_token_id = None
        self.enable_thinking = None

    def requests(self, pairs: Sequence[tuple[str, str]]) -> list[Request]:
        """What would be scored for pairs of a prompt and its continuation."""
        found: list[Request] = self.loglikelihood(instances("loglikelihood", pairs), disable_tqdm=True)
        return found

    def _loglikelihood_tokens(self, requests: Any, **_: Any) -> Any:
        return requests


class OpenLM(HFLM):
    """HFLM whose private steps are methods with a meaning, for another class to replace."""

    def score(self, requests: list[Request]) -> list[tuple[float, bool]]:
        """Of each request the log-probability of its continuation, and whether each of its tokens is the likeliest:
        HFLM's own pass, with a softmax in float32."""
        self.softmax_dtype = torch.float32
        found: list[tuple[float, bool]] = super()._loglikelihood_tokens(requests, disable_tqdm=True)
        return found

    def note(self, ids: Tensor) -> None:
        """Called with the ids (B, L) that HFLM's own pass reads, and those that were generated, prompts included."""

    def generation_options(self, attention_mask: Tensor) -> dict[str, Any]:
        """Further options of `generate` for prompts of this mask (B, L)."""
        return {}

    def _loglikelihood_tokens(self, requests: Any, *_: Any, **__: Any) -> Any:
        return self.score(requests)

    def _model_call(self, inps: Any, *args: Any, **kwargs: Any) -> Any:
        self.note(inps)
        return super()._model_call(inps, *args, **kwargs)

    def _model_generate(self, context: Any, *args: Any, **kwargs: Any) -> Any:
        options = self.generation_options(kwargs["attention_mask"])
        ids = super()._model_generate(context, *args, **kwargs, **options)
        self.note(ids)
        return ids
