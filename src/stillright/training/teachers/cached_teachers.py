"""Teachers whose outputs are cached: these travel in the batches, and the models are not in memory."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

from stillright import ranks
from stillright.errors import ModelError
from stillright.training.teachers.cache_files import TeacherCache, open_cache, refuse_damaged
from stillright.training.teachers.forms import Hidden
from stillright.training.teachers.targets import DrawsReader, HiddenStateReader, TargetReader


class CachedTeachers(NamedTuple):
    """The outputs of both teachers."""

    old: TeacherCache
    new: TeacherCache

    @property
    def reader(self) -> TargetReader:
        """What turns their outputs into targets."""
        if self.old.head is None:  # which is kept with hidden states
            return DrawsReader(self.old.vocabulary)
        return HiddenStateReader(self.old.head)

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


class TeacherFolders(NamedTuple):
    """Where both caches are: of the training texts, then of the validation texts."""

    old: Path
    new: Path

    def open(self) -> CachedTeachers:
        """Their content, memory-mapped. Raises RunError where a file is not as it was written."""
        for folder in self:
            ranks.on_main(partial(refuse_damaged, folder))
        return CachedTeachers(*map(open_cache, self))
