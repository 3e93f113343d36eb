"""What the stages of a study read, for looking at it beforehand: once for all cells that share it."""

from __future__ import annotations

from stillright.config import UpdateConfig
from stillright.data import Data
from stillright.inputs import Inputs, task_inputs, text_inputs
from stillright.tasks import Task, load_task
from stillright.workspace import fingerprint


class Reading:
    """Tasks and training texts by what determines them."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._data: dict[str, Data] = {}

    def data(self, config: UpdateConfig) -> Data:
        """Equal but for strategy and seeds of training, that of one update. Raises StillrightError, see Data."""
        of_task: Inputs = {"task": task_inputs(config.task), "split_seed": config.split_seed}
        key = fingerprint({**of_task, "old": config.old, "new": config.new, "texts": text_inputs(config)})
        if key not in self._data:
            self._data[key] = Data(config, self._task(config, fingerprint(of_task)))
        return self._data[key]

    def _task(self, config: UpdateConfig, key: str) -> Task:
        if key not in self._tasks:
            self._tasks[key] = load_task(config.task, config.split_seed)
        return self._tasks[key]
