"""What is assumed of accelerate beyond its documented interface; a failure here names what has changed."""

from __future__ import annotations

from typing import Any

import pytest
from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader

from stillright.upstream.accelerate import forget_preparation, texts_read_once


@pytest.mark.parametrize(("rows", "expected"), [(7, [3, 3, 1]), (6, [3, 3]), (2, [2])])
def test_the_remainder_is_what_is_left_for_the_last_batch(rows: int, expected: list[int]) -> None:
    accelerator = Accelerator(cpu=True)
    loader = accelerator.prepare(DataLoader(list(range(rows)), batch_size=3))  # type: ignore[arg-type]
    assert [texts_read_once(accelerator.gradient_state, 3, process=0) for _ in loader] == expected


def test_a_model_that_was_evaluated_is_not_prepared_again_unless_that_is_forgotten() -> None:
    accelerator, model, seen = Accelerator(cpu=True), nn.Linear(1, 1), []

    def verify_device_map(prepared: Any) -> bool:  # asked of each model that is about to be wrapped
        seen.append(prepared)
        return False

    accelerator.verify_device_map = verify_device_map
    accelerator.prepare_model(model, evaluation_mode=True)
    seen.clear()
    accelerator.prepare_model(model)
    assert not seen
    forget_preparation(model)
    accelerator.prepare_model(model)
    assert seen
