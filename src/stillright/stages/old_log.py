"""What is left of an old model that is gone: logs of its answers, joined to the task's rows when they are first asked
for."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from stillright.config import OldAnswers
from stillright.tasks import Task
from stillright.tasks.answers import Answers, join, read_log, splits_of


class OldLog:
    """Of one task. Raises DataError where a log cannot be read, or answers no row."""

    def __init__(self, files: OldAnswers, task: Task) -> None:
        self.files = files
        self.task = task

    @cached_property
    def train(self) -> Answers:
        """To the training rows; asked only where there are such."""
        assert self.files.train is not None
        return self._joined(self.files.train, of_test=False)

    @cached_property
    def test(self) -> Answers:
        """To the rows to predict."""
        return self._joined(self.files.test, of_test=True)

    def _joined(self, path: Path, of_test: bool) -> Answers:
        log, splits = read_log(path, self.task), splits_of(self.task)
        train_ids, test_ids = (split.ids(log) for split in splits)
        shared_ids = self.files.train == self.files.test and not set(train_ids).isdisjoint(test_ids)
        return join(log, self.task, splits[of_test], f"old.{'test' if of_test else 'train'} {path}", shared_ids)

    def accounts(self, with_training: bool) -> list[str]:
        """How far the logs go, in words, a line for each that is read."""
        return [answers.account() for answers in ([self.train, self.test] if with_training else [self.test])]
