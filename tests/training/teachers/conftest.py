"""A teacher."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stillright.models import Source, load_base


@pytest.fixture
def model(make_base: Callable[..., Path]) -> Any:
    """A base in single precision."""
    return load_base(Source(str(make_base(seed=3))), torch.float32)
