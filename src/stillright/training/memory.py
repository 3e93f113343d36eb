"""Models that are gone from memory once what they were loaded for is done."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")


def frees_memory(train: Callable[P, R]) -> Callable[P, R]:
    """The same function, after which its models are gone.

    A trainer and its model refer to each other, so they would stay until Python happens to collect garbage: two or
    three models in the memory of an accelerator.
    """

    @functools.wraps(train)
    def freed(*args: P.args, **kwargs: P.kwargs) -> R:
        gc.freeze()  # what is there already, most of it modules, is not searched: that took longer than small trainings
        try:
            return train(*args, **kwargs)
        finally:
            gc.collect()
            gc.unfreeze()
            if torch.accelerator.is_available():
                torch.accelerator.empty_cache()

    return freed
