"""One update, top to bottom: fit old, fit new, align compat, predict with each, compare, report."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from stillright import ranks
from stillright.comparison import Comparison, compare
from stillright.config import TaskConfig, UpdateConfig
from stillright.data import Data
from stillright.importers.jsonl import write_jsonl
from stillright.models import (
    ModelRef,
    folder_digest,
    load_model,
    vocabulary_size,
)
from stillright.progress import Progress
from stillright.report.html import html
from stillright.report.markdown import markdown
from stillright.report.terminal import print_comparison
from stillright.training.loop import Job, optimizer_steps, warmup_steps
from stillright.workspace import Workspace, fingerprint

OF_PREDICTION = frozenset({"test", "test_limit", "filter", "stop", "max_new_tokens"})  # keys no training reads
LIBRARIES = ("stillright", "torch", "transformers", "trl", "peft", "accelerate", "lm-eval")


def task_fingerprint(config: TaskConfig) -> dict[str, Any]:
    """What determines the task's rows: its keys, and the content of local files."""
    files = {"train": config.train, "test": config.test}
    digests = {name: folder_digest(path) if path and path.exists() else None for name, path in files.items()}
    return {**config.model_dump(mode="json"), **digests}


class Update(Data):
    """The stages of one update. A stage is built only if it is not done."""

    def __init__(self, config: UpdateConfig, workspace: Workspace, console: Console) -> None:
        super().__init__(config)
        self.workspace = workspace
        self.progress = Progress(console)

    def _training_inputs(self) -> dict[str, Any]:
        """What determines the result of any training, beside models and seeds."""
        task = task_fingerprint(self.config.task)
        return {
            "task": {key: value for key, value in task.items() if key not in OF_PREDICTION},
            "training": self.config.training.model_dump(),
            "split_seed": self.config.split_seed,
            "dtype": str(self.dtype),
            "processes": ranks.world(),  # each has batch_size sequences of a step
        }

    def _job(self, label: str, seed: int, work: Path, out: Path) -> Job:
        return Job(label, self.config.training, seed, self.dtype, work / "checkpoints", out, self.progress)

    def fit(self, ref: ModelRef, result: str) -> ModelRef:
        """`ref.base` with a task adapter trained now; where `ref` has an adapter, training goes on from it."""
        from stillright.training.lora import fit_adapter

        def build(work: Path, out: Path) -> None:
            job = self._job(f"fit {Path(result).name}", self.config.fit_seed, work, out)
            fit_adapter(ref, self.texts(ref.base), self.config.lora, job)

        inputs = {
            **self._training_inputs(),
            "model": ref.fingerprint(),
            "lora": self.config.lora.model_dump(),
            "seed": self.config.fit_seed,
        }
        return ref.with_adapter(self.workspace.stage(f"fit-{Path(result).name}", result, inputs, build))

    def align(self, old: ModelRef, new: ModelRef, result: str) -> ModelRef:
        """The new base with a compat adapter, for two models with task adapters."""

        def build(work: Path, out: Path) -> None:
            job = self._job("align compat", self.config.align_seed, work, out)
            if self.config.strategy.is_choice:
                self._align_choices(old, new, job)
            else:
                self._align_tokens(old, new, job)

        inputs = {
            **self._training_inputs(),
            "old": old.fingerprint(),
            "new": new.fingerprint(),
            "strategy": self.config.strategy.model_dump(),
            "seed": self.config.align_seed,
            "teachers": None if self.config.strategy.is_choice else self.config.teachers.determining(),
        }
        return new.with_adapter(self.workspace.stage(f"align-{Path(result).name}", result, inputs, build))

    def _align_tokens(self, old: ModelRef, new: ModelRef, job: Job) -> None:
        from stillright.training.answers import Validation
        from stillright.training.cached import Taught
        from stillright.training.compat import align_adapter

        if self.config.teachers.form == "live":
            taught: Taught | ModelRef = old
        else:
            shared = min(vocabulary_size(ref.base) for ref in (old, new))
            taught = Taught(*(self._teach(ref, role, shared) for role, ref in (("old", old), ("new", new))))
        validation = None
        if self.config.strategy.choose == "flips":
            validation = Validation(old, *(self.choices(ref.base).validation for ref in (old, new)))
        align_adapter(new, taught, self.texts(new.base), self.config.strategy, job, validation)

    def _teach(self, ref: ModelRef, role: str, vocabulary: int) -> Path:
        """The folder of what a teacher says of all texts: the same for every mask and alignment seed.

        vocabulary: number of pieces that old and new share; one may be padded further.
        """
        from stillright.training.forms import form_of
        from stillright.training.teach import Lesson, teach

        texts = self.texts(ref.base)
        every = [*texts.train, *texts.validation]
        scored = fingerprint({"scored": [(text.ids, text.first) for text in every]})
        form = form_of(self.config.teachers, self.config.strategy.temperature, vocabulary)
        lesson = Lesson(every, {"texts": scored, "dtype": str(self.dtype)}, form, vocabulary)
        result = f".stillright/teachers/{role}"
        return teach(
            self.workspace,
            role,
            result,
            ref.fingerprint(),
            lambda: load_model(ref, self.dtype),
            lesson,
            self.progress,
        )

    def _align_choices(self, old: ModelRef, new: ModelRef, job: Job) -> None:
        from stillright.training.choice import align_choices

        align_choices(old, new, self.choices(old.base), self.choices(new.base), self.config.strategy, job)

    def predict(self, ref: ModelRef, result: str) -> Path:
        """The file with the answers of `ref` to the test split."""
        from stillright.predict import predict

        name = Path(result).stem

        def build(_: Path, out: Path) -> None:
            predictions = predict(
                ref,
                self.task,
                name=name,
                dtype=self.dtype,
                batch_size=self.config.predict_batch_size,
                max_length=self.config.training.max_length,
                progress=self.progress,
            )
            ranks.on_main(lambda: write_jsonl(predictions, out))

        inputs = {
            "model": ref.fingerprint(),
            "task": task_fingerprint(self.config.task),
            "split_seed": self.config.split_seed,
            "dtype": str(self.dtype),
            "batch_size": self.config.predict_batch_size,
            "max_length": self.config.training.max_length,
        }
        return self.workspace.stage(f"predict-{name}", result, inputs, build)


def run_update(config: UpdateConfig, console: Console) -> Comparison:
    """Everything update.yaml asks for, in its run folder; what is already done from the same inputs is skipped."""
    with Workspace(config.out, console).locked() as workspace:
        update = ranks.main_first(lambda: _checked(config, workspace, console))
        _announce(update, console)
        ranks.on_main(lambda: _write_provenance(workspace, config))
        old = update.old if update.old.adapter else update.fit(update.old, "adapters/old")
        new = update.new if update.new.adapter else update.fit(update.new, "adapters/new")
        models = {"old": old, "new": new}
        if config.align:
            models["compat"] = update.align(old, new, "adapters/compat")
        if "continue_ce" in config.controls:
            models["continue_ce"] = update.fit(new, "adapters/continue_ce")
        files = [update.predict(ref, f"predictions/{name}.jsonl") for name, ref in models.items()]
        return ranks.on_main(lambda: _report(files, workspace, console))


def fit_alone(config: UpdateConfig, out: Path, console: Console) -> None:
    """The task adapter of `config.new` in the folder `out`."""
    out = out.resolve()
    with Workspace(out.parent, console).locked() as workspace:
        update = ranks.main_first(lambda: Update(config, workspace, console))
        update.fit(update.new, out.name)


def align_alone(config: UpdateConfig, out: Path, console: Console) -> None:
    """The compat adapter for `config.old` and `config.new`, which name their task adapters, in the folder `out`."""
    out = out.resolve()
    with Workspace(out.parent, console).locked() as workspace:
        update = ranks.main_first(lambda: _checked(config, workspace, console, have_adapters=True))
        update.align(update.old, update.new, out.name)


def predict_alone(config: UpdateConfig, out: Path, console: Console) -> None:
    """The answers of `config.new` in the file `out`."""
    out = out.resolve()
    with Workspace(out.parent, console).locked() as workspace:
        update = ranks.main_first(lambda: Update(config, workspace, console))
        update.predict(update.new, out.name)


def _checked(config: UpdateConfig, workspace: Workspace, console: Console, have_adapters: bool = False) -> Update:
    update = Update(config, workspace, console)
    if have_adapters:
        update.refuse_lacking_adapters()
    if config.align or have_adapters:
        update.refuse_misfits()
    return update


def _announce(update: Update, console: Console) -> None:
    texts, training = update.texts(update.new.base), update.config.training
    tokens = sum(len(text.ids) for text in texts.train)
    console.print(
        f"{update.task.name}: {len(texts.train):,} training texts ({tokens:,} tokens), "
        f"{len(texts.validation):,} for validation, {len(update.task.test_positions):,} to predict; {update.dtype}",
        highlight=False,
    )
    warm, steps = warmup_steps(training, len(texts.train)), optimizer_steps(training, len(texts.train))
    if warm < training.warmup_steps:
        console.print(f"warm-up: {warm} steps, a tenth of {steps}, instead of {training.warmup_steps}", highlight=False)


def _write_provenance(workspace: Workspace, config: UpdateConfig) -> None:
    """The exact configuration and versions, so that the folder explains itself."""
    workspace.write("update.yaml", yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
    versions = {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
    workspace.write("versions.yaml", yaml.safe_dump(versions, sort_keys=False))


def _report(files: list[Path], workspace: Workspace, console: Console) -> Comparison:
    """Compares old, new and candidates, prints the table and writes comparison.json, report.md and report.html."""
    old, new, *candidates = files
    comparison = compare(old, new, candidates)
    print_comparison(comparison, console)
    workspace.write("comparison.json", comparison.to_json())
    workspace.write("report.md", markdown(comparison))
    report = workspace.write("report.html", html(comparison))
    console.print(f"written: {report}, report.md and comparison.json", highlight=False)
    return comparison
