"""Forward passes beside training leave a model as it was."""

from __future__ import annotations

import pytest

from architectures import tiny
from stillright.forward.passes import evaluating


@pytest.mark.parametrize("training", [True, False])
def test_a_model_returns_to_its_mode_after_an_error(training: bool) -> None:
    model = tiny("llama").train(training)

    def interrupted() -> None:
        with evaluating(model) as base:
            assert not base.training
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert model.training is training
