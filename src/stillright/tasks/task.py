"""Task: a harness task, the rows to train on, and the metric that decides which answers are right."""

from __future__ import annotations

import json
import logging
import random
from dataclasses import dataclass, field, replace
from typing import Any

from lm_eval.api.metrics import mean, nanmean
from lm_eval.api.task import ConfigurableTask

from stillright.config import TaskConfig
from stillright.errors import DataError, TaskError, refusing
from stillright.records import Kind
from stillright.tasks.own import local_data, own_task, read_rows, refuse_unknown_prompts
from stillright.tasks.ranking import LENGTHS
from stillright.tasks.registry import harness_config
from stillright.upstream.lm_eval import filter_names, metric_names, metrics_of

DISCRETE = frozenset({*LENGTHS, "exact_match"})
GENERATED = 256  # longest answer in tokens where a task sets no limit: the harness's own default
Document = dict[str, Any]

logging.getLogger("lm_eval").setLevel(logging.ERROR)  # its notes on defaults are not meant for our users


@dataclass(frozen=True)
class Task:
    """What is trained and what is scored, zero-shot in both."""

    name: str
    harness: Any  # ConfigurableTask
    metric: str
    filter: str  # of the harness
    train_documents: list[Document]
    train_positions: list[int]  # theirs among the harness's training documents
    spare_documents: list[Document]  # training documents that train_limit leaves out, in a random order
    test_documents: list[Document]
    test_positions: list[int]  # theirs among the harness's evaluation documents
    unlabelled: list[tuple[str, Document]]  # rows without answers, with their prompts
    _prompts: dict[str, str] = field(default_factory=dict, repr=False, compare=False)  # by the document's content

    @property
    def kind(self) -> Kind:
        """Discrete answers are right or wrong; other metrics give a score, of which only differences count."""
        return "discrete" if self.metric in DISCRETE else "continuous"

    @property
    def is_choice(self) -> bool:
        """Whether the answer is one of given choices."""
        return bool(self.harness.OUTPUT_TYPE == "multiple_choice")

    @property
    def generation(self) -> dict[str, Any]:
        """How answers are generated, in the harness's words."""
        return dict(self.harness.config.generation_kwargs or {})

    @property
    def longest_answer(self) -> int:
        """Tokens of the longest answer that may be generated."""
        return int(self.generation.get("max_gen_toks", GENERATED))

    def tested_in_training(self) -> int:
        """How many rows to predict are also among those to train on, whatever their ids."""
        known = {_content(document) for document in self.train_documents}
        return sum(_content(document) in known for document in self.test_documents)

    def prompt(self, document: Document) -> str:
        """The text before the answer, exactly as it is scored."""
        content = repr(document)
        if content not in self._prompts:  # the harness compiles its template for each document anew
            self._prompts[content] = str(self.harness.fewshot_context(document, 0))
        return self._prompts[content]

    def right_answer(self, document: Document) -> str:
        """The text a model is trained on: delimiter and right choice (the first of several), or the reference.

        Raises DataError where the answer is not one of the choices.
        """
        if self.is_choice:
            target = self.choices(document)[self.accepted(document)[0]]
        else:
            target = self.harness.doc_to_target(document)
            target = target[0] if isinstance(target, list) else target
        return self.continuation(target)

    def continuation(self, answer: Any) -> str:
        """A choice or reference as it follows the prompt: after the delimiter."""
        return f"{self.harness.config.target_delimiter}{answer}"

    def references(self, document: Document) -> list[str]:
        """The right answers to generate, usually one."""
        target = self.harness.doc_to_target(document)
        return list(map(str, target)) if isinstance(target, list) else [str(target)]

    def score(self, document: Document, text: str) -> float:
        """The metric's value of a generated answer, as of one that a model is asked for."""
        return float(metrics_of(self.harness, self.filter, document, text)[self.metric])

    def choices(self, document: Document) -> list[str]:
        """The texts to choose from."""
        return [str(choice) for choice in self.harness.doc_to_choice(document)]

    def unlabelled_choices(self) -> list[tuple[str, list[str]]]:
        """Prompt and choices of each row without an answer. Raises DataError where a row has fewer than two."""
        return [(prompt, self._found_choices(row, i)) for i, (prompt, row) in enumerate(self.unlabelled, start=1)]

    def _found_choices(self, row: Document, number: int) -> list[str]:
        place = f"task.unlabelled, row {number}"
        with refusing(DataError, f"{place}: its choices cannot be read"):
            choices = self.choices(row)
        if len(choices) < 2 or not all(choice.strip() for choice in choices):
            raise DataError(f"{place}: its choices are {choices}; each row needs two or more, none of them blank")
        return choices

    def accepted(self, document: Document) -> list[int]:
        """Numbers of the right choices, usually one. Raises DataError where the answer is not one of the choices."""
        choices, target = self.choices(document), self.harness.doc_to_target(document)
        targets = target if isinstance(target, list) else [target]
        numbers = [t if isinstance(t, int) else choices.index(t) if t in choices else -1 for t in targets]
        if not all(0 <= number < len(choices) for number in numbers):
            raise DataError(
                f"task {self.name}: the answer {target!r} is not one of the {len(choices)} choices of {document}"
            )
        return numbers

    def choice_lengths(self, choices: list[str]) -> list[int]:
        """What the metric divides log-likelihoods by."""
        return [LENGTHS[self.metric](choice) for choice in choices]


def _content(document: Document) -> str:
    return json.dumps({key: value for key, value in document.items() if key != "id"}, sort_keys=True, default=str)


def load_task(config: TaskConfig, split_seed: int = 0) -> Task:
    """The task that `config` describes, its rows drawn with `split_seed` where it has a limit.

    Raises TaskError for a task that is unknown, has no training documents, or is of an unsupported kind; DataError for
    bad files.
    """
    harness = _build(config)
    if not harness.has_training_docs():
        raise TaskError(
            f"task {config.name}: has no training documents; give files with the same columns as train and test"
        )
    harness.set_config(key="num_fewshot", value=0)
    train, test = list(harness.training_docs()), list(harness.eval_docs)
    for split, documents in (("training", train), ("test", test)):
        if not documents:
            raise DataError(
                f"task {config.name}: the {split} split has no rows; give files with rows as train and test"
            )
    _refuse_unsupported(config.name, harness, test[0])
    (trained, spare), (tested, _) = (
        _drawn(len(documents), limit, split_seed)
        for documents, limit in ((train, config.train_limit), (test, config.test_limit))
    )
    task = Task(
        name=config.name,
        harness=harness,
        metric=_metric(config, harness),
        filter=_filter(config, harness),
        train_documents=[train[i] for i in trained],
        train_positions=trained,
        spare_documents=[train[i] for i in spare],
        test_documents=[test[i] for i in tested],
        test_positions=tested,
        unlabelled=[],
    )
    for split, document in (("training", train[0]), ("test", test[0])):
        _refuse_lacking_columns(task, split, document, config)
    return replace(task, unlabelled=_unlabelled(config, task))


def _unlabelled(config: TaskConfig, task: Task) -> list[tuple[str, Document]]:
    """Further rows, without answers, and their prompts. Raises DataError where one cannot be read, TaskError where the
    task's prompts are more than a description and a text."""
    if config.unlabelled is None:
        return []
    rows, harness = read_rows(config.unlabelled), task.harness
    refuse_unknown_prompts(config, rows)
    known = task.train_documents[0]
    if _bare_prompt(harness, known) != task.prompt(known):
        raise TaskError(f"task {task.name}: its prompts need the answers; leave task.unlabelled out")
    with refusing(DataError, f"{config.unlabelled}: its prompts cannot be read"):
        if harness.config.process_docs is not None:
            rows = harness.config.process_docs(rows)
        return [(_bare_prompt(harness, row), row) for row in rows]


def _bare_prompt(harness: Any, document: Document) -> str:
    """The text before the answer as `fewshot_context` makes it, but without reading an answer."""
    return f"{harness.resolve_field(document, harness.config.description) or ''}{harness.doc_to_text(document)}"


def _refuse_lacking_columns(task: Task, split: str, document: Document, config: TaskConfig) -> None:
    """The harness fails in many ways on a missing column, and has read only one split."""
    path = config.train if split == "training" else config.test
    what = f"{f'{path}: ' if path else ''}task {task.name}: its {split} rows cannot be read"
    with refusing(DataError, what, f"; they need the columns of its own data, but have: {', '.join(document)}"):
        task.prompt(document)
        task.right_answer(document)


def _build(config: TaskConfig) -> Any:
    if config.is_own:
        keys = own_task(config)
    else:
        keys = harness_config(config.name)
        if config.train is not None:
            keys |= local_data(config)
    if (kind := keys.get("output_type")) not in ("multiple_choice", "generate_until"):
        raise TaskError(
            f"task {config.name}: its output type is {kind}; only multiple_choice and generate_until are supported"
        )
    offline = "without a network, give local files with the same columns as train and test"
    fix = "the files need the columns of its own data" if config.train else offline
    with refusing(TaskError, f"task {config.name}: its data cannot be loaded", f"; {fix}"):
        return ConfigurableTask(config=keys)


def _refuse_unsupported(name: str, harness: Any, document: Document) -> None:
    if getattr(harness, "MULTIMODAL", False) or getattr(harness, "UNSAFE_CODE", False):
        raise TaskError(f"task {name}: needs images, sound or the execution of generated code; choose another task")
    if not isinstance(harness.doc_to_text(document), str):
        raise TaskError(f"task {name}: varies the prompt instead of the answer; choose another task")


def _drawn(n: int, limit: int | None, seed: int) -> tuple[list[int], list[int]]:
    """All of 0..n-1, or `limit` of them in ascending order, and those left; a larger limit draws the next of these."""
    order = list(range(n))
    random.Random(seed).shuffle(order)
    limit = n if limit is None else limit
    return sorted(order[:limit]), order[limit:]


def _metric(config: TaskConfig, harness: Any) -> str:
    known = metric_names(harness)
    metric = config.metric or ("acc" if "acc" in known else known[0])
    if metric not in known:
        raise TaskError(f"task {config.name}: has no metric {metric!r}; it has {', '.join(known)}")
    if harness.OUTPUT_TYPE == "multiple_choice" and metric not in LENGTHS:
        raise TaskError(f"task {config.name}: its metric {metric} does not rank choices; use {', '.join(LENGTHS)}")
    if not harness.higher_is_better().get(metric, True):
        raise TaskError(
            f"task {config.name}: for its metric {metric} lower is better; choose one for which higher is better"
        )
    if harness.OUTPUT_TYPE != "multiple_choice":
        _refuse_whole_set(config.name, metric, harness)
    return metric


def _refuse_whole_set(name: str, metric: str, harness: Any) -> None:
    """Raises TaskError for a metric of generated answers that is not a mean over samples."""
    higher = harness.higher_is_better()
    per_sample = [k for k, total in harness.aggregation().items() if total in (mean, nanmean) and higher.get(k, True)]
    if metric not in per_sample:
        raise TaskError(
            f"task {name}: its metric {metric} is computed over the whole test set, so individual samples cannot flip; "
            f"choose a per-sample metric: {', '.join(per_sample) or 'it has none'}"
        )


def _filter(config: TaskConfig, harness: Any) -> str:
    known = filter_names(harness)
    wanted = known[0] if config.filter is None else config.filter
    if wanted not in known:
        raise TaskError(f"task {config.name}: has no filter {wanted!r}; it has {', '.join(known)}")
    return wanted
