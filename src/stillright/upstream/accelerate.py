"""Private parts of accelerate, and what is assumed of them."""

from __future__ import annotations

from typing import Any


def forget_preparation(model: Any) -> None:
    """Lets the next `prepare` wrap `model`, which an evaluation before marked as prepared though it is bare."""
    model._is_accelerate_prepared = False


def texts_read_once(gradient_state: Any, batch_size: int, process: int) -> int:
    """How many texts of the present batch of an evaluation are not merely repeated to fill it up, from 0.

    gradient_state: accelerate's, which knows the data loader; the last batches of all processes hold what is left of
    the texts in order, and then the first ones again.
    """
    left = gradient_state.remainder  # of all texts, in the last batches together; 0: they are full
    if not gradient_state.end_of_dataloader or left <= 0:
        return batch_size
    return min(max(int(left) - process * batch_size, 0), batch_size)
