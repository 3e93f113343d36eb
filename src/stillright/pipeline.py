"""One update, top to bottom: fit old, fit new, align compat, predict with each, compare, report."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from rich.console import Console

from stillright import ranks
from stillright.comparison import Comparison, compare
from stillright.config import UpdateConfig
from stillright.folder.workspace import Workspace, fingerprint
from stillright.importers.jsonl import write_predictions
from stillright.models import ModelRef, load_model
from stillright.progress import Progress
from stillright.report.html import html
from stillright.report.markdown import markdown
from stillright.report.terminal import print_comparison
from stillright.stages.data import Data
from stillright.stages.inputs import align_inputs, fit_inputs, predict_inputs, score_inputs, teacher_key
from stillright.training.memory import frees_memory
from stillright.training.settings import Job, optimizer_steps, warmup_steps

if TYPE_CHECKING:
    from stillright.training.choice.scoring import ScoreFiles
    from stillright.training.choice.texts import ChoiceText
    from stillright.training.teachers.cached import TeacherFolders
    from stillright.training.text import Texts

REPORTS = ("comparison.json", "report.md", "report.html")
LIBRARIES = ("stillright", "torch", "transformers", "trl", "peft", "accelerate", "lm-eval")


class Update(Data):
    """The stages of one update. A stage is built only if it is not done."""

    def __init__(self, config: UpdateConfig, workspace: Workspace, console: Console) -> None:
        super().__init__(config)
        self.workspace = workspace
        self.progress = Progress(console)

    def _job(self, label: str, seed: int, work: Path, out: Path) -> Job:
        return Job(label, self.config.training, seed, self.dtype, work / "checkpoints", out, self.progress)

    def fit(self, ref: ModelRef, result: str, seed: int | None = None) -> ModelRef:
        """`ref.base` with a task adapter trained now; where `ref` has an adapter, training goes on from it.

        seed: default `fit_seed`.
        """
        from stillright.training.lora import fit_adapter

        config = self.config if seed is None else self.config.model_copy(update={"fit_seed": seed})

        def build(work: Path, out: Path) -> None:
            job = self._job(f"fit {Path(result).name}", config.fit_seed, work, out)
            fit_adapter(ref, self.texts(ref.base), self.config.lora, job)

        inputs = fit_inputs(config, ref.fingerprint())
        return ref.with_adapter(self.workspace.stage(f"fit-{Path(result).name}", result, inputs, build))

    def align(
        self,
        old: ModelRef,
        new: ModelRef,
        result: str,
        teachers: TeacherFolders | None = None,
        scores: ScoreFiles | None = None,
    ) -> ModelRef:
        """The new base with a compat adapter, for two models with task adapters.

        teachers, scores: their caches of tokens or of choices, where they exist already; else they are made when they
        are needed.
        """

        def build(work: Path, out: Path) -> None:
            job = self._job("align compat", self.config.align_seed, work, out)
            if self.config.strategy.is_choice:
                self._align_choices(old, new, scores, job)
            else:
                self._align_tokens(old, new, teachers, job)

        inputs = align_inputs(self.config, old.fingerprint(), new.fingerprint())
        return new.with_adapter(self.workspace.stage(f"align-{Path(result).name}", result, inputs, build))

    def _align_tokens(self, old: ModelRef, new: ModelRef, caches: TeacherFolders | None, job: Job) -> None:
        from stillright.training.align import align_adapter
        from stillright.training.validation_flips import Validation

        validation = None
        if self.config.strategy.choose == "flips":
            validation = Validation(old, *(self.choices(ref.base).validation for ref in (old, new)))
        teachers, texts = self.config.teachers, self.aligned_texts(new.base)
        source = old if teachers.form == "live" else caches or self._teach_both(old, new)
        align_adapter(new, source, texts, self.config.strategy, teachers, job, validation)

    def _teach_both(self, old: ModelRef, new: ModelRef) -> TeacherFolders:
        from stillright.training.teachers.cached import TeacherFolders

        return TeacherFolders(self.teach(old, ".stillright/teachers/old"), self.teach(new, ".stillright/teachers/new"))

    @frees_memory
    def teach(self, ref: ModelRef, result: str, name: str | None = None) -> Path:
        """The folder of a teacher's outputs on all texts: the same for every mask and alignment seed.

        name: what the log calls the teacher; default: as the folder.
        """
        from stillright.training.teachers.cache import CacheSpec
        from stillright.training.teachers.forms import form_of
        from stillright.training.teachers.stage import cache_stage

        texts, vocabulary = self.aligned_texts(ref.base), self.shared_vocabulary
        every = [*texts.train, *texts.validation]
        scored = fingerprint({"scored": [(text.ids, text.first) for text in every]})
        form = form_of(self.config.teachers, self.config.strategy.temperature, vocabulary)
        spec = CacheSpec(every, teacher_key(self.config, scored), form, vocabulary)
        load, name = partial(load_model, ref, self.dtype), name or Path(result).name
        return cache_stage(self.workspace, name, result, ref.fingerprint(), load, spec, self.progress)

    def _align_choices(self, old: ModelRef, new: ModelRef, scores: ScoreFiles | None, job: Job) -> None:
        from stillright.training.choice.trainer import align_choices

        texts = self.aligned_choices(new.base)
        align_choices(new, scores or self._score_both(old, new, texts), texts, self.config.strategy, job)

    def _score_both(self, old: ModelRef, new: ModelRef, new_texts: Texts[ChoiceText]) -> ScoreFiles:
        from stillright.training.choice.loss import LABELS_ALONE
        from stillright.training.choice.scoring import ScoreFiles

        folder, old_texts = ".stillright/teachers", self.aligned_choices(old.base)
        of_old = self.score(old, old_texts, f"{folder}/old-choices.safetensors", "old")
        if self.config.strategy.mask in LABELS_ALONE:
            return ScoreFiles(of_old, None)
        return ScoreFiles(of_old, self.score(new, new_texts, f"{folder}/new-choices.safetensors", "new"))

    def score(self, ref: ModelRef, texts: Texts[ChoiceText], result: str, name: str) -> Path:
        """The file of a teacher's scores of all choices: the same for every strategy over them and alignment seed.

        texts: as `aligned_choices` gives them for the model's base. name: what the log calls the teacher.
        """
        from stillright.training.choice.scoring import teacher_scores, write_scores

        every = [*texts.train, *texts.validation]

        def build(_: Path, out: Path) -> None:
            write_scores(teacher_scores(ref, every, self.dtype, self.progress, f"{name} teacher"), out)

        scored = fingerprint({"scored": [(text.prompt, text.choices, text.lengths) for text in every]})
        inputs = score_inputs(self.config, ref.fingerprint(), scored)
        return self.workspace.stage(f"teach-{Path(result).stem}", result, inputs, build)

    def predict(self, refs: Sequence[ModelRef], result: str, name: str | None = None) -> Path:
        """The file with the answers to the test split of a model, or of several as an ensemble.

        name: what reports call the model; default: as the file.
        """
        stem = Path(result).stem

        def build(_: Path, out: Path) -> None:
            from stillright.prediction.predict import PredictJob, predict

            config = self.config
            job = PredictJob(
                name or stem, self.dtype, config.predict_batch_size, config.training.max_length, self.progress
            )
            predictions = predict(refs, self.task, job)
            ranks.on_main(lambda: write_predictions(predictions, out))

        inputs = predict_inputs(self.config, " ".join(ref.fingerprint() for ref in refs))
        return self.workspace.stage(f"predict-{stem}", result, inputs, build)


def run_update(config: UpdateConfig, console: Console | None = None) -> Comparison:
    """Everything update.yaml asks for, in its run folder; what is already done from the same inputs is skipped.

    config: from load_update, or from parse_update where there is no file. console: for the progress; None: quiet.
    Raises ConfigError, DataError, TaskError, ModelError and RunError.
    """
    console = Console(quiet=True) if console is None else console
    with Workspace(config.out, console).locked() as workspace:
        update = ranks.main_first(lambda: _checked(config, workspace, console))
        _announce(update, console)
        ranks.on_main(lambda: workspace.claim(*REPORTS))  # now, not when all is done
        ranks.on_main(lambda: write_provenance(workspace, "update.yaml", config.model_dump(mode="json")))
        old = update.old if update.old.adapter else update.fit(update.old, "adapters/old")
        new = update.new if update.new.adapter else update.fit(update.new, "adapters/new")
        models = {"old": old, "new": new}
        if config.align:
            models["compat"] = update.align(old, new, "adapters/compat")
        if "continue_ce" in config.controls:
            models["continue_ce"] = update.fit(new, "adapters/continue_ce", config.align_seed)
        files = [update.predict([ref], f"predictions/{name}.jsonl") for name, ref in models.items()]
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
        update.predict([update.new], out.name)


def _checked(config: UpdateConfig, workspace: Workspace, console: Console, have_adapters: bool = False) -> Update:
    update = Update(config, workspace, console)
    if have_adapters:
        update.refuse_lacking_adapters()
    if config.align or have_adapters:
        update.refuse_misfits(config.strategy)
    return update


def _announce(update: Update, console: Console) -> None:
    texts, training = update.texts(update.new.base), update.config.training
    tokens = sum(len(text.ids) for text in texts.train)
    console.print(
        f"{update.task.name}: {len(texts.train):,} training texts ({tokens:,} tokens), "
        f"{len(texts.validation):,} for validation, {len(update.task.test_positions):,} to predict; {update.dtype}",
        highlight=False,
    )
    if known := update.task.tested_in_training():
        tested = len(update.task.test_positions)
        console.print(f"warning: of {tested:,} rows to predict {known:,} are also trained on", style="yellow")
    if update.task.unlabelled:
        console.print(f"alignment also reads {len(update.task.unlabelled):,} rows without answers")
    if update.longest < training.max_length:
        console.print(
            f"texts: at most {update.longest:,} tokens, all that the bases read, instead of {training.max_length:,}",
            highlight=False,
        )
    warm, steps = warmup_steps(training, len(texts.train)), optimizer_steps(training, len(texts.train))
    if warm < training.warmup_steps:
        console.print(f"warm-up: {warm} steps, a tenth of {steps}, instead of {training.warmup_steps}", highlight=False)


def write_provenance(workspace: Workspace, name: str, values: Mapping[str, Any]) -> None:
    """The exact configuration and versions, so that the folder explains itself."""
    workspace.write(name, yaml.safe_dump(dict(values), sort_keys=False))
    versions = {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
    workspace.write("versions.yaml", yaml.safe_dump(versions, sort_keys=False))


def _report(files: list[Path], workspace: Workspace, console: Console) -> Comparison:
    """Compares old, new and candidates, prints the table and writes comparison.json, report.md and report.html."""
    old, new, *candidates = files
    comparison = compare(old, new, candidates)
    print_comparison(comparison, console)
    texts = (comparison.to_json(), markdown(comparison), html(comparison))
    *_, report = (workspace.write(name, text) for name, text in zip(REPORTS, texts, strict=True))
    console.print(f"written: {report}, report.md and comparison.json", highlight=False)
    return comparison
