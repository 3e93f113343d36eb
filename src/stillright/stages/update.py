"""The stages of one update: which models there are, and what each is made from."""

from __future__ import annotations

from collections.abc import Mapping

from stillright.config import UpdateConfig
from stillright.config.masks import LABELS_ALONE
from stillright.models import ModelRef
from stillright.stages.align import Align
from stillright.stages.answers import Follow, Logged, TeachLabels
from stillright.stages.fit import Fit
from stillright.stages.labels import Labels
from stillright.stages.predict import Ensemble, Predict
from stillright.stages.search import Search
from stillright.stages.stage import Model, Stage
from stillright.stages.teach import Teach, TeachChoices
from stillright.stages.transfer import Transfer

SLOWER, LONGER = 4, 2


def task_model(model: str, config: UpdateConfig, name: str) -> Model:
    """A base with the adapter that it names, or else with one that is fitted."""
    ref = ModelRef.parse(model)
    return ref if ref.adapter else fitted(ref, config, name)


def fitted(model: Model, config: UpdateConfig, name: str, seed: int | None = None) -> Fit:
    """An adapter trained from a model on; seed: default `config.fit_seed`.

    Its configuration names no other base than its own, so that all updates of this base share it.
    """
    base = str(model.base)
    alone = config.model_copy(update={"old": base, "new": base})
    return Fit(name=name, config=alone, model=model, seed=config.fit_seed if seed is None else seed)


def continued(new: Model, config: UpdateConfig, name: str) -> Fit:
    """The control: the new adapter, trained further with the seed of alignment."""
    return fitted(new, config, name, config.align_seed)


def old_model(config: UpdateConfig, name: str) -> Model:
    """The old task model; where it is gone, the predictions that its log holds."""
    return task_model(config.old, config, name) if isinstance(config.old, str) else Logged(name=name, config=config)


def aligned(old: Model, new: Model, config: UpdateConfig, name: str) -> Align | Follow | Search | Transfer:
    """The compat adapter, with the teachers that its strategy asks beforehand."""
    strategy = config.strategy
    if strategy.follows_answers:
        return Follow(name=name, config=config, model=new)
    if strategy.is_search:
        labels = Labels(name=f"{name}-labels", config=patient(config), model=new)
        return Search(name=name, config=config, old=old, new=new, labels=labels)
    if strategy.is_transfer:
        return (Search if strategy.share == "auto" else Transfer)(name=name, config=config, old=old, new=new)
    asked = {"old": old} if strategy.mask in LABELS_ALONE else {"old": old, "new": new}
    teachers: dict[str, Stage] = {}
    for role, model in asked.items():
        of = model.name if isinstance(model, Stage) else role
        if isinstance(model, Logged):
            teachers[f"teach_{role}"] = TeachLabels(name=f"{of}-choices", config=config)
        elif strategy.is_choice:
            teachers[f"teach_{role}"] = TeachChoices(name=f"{of}-choices", config=config, model=model)
        elif config.teachers.form != "live":
            teachers[f"teach_{role}"] = Teach(name=of, config=config, model=model)
    there = None if isinstance(old, Logged) else old
    return Align(name=name, config=config, old=there, new=new, teachers=teachers)


def patient(config: UpdateConfig) -> UpdateConfig:
    """For training on labels: smaller steps and more of them, since what the order of a few large ones happens to add
    is flips."""
    training = config.training
    slower = {"learning_rate": training.learning_rate / SLOWER, "epochs": training.epochs * LONGER}
    return config.model_copy(update={"training": training.model_copy(update=slower)})


def models_of(config: UpdateConfig) -> dict[str, Model]:
    """All models that update.yaml asks for, by name: old, new, and the candidates that are one model. Of an old model
    that is gone, the predictions that its log holds."""
    old, new = old_model(config, "old"), task_model(config.new, config, "new")
    models: dict[str, Model] = {"old": old, "new": new}
    if config.align:
        models["compat"] = aligned(old, new, config, "compat")
    if "continue_ce" in config.controls:
        models["continue_ce"] = continued(new, config, "continue_ce")
    return models


def answers_of(model: Model, config: UpdateConfig, name: str) -> Predict | Logged:
    """Its predictions."""
    if isinstance(model, Logged):
        return model
    return Predict(name=name, config=model.config if isinstance(model, Stage) else config, model=model)


def answers_together(old: Model, new: Model, config: UpdateConfig, name: str) -> Ensemble:
    """The predictions of both as an ensemble."""
    return Ensemble(name=name, config=config, old=old, model=new)


def predictions_of(models: Mapping[str, Model], config: UpdateConfig) -> list[Predict | Logged]:
    """All predictions that update.yaml asks for, of old, new and the candidates; models: those of `models_of`."""
    alone = [answers_of(model, config, name) for name, model in models.items()]
    if "ensemble" not in config.controls:
        return alone
    return [*alone, answers_together(models["old"], models["new"], config, "ensemble")]
