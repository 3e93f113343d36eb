"""Private parts of transformers, and what is assumed of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.integration_utils import (
    INTEGRATION_TO_CALLBACK,
    SwanLabCallback,
    TensorBoardCallback,
    WandbCallback,
)
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from stillright.errors import one_line

# attention and layers

sdpa_attention = sdpa_attention_forward  # (layer, query, key, value, mask or None for a causal one) -> (output, None)


def attends_by_sdpa(model: Any) -> bool:
    """Whether `model` (without adapter wrapper) attends by torch's scaled dot product."""
    return bool(model.config._attn_implementation == "sdpa")


def attend_by(model: Any, name: str, attention: Callable[..., Any]) -> None:
    """Lets `model` attend by `attention`, which is registered as `name` and gets the masks that "sdpa" gets."""
    AttentionInterface.register(name, attention)
    AttentionMaskInterface.register(name, sdpa_mask)
    model.set_attn_implementation(name)


def is_rms_norm(layer: Any) -> bool:
    """Whether the layer looks like weight * x / rms(x), with the fields of Llama's norm."""
    return hasattr(layer, "weight") and hasattr(layer, "variance_epsilon")


def is_gated_mlp(layer: Any) -> bool:
    """Whether the layer looks like down(act(gate(x)) * up(x)), with the fields of Llama's feed-forward."""
    return all(hasattr(layer, name) for name in ("gate_proj", "up_proj", "down_proj", "act_fn"))


# the trainer

TRAINER_STATE = "trainer_state.json"  # written last in a checkpoint, by the main process


def _not_about_times(record: logging.LogRecord) -> bool:
    """Checkpoints of one second are told apart by their steps, of which there is no need to warn."""
    return "mtime may not be reliable" not in record.getMessage()


logging.getLogger("transformers.trainer_utils").addFilter(_not_about_times)


def count_items_of_step(trainer: Any) -> None:
    """Lets `compute_loss` get the number of labels of a whole optimizer step, the first of each row left out.

    The trainer would ask the model's class whether its own loss knows that number, and where it does not, take the mean
    over batches, which weighs a token of a short batch more.
    """
    trainer.model_accepts_loss_kwargs = True
    trainer._loss_shifts_labels = True


class OpenTrainer:
    """Mixed into a trainer: some of its private steps are methods with a meaning, for another class to replace."""

    columns: Sequence[str]  # of its data sets, that collators get, whatever the model takes
    train_dataset: Any

    def train_order(self, dataset: Any) -> Any:
        """A sampler of the rows to train on; None: the trainer's own."""

    def eval_order(self, dataset: Any) -> Any:
        """The same for an evaluation."""

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = list(self.columns)

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        order = self.train_order(self.train_dataset if train_dataset is None else train_dataset)
        return super()._get_train_sampler(train_dataset) if order is None else order  # type: ignore[misc]

    def _get_eval_sampler(self, eval_dataset: Any) -> Any:
        order = self.eval_order(eval_dataset)
        return super()._get_eval_sampler(eval_dataset) if order is None else order  # type: ignore[misc]


def leave_choice_to_callbacks(args: Any) -> None:
    """Lets no metric decide which checkpoint is best, once `load_best_model_at_end` is set, which asks for one."""
    args.metric_for_best_model = None


def choose_best(state: Any, step: int, first: Path) -> None:
    """Tells the trainer that the best step so far is `step`, whose checkpoint it saves next or has saved.

    first: the checkpoint of step 0, which the trainer does not know.
    """
    state.best_global_step = step
    if step == 0:
        state.best_model_checkpoint = str(first)


def reporter_problem(name: str) -> str | None:
    """Why the Trainer cannot report to the logger of this name, such as a missing package; None where it can."""
    try:
        INTEGRATION_TO_CALLBACK[name]()  # which looks for all that it needs, and begins nothing
    except (ImportError, RuntimeError, ValueError) as error:
        return one_line(error)
    return None


def write_curves_to(trainer: Any, folder: Path) -> None:
    """Where the files of TensorBoard go, unless TENSORBOARD_LOGGING_DIR names a folder: then below that."""
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, TensorBoardCallback):
            asked = callback.logging_dir
            callback.logging_dir = str(folder if asked is None else Path(asked, folder.name))


def end_runs(trainer: Any) -> None:
    """Ends the runs of loggers that leave them open, and would count the next training of this process as the same."""
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, WandbCallback) and callback._wandb.run is not None:
            callback._wandb.finish()
        if isinstance(callback, SwanLabCallback) and callback._swanlab.get_run() is not None:
            callback._swanlab.finish()


def checkpoint_parts(processes: int) -> list[str]:
    """Files that show that each of `processes` has written its part of a checkpoint."""
    return [TRAINER_STATE, *(f"rng_state_{i}.pth" for i in range(processes) if processes > 1)]


def tie_no_more(model: Any) -> None:
    """Keeps transformers from tying the weights of `model` once more, where layers of an adapter stand in their place.

    What is tied stays so: it is one tensor. transformers finds what to tie by name, as its configuration says.
    """
    model.config.get_text_config().tie_word_embeddings = False
    model.all_tied_weights_keys = {}
