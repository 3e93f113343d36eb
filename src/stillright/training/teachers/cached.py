"""Teachers that have run already: what they said travels in the batches, and they are not in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from stillright.errors import DataError, ModelError
from stillright.forward.passes import Collate
from stillright.training.teachers.forms import Hidden
from stillright.training.teachers.run import Teacher, open_teacher
from stillright.training.teachers.taught import PartReaders, Readers, WholeReaders
from stillright.training.text import IGNORED

NOT_READ = (
    "a row of the data set was not read by the teachers, who have run already: only data sets that the trainer was "
    "made with can be read; give them all to it, or keep both teachers in memory (teachers='live')"
)


class CachedTeachers(NamedTuple):
    """Both teachers, who have run already."""

    old: Teacher
    new: Teacher

    @property
    def readers(self) -> Readers:
        """What turns their words into targets."""
        form = self.old.form
        if isinstance(form, Hidden):
            assert self.old.head is not None  # it is kept with this form
            return WholeReaders(self.old.head)
        return PartReaders(form.read, self.old.vocabulary)

    def refuse_unlike(self, temperature: float) -> None:
        """Raises ModelError where the two do not speak alike, or at another temperature than the loss."""
        form = self.old.form
        alike = form == self.new.form
        if not isinstance(form, Hidden):  # states know neither temperature nor vocabulary
            alike &= form.temperature == temperature and self.old.vocabulary == self.new.vocabulary
        if not alike:
            raise ModelError(
                f"teachers kept as {form} of {self.old.vocabulary} pieces and {self.new.form} of "
                f"{self.new.vocabulary} cannot teach at temperature {temperature}; let both run again alike"
            )


class Taught(NamedTuple):
    """Folders of what the teachers said of the training texts and then of the validation texts."""

    old: Path
    new: Path

    def open(self) -> CachedTeachers:
        """The teachers, memory-mapped."""
        return CachedTeachers(open_teacher(self.old), open_teacher(self.new))


class TeacherCollator:
    """Another collator, and the teachers' rows of every scored position, text after text: (N, ...).

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
            "taught_old": {name: _rows(column, old) for name, column in self.old.said.words.items()},
            "taught_new": {name: _rows(column, new) for name, column in self.new.said.words.items()},
            "taught_old_prediction": _rows(self.old.said.prediction, old),
            "taught_old_logp": _rows(self.old.said.logp, old),
        }

    def _number(self, example: dict[str, Any]) -> int:
        number = example.get("text")
        if not isinstance(number, int) or not 0 <= number < len(self.old.starts) - 1:
            raise DataError(NOT_READ)
        return number


def _rows(column: Tensor, parts: list[slice]) -> Tensor:
    return torch.cat([column[part] for part in parts])
