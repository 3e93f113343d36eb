"""Single values as a PredictionSet has them."""

from __future__ import annotations

from typing import Any

import pytest

from stillright.values import as_text


@pytest.mark.parametrize(
    ("value", "text"), [(3, "3"), (3.0, "3"), (0.5, "0.5"), (True, "true"), (None, None), (float("nan"), None)]
)
def test_scalars_as_text(value: Any, text: str | None) -> None:
    assert as_text(value) == text
