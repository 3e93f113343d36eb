"""Teachers that are not cached: both stay in memory, and run in every step.

The new one is not a second model but the student with the weights that it had at first.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from stillright.forward.heads import chunk_rows, lm_head
from stillright.forward.passes import check_head, evaluating, last_states
from stillright.training.teachers.forms import prediction_and_logp
from stillright.training.teachers.targets import HiddenStateReader
from stillright.training.text import IGNORED
from stillright.upstream.peft import without_adapter


class LiveTeachers:
    """The old model (base or PeftModel), and the student (PeftModel) as it is now. Raises ModelError, see `check_head`.

    The new teacher's adapter is a copy of the student's, which takes its place for the duration of a forward pass. PEFT
    does not know of it, so it is neither trained nor saved.
    """

    def __init__(self, old: Any, student: Any) -> None:
        check_head(old)
        self.old = without_adapter(old).requires_grad_(False).eval()
        trained = without_adapter(student).base_model.named_parameters()
        self.adapter = {name: values.detach().clone() for name, values in trained if values.requires_grad}

    def reader(self, device: torch.device) -> HiddenStateReader:
        return HiddenStateReader(lm_head(self.old).to(device))

    @torch.no_grad()
    def outputs(self, student: Any, inputs: dict[str, Any], labels: Tensor) -> dict[str, Any]:
        """What a batch needs of both, see LossInputs, for the scored of labels (B, L - 1).

        student: without adapter wrapper; inputs: what a model reads of the batch, with ids (B, L).
        """
        scored = labels != IGNORED
        old = last_states(self.old, inputs)[:, :-1][scored]
        new = self._new_states(student, inputs)[:, :-1][scored]
        prediction, logp = self._prediction_and_logp(old, labels[scored], len(lm_head(student).weight))
        return {
            "teacher_old": {"hidden": old},
            "teacher_new": {"hidden": new},
            "teacher_old_prediction": prediction,
            "teacher_old_logp": logp,
        }

    def _new_states(self, student: Any, inputs: dict[str, Any]) -> Tensor:
        with evaluating(student):
            found = functional_call(student.base_model, self.adapter, (), {**inputs, "use_cache": False})
        states: Tensor = found.last_hidden_state
        return states.to(student.dtype)

    def _prediction_and_logp(self, states: Tensor, labels: Tensor, vocabulary: int) -> tuple[Tensor, Tensor]:
        head = lm_head(self.old)
        shared, rows = min(vocabulary, len(head.weight)), chunk_rows(head)
        parts = [
            prediction_and_logp(head.logits(chunk, shared), known)
            for chunk, known in zip(states.split(rows), labels.split(rows), strict=True)
        ]
        predictions, logps = zip(*parts, strict=True)
        return torch.cat(predictions), torch.cat(logps)
