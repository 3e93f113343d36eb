"""CompatTrainer as a script of one's own has it: data sets as TRL takes them, models in memory or by name."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from compat_case import messages, pairs, settings, texts, tokenizer, tokens
from stillright import CompatTrainer
from stillright.training.text import IGNORED


def reference(student: Any, old: Any, new: Any, ids: list[int], scored: list[int], temperature: float) -> Tensor:
    """Sum of the divergences before the places `scored` of one text: old's where the student is wrong, else new's."""
    logits = [model(input_ids=torch.tensor([ids])).logits[0] for model in (student, old, new)]
    total = torch.zeros(())
    for place in scored:
        mine, of_old, of_new = (values[place - 1] for values in logits)
        p = ((of_old if mine.argmax() != ids[place] else of_new) / temperature).softmax(-1)
        total = total + (p * (p.log() - (mine / temperature).log_softmax(-1))).sum()
    return total


DATA: dict[str, tuple[Any, dict[str, Any]]] = {
    "messages": (messages, {}),
    "assistant": (messages, {"assistant_only_loss": True}),
    "completion": (pairs, {}),
    "prompt and completion": (pairs, {"completion_only_loss": False}),
    "text": (texts, {"max_length": 12}),
    "tokens": (tokens, {}),
    "packed": (messages, {"packing": True, "max_length": 128}),
    "packed assistant": (messages, {"packing": True, "max_length": 128, "assistant_only_loss": True}),
    "end to end": (pairs, {"padding_free": True, "max_length": None}),
    "wrapped": (texts, {"packing": True, "packing_strategy": "wrapped", "max_length": 24}),
}


def parts_of(row: dict[str, Any]) -> list[tuple[list[int], list[int]]]:
    """Of a prepared row its texts: ids, and places that are scored."""
    found, start = [], 0
    for size in row.get("seq_lengths") or [len(row["input_ids"])]:
        labels = row["labels"][start : start + size]
        found.append((row["input_ids"][start : start + size], [i for i in range(1, size) if labels[i] != IGNORED]))
        start += size
    return found


@pytest.mark.parametrize("teachers", ["hidden", "live"])
@pytest.mark.parametrize("kind", DATA)
def test_the_loss_is_that_of_every_text_alone(
    bases: tuple[Path, Path], models: tuple[Any, Any], tmp_path: Path, kind: str, teachers: str
) -> None:
    """Whatever the data set, and however rows are packed: worked out text by text with both models as they are."""
    make, more = DATA[kind]
    old, student = models
    new = copy.deepcopy(student)
    trainer = CompatTrainer(
        student,
        old,
        settings(tmp_path, teachers=teachers, **more),
        train_dataset=make(),
        eval_dataset=make(),
        processing_class=tokenizer(bases[1]),
    )
    for weight in student.parameters():
        if weight.requires_grad:
            weight.data += 0.05  # it has moved since
    rows = [part for row in trainer.eval_dataset for part in parts_of(row)]
    with torch.no_grad():
        sums = [reference(student.eval(), old.eval(), new.eval(), ids, scored, 2.0) for ids, scored in rows]
    scored = sum(len(places) for _, places in rows)
    assert scored > 0
    found = trainer.evaluate()
    assert found["eval_loss"] == pytest.approx(torch.stack(sums).sum().item() / scored, rel=1e-4)
    trainer.train()
    assert trainer.evaluate()["eval_loss"] != found["eval_loss"]
