"""The data that stages will read, looked at beforehand: each once for all cells that share it."""

from __future__ import annotations

from stillright.config import UpdateConfig
from stillright.folder.mark import fingerprint
from stillright.stages.data import Data
from stillright.stages.inputs import Inputs, aligned_inputs, task_inputs
from stillright.tasks import Task, load_task


class SharedData:
    """Tasks and training texts, kept by what determines them."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._data: dict[str, Data] = {}

    def data(self, config: UpdateConfig) -> Data:
        """The data of one update, whatever its strategy and training seeds. Raises StillrightError, see Data."""
        of_task: Inputs = {"task": task_inputs(config.task), "split_seed": config.split_seed}
        key = fingerprint({**of_task, "old": config.old, "new": config.new, "texts": aligned_inputs(config)})
        if key not in self._data:
            task = fingerprint(of_task)
            if task not in self._tasks:
                self._tasks[task] = load_task(config.task, config.split_seed)
            self._data[key] = Data(config, self._tasks[task])
        return self._data[key]
