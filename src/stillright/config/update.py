"""update.yaml: one update of a base for one task. Each key is documented beside the key.

Defaults are the hyper-parameters of Echterhoff et al., 2024; their strategy is the mask student_wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from stillright.config.masks import MIXED, NEED_NO_LABEL, AnswerMask, ChoiceMask, Mask, SearchMask, WeightMask
from stillright.config.old import Old, OldAnswers
from stillright.config.reporters import Reporters
from stillright.config.strict import GivenPath, Strict, parse, parse_yaml, read_yaml
from stillright.errors import ConfigError

OWN_CHOICE_METRICS, OWN_TEXT_METRICS = ("acc", "acc_norm"), ("exact_match", "rouge1")
OWN_TASK_KEYS = ("choices", "answer", "delimiter", "stop", "max_new_tokens")  # a harness task has its own
Control = Literal["continue_ce", "ensemble"]
LossOn = Literal["all", "completion"]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Positive = Annotated[int, Field(gt=0, lt=2**31)]  # more than any count of rows, tokens or steps


class TaskConfig(Strict):
    """A task of lm-evaluation-harness, perhaps on local files; with `prompt`, a task of your own."""

    name: str = Field(description="harness task, or a name for your own task")
    train: GivenPath | None = Field(None, description="JSONL to train on, one object per line")
    test: GivenPath | None = Field(None, description="JSONL to predict; never trained on")
    unlabelled: GivenPath | None = Field(
        None, description="JSONL of further rows without answers, for alignment with a mask that needs none"
    )
    prompt: str | None = Field(None, description='template over the columns: "Question: {{question}}\\nAnswer:"')
    choices: str | list[str] | None = Field(None, description="column with the choices, or one template per choice")
    answer: str | None = Field(None, description="column: number of the right choice (from 0), or the right text")
    delimiter: str = Field(" ", description="text between prompt and answer")
    stop: list[str] = Field(["\n\n"], description="texts that end a generated answer")
    max_new_tokens: Positive = Field(64, description="longest generated answer")
    metric: str | None = Field(None, description="default: acc for choices, else the task's first metric")
    filter: str | None = Field(None, description="harness filter, where the task has several; default: its first")
    train_limit: Positive | None = Field(None, description="train on only this many rows, drawn with split_seed")
    test_limit: Positive | None = Field(None, description="predict only this many rows, drawn with split_seed")

    @property
    def is_own(self) -> bool:
        """Whether the task is defined here rather than in the harness."""
        return self.prompt is not None

    @model_validator(mode="after")
    def _whole(self) -> TaskConfig:
        if self.is_own and (self.train is None or self.test is None or self.answer is None):
            raise ValueError("a task of your own, which gives prompt, also needs train, test and answer")
        if not self.is_own and (self.train is None) != (self.test is None):
            raise ValueError("train and test replace a harness task's data together; give both or neither")
        changed = [key for key in OWN_TASK_KEYS if getattr(self, key) != TaskConfig.model_fields[key].default]
        if not self.is_own and changed:
            raise ValueError(f"{changed[0]} belongs to a task of your own; give prompt too, or leave it out")
        if self.is_own and self.metric is not None:
            self._refuse_unknown_metric(self.metric)
        return self

    def _refuse_unknown_metric(self, metric: str) -> None:
        """Those of a harness task are checked when it is loaded, see stillright.tasks."""
        if metric not in OWN_CHOICE_METRICS + OWN_TEXT_METRICS:
            raise ValueError(
                f"a task of your own has no metric {metric!r}; use {' or '.join(OWN_CHOICE_METRICS)} with choices, "
                f"{' or '.join(OWN_TEXT_METRICS)} without"
            )
        if metric in OWN_CHOICE_METRICS and self.choices is None:
            raise ValueError(f"the metric {metric} needs choices")
        if metric in OWN_TEXT_METRICS and self.choices is not None:
            raise ValueError(f"the metric {metric} is for generated answers; leave choices out")


TaskOrName = Annotated[
    TaskConfig,
    BeforeValidator(
        lambda value: {"name": value} if isinstance(value, str) else value, json_schema_input_type=str | TaskConfig
    ),
]


class LoraConfig(Strict):
    """Low-rank adapters on every linear layer except the LM head (Hu et al., 2021)."""

    r: Positive = Field(128, description="rank")
    alpha: Positive = Field(256, description="scale: the update is multiplied by alpha / r")
    dropout: float = Field(0.0, ge=0, lt=1)


class TrainingConfig(Strict):
    """How every adapter is trained; the same for old, new and compat."""

    epochs: Positive = 10
    learning_rate: float = Field(1e-4, gt=0)
    batch_size: Positive = Field(8, description="sequences per step and device")
    gradient_accumulation: Positive = Field(8, description="steps per optimizer step")
    warmup_steps: int = Field(500, ge=0, lt=2**31, description="optimizer steps; at most a tenth of all steps")
    weight_decay: float = Field(0.0, ge=0)
    max_length: Positive = Field(1024, description="tokens; longer texts are cut at their start, as in scoring")
    loss_on: LossOn = Field(
        "all",
        description="tokens scored in training and validation: prompt and answer, as in the paper, or only the answer "
        "and its end; strategies over choices always score the choices",
    )
    validation_fraction: float = Field(0.2, gt=0, lt=1, description="fraction of train that chooses the checkpoint")
    report_to: Reporters = Field((), description="tensorboard, wandb ...: also get the curves, see docs/running.md")


class StrategyConfig(Strict):
    """How the compat adapter is distilled from the old and the new model, or moved towards the old one."""

    mask: Mask = Field(
        "auto",
        description="auto: as far towards old's weights and the labels as validation allows; transfer: old's weights "
        "alone, where shapes are the same; old_answers: the texts of a log of old's answers; others: which tokens or "
        "choices follow the old model, where the rest follow the new one",
    )
    temperature: float = Field(2.0, gt=0)
    ce_weight: float = Field(0.0, ge=0, le=1, description="weight of cross-entropy against distillation")
    choose: Literal["loss", "flips"] = Field(
        "loss",
        description="the checkpoint to keep: lowest validation loss, or fewest right answers lost at no less accuracy",
    )
    share: Annotated[float, Field(gt=0, le=1)] | Literal["auto"] = Field(
        "auto",
        description="transfer: how far each layer goes towards the old one; auto: the share that loses the fewest "
        "validation answers at no less accuracy",
    )
    rank: Positive = Field(128, description="auto, transfer: rank of what is added from old's weights")
    weighted: bool = Field(True, description="auto, transfer: whether ranks go where they change outputs most")

    @model_validator(mode="after")
    def _no_stray_keys(self) -> StrategyConfig:
        if stray := self.model_fields_set - self._read_keys():
            raise ValueError(f"{self.method} does not read the key {min(stray)}; leave it out, or give another mask")
        return self

    @property
    def method(self) -> str:
        """What the strategy is, whatever an entry of a study calls it."""
        return self.mask

    @model_serializer(mode="wrap")
    def _read_alone(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Only the keys that the strategy reads, so that what is written can be read again."""
        return {key: value for key, value in dump(self).items() if key in self._read_keys()}

    def _read_keys(self) -> set[str]:
        moved = {"share", "rank", "weighted"}
        if self.follows_answers:
            return {"mask"}
        if self.is_transfer or self.is_search:
            return {"mask", *moved} - ({"share"} if self.is_search else set())
        return {*StrategyConfig.model_fields} - moved

    @property
    def is_search(self) -> bool:
        """Whether validation decides how far to go from the new model, and in which directions."""
        return self.mask in get_args(SearchMask)

    @property
    def is_transfer(self) -> bool:
        """Whether weights are moved, and nothing is trained."""
        return self.mask in get_args(WeightMask)

    @property
    def follows_answers(self) -> bool:
        """Whether the texts of old's answers are trained on, rather than a distribution distilled."""
        return self.mask in get_args(AnswerMask)

    @property
    def is_choice(self) -> bool:
        """Whether the distribution over choices is distilled, rather than that over tokens."""
        return self.mask in get_args(ChoiceMask)


class TeachersConfig(Strict):
    """How the outputs of both teachers on the training texts are cached, see docs/strategies.md.

    Choice strategies do not use it: they keep one number per choice.
    """

    form: Literal["hidden", "sampled", "live"] = Field(
        "hidden",
        description="hidden: exact, 2 x hidden size bytes per token in bfloat16; sampled: drawn tokens, unbiased over "
        "draws; live: nothing is cached, both run in every step",
    )
    entries: Positive = Field(64, description="tokens drawn per position by sampled; other forms ignore it")

    def determining(self) -> dict[str, Any]:
        """The keys that affect the result."""
        return self.model_dump(include={"form", "entries"} if self.form == "sampled" else {"form"})


def unmixable(strategy: StrategyConfig, teachers: TeachersConfig) -> str | None:
    """Why a strategy cannot be used with teachers that keep only part of a distribution; None where it can."""
    if strategy.mask in MIXED and teachers.form == "sampled":
        return (
            f"strategy.mask {strategy.mask} needs whole distributions, and teachers.form {teachers.form} keeps only "
            "part; use form hidden or live"
        )
    return None


class UpdateConfig(Strict):
    """One update of a base for one task: update.yaml."""

    old: Old = Field(
        description="base[@revision][+adapter]; hub id or folder; with an adapter, its fit is skipped. Where the model "
        "is gone: {train: FILE, test: FILE}, logs of its answers, or one file with both"
    )
    new: str = Field(description="base[@revision][+adapter], of the base that replaces it")
    task: TaskOrName
    lora: LoraConfig = LoraConfig()
    training: TrainingConfig = TrainingConfig()
    strategy: StrategyConfig = StrategyConfig()
    teachers: TeachersConfig = TeachersConfig()
    align: bool = Field(True, description="false: no compat adapter; old and new are only fitted and compared")
    controls: tuple[Control, ...] = Field(
        ("continue_ce",),
        description="candidates beside the compat adapter: continue_ce, the new adapter trained further; ensemble, old "
        "and new answering together",
    )
    slices: tuple[str, ...] = Field(
        (), description="columns of the test rows, such as subject; the report accounts for each of their values"
    )
    dtype: Literal["auto", "bfloat16", "float32"] = Field("auto", description="auto: bfloat16 if the processor has it")
    predict_batch_size: Positive = 16
    seed: Seed = Field(0, description="default of the three seeds below")
    split_seed: Seed = Field(0, description="which rows are for validation, and which a limit draws")
    fit_seed: Seed = Field(0, description="initial weights and data order of the task adapters")
    align_seed: Seed = Field(0, description="data order of the compat adapter and continue_ce")
    out: GivenPath = Field(Path("runs/update"), description="run folder")

    @model_validator(mode="before")
    @classmethod
    def _seeds(cls, values: Any) -> Any:
        """`seed` is the default for those that are not given; 0 is a seed like any other."""
        if isinstance(values, dict):
            for name in ("split_seed", "fit_seed", "align_seed"):
                if values.get(name) is None:
                    values = {**values, name: values.get("seed", 0)}
        return values

    @model_validator(mode="after")
    def _trainable(self) -> UpdateConfig:
        strategy = self.strategy
        problem = unmixable(strategy, self.teachers)
        if isinstance(self.old, OldAnswers) and self.align:
            problem = problem or self.old.unusable(strategy.mask)
            if self.task.unlabelled:
                problem = "task.unlabelled: a log has no answers to rows without answers; leave it out"
        if problem:
            raise ValueError(problem)
        only_answers = self.training.loss_on == "completion" and not strategy.is_choice
        if self.task.unlabelled and (strategy.mask not in NEED_NO_LABEL or strategy.ce_weight or only_answers):
            raise ValueError(
                f"task.unlabelled: rows without answers need strategy.mask {', '.join(NEED_NO_LABEL)}, ce_weight 0 "
                "and, unless choices are distilled, training.loss_on all; leave it out, or change these"
            )
        return self


def with_overrides(values: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """`values` with each "a.b=c" of `overrides` set; c is read as YAML. Raises ConfigError for any other form."""
    changed = dict(values)
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {override}: expected KEY=VALUE, for instance training.epochs=3")
        changed = with_key(changed, key, parse_yaml(text, f"--set {override}"))
    return changed


def with_key(values: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """`values` with the value at "a.b" replaced."""
    first, dot, rest = key.partition(".")
    if not dot:
        return {**values, first: value}
    inner = values.get(first, {})
    if isinstance(inner, str) and first == "task":
        inner = {"name": inner}
    return {**values, first: with_key(inner if isinstance(inner, dict) else {}, rest, value)}


def parse_update(values: Mapping[str, Any], source: str) -> UpdateConfig:
    """The update that `values` describe. Raises ConfigError naming `source`, the key and the rule."""
    return parse(UpdateConfig, values, source)


def load_update(path: str | Path, overrides: Iterable[str] = ()) -> UpdateConfig:
    """The update in a YAML file, with --set overrides. Raises ConfigError."""
    return parse_update(with_overrides(read_yaml(path), overrides), str(path))
