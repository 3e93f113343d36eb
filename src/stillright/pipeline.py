"""One update, top to bottom: fit old, fit new, make compat, predict with each, compare, report."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from rich.console import Console

from stillright import ranks
from stillright.announcement import announce
from stillright.comparison import Comparison, compare
from stillright.config import TrainingConfig, UpdateConfig
from stillright.errors import ModelError, TaskError
from stillright.events import for_programs, say
from stillright.folder.workspace import Workspace
from stillright.importers import read_predictions
from stillright.models import ModelRef, compute_dtype
from stillright.next_steps import next_steps
from stillright.progress import Progress
from stillright.report.flips_file import flips_file
from stillright.report.html import html
from stillright.report.made import Origin, versions
from stillright.report.markdown import markdown
from stillright.report.page import Page
from stillright.report.pages import comparison_page
from stillright.report.report_page import report_page
from stillright.report.search import search_section
from stillright.report.terminal import print_page
from stillright.stages.card import write_card, write_card_of_transfer
from stillright.stages.data import Data
from stillright.stages.labels import Labels
from stillright.stages.predict import Ensemble
from stillright.stages.stage import Model, Stage, made
from stillright.stages.update import aligned, answers_of, answers_together, fitted, models_of, old_model, predictions_of
from stillright.tasks.samples import labels_of
from stillright.training.search.auto import ACCOUNT
from stillright.training.settings import Job
from stillright.training.transfer.transfer import Settings, transfer_adapter

REPORTS = ("comparison.json", "flips.parquet", "report.md", "report.html")
# of stages that make no adapter
PLACES = {"teach": ".stillright/teachers", "predict": "predictions", "ensemble": "predictions"}
BESIDE = ".stillright/adapters"  # of adapters that are no candidates


class RunFolder:
    """The results of an update's stages in one folder; each is made when it is first asked for."""

    def __init__(self, workspace: Workspace, data: Data) -> None:
        self.workspace = workspace
        self.data = data
        self.progress = Progress(workspace.console)
        self._made: dict[Stage, Path] = {}

    def path_of(self, stage: Stage, place: str | None = None) -> Path:
        """The result of a stage; place: where it goes, unless by its kind and name."""
        if stage not in self._made:
            place = place or f"{_room_of(stage)}/{stage.name}{Path(stage.result).suffix}"
            self._made[stage] = made(stage, self.workspace, place, self.data, self.progress, self.path_of)
        return self._made[stage]

    def account_of(self, model: Model | None) -> dict[str, Any] | None:
        """What a search wrote beside the adapter that it made; None where none did."""
        if not isinstance(model, Stage):
            return None
        account = self.path_of(model) / ACCOUNT
        return json.loads(account.read_text(encoding="utf-8")) if account.exists() else None


def _room_of(stage: Stage) -> str:
    """The part of a run folder where a result goes."""
    return BESIDE if isinstance(stage, Labels) else PLACES.get(stage.kind, "adapters")


def run_update(config: UpdateConfig, console: Console | None = None) -> Comparison:
    """Everything update.yaml asks for, in its run folder; what is already done from the same inputs is skipped.

    config: from load_update, or from parse_update where there is no file. console: for the progress; None: quiet.
    Raises ConfigError, DataError, TaskError, ModelError and RunError.
    """
    console = Console(quiet=True) if console is None else console
    with Workspace(config.out, console).locked() as workspace:
        data = ranks.main_first(lambda: checked_data(config))
        announce(data, console)
        ranks.on_main(lambda: workspace.claim(*REPORTS))  # now, not when all is done
        ranks.on_main(lambda: write_provenance(workspace, "update.yaml", config.model_dump(mode="json")))
        folder, models = RunFolder(workspace, data), models_of(config)
        for model in models.values():
            if isinstance(model, Stage):
                folder.path_of(model)
        ranks.on_main(lambda: _tell(models.get("compat"), folder))  # no longer what earlier answers said of it
        files = [folder.path_of(answers) for answers in predictions_of(models, config)]
        origin = Origin(asked={"update.yaml": config.model_dump(mode="json"), "versions": versions()})
        comparison = ranks.on_main(lambda: _finished(_compared(files, data), models.get("compat"), folder, origin))
        for step in next_steps(config, config.out):
            say(console, str(step), "next", soft_wrap=True, purpose=step.purpose, commands=step.commands)
        return comparison


def fit_alone(config: UpdateConfig, out: Path, console: Console) -> None:
    """An adapter of `config.new` in the folder `out`; where that names one already, training goes on from it."""
    _make_alone(config, lambda data: fitted(data.new, config, out.name), out, console)


def align_alone(config: UpdateConfig, out: Path, console: Console) -> None:
    """The compat adapter for `config.old` and `config.new`, which name their task adapters, in the folder `out`."""
    _make_alone(config, lambda data: compat_alone(data, out.name), out, console)


def transfer_alone(old: str, new: str, rank: int, share: float, out: Path, console: Console) -> None:
    """A share of what `old` has and `new` lacks, as an adapter in the folder `out`; both are base[+adapter].

    From weights alone: no task, no texts. Raises ModelError and RunError.
    """
    out, refs = out.resolve(), (ModelRef.parse(old), ModelRef.parse(new))
    settings = Settings(rank, weighted=False)

    def inputs() -> dict[str, Any]:
        return {"old": refs[0].fingerprint(), "new": refs[1].fingerprint(), "share": share, **settings._asdict()}

    def build(work: Path, made: Path) -> None:
        label = f"transfer {out.name}"
        job = Job(label, TrainingConfig(), 0, compute_dtype("auto"), work / "layers", made, Progress(console))
        transfer_adapter(*refs, settings, share, [], job)
        if ranks.is_main():
            write_card_of_transfer(*refs, {"share": share, **settings._asdict()}, made)

    with Workspace(out.parent, console).locked() as workspace:
        workspace.stage(f"transfer-{out.name}", out.name, inputs, build)


def predict_alone(config: UpdateConfig, out: Path, console: Console) -> None:
    """The answers of `config.new` in the file `out`."""
    _make_alone(config, lambda data: answers_of(data.new, config, out.stem), out, console)


def _make_alone(config: UpdateConfig, stage: Callable[[Data], Stage], out: Path, console: Console) -> None:
    out = out.resolve()
    with Workspace(out.parent, console).locked() as workspace:
        data = ranks.main_first(lambda: Data(config))
        wanted = stage(data)
        wanted.refuse_missing_reporters()
        RunFolder(workspace, data).path_of(wanted, out.name)


def compat_alone(data: Data, name: str) -> Stage:
    """The compat adapter of two models with task adapters, or of a log of old's answers and new. Raises
    StillrightError where there can be none."""
    data.refuse_lacking_adapters()
    stage = aligned(old_model(data.config, "old"), data.new, data.config, name)
    stage.refuse_misfit(data)
    return stage


def checked_data(config: UpdateConfig) -> Data:
    """What the update reads. Raises StillrightError where its strategy or a control does not fit the task or the
    bases, or a log of old's answers the task's rows, or where these have no column to slice by."""
    data, models = Data(config), models_of(config)
    for model in models.values():
        if isinstance(model, Stage):
            model.refuse_missing_reporters()
            model.refuse_misfit(data)
    labels_of(data.task, config.slices)
    if "ensemble" in config.controls:
        _refuse_apart(answers_together(models["old"], models["new"], config, "ensemble"), data)
    return data


def _refuse_apart(ensemble: Ensemble, data: Data) -> None:
    """Raises ModelError or TaskError where old and new cannot answer together."""
    try:
        ensemble.refuse_misfit(data)
    except (ModelError, TaskError) as error:
        raise type(error)(f"controls: {error}; leave ensemble out") from None


def write_provenance(workspace: Workspace, name: str, values: Mapping[str, Any]) -> None:
    """The exact configuration and versions, so that the folder explains itself."""
    workspace.write(name, yaml.safe_dump(dict(values), sort_keys=False))
    workspace.write("versions.yaml", yaml.safe_dump(versions(), sort_keys=False))


def _compared(files: list[Path], data: Data) -> Comparison:
    """Old, new and candidates, by the columns of the test rows that the update slices by."""
    labels = pl.DataFrame(labels_of(data.task, data.config.slices))
    answers = [read_predictions(file) for file in files]
    old, new, *candidates = [replace(each, table=each.table.join(labels, on="id", how="left")) for each in answers]
    return compare(old, new, candidates, slices=data.config.slices, allow=["identical"])


def _finished(comparison: Comparison, compat: Model | None, folder: RunFolder, origin: Origin) -> Comparison:
    """Reports the comparison, and on the card of the compat adapter too."""
    workspace = folder.workspace
    _report(comparison, folder.account_of(compat), origin, workspace, workspace.console)
    _tell(compat, folder, comparison)
    return comparison


def _tell(compat: Model | None, folder: RunFolder, comparison: Comparison | None = None) -> None:
    """Writes the card of the compat adapter, if there is one."""
    if isinstance(compat, Stage):
        write_card(compat, folder.data, folder.path_of(compat), comparison)


def _report(
    comparison: Comparison, searched: dict[str, Any] | None, origin: Origin, workspace: Workspace, console: Console
) -> None:
    """Prints the table and writes REPORTS.

    searched: the account of the search that made the compat adapter, if one did.
    """
    page = comparison_page(comparison)
    further = [] if searched is None else [search_section(searched)]
    first, second, *others = page.sections
    page = page._replace(sections=[first, second, *further, *others])
    _show(comparison, page, console)
    contents: tuple[str | bytes, ...] = (
        comparison.to_json(),
        flips_file(comparison.flips(), ".parquet"),
        markdown(page),
        html(report_page(comparison, origin, further)),
    )
    *_, report = (workspace.write(name, content) for name, content in zip(REPORTS, contents, strict=True))
    line = f"written: {report}, report.md, comparison.json and flips.parquet"
    say(console, line, "written", folder=report.parent, files=REPORTS)


def _show(comparison: Comparison, page: Page, console: Console) -> None:
    """The page for people, its summary and the numbers of all models for programs."""
    if (log := for_programs(console)) is None:
        print_page(page, console)
        return
    message = " ".join([page.title, *page.summary])
    new = {"name": comparison.new.name, "score": comparison.new.score, "nfr": comparison.comparison.nfr.value}
    others = [
        {"name": each.name, "score": each.score, "nfr": each.comparison.nfr.value} for each in comparison.candidates
    ]
    old = {"name": comparison.old.name, "score": comparison.old.score}
    log.event("compared", "info", message, n=comparison.n, old=old, new=new, candidates=others)
