"""Trainers: TRL's SFTTrainer with a loss made inside the model's forward, and logs that are means over what they count.

Inside it, because a loss computed beside it would bypass the hooks of DDP and FSDP; of hidden states, because logits of
a whole batch are the largest tensor of a training step.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from accelerate.utils import gather_object
from torch import Tensor
from trl import SFTConfig, SFTTrainer

from stillright.errors import ModelError, RunError
from stillright.forward.heads import LMHead, lm_head
from stillright.forward.lean import slim_layers
from stillright.forward.passes import Collate, check_head, without_right_padding
from stillright.training.head_loss import LossSums
from stillright.training.order import AgreedSampler, lengths_of, longest_first, texts_read_once
from stillright.training.text import IGNORED


class Mean(NamedTuple):
    """A mean before it is divided, so that those of several batches add up."""

    total: Tensor | float  # scalar
    count: Any  # of tokens or samples; a scalar too, but tuple has a method of this name

    def __add__(self, other: tuple[Any, ...]) -> Mean:
        return Mean(self.total + other[0], self.count + other[1])

    def numbers(self) -> Mean:
        """The same without tensors."""
        return Mean(*(float(part.detach() if isinstance(part, Tensor) else part) for part in self))


def add_call(model: Any, compute: Callable[..., Any]) -> None:
    """Makes `model(..., computed=True)` return `compute(model, ...)`; any other call is unchanged."""
    plain_forward = model.forward

    @functools.wraps(type(model).forward)  # `generate` reads the signature
    def forward(self: Any, *args: Any, computed: bool = False, **kwargs: Any) -> Any:
        return compute(self, *args, **kwargs) if computed else plain_forward(*args, **kwargs)

    model.forward = types.MethodType(forward, model)


def refuse_data_parallel(args: SFTConfig) -> None:
    """Raises RunError where one process sees several GPUs: its replicas would all run the forward of the first."""
    if args.n_gpu > 1:
        raise RunError(
            f"one process sees {args.n_gpu} GPUs, and would train on copies of the model; set CUDA_VISIBLE_DEVICES=0"
        )


class ForwardLossTrainer(SFTTrainer):
    """Trains an adapter by the "loss" among its `means`.

    compute: what `model(..., computed=True)` returns, see `add_call`. The validation loss, and every other mean that is
    logged, is divided once by all that was counted, whatever the batches; one that counted nothing is left out.
    Several processes of `accelerate launch` take the step that one would take on all their batches together.
    Raises ModelError, see `check_head`, and RunError, see `refuse_data_parallel`.
    """

    def __init__(self, compute: Callable[..., Any], *, args: SFTConfig, **kwargs: Any) -> None:
        refuse_data_parallel(args)
        super().__init__(args=args, **kwargs)
        if not hasattr(self.model, "get_base_model"):
            raise ModelError("model: has no adapter to train; give a PeftModel, or peft_config beside the base")
        check_head(self.model)
        slim_layers(self.model)
        add_call(self.model.get_base_model(), compute)
        self._means: dict[bool, dict[str, Mean]] = {True: {}, False: {}}  # in training, in evaluation

    def means(self, model: Any, inputs: dict[str, Any]) -> dict[str, Mean]:
        """What a batch adds to each mean; "loss", which has a gradient, is one of them."""
        raise NotImplementedError

    def keep_first(self, inputs: dict[str, Any], texts: int) -> dict[str, Any]:
        """The batch with only its first `texts` texts, at least one."""
        raise NotImplementedError

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Trains, also after an evaluation, which marks the bare model as prepared: DDP would be left out silently."""
        if self.args.world_size > 1 and not (self.is_fsdp_enabled or self.is_deepspeed_enabled):
            self.model._is_accelerate_prepared = False
        return super().train(*args, **kwargs)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The loss summed over the batch, over the number of items in the whole optimizer step."""
        means = self.means(model, inputs) if self.model.training else self._means_once(model, inputs)
        known = self._means[self.model.training]
        for name, mean in means.items():
            known[name] = mean.numbers() + known.get(name, (0, 0))
        total, items = means["loss"]
        loss = total / max(items if num_items_in_batch is None else num_items_in_batch, 1)
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes  # DDP averages gradients, the count is of all processes
        return (loss, {}) if return_outputs else loss

    def prediction_step(self, model: Any, inputs: dict[str, Any], *_: Any, **kwargs: Any) -> Any:
        """The loss of a batch; `predict` would read logits too, which are never made."""
        return super().prediction_step(model, inputs, True, **kwargs)

    def _means_once(self, model: Any, inputs: dict[str, Any]) -> dict[str, Mean]:
        """The means of an evaluation's batch without texts that only fill it up; if none is left, all count nothing."""
        process = self.accelerator.process_index
        texts = texts_read_once(self.accelerator.gradient_state, self.args.eval_batch_size, process)
        means = self.means(model, self.keep_first(inputs, max(texts, 1)))  # all processes run all batches
        return means if texts else {name: Mean(mean.total * 0, mean.count * 0) for name, mean in means.items()}

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        if self.args.world_size == 1 or self.args.train_sampling_strategy != "group_by_length":
            return super()._get_train_sampler(train_dataset)
        lengths = lengths_of(self.train_dataset if train_dataset is None else train_dataset)
        return AgreedSampler(
            self.args.train_batch_size * self.args.gradient_accumulation_steps, lengths, self.args.seed
        )

    def _get_eval_sampler(self, eval_dataset: Any) -> Any:
        if self.args.world_size == 1 or self.args.train_sampling_strategy != "group_by_length":
            return super()._get_eval_sampler(eval_dataset)
        return longest_first(lengths_of(eval_dataset))

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Logs, in training with the means since the last log."""
        super().log({**logs, **self._divided(True)} if self.model.training else logs, start_time)

    def evaluation_loop(self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> Any:
        """Evaluates; the loss by which the best checkpoint is chosen is the mean over all items too."""
        self._means[False].clear()
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        output.metrics.update({f"{metric_key_prefix}_{name}": value for name, value in self._divided(False).items()})
        return output

    def _divided(self, training: bool) -> dict[str, float]:
        """The means of all processes, which begin anew."""
        total: dict[str, Mean] = {}
        for known in gather_object([self._means[training]]):
            for name, mean in known.items():
                total[name] = mean + total.get(name, (0, 0))
        self._means[training] = {}
        return {name: float(mean.total / mean.count) for name, mean in total.items() if mean.count}


class HiddenLoss(Protocol):
    """A loss of the hidden states before the LM head."""

    def batch_sums(self, head: LMHead, student: Tensor, labels: Tensor, sequence: Tensor, **teacher: Any) -> LossSums:
        """Sums over N positions: student (N, H), labels (N,), sequence (N,) number of the text within the batch."""


Ask = Callable[[Any, dict[str, Any], Tensor], dict[str, Any]]  # (model, its inputs, labels shifted) -> teacher_...


def text_numbers(position_ids: Tensor | None, labels: Tensor) -> Tensor:
    """(B, L - 1) the number within the batch of the text that each label (B, L - 1) belongs to.

    position_ids: (B, L), which begin anew with every text of a row; None: a row is a text.
    """
    begins = torch.zeros(len(labels), labels.shape[1] + 1, dtype=torch.bool, device=labels.device)
    begins[:, 0] = True
    if position_ids is not None:
        begins[:, 1:] = position_ids[:, 1:] != position_ids[:, :-1] + 1
    return (begins.flatten().cumsum(0) - 1).view_as(begins)[:, 1:]


def token_sums(loss: HiddenLoss, ask: Ask | None, model: Any, *, labels: Tensor, **inputs: Any) -> LossSums:
    """Sums over the scored positions of a batch; inputs whose name begins with "teacher_" go to the loss.

    ask: gives them for a batch that has none.
    """
    labels = labels[:, 1:]
    scored = labels != IGNORED
    teacher = {name: inputs.pop(name) for name in list(inputs) if name.startswith("teacher_")}
    inputs["attention_mask"] = without_right_padding(inputs.get("attention_mask"))
    if ask is not None:
        teacher = ask(model, inputs, labels)
    states = model.base_model(**inputs).last_hidden_state[:, :-1]
    sequence = text_numbers(inputs.get("position_ids"), labels)[scored]
    return loss.batch_sums(lm_head(model), states[scored], labels[scored], sequence, **teacher)


def cut(values: Any, count: int) -> Any:
    """The first rows of a tensor, or of each tensor in a mapping."""
    return {name: value[:count] for name, value in values.items()} if isinstance(values, dict) else values[:count]


SIZES = "tokens_of_rows"


class SizesCollator:
    """A collator that lays rows end to end, and under SIZES how many tokens each has: (n,)."""

    def __init__(self, collate: Collate) -> None:
        self.collate = collate

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        sizes = torch.tensor([len(example["input_ids"]) for example in examples])
        return {**self.collate(examples), SIZES: sizes}


class AdapterTrainer(ForwardLossTrainer):
    """Trains an adapter on tokenized rows (input_ids, labels) by any HiddenLoss; its means are over tokens.

    Columns of a batch whose name begins with "teacher_" go to the loss; ask: see `token_sums`. loss: None where it is
    set as an attribute before the first batch.
    """

    compute = staticmethod(token_sums)  # what `model(..., computed=True)` returns, for loss, ask and a batch

    def __init__(self, loss: HiddenLoss | None, ask: Ask | None = None, **kwargs: Any) -> None:
        self.loss = loss
        self.ask = ask
        super().__init__(self._computed, **kwargs)
        self.data_collator: Collate
        self.collate = self.data_collator
        if self.padding_free:
            self.data_collator = SizesCollator(self.collate)

    def _computed(self, model: Any, **inputs: Any) -> Any:
        assert self.loss is not None
        return self.compute(self.loss, self.ask, model, **inputs)

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = ["input_ids", "labels", "seq_lengths", "text"]

    def means(self, model: Any, inputs: dict[str, Any]) -> dict[str, Mean]:
        """See ForwardLossTrainer."""
        inputs.pop(SIZES, None)
        sums: LossSums = model(**inputs, use_cache=False, computed=True)
        return self.means_of(sums, (inputs["labels"][:, 1:] != IGNORED).sum())

    def keep_first(self, inputs: dict[str, Any], texts: int) -> dict[str, Any]:
        """See ForwardLossTrainer; others stay in the batch, and are not scored.

        Teachers' columns have one row per scored position, text after text.
        """
        labels = inputs["labels"].clone()
        if SIZES in inputs:
            labels[:, int(inputs[SIZES][:texts].sum()) :] = IGNORED
        else:
            labels[texts:] = IGNORED
        positions = int((labels[:, 1:] != IGNORED).sum())
        teacher = {name: cut(values, positions) for name, values in inputs.items() if name.startswith("teacher_")}
        return {**inputs, "labels": labels, **teacher}

    def means_of(self, sums: LossSums, tokens: Tensor) -> dict[str, Mean]:
        """The loss, and what is logged beside it."""
        return {"loss": Mean(sums.loss, tokens), "cross_entropy": Mean(sums.cross_entropy, tokens)}
