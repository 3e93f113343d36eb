"""Model + task -> PredictionSet, through lm-evaluation-harness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import lm_eval
import numpy as np
import torch

from stillright import ranks
from stillright.errors import TaskError
from stillright.models import ModelRef
from stillright.prediction import SCORING
from stillright.prediction.ensemble import refuse_unlike
from stillright.prediction.harness_model import HarnessModel, asked, loaded_to_answer
from stillright.progress import Progress
from stillright.records import Header, PredictionSet, Row
from stillright.scoring.margins import margin
from stillright.tasks import Task
from stillright.tasks.ranking import chosen, normalized
from stillright.tasks.samples import choice_row, generation_row, sample_ids, with_short_columns
from stillright.upstream.lm_eval import logged_samples

Sample = dict[str, Any]


class PredictJob(NamedTuple):
    """How a model is asked."""

    name: str  # of the model, in reports and progress
    dtype: torch.dtype
    batch_size: int
    max_length: int  # tokens
    progress: Progress


def predict(refs: Sequence[ModelRef], task: Task, job: PredictJob) -> PredictionSet:
    """The answers of a model to the task's test documents, greedy and zero-shot; processes share the documents.

    Several models are an ensemble: the log-likelihood of a choice, or of the next token of a generated answer, is the
    mean of theirs.

    Raises ModelError where a model cannot be loaded, TaskError where the harness scored in a way that is not
    understood; for models that are to generate together see ensemble.refuse_unlike.
    """
    each = [_samples(group, task, job) for group in ([[ref] for ref in refs] if task.is_choice else [refs])]
    samples = each[0] if len(each) == 1 else [_mean_sample(task, group) for group in zip(*each, strict=True)]
    return PredictionSet.from_rows(_header(" & ".join(map(str, refs)), task, job), _rows(task, samples))


def _mean_sample(task: Task, group: Sequence[Sample]) -> Sample:
    mean = np.mean([_log_likelihoods(sample) for sample in group], axis=0)
    sample = {**group[0], "filtered_resps": [(value, False) for value in mean]}
    return {**sample, task.metric: float(_chosen(task, sample) in task.accepted(sample["doc"]))}


def _log_likelihoods(sample: Sample) -> list[float]:
    """One per choice."""
    return [response[0] for response in sample["filtered_resps"]]


def _chosen(task: Task, sample: Sample) -> int:
    """Number of the choice that the metric ranks first."""
    return int(chosen(_ranked(task, sample)))


def _ranked(task: Task, sample: Sample) -> torch.Tensor:
    """(K,) what the metric ranks the choices by."""
    sums = torch.tensor(_log_likelihoods(sample), dtype=torch.float64)
    return normalized(sums, torch.tensor(task.choice_lengths(task.choices(sample["doc"]))))


def _samples(refs: Sequence[ModelRef], task: Task, job: PredictJob) -> list[Sample]:
    """What the harness logs of all test documents, in their order; several models generate together."""
    bases = [ref.base for ref in refs]
    if len(refs) > 1:
        refuse_unlike(task, bases)
    lm = asked([loaded_to_answer(ref, job.dtype) for ref in refs], bases, job.batch_size, job.max_length)
    positions, documents = ranks.share(task.test_positions), ranks.share(task.test_documents)
    requests = sum(len(task.choices(document)) if task.is_choice else 1 for document in documents)
    with job.progress.bar(f"predict {job.name}", requests) as lm.bar:
        logged = logged_samples(lm, task.name, task.harness, positions) if positions else []
    samples = [sample for sample in logged if sample["filter"] == task.filter]
    if not task.is_choice:
        samples = [{**sample, "tokens": _tokens(lm, sample)} for sample in samples]
    return sorted(ranks.gather(samples), key=lambda sample: int(sample["doc_id"]))


def _tokens(lm: HarnessModel, sample: Sample) -> int:
    """Of all that the model wrote, before a filter took the answer out of it."""
    return len(lm.tok_encode(str(sample["resps"][0][0]), add_special_tokens=False))


def _header(model: str, task: Task, job: PredictJob) -> Header:
    generation = {} if task.is_choice else {"generation": task.generation}
    return Header(
        name=job.name,
        task=task.name,
        metric=task.metric,
        filter=task.filter,
        kind=task.kind,
        settings={"task_version": task.harness.VERSION, "fewshot": 0, **generation},
        source={
            "model": model,
            "dtype": str(job.dtype).removeprefix("torch."),
            "lm_eval": lm_eval.__version__,
            "scoring": SCORING,
        },
    )


def _rows(task: Task, samples: list[Sample]) -> list[Row]:
    ids = sample_ids([sample["doc"] for sample in samples], [sample["doc_id"] for sample in samples])
    row = _choice_row if task.is_choice else _generation_row
    rows = [row(task, sample, identifier) for sample, identifier in zip(samples, ids, strict=True)]
    return with_short_columns(rows, [sample["doc"] for sample in samples])


def _choice_row(task: Task, sample: Sample, identifier: str) -> Row:
    row, correct = choice_row(task, sample["doc"], identifier, _chosen(task, sample)), bool(sample[task.metric])
    if correct != row["correct"]:
        raise TaskError(
            f"task {task.name}: sample {identifier}: the harness gives {task.metric} {sample[task.metric]}, but the "
            f"choice ranked first is {row['prediction']}, and right is one of {row['reference']}; please report this "
            "task"
        )
    ahead = margin(_ranked(task, sample).tolist(), task.accepted(sample["doc"]))
    return {**row, "loglikelihoods": _log_likelihoods(sample), "margin": ahead}


def _generation_row(task: Task, sample: Sample, identifier: str) -> Row:
    response = sample["filtered_resps"][0]
    output = str(response[0] if isinstance(response, list) else response).strip()
    return generation_row(task, sample["doc"], identifier, output, float(sample[task.metric]), sample["tokens"])
