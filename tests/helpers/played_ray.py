"""Ray as a cluster of one process would be, played."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from stillright.stages.stage import Stage


class PlayedRay:
    """A cluster that ends stages in the order in which it was given them."""

    exceptions = SimpleNamespace(RayError=RuntimeError)

    def __init__(self, **holds: float) -> None:
        self.holds = holds
        self.slow: list[str] = []
        self.grows: list[dict[str, float]] = []
        self.given: list[str] = []
        self.most = 0  # stages at once
        self.at_once = 0

    def nodes(self) -> list[dict[str, Any]]:
        """Two on one machine, one on another, one that is lost."""
        places = (("10.0.0.1", True), ("10.0.0.1", True), ("10.0.0.2", True), ("10.0.0.3", False))
        return [{"NodeManagerAddress": address, "Alive": alive} for address, alive in places]

    def get_runtime_context(self) -> SimpleNamespace:
        return SimpleNamespace(gcs_address="10.0.0.1:6379")

    def cluster_resources(self) -> dict[str, float]:
        return self.holds

    def remote(self, **_: Any) -> Any:
        return lambda _: SimpleNamespace(options=lambda **_: SimpleNamespace(remote=self._take))

    def _take(self, stage: Stage, _: Path, __: int) -> str:
        self.given.append(stage.label)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        return stage.label

    def wait(self, references: list[str], num_returns: int, timeout: float) -> tuple[list[str], list[str]]:
        """What is slow ends last; while nothing but that runs, the cluster grows, or at last it ends."""
        ready = [reference for reference in references if reference not in self.slow]
        if not ready and self.grows:
            self.holds = self.grows.pop()
            return [], references
        return (ready or references)[:num_returns], references

    def get(self, reference: str) -> str | None:
        self.at_once -= 1
        return "fit b failed" if reference == "fit b" else None
