"""Teachers that are not kept: both stay in memory, and are asked in every step.

The new one is no second model: it is the student with the weights that the student had at first.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from stillright.forward.heads import chunk_rows, lm_head
from stillright.forward.passes import check_head, evaluating, last_states
from stillright.training.teachers.run import judged
from stillright.training.teachers.taught import WholeReaders
from stillright.training.text import IGNORED


class LiveTeachers:
    """The old model (base or PeftModel), and the student (PeftModel) as it is now. Raises ModelError, see `check_head`.

    The new teacher's adapter is a copy of the student's, which takes its place for the duration of a forward pass. It
    is no adapter that PEFT knows of, so that it is neither trained nor saved.
    """

    def __init__(self, old: Any, student: Any) -> None:
        check_head(old)
        old.requires_grad_(False)
        self.old = old.eval()
        trained = student.get_base_model().base_model.named_parameters()
        self.adapter = {name: values.detach().clone() for name, values in trained if values.requires_grad}

    @property
    def readers(self) -> WholeReaders:
        """See WholeReaders."""
        return WholeReaders(lm_head(self._old_base))

    @property
    def _old_base(self) -> Any:
        return self.old.get_base_model() if hasattr(self.old, "get_base_model") else self.old

    @torch.no_grad()
    def say(self, student: Any, inputs: dict[str, Any], labels: Tensor) -> dict[str, Any]:
        """What a batch needs of both, see TaughtRows, for the scored of labels (B, L - 1).

        student: without adapter wrapper; inputs: what a model reads of the batch, (B, L) ids among it.
        """
        scored = labels != IGNORED
        old = last_states(self._old_base, inputs)[:, :-1][scored]
        new = self._of_new(student, inputs)[:, :-1][scored]
        prediction, logp = self._judged(old, labels[scored], len(lm_head(student).weight))
        return {
            "taught_old": {"hidden": old},
            "taught_new": {"hidden": new},
            "taught_old_prediction": prediction,
            "taught_old_logp": logp,
        }

    def _of_new(self, student: Any, inputs: dict[str, Any]) -> Tensor:
        with evaluating(student):
            states: Tensor = functional_call(
                student.base_model, self.adapter, (), {**inputs, "use_cache": False}
            ).last_hidden_state
        return states.to(student.dtype)

    def _judged(self, states: Tensor, labels: Tensor, vocabulary: int) -> tuple[Tensor, Tensor]:
        head = self.readers.old_head
        spoken, rows = min(vocabulary, len(head.weight)), chunk_rows(head)
        parts = [
            judged(head.logits(chunk, spoken), known)
            for chunk, known in zip(states.split(rows), labels.split(rows), strict=True)
        ]
        predictions, logps = zip(*parts, strict=True)
        return torch.cat(predictions), torch.cat(logps)
