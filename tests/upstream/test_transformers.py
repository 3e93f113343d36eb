"""What is assumed of transformers' Trainer beyond its documented interface; a failure here names what has changed."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import datasets
import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    Trainer,
    TrainerCallback,
    TrainerState,
    TrainingArguments,
    trainer_utils,
)
from transformers.integrations import integration_utils

from bases import tied
from stillright.config.reporters import Reporter
from stillright.upstream.transformers import (
    TRAINER_STATE,
    OpenTrainer,
    checkpoint_parts,
    choose_best,
    count_items_of_step,
    end_runs,
    leave_choice_to_callbacks,
    reporter_problem,
    tie_no_more,
    write_curves_to,
)

LABELS = [[5, 1, -100], [6, 1, 1], [7, -100, -100], [8, -100, -100]]  # 3 to predict, since the first of a row is not


class Line(nn.Module):
    """One weight, and a class that says that its loss knows nothing of the items of a step."""

    accepts_loss_kwargs = False

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, input_ids: Tensor, labels: Tensor) -> Any:
        return {"loss": self.weight * input_ids.sum()}


class Recorded(OpenTrainer, Trainer):
    """Keeps what it was asked."""

    columns = ("input_ids", "labels", "text")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.items: list[Any] = []
        self.orders: list[Any] = []
        self.sampler: Any = None
        super().__init__(*args, **kwargs)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        self.items.append(num_items_in_batch)
        loss = model.weight * 1.0
        return (loss, {}) if return_outputs else loss

    def train_order(self, dataset: Any) -> Any:
        self.orders.append(dataset)
        return self.sampler

    def eval_order(self, dataset: Any) -> Any:
        self.orders.append(dataset)
        return self.sampler


class Collator:
    """Keeps which rows it was given."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Tensor]:
        self.seen.extend(examples)
        return {name: torch.tensor([example[name] for example in examples]) for name in ("input_ids", "labels")}


def rows() -> datasets.Dataset:
    ids = [[i] * 3 for i in range(4)]
    return datasets.Dataset.from_dict({"input_ids": ids, "labels": LABELS, "text": [0, 1, 2, 3], "more": ["x"] * 4})


def trainer(folder: Path, collate: Any = None, **settings: Any) -> Recorded:
    args = TrainingArguments(
        **{
            "output_dir": str(folder / "out"),
            "per_device_train_batch_size": 1,
            "per_device_eval_batch_size": 1,
            "gradient_accumulation_steps": 4,
            "num_train_epochs": 1,
            "optim": "sgd",
            "learning_rate": 1.0,
            "lr_scheduler_type": "constant",
            "max_grad_norm": 0.0,
            "use_cpu": True,
            "bf16": False,
            "dataloader_pin_memory": False,
            "report_to": "none",
            "disable_tqdm": True,
            "save_strategy": "no",
            **settings,
        }
    )
    data = {"train_dataset": rows(), "eval_dataset": rows()}
    return Recorded(Line(), args, data_collator=collate or Collator(), **data)


def test_the_class_decides_whether_items_are_counted(tmp_path: Path) -> None:
    """Else `count_items_of_step` would not be needed."""
    found = trainer(tmp_path)
    found.train()
    assert found.items == [None] * 4
    assert found.model.weight.item() == pytest.approx(-1.0)  # four losses, each over the number of batches


def test_every_batch_gets_the_items_of_its_step(tmp_path: Path) -> None:
    """And its loss is not divided again."""
    found = trainer(tmp_path)
    count_items_of_step(found)
    found.train()
    assert [int(items) for items in found.items] == [3] * 4
    assert found.model.weight.item() == pytest.approx(-4.0)


def test_the_collator_gets_the_chosen_columns(tmp_path: Path) -> None:
    collate = Collator()
    trainer(tmp_path, collate).train()
    assert {tuple(row) for row in collate.seen} == {("input_ids", "labels", "text")}


class Epochs:
    """Rows in an order of its own, and the epochs that it was told."""

    def __init__(self) -> None:
        self.epochs: list[int] = []

    def set_epoch(self, epoch: int) -> None:
        self.epochs.append(epoch)

    def __iter__(self) -> Iterator[int]:
        return iter([3, 1, 0, 2])

    def __len__(self) -> int:
        return 4


def test_rows_are_read_in_the_own_order(tmp_path: Path) -> None:
    collate = Collator()
    found = trainer(tmp_path, collate, num_train_epochs=2)
    found.sampler = Epochs()
    found.train()
    assert [row["text"] for row in collate.seen] == [3, 1, 0, 2] * 2
    assert found.sampler.epochs[0] == 0
    assert found.sampler.epochs[-1] == 1
    collate.seen.clear()
    found.evaluate()
    assert [row["text"] for row in collate.seen] == [3, 1, 0, 2]
    assert [len(dataset) for dataset in found.orders] == [4, 4]


def test_without_an_own_order_it_is_the_trainers(tmp_path: Path) -> None:
    collate = Collator()
    trainer(tmp_path, collate, train_sampling_strategy="sequential").train()
    assert [row["text"] for row in collate.seen] == [0, 1, 2, 3]


class Chosen(TrainerCallback):
    """Calls one step the best as soon as it is evaluated."""

    def __init__(self, step: int, first: Path) -> None:
        self.step = step
        self.first = first

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 0:
            self.first.mkdir(parents=True)
            torch.save(kwargs["model"].state_dict(), self.first / "pytorch_model.bin")
        choose_best(state, min(self.step, state.global_step), self.first)


@pytest.mark.parametrize("step", [0, 1, 2, 3])
def test_the_best_step_is_loaded_at_the_end(tmp_path: Path, step: int) -> None:
    """Its checkpoint stays, whatever others are deleted; each step takes the weight down by 1."""
    every = {"eval_strategy": "epoch", "save_strategy": "epoch", "eval_on_start": True, "num_train_epochs": 3}
    found = trainer(tmp_path, **every, load_best_model_at_end=True, save_total_limit=1)
    leave_choice_to_callbacks(found.args)
    found.add_callback(Chosen(step, tmp_path / "out/checkpoint-0"))
    found.train()
    assert found.model.weight.item() == pytest.approx(-step)


def test_checkpoints_of_one_second_are_in_the_order_of_steps_without_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["checkpoint-10", "checkpoint-2", "checkpoint-9"]
    for name in names:
        (tmp_path / name).mkdir()
    logger = trainer_utils.logger
    logger.warning_once.cache_clear()
    handler = logging.StreamHandler(sys.stdout)
    logger.addHandler(handler)
    try:
        found = trainer_utils.sort_checkpoints(str(tmp_path), use_mtime=True)
        logger.warning("another")
    finally:
        logger.removeHandler(handler)
    assert [Path(each).name for each in found] == ["checkpoint-2", "checkpoint-9", "checkpoint-10"]
    assert capsys.readouterr().out == "another\n"


def test_the_state_is_the_last_file_of_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before: list[set[str]] = []
    plain = TrainerState.save_to_json

    def save_to_json(self: Any, path: str) -> None:
        before.append({file.name for file in Path(path).parent.iterdir()})
        plain(self, path)

    monkeypatch.setattr(TrainerState, "save_to_json", save_to_json)
    trainer(tmp_path, save_strategy="epoch").train()
    whole = {file.name for file in (tmp_path / "out/checkpoint-1").iterdir()}
    assert before[0] == whole - {TRAINER_STATE}
    assert set(checkpoint_parts(1)) == {TRAINER_STATE} <= whole


def test_each_of_several_processes_keeps_its_random_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = trainer(tmp_path)
    monkeypatch.setattr(TrainingArguments, "world_size", property(lambda self: 2))
    found._save_rng_state(str(tmp_path))
    assert checkpoint_parts(2) == [TRAINER_STATE, "rng_state_0.pth", "rng_state_1.pth"]
    assert (tmp_path / "rng_state_0.pth").exists()


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings")
def test_what_an_adapter_stands_in_is_not_tied_again(make_base: Callable[..., Path], tmp_path: Path) -> None:
    """transformers would look for the weights by their names, and fail."""
    model = AutoModelForCausalLM.from_pretrained(tied(make_base(seed=1), tmp_path / "tied"))
    table, head = model.get_input_embeddings(), model.get_output_embeddings()
    get_peft_model(model, LoraConfig(target_modules=["embed_tokens", "lm_head"], ensure_weight_tying=False))
    with pytest.raises(KeyError):
        model.tie_weights()
    tie_no_more(model)
    model.tie_weights()
    assert table.weight is head.weight


# loggers


def with_callbacks(*callbacks: Any) -> Any:
    return SimpleNamespace(callback_handler=SimpleNamespace(callbacks=callbacks))


def bare(kind: Any, **fields: Any) -> Any:
    """A callback as it is after its package was found."""
    made = object.__new__(kind)
    vars(made).update(fields)
    return made


def test_loggers_have_the_names_that_we_know() -> None:
    assert set(get_args(Reporter)) <= integration_utils.INTEGRATION_TO_CALLBACK.keys()


def test_a_missing_package_is_found_by_making_the_callback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integration_utils, "is_wandb_available", lambda: False)
    problem = reporter_problem("wandb")
    assert problem is not None
    assert "requires wandb" in problem


@pytest.mark.parametrize(("asked", "found"), [(None, "run/tensorboard/fit"), ("/logs", "/logs/fit")])
def test_tensorboard_writes_where_it_is_told(asked: str | None, found: str) -> None:
    callback = bare(integration_utils.TensorBoardCallback, logging_dir=asked)
    write_curves_to(with_callbacks(callback), Path("run/tensorboard/fit"))
    assert callback.logging_dir == found
    written: list[str] = []
    callback.tb_writer, callback._SummaryWriter = None, lambda log_dir: written.append(log_dir)
    callback._init_summary_writer(None)
    assert written == [found]


def test_runs_that_are_left_open_are_ended() -> None:
    ended: list[str] = []
    wandb = SimpleNamespace(run="open", finish=lambda: ended.append("wandb"))
    swanlab = SimpleNamespace(get_run=lambda: "open", finish=lambda: ended.append("swanlab"))
    none = SimpleNamespace(run=None)
    end_runs(
        with_callbacks(
            bare(integration_utils.WandbCallback, _wandb=wandb),
            bare(integration_utils.SwanLabCallback, _swanlab=swanlab),
            bare(integration_utils.WandbCallback, _wandb=none),
            TrainerCallback(),
        )
    )
    assert ended == ["wandb", "swanlab"]
