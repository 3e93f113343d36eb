"""Cached outputs in batches: a collator that adds each text's rows to those of another."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from stillright.errors import DataError
from stillright.forward.passes import Collate
from stillright.training.teachers.cached_teachers import CachedTeachers
from stillright.training.text import IGNORED

NOT_READ = (
    "a row of the data set was not read by the teachers, whose outputs are cached: only data sets that the trainer was "
    "made with can be read; give them all to it, or keep both teachers in memory (teachers='live')"
)


class TeacherCollator:
    """Adds to the batches of another collator the teachers' rows of all scored positions, text after text: (N, ...).

    Rows of data sets name their text by a number under "text". Raises DataError for one that was not read.
    """

    def __init__(self, collate: Collate, teachers: CachedTeachers) -> None:
        self.collate = collate
        self.old, self.new = teachers

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        texts = [self._number(example) for example in examples]
        batch = self.collate(examples)
        old, new = ([teacher.rows(text) for text in texts] for teacher in (self.old, self.new))
        if sum(part.stop - part.start for part in old) != int((batch["labels"][:, 1:] != IGNORED).sum()):
            raise DataError(NOT_READ)
        return {
            **batch,
            "teacher_old": {name: _rows(column, old) for name, column in self.old.outputs.columns.items()},
            "teacher_new": {name: _rows(column, new) for name, column in self.new.outputs.columns.items()},
            "teacher_old_prediction": _rows(self.old.outputs.prediction, old),
            "teacher_old_logp": _rows(self.old.outputs.logp, old),
        }

    def _number(self, example: dict[str, Any]) -> int:
        number = example.get("text")
        if not isinstance(number, int) or not 0 <= number < len(self.old.starts) - 1:
            raise DataError(NOT_READ)
        return number


def _rows(column: Tensor, parts: list[slice]) -> Tensor:
    return torch.cat([column[part] for part in parts])
