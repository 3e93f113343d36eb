"""CompatTrainer: the masked distillation from two teachers."""

from __future__ import annotations

from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from stillright import ranks
from stillright.config import StrategyConfig, TeachersConfig
from stillright.errors import ConfigError
from stillright.forward.passes import check_packing
from stillright.models import ModelRef, load_model, load_tokenizer
from stillright.progress import Progress
from stillright.training.answers import AnswersCollator, Validation, sums_or_scores
from stillright.training.checkpoints import RULES
from stillright.training.choice.trainer import Samples, batch_scores, first_samples, flips
from stillright.training.compat_config import CompatConfig
from stillright.training.head_loss import LossSums
from stillright.training.loop import Job, TrainingResult, as_dataset, frees_memory, train_adapter, training_arguments
from stillright.training.losses import CompatLoss
from stillright.training.prepared import Row, numbered, refuse_other_words, refuse_unknown_ids
from stillright.training.strategies import STRATEGIES
from stillright.training.students import Held, Named, is_placed, on_device, refuse_shared_weights, refuse_untrainable
from stillright.training.teachers.cached import CachedTeachers, Taught, TeacherCollator
from stillright.training.teachers.forms import form_of
from stillright.training.teachers.live import LiveTeachers
from stillright.training.teachers.teach import Lesson, teach
from stillright.training.text import Text, Texts
from stillright.training.trainer import AdapterTrainer, Mean
from stillright.workspace import Workspace, fingerprint

FOREIGN = ("compute_loss_func", "compute_metrics", "preprocess_logits_for_metrics")  # need logits, or another loss


class CompatTrainer(AdapterTrainer):
    """Trains an adapter of the new base towards the old and the new task model. A SFTTrainer but for its loss.

    model: the new task model, a PeftModel whose adapter is trainable, or its name "base+adapter"; or a base, in memory
    or by name, with `peft_config`. It is the new teacher too, as it is before the first step.
    old_model: the old task model, base or PeftModel, or its name "base[+adapter]". It reads the prepared rows once, and
    is not kept, unless `args.teachers` is "live". Or teachers that are there already; then data sets hold rows
    (input_ids, labels, text), of which `text` is the number among those that the teachers have read.
    validation: the choices of the validation samples, which are scored in every evaluation; None: they are not.
    Others are SFTTrainer's: train_dataset, eval_dataset, processing_class, peft_config, callbacks, optimizers ...
    Raises ConfigError, DataError and ModelError for what cannot be trained.
    """

    compute = staticmethod(sums_or_scores)
    train_dataset: Any
    eval_dataset: Any
    _name = "MUSCLE"  # in the model card

    def __init__(
        self,
        model: Any,
        old_model: Any,
        args: CompatConfig | None = None,
        *,
        validation: Samples | None = None,
        **kwargs: Any,
    ) -> None:
        args = CompatConfig() if args is None else args
        _refuse_foreign(args, kwargs)
        super().__init__(None, model=_student(model, args), args=args, **kwargs)
        refuse_untrainable(self.model, args.teachers)
        teachers = old_model if isinstance(old_model, CachedTeachers | LiveTeachers) else self._teachers(old_model)
        readers = teachers.readers.to(args.device)
        self.loss = CompatLoss(readers, STRATEGIES[args.mask], args.temperature, args.ce_weight)
        if isinstance(teachers, LiveTeachers):
            self.ask = teachers.say
        else:
            teachers.refuse_unlike(args.temperature)
            self.data_collator = TeacherCollator(self.data_collator, teachers)
        if validation is not None:
            self.data_collator = AnswersCollator(self.data_collator, validation, first=len(self.train_dataset))

    def _teachers(self, old_model: Any) -> CachedTeachers | LiveTeachers:
        refuse_shared_weights(old_model, self.model)
        old = Named(ModelRef.parse(old_model), self.model.dtype) if isinstance(old_model, str) else Held(old_model)
        return self._live_teachers(old) if self.args.teachers == "live" else self._kept_teachers(old)

    def _live_teachers(self, old: Held | Named) -> LiveTeachers:
        loaded = old.load()
        if not is_placed(loaded):
            loaded.to(self.args.device)
        if self.padding_free:
            for model in (loaded, self.model):
                check_packing(model, self.collate)
        return LiveTeachers(loaded, self.model)

    def _kept_teachers(self, old: Held | Named) -> CachedTeachers:
        """Both, who read the rows of all data sets now, unless they have."""
        rows, models = self._number_rows(), {"old": old, "new": Held(self.model)}
        vocabulary = min(model.vocabulary for model in models.values())
        refuse_unknown_ids(rows, vocabulary)
        if isinstance(old, Named):
            refuse_other_words(rows, load_tokenizer(old.ref.base), self._tokenizer)
        lesson, console = self._lesson(rows, vocabulary), self._console()
        with Workspace(self.args.teachers_folder, console).locked() as workspace, self.accelerator.autocast():
            kept = []
            for role, model in models.items():
                with on_device(model.load, self.args.device) as load:
                    kept.append(teach(workspace, role, role, model.key, load, lesson, Progress(console)))
            return Taught(*kept).open()

    def _console(self) -> Console:
        return Console(stderr=True, quiet=self.args.disable_tqdm or not ranks.is_main())

    def _number_rows(self) -> list[Row]:
        parts, rows = numbered([self.train_dataset, self.eval_dataset], self.collate)
        self.train_dataset, self.eval_dataset = parts
        return rows

    def _lesson(self, rows: list[Row], vocabulary: int) -> Lesson:
        read = fingerprint({"rows": [(row.ids, row.labels, row.example.get("seq_lengths")) for row in rows]})
        key = {
            "rows": read,
            "end_to_end": self.padding_free,
            "dtype": str(self.model.dtype),
            "autocast": self.accelerator.mixed_precision,
        }
        form = form_of(self.args.kept, self.args.temperature, vocabulary)
        return Lesson(rows, key, form, vocabulary, self.collate)

    def means(self, model: Any, inputs: dict[str, Any]) -> dict[str, Mean]:
        """See MeansTrainer; where the choices are scored, also the share of samples right, and lost against old."""
        answers = inputs.pop("answers", None)
        means = super().means(model, inputs)
        return means if answers is None else {**means, **flips(batch_scores(model, answers), answers)}

    def first(self, inputs: dict[str, Any], texts: int) -> dict[str, Any]:
        """See MeansTrainer."""
        answers = inputs.pop("answers", None)
        found = super().first(inputs, texts)
        return found if answers is None else {**found, "answers": first_samples(answers, texts)}

    def means_of(self, sums: LossSums, tokens: Tensor) -> dict[str, Mean]:
        """Beside loss and cross-entropy: the share of tokens that follow old, and the divergence to each teacher over
        the tokens that follow it; of a mixture the divergence to the mean of both."""
        means = super().means_of(sums, tokens)
        if STRATEGIES[self.args.mask].mixed:
            return {**means, "kl": Mean(sums.kl_old, tokens)}
        return {
            **means,
            "follow_old": Mean(sums.follow_old, tokens),
            "kl_old": Mean(sums.kl_old, sums.follow_old),
            "kl_new": Mean(sums.kl_new, tokens - sums.follow_old),
        }


def _refuse_foreign(args: Any, kwargs: dict[str, Any]) -> None:
    """Raises ConfigError for arguments of SFTTrainer that would be ignored."""
    if not isinstance(args, CompatConfig):
        raise ConfigError(f"args: {type(args).__name__} does not say how to distil; give a CompatConfig")
    for name in FOREIGN:
        if kwargs.get(name) is not None:
            raise ConfigError(f"{name}: the loss is fixed, and logits of a whole batch are never made; leave it out")


def _student(model: Any, args: CompatConfig) -> Any:
    """`model`, loaded where it is named with its adapter; TRL loads a base that is named, from safetensors only."""
    if not isinstance(model, str):
        return model
    if (ref := ModelRef.parse(model)).adapter is None:
        args.model_init_kwargs = {"use_safetensors": True, **(args.model_init_kwargs or {})}
        return model
    return load_model(ref, (args.model_init_kwargs or {}).get("dtype", torch.float32), trainable=True)


@frees_memory
def align_adapter(
    new: ModelRef,
    taught: Taught | ModelRef,
    texts: Texts[Text],
    strategy: StrategyConfig,
    teachers: TeachersConfig,
    job: Job,
    validation: Validation | None = None,
) -> TrainingResult:
    """Trains the compat adapter, from the new task adapter on.

    taught: what the teachers said, so that only the new base is in memory; or the old model, to stay there too.
    validation: needed where `strategy` chooses the checkpoint by flips.
    """
    tokenizer = load_tokenizer(new.base)
    old_right = None if validation is None else validation.old_right(job)
    student = load_model(new, job.dtype, trainable=True)
    samples = None
    if validation is not None and old_right is not None:
        samples = validation.samples(old_right, student, tokenizer.pad_token_id, job)
    trainer = CompatTrainer(
        student,
        taught.open() if isinstance(taught, Taught) else load_model(taught, job.dtype),
        CompatConfig(
            **training_arguments(job, len(texts.train)),
            **strategy.model_dump(exclude={"choose"}),
            teachers=teachers.form,
            entries=teachers.entries,
        ),
        validation=samples,
        train_dataset=as_dataset(texts.train),
        eval_dataset=as_dataset(texts.validation, first=len(texts.train)),
        processing_class=tokenizer,
    )
    return train_adapter(trainer, job, RULES[strategy.choose])
