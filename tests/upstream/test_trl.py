"""What is assumed of TRL's SFTTrainer beyond its documented interface; a failure here names what has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import ProcessorMixin
from trl import SFTConfig, SFTTrainer

from compat_case import texts, tokenizer
from stillright.models import Source, load_base
from stillright.upstream.trl import is_end_to_end, tokenizer_of


class Recorded(SFTTrainer):
    """Keeps whether outputs were asked for."""

    _name = "OURS"

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
        self.asked = return_outputs
        return torch.zeros(())


def trainer(base: Path, folder: Path, **settings: Any) -> Recorded:
    args = SFTConfig(str(folder), use_cpu=True, bf16=False, report_to="none", **settings)
    model = load_base(Source(str(base)), torch.float32)
    return Recorded(model, args, train_dataset=texts(), processing_class=tokenizer(base))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, False),
        ({"packing": True, "max_length": 32}, True),
        ({"padding_free": True, "max_length": None}, True),
        ({"packing": True, "packing_strategy": "wrapped", "max_length": 32}, False),
    ],
)
def test_the_trainer_knows_whether_rows_lie_end_to_end(
    bases: tuple[Path, Path], tmp_path: Path, settings: dict[str, Any], expected: bool
) -> None:
    found = trainer(bases[0], tmp_path, **settings)
    batch = found.data_collator([{"input_ids": [5, 6]}, {"input_ids": [7]}])
    assert is_end_to_end(found) == expected == (len(batch["input_ids"]) == 1)


def test_the_tokenizer_is_the_processing_class_or_in_it(bases: tuple[Path, Path], tmp_path: Path) -> None:
    found = trainer(bases[0], tmp_path)
    assert tokenizer_of(found) is found.processing_class
    assert not isinstance(found.processing_class, ProcessorMixin)


def test_where_only_the_loss_is_wanted_no_outputs_are_asked_for(bases: tuple[Path, Path], tmp_path: Path) -> None:
    found = trainer(bases[0], tmp_path)
    inputs = found.data_collator([{"input_ids": [5, 6]}])
    loss, logits, labels = found.prediction_step(found.model, inputs, True)
    assert (float(loss), logits, labels, found.asked) == (0.0, None, None, False)


def test_a_model_card_names_the_method(bases: tuple[Path, Path], tmp_path: Path) -> None:
    trainer(bases[0], tmp_path).create_model_card()
    assert "OURS" in (tmp_path / "README.md").read_text(encoding="utf-8")
