"""The same stages as tasks of a Ray cluster, whose nodes share the folder of the study.

The driver gives a stage to Ray when the stages it needs are done. Ray restarts it if its node is lost; the stage then
resumes from its last checkpoint, which is in the shared folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from stillright.config.study import Resources, StageKind
from stillright.errors import RunError, needs
from stillright.events import say
from stillright.stages.stage import Stage
from stillright.study.launch import attempt_by, divided, processes_for
from stillright.study.schedule import Outcome, attempt, begin_anew, error_line, failure_of_needs
from stillright.study.store import Store

RETRIES = 5  # of a stage whose node was lost
LOOK_AGAIN = 30.0  # seconds between looks at whether the cluster has grown


def connect(address: str) -> Any:
    """The module ray, connected to a cluster. Raises MissingExtra or RunError where that fails."""
    with needs("ray", "--ray"):
        import ray
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise RunError(
            f"--ray {address}: no cluster answers there: {error_line(error)}; start one with ray start"
        ) from None
    return ray


def joined(ray: Any) -> str:
    """Which cluster `ray` is connected to, in one line: `auto` takes whatever it finds."""
    nodes = [node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]]
    where = ray.get_runtime_context().gcs_address
    return f"joined the Ray cluster at {where}; nodes ({len(nodes)}): {', '.join(dict.fromkeys(nodes))}"


def build_on_node(stage: Stage, root: Path, processes: int = 1) -> str | None:
    """Builds a stage on the node that runs this; what it prints goes to log.txt beside its result."""
    store = Store(root)
    folder = store.folder(stage)
    folder.mkdir(parents=True, exist_ok=True)
    begin_anew(stage, store)
    with (folder / "log.txt").open("a", encoding="utf-8") as log:
        print(f"{stage.label} on {node()}", file=log, flush=True)
        if processes > 1:
            return attempt_by(processes, stage, root, log)
        return attempt(stage, store, Console(file=log, width=140))


def node() -> str:
    """The id of the node that runs this."""
    import ray

    return str(ray.get_runtime_context().get_node_id())


class Cluster:
    """Gives stages to Ray, and returns their outcomes."""

    def __init__(self, ray: Any, store: Store, resources: Mapping[StageKind, Resources]) -> None:
        self.ray = ray
        self.store = store
        self.resources = resources
        self.task = ray.remote(max_retries=RETRIES)(build_on_node)
        self.running: dict[Any, Stage] = {}  # by the reference to its result

    def has_room(self, stage: Stage) -> bool:
        """Whether the stages given so far take no more than the cluster has now of what `stage` takes.

        So one stage more than fits is waiting there, and a cluster that grows on demand sees it. A stage that exceeds
        the whole cluster waits for it to grow, and blocks no other.
        """
        takes, held = self._takes(stage), self._held()
        given = [each for each in map(self._takes, self.running.values()) if _fits(each, held)]
        cpus, gpus = sum(each.num_cpus for each in given), sum(each.num_gpus for each in given)
        return not (takes.num_cpus and cpus > held.num_cpus) and not (takes.num_gpus and gpus > held.num_gpus)

    def excess(self, stage: Stage) -> str | None:
        """What the cluster lacks for a stage even when it is idle, in words."""
        takes, held = self._takes(stage), self._held()
        if _fits(takes, held):
            return None
        asked, there = (f"{each.num_cpus:g} CPUs and {each.num_gpus:g} GPUs" for each in (takes, held))
        return f"takes {asked}, the cluster has {there}"

    def _held(self) -> Resources:
        found = self.ray.cluster_resources()
        return Resources(num_cpus=found.get("CPU", 0), num_gpus=found.get("GPU", 0))

    def _takes(self, stage: Stage) -> Resources:
        return self.resources.get(stage.kind, Resources())

    def refuse_indivisible(self, stage: Stage) -> None:
        """Raises ConfigError where the GPUs given to a stage cannot share its optimizer steps."""
        divided(stage, processes_for(stage, self._takes(stage).num_gpus))

    def start(self, stage: Stage) -> None:
        """Ray runs the stage as soon as a node has room for it."""
        takes = self._takes(stage)
        task = self.task.options(num_cpus=takes.num_cpus, num_gpus=takes.num_gpus, name=stage.label)
        processes = processes_for(stage, takes.num_gpus)
        self.running[task.remote(stage, self.store.root, processes)] = stage

    def next(self) -> Outcome | None:
        """The next stage to end; None where none does for a while, so that a cluster that has grown is given more."""
        ended, _ = self.ray.wait(list(self.running), num_returns=1, timeout=LOOK_AGAIN)
        if not ended:
            return None
        stage = self.running.pop(ended[0])
        try:
            return Outcome(stage, self.ray.get(ended[0]))
        except self.ray.exceptions.RayError as error:  # its node was lost too often, or has no memory
            return Outcome(stage, f"{stage.label}: {error_line(error)}")


def _fits(takes: Resources, held: Resources) -> bool:
    return takes.num_cpus <= held.num_cpus and takes.num_gpus <= held.num_gpus


def run_on_cluster(stages: list[Stage], cluster: Cluster, console: Console) -> Iterator[Outcome]:
    """Builds stages on a cluster, as many at once as it has room for, earlier cells first; a stage that needs a failed
    one is not tried."""
    for stage in stages:
        cluster.refuse_indivisible(stage)
    waiting = {stage.key: stage for stage in stages}
    failed: dict[str, str] = {}
    while waiting or cluster.running:
        for stage in list(waiting.values()):
            if (error := failure_of_needs(stage, failed)) is not None:
                del waiting[stage.key]
                failed[stage.key] = error
                yield Outcome(stage, error)
            elif not _is_behind(stage, waiting, cluster) and cluster.has_room(stage):
                del waiting[stage.key]
                _give(stage, cluster, console)
        if cluster.running and (outcome := cluster.next()) is not None:
            if outcome.error is not None:
                failed[outcome.stage.key] = outcome.error
            yield outcome


def _give(stage: Stage, cluster: Cluster, console: Console) -> None:
    excess = cluster.excess(stage)
    note = f"; it waits there: it {excess}" if excess else ""
    say(console, f"{stage.label}: given to the cluster{note}", "stage", stage=stage.label, status="given")
    cluster.start(stage)


def _is_behind(stage: Stage, waiting: Mapping[str, Stage], cluster: Cluster) -> bool:
    """Whether a stage it needs has not ended."""
    running = {other.key for other in cluster.running.values()}
    return any(need.key in waiting or need.key in running for need in stage.needs.values())
