"""ForwardLossTrainer: TRL's SFTTrainer with a loss made inside the model's forward, over the items of a whole step.

Inside it, because a loss computed beside it would bypass the hooks of DDP and FSDP; of hidden states, because logits of
a whole batch are the largest tensor of a training step.
"""

from __future__ import annotations

import functools
import math
import types
from collections.abc import Callable
from typing import Any

import torch
from trl import SFTConfig, SFTTrainer

from stillright.errors import ModelError, RunError
from stillright.forward.lean import slim_layers
from stillright.forward.passes import check_head
from stillright.training.means import Mean, Means
from stillright.training.order import AgreedSampler, lengths_of, longest_first
from stillright.training.result import sets_in_order
from stillright.upstream.accelerate import forget_preparation, texts_read_once
from stillright.upstream.transformers import OpenTrainer, count_items_of_step


def add_call(model: Any, compute: Callable[..., Any]) -> None:
    """Makes `model(..., computed=True)` return `compute(model, ...)`; any other call is unchanged."""
    plain_forward = model.forward

    @functools.wraps(type(model).forward)  # `generate` reads the signature
    def forward(self: Any, *args: Any, computed: bool = False, **kwargs: Any) -> Any:
        return compute(self, *args, **kwargs) if computed else plain_forward(*args, **kwargs)

    model.forward = types.MethodType(forward, model)


class ForwardLossTrainer(OpenTrainer, SFTTrainer):
    """Trains an adapter by the "loss" among its `means`.

    The validation loss, and every other mean that is logged, is divided once by all that was counted, whatever the
    batches; one that counted nothing is left out.
    Several processes of `accelerate launch` take the step that one would take on all their batches together.
    Raises ModelError, see `check_head`, and RunError where one process sees several GPUs, or a loss is no number.
    """

    def __init__(self, *, args: SFTConfig, **kwargs: Any) -> None:
        if args.n_gpu > 1:  # replicas of the model would all run the forward of the first
            raise RunError(
                f"one process sees {args.n_gpu} GPUs, and would train on copies of the model; "
                "set CUDA_VISIBLE_DEVICES=0"
            )
        super().__init__(args=args, **kwargs)
        if not hasattr(self.model, "get_base_model"):
            raise ModelError("model: has no adapter to train; give a PeftModel, or peft_config beside the base")
        check_head(self.model)
        slim_layers(self.model)
        count_items_of_step(self)
        add_call(self.model.get_base_model(), self.computed)
        self._trained, self._validated = Means(), Means()

    def computed(self, model: Any, **inputs: Any) -> Any:
        """What `model(..., computed=True)` returns, see `add_call`; model: without adapter wrapper."""
        raise NotImplementedError

    def means(self, model: Any, inputs: dict[str, Any]) -> dict[str, Mean]:
        """What a batch adds to each mean; "loss", which has a gradient, is one of them."""
        raise NotImplementedError

    def keep_first(self, inputs: dict[str, Any], texts: int) -> dict[str, Any]:
        """The batch with only its first `texts` texts, at least one."""
        raise NotImplementedError

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Trains, also after an evaluation, which marks the bare model as prepared: DDP would be left out silently."""
        if self.args.world_size > 1 and not (self.is_fsdp_enabled or self.is_deepspeed_enabled):
            forget_preparation(self.model)
        return super().train(*args, **kwargs)

    def save_model(self, *args: Any, **kwargs: Any) -> None:
        with sets_in_order(self.model.active_peft_config):
            super().save_model(*args, **kwargs)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The loss summed over the batch, over the number of items in the whole optimizer step; None: in the batch."""
        training = self.model.training
        means = self.means(model, inputs) if training else self._means_once(model, inputs)
        (self._trained if training else self._validated).add(means)
        items = means["loss"].count if num_items_in_batch is None else num_items_in_batch
        loss = means["loss"].total / torch.as_tensor(items).clamp_min(1)
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes  # DDP averages gradients, the count is of all processes
        return (loss, {}) if return_outputs else loss

    def prediction_step(self, model: Any, inputs: dict[str, Any], *_: Any, **kwargs: Any) -> Any:
        """The loss of a batch; `predict` would read logits too, which are never made."""
        return super().prediction_step(model, inputs, True, **kwargs)

    def _means_once(self, model: Any, inputs: dict[str, Any]) -> dict[str, Mean]:
        """The means of an evaluation's batch without texts that only fill it up; if none is left, all count nothing."""
        batch, process = self.args.eval_batch_size, self.accelerator.process_index
        texts = texts_read_once(self.accelerator.gradient_state, batch, process)
        kept = inputs if texts == batch else self.keep_first(inputs, max(texts, 1))
        means = self.means(model, kept)  # all processes run all batches
        return means if texts else {name: Mean(mean.total * 0, mean.count * 0) for name, mean in means.items()}

    def train_order(self, dataset: Any) -> Any:
        if self._takes_turns_itself():
            return None
        batch = self.args.train_batch_size * self.args.gradient_accumulation_steps
        return AgreedSampler(batch, lengths_of(dataset), self.args.seed)

    def eval_order(self, dataset: Any) -> Any:
        return None if self._takes_turns_itself() else longest_first(lengths_of(dataset))

    def _takes_turns_itself(self) -> bool:
        return bool(self.args.world_size == 1 or self.args.train_sampling_strategy != "group_by_length")

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Logs, in training with the means since the last log."""
        if self.model.training:
            logs = {**logs, **self._divided(self._trained, "training")}
        super().log(logs, start_time)

    def evaluation_loop(self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> Any:
        """Evaluates; the loss by which the best checkpoint is chosen is the mean over all items too."""
        self._validated = Means()
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        means = self._divided(self._validated, "validation")
        output.metrics.update({f"{metric_key_prefix}_{name}": value for name, value in means.items()})
        return output

    def _divided(self, means: Means, kind: str) -> dict[str, float]:
        """The means of all processes. Raises RunError, in all of them, where the loss is no number."""
        divided = means.divided()
        if not math.isfinite(loss := divided.get("loss", 0.0)):
            raise RunError(_no_number(f"the {kind} loss is {loss}", self.state.global_step, self.args.learning_rate))
        return divided


def _no_number(loss: str, step: int, learning_rate: float) -> str:
    """What went wrong by a step, and what to try."""
    where = f"optimizer step {step}: {loss}" if step else f"before the first optimizer step {loss}"
    rate = f"the learning rate ({learning_rate:g}) is probably too high; if not, " if step else ""
    return f"{where}; {rate}take float32 for the dtype, and look at the weights of the model and at the data"
