"""Forward passes beside training leave a model as it was."""

from __future__ import annotations

import pytest
import torch
from accelerate import cpu_offload

from architectures import tiny
from stillright.errors import ModelError
from stillright.forward.passes import check_head, evaluating


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


def test_an_offloaded_head_is_refused() -> None:
    model = tiny("llama", tie_word_embeddings=False)
    cpu_offload(model.lm_head, torch.device("cpu"))
    with pytest.raises(ModelError, match=r"base llama: its LM head is offloaded; give lm_head a device in device_map"):
        check_head(model)


@pytest.mark.parametrize("model", ["llama", "granite", "cohere", "gemma2", "falcon_h1"])
def test_heads_that_scale_or_cap_are_understood(model: str) -> None:
    changed = {
        "granite": {"logits_scaling": 8.0},
        "cohere": {"logit_scale": 0.25},
        "gemma2": {"final_logit_softcapping": 0.5},
        "falcon_h1": {"lm_head_multiplier": 0.02},
    }
    found = tiny(model, **changed.get(model, {}))
    check_head(found)
    check_head(found.bfloat16())
