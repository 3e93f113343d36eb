"""CompatTrainer: the masked distillation from two teachers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from rich.console import Console
from torch import Tensor
from transformers import PreTrainedModel

from stillright import ranks
from stillright.errors import ConfigError, ModelError
from stillright.folder.workspace import Workspace
from stillright.forward.heads import lm_head
from stillright.forward.passes import check_packing
from stillright.models import ModelRef, load_model, load_tokenizer
from stillright.models.memory import shares_weights
from stillright.tokenizers import refuse_other_words, refuse_unknown_tokens
from stillright.training.compat_config import CompatConfig
from stillright.training.compat_loss import CompatLoss
from stillright.training.head_loss import LossSums
from stillright.training.means import Mean
from stillright.training.memory import frees_memory
from stillright.training.prepared_rows import Row, numbered, refuse_empty, refuse_unscored, rows_digest, tokens_of
from stillright.training.strategies import STRATEGIES
from stillright.training.teachers.cache_writing import CacheSpec, cache_stage
from stillright.training.teachers.cached_teachers import CachedTeachers, TeacherCollator
from stillright.training.teachers.forms import form_of
from stillright.training.teachers.live_teachers import LiveTeachers
from stillright.training.teachers.teacher_model import InMemoryTeacher, NamedTeacher, is_placed, on_device
from stillright.training.token_trainer import AdapterTrainer
from stillright.upstream.trl import is_end_to_end, tokenizer_of

FOREIGN = ("compute_loss_func", "compute_metrics", "preprocess_logits_for_metrics")  # need logits, or another loss

DATA = ("train_dataset", "eval_dataset")


class CompatTrainer(AdapterTrainer):
    """Trains an adapter of the new base towards the old and the new task model. An SFTTrainer but for its loss.

    model: the new task model, a PeftModel whose adapter is trainable, or its name "base+adapter"; or a base, in memory
    or by name, with `peft_config`. As it is before the first step, it is the new teacher too.
    old_model: the old task model, base or PeftModel, or its name "base[+adapter]". It reads the prepared rows once, and
    is then freed, unless `args.teachers` is "live".
    Other arguments are SFTTrainer's: train_dataset, eval_dataset, processing_class, peft_config, callbacks ...
    Raises ConfigError, DataError and ModelError for what cannot be trained.
    """

    loss: CompatLoss
    train_dataset: Any
    eval_dataset: Any
    _name = "MUSCLE"  # in the model card

    def __init__(
        self,
        model: str | PreTrainedModel | PeftModel,
        old_model: str | PreTrainedModel | PeftModel,
        args: CompatConfig | None = None,
        **kwargs: Any,
    ) -> None:
        args = CompatConfig() if args is None else args
        _refuse_foreign(args, kwargs)
        refuse_empty({name: kwargs.get(name) for name in DATA})
        student, args = _student(model, args)
        super().__init__(model=student, args=args, **kwargs)
        refuse_untrainable(self.model, args.teachers)
        teachers = self._teachers(old_model)
        self.loss = CompatLoss(teachers.reader(args.device), STRATEGIES[args.mask], args.temperature, args.ce_weight)
        if isinstance(teachers, LiveTeachers):
            self.ask = teachers.outputs
        else:
            teachers.refuse_unlike(args.temperature)
            self.data_collator = TeacherCollator(self.data_collator, teachers)

    def _teachers(self, old_model: Any) -> CachedTeachers | LiveTeachers:
        if isinstance(old_model, str):
            old: InMemoryTeacher | NamedTeacher = NamedTeacher(ModelRef.parse(old_model), self.model.dtype)
        else:
            refuse_shared_weights(old_model, self.model)
            old = InMemoryTeacher(old_model)
        self._refuse_misfits(old)
        return self._live_teachers(old) if self.args.teachers == "live" else self._cached_teachers(old)

    def _refuse_misfits(self, old: InMemoryTeacher | NamedTeacher) -> None:
        """Raises DataError where nothing is scored, and ModelError where old and new read other tokens."""
        parts = {name: getattr(self, name) for name in DATA}
        refuse_unscored(parts, self.collate)
        known = InMemoryTeacher(self.model).vocabulary
        tokens = tokens_of(parts, tokenizer_of(self), known)
        refuse_unknown_tokens(tokens, min(old.vocabulary, known))
        if isinstance(old, NamedTeacher):
            refuse_other_words(tokens, load_tokenizer(old.ref.base), tokenizer_of(self))

    def _live_teachers(self, old: InMemoryTeacher | NamedTeacher) -> LiveTeachers:
        loaded = old.load()
        if not is_placed(loaded):
            loaded.to(self.args.device)
        if is_end_to_end(self):
            for model in (loaded, self.model):
                check_packing(model, self.collate)
        return LiveTeachers(loaded, self.model)

    def _cached_teachers(self, old: InMemoryTeacher | NamedTeacher) -> CachedTeachers:
        """Both, who read the rows of all data sets now, unless they have."""
        (self.train_dataset, self.eval_dataset), rows = numbered([self.train_dataset, self.eval_dataset], self.collate)
        models = {"old": old, "new": InMemoryTeacher(self.model)}
        spec = self._spec(rows, min(model.vocabulary for model in models.values()))
        console = Console(stderr=True, quiet=self.args.disable_tqdm or not ranks.is_main())
        caches = Workspace(self.args.teachers_folder, console, "teachers_dir")
        with caches.locked() as workspace, self.accelerator.autocast():
            return CachedTeachers.open(*(self._cache(workspace, role, model, spec) for role, model in models.items()))

    @frees_memory
    def _cache(self, workspace: Workspace, role: str, model: InMemoryTeacher | NamedTeacher, spec: CacheSpec) -> Path:
        """The folder of what a teacher outputs; one that was loaded for it is gone from memory afterwards."""
        with on_device(model.load, self.args.device) as load:
            return cache_stage(workspace, role, lambda: model.key, load, spec)

    def _spec(self, rows: list[Row], vocabulary: int) -> CacheSpec:
        key = {
            "rows": ranks.on_main(lambda: rows_digest(rows)),
            "end_to_end": is_end_to_end(self),
            "dtype": str(self.model.dtype),
            "autocast": self.accelerator.mixed_precision,
        }
        form = form_of(self.args.kept, self.args.temperature)
        return CacheSpec(rows, key, form, vocabulary, self.collate)

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
        raise ConfigError(f"args: {type(args).__name__} has no settings of the distillation; give a CompatConfig")
    for name in FOREIGN:
        if kwargs.get(name) is not None:
            raise ConfigError(f"{name}: the loss is fixed, and logits of a whole batch are never made; leave it out")


def _student(model: Any, args: CompatConfig) -> tuple[Any, CompatConfig]:
    """`model`, loaded where it is named with its adapter, and `args` for TRL, which loads a base that is named.

    Either is loaded as `args.model_init_kwargs` say, and otherwise from safetensors only, in float32.
    """
    if not isinstance(model, str):
        return model, args
    args, options = copy.copy(args), {"use_safetensors": True, **(args.model_init_kwargs or {})}
    if (ref := ModelRef.parse(model)).adapter is None:
        args.model_init_kwargs = options
        return model, args
    args.model_init_kwargs = None
    if ranks.world() > 1:
        options.pop("device_map", None)  # every process holds the whole model
    return load_model(ref, options.pop("dtype", torch.float32), trainable=True, **options), args


def refuse_untrainable(model: Any, form: str) -> None:
    """Raises ModelError for a `model` without an adapter that can be trained here, from teachers of `form`."""
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    if not trained:
        raise ModelError("model: its adapter is frozen; load it with PeftModel.from_pretrained(..., is_trainable=True)")
    if model.active_peft_config.is_prompt_learning:
        raise ModelError(f"model: {model.active_peft_config.peft_type} puts no weights into layers; use LoRA")
    if form in ("hidden", "live") and lm_head(model.get_base_model()).weight.requires_grad:
        raise ModelError(
            f"model: its LM head is trained, and teachers={form!r} reads the new teacher through it; freeze it, or "
            "use teachers='sampled'"
        )


def refuse_shared_weights(old: Any, model: Any) -> None:
    """Raises ModelError where `old` holds weights of `model`: adapters go into their layers."""
    if shares_weights(old, model):
        raise ModelError(
            "old_model: shares weights with model, whose adapter changes them; load it anew, or give its name"
        )
