"""Teachers whose outputs are cached: these travel in the batches, and the models are not in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from stillright.errors import DataError, ModelError
from stillright.forward.passes import Collate
from stillright.training.teachers.cache_files import TeacherCache, open_cache
from stillright.training.teachers.forms import Hidden
from stillright.training.teachers.targets import DrawsReader, HiddenStateReader, TargetReader
from stillright.training.text import IGNORED

NOT_READ = (
    "a row of the data set was not read by the teachers, whose outputs are cached: only data sets that the trainer was "
    "made with can be read; give them all to it, or keep both teachers in memory (teachers='live')"
)


class CachedTeachers(NamedTuple):
    """The outputs of both teachers on the training texts, then on the validation texts."""

    old: TeacherCache
    new: TeacherCache

    @classmethod
    def open(cls, old: Path, new: Path) -> CachedTeachers:
        """What is in these folders, memory-mapped. Raises RunError, see `open_cache`."""
        return cls(open_cache(old), open_cache(new))

    def reader(self, device: torch.device) -> TargetReader:
        """What turns their outputs into targets."""
        if self.old.head is None:  # which is kept with hidden states
            return DrawsReader(self.old.vocabulary)
        return HiddenStateReader(self.old.head.to(device))

    def refuse_unlike(self, temperature: float) -> None:
        """Raises ModelError where the two differ in form or vocabulary, or their temperature from the loss's."""
        form = self.old.form
        alike = form == self.new.form
        if not isinstance(form, Hidden):  # states know neither temperature nor vocabulary
            alike &= form.temperature == temperature and self.old.vocabulary == self.new.vocabulary
        if not alike:
            raise ModelError(
                f"the caches of the old teacher ({form}, {self.old.vocabulary:,} vocabulary entries) and of the new "
                f"one ({self.new.form}, {self.new.vocabulary:,}) do not match each other or temperature {temperature}; "
                "delete them and cache both teachers with the same settings"
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
