"""The run folder: which stages are done, from what inputs. Knows fingerprints and files, nothing of models.

A stage is done when its mark, written last, holds the fingerprint of its inputs and of its result. A changed input, or
a damaged result, runs it again; an interrupted one finds its working folder as it left it. Of several processes the
main one locks, decides and marks; all of them build.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
from rich.console import Console

from stillright import ranks
from stillright.errors import RunError
from stillright.events import for_programs, say
from stillright.folder.files import remove, write_atomically
from stillright.folder.mark import Mark, fingerprint

Inputs = Mapping[str, Any]
Build = Callable[[Path, Path], None]  # (working folder, where to write the result)


class Workspace:
    """The stages below one folder. option: what errors call the setting that names the folder."""

    def __init__(self, root: Path, console: Console, option: str = "out") -> None:
        self.root = root
        self.option = option
        self.console = console
        self.state = root / ".stillright"
        try:
            self.state.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"folder {root}: cannot be created: {error.strerror}; choose another {option}") from None

    @contextmanager
    def locked(self, patience: float = 0.0) -> Iterator[Workspace]:
        """One run at a time. Raises RunError where another works here, and still does after `patience` seconds."""
        lock = filelock.FileLock(self.state / "lock", timeout=patience)
        ranks.on_main(lambda: self._acquire(lock))
        try:
            yield self
        finally:
            lock.release()

    def _acquire(self, lock: filelock.BaseFileLock) -> None:
        try:
            lock.acquire()
        except filelock.Timeout:
            raise RunError(
                f"folder {self.root}: another run works here; wait for it, or choose another {self.option}"
            ) from None

    def stage(self, name: str, result: str, inputs: Callable[[], Inputs], build: Build) -> Path:
        """The file or folder `result` below the root, built now unless it is already there from the same inputs.

        inputs: asked of the main process alone, since digests of models take time. build: gets a working folder, kept
        between interrupted runs of the same inputs, and the path to write the result to.
        Raises RunError where `result` holds something that this stage has not made.
        """
        path, found = self.root / result, dict[str, Any]()

        def begin() -> Path | None:
            found.update(inputs())
            return self._begin(name, path, found)

        work = ranks.on_main(begin)
        if work is not None:
            build(work, _part(work, path))
            ranks.wait()  # a stage is not done while some process works at it
            ranks.on_main(lambda: self._finish(name, path, found, work))
        return path

    def _begin(self, name: str, path: Path, inputs: Inputs) -> Path | None:
        """The working folder, or None where there is nothing to do."""
        missing = self._mark(name).misses(path, inputs)
        if missing is None:
            say(self.console, f"{name}: already done", "stage", stage=name, status="already done")
            return None
        self._claim(name, path)
        again = f" again, since {missing}" if missing else ""
        say(self.console, f"{name}: running{again}", "stage", stage=name, status="running")
        work = self._working_folder(name, fingerprint(inputs))
        remove(_part(work, path))
        return work

    def _finish(self, name: str, path: Path, inputs: Inputs, work: Path) -> None:
        """Moves the result to its place and marks the stage as done."""
        path.parent.mkdir(parents=True, exist_ok=True)
        remove(path)
        _part(work, path).replace(path)
        self._mark(name).seal(path, inputs)
        shutil.rmtree(work)
        if (log := for_programs(self.console)) is not None:
            log.event("stage", "info", f"{name}: done", stage=name, status="done", result=path)

    def _claim(self, name: str, path: Path) -> None:
        """Marks `path` as ours before it is written. Raises RunError where it holds something that is not."""
        if self._mark(name).claims(path):
            return
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            raise RunError(f"{path}: holds something that was not made here; give another path, or remove it")
        self._mark(name).claim(path)

    def _mark(self, name: str) -> Mark:
        return Mark(self.state / f"{name}.json")

    def holds(self, name: str, result: str) -> bool:
        """Whether the stage `name` is done and its result whole, whatever its inputs were."""
        return self._mark(name).holds(self.root / result)

    def _working_folder(self, name: str, wanted: str) -> Path:
        """Where the stage keeps checkpoints; of other inputs nothing is left."""
        work = self.state / "work" / f"{name}-{wanted[:16]}"
        for other in (self.state / "work").glob(f"{name}-{'[0-9a-f]' * 16}"):
            if other != work:
                shutil.rmtree(other)
        work.mkdir(parents=True, exist_ok=True)
        return work

    def claim(self, *names: str) -> None:
        """Marks small files in the root as ours. Raises RunError where one exists that is not."""
        for name in names:
            self._claim(name, self.root / name)

    def write(self, name: str, content: str | bytes) -> Path:
        """A small file in the root, whole or not at all. Raises as `claim` does."""
        self.claim(name)
        return write_atomically(self.root / name, content)


def _part(work: Path, path: Path) -> Path:
    """Where the result for `path` is written first."""
    return work / f"{path.name}.part"
