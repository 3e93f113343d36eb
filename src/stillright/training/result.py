"""How an adapter came to be, and the folder that it is kept in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from stillright.training.checkpoints import Evaluation, Rule, evaluations
from stillright.training.imitation import Imitation
from stillright.training.settings import Job


class TrainingResult(NamedTuple):
    """How an adapter came to be; kept beside it as training.json."""

    best_step: int  # optimizer steps; 0: the adapter it started from was never beaten
    best_validation_loss: float  # that of the best step
    reason: str  # why it is that step
    steps: int
    tokens: int  # without padding, all epochs
    validation_losses: list[float]  # step 0, then one per epoch
    validation: list[dict[str, float]]  # the same evaluations with the parts of the loss
    imitation: Imitation | None = None  # of the old model by the adapter that is kept; None: not known

    def plain(self) -> dict[str, Any]:
        """As JSON has it: without what is not known."""
        fields = self._asdict()
        known = {} if self.imitation is None else {"imitation": self.imitation.plain()}
        return {name: value for name, value in fields.items() if name != "imitation"} | known


def result_of(state: Any, rule: Rule) -> TrainingResult:
    """Of a training whose state is the trainer's."""
    found = evaluations(state)
    best, reason = rule(found)
    if len(found) > 1 and not best["step"]:
        reason += ", so the adapter is kept as it began"
    return TrainingResult(
        best_step=int(best["step"]),
        best_validation_loss=float(best["eval_loss"]),
        reason=reason,
        steps=int(state.global_step),
        tokens=int(state.num_input_tokens_seen),
        validation_losses=[float(entry["eval_loss"]) for entry in found],
        validation=[_parts(entry) for entry in found],
    )


def _parts(entry: Evaluation) -> dict[str, float]:
    """An evaluation without its times, which differ between runs that are otherwise the same."""
    timed = ("runtime", "per_second")
    kept = {key.removeprefix("eval_"): value for key, value in entry.items() if not key.endswith(timed)}
    return {key: float(kept[key]) for key in sorted(kept)}  # a resumed trainer's log is sorted


@contextmanager
def sets_in_order(config: Any) -> Iterator[None]:
    """Lets PEFT write the same bytes for the same configuration: sets have another order in every process."""
    sets = {name: value for name, value in vars(config).items() if isinstance(value, set)}
    vars(config).update({name: sorted(value) for name, value in sets.items()})
    try:
        yield
    finally:
        vars(config).update(sets)


def save_adapter(model: Any, result: TrainingResult, job: Job) -> None:
    """Writes the adapter of `model` and training.json to `job.out`."""
    with sets_in_order(model.active_peft_config):
        model.save_pretrained(job.out)
    (job.out / "training.json").write_text(json.dumps(result.plain(), indent=2) + "\n", encoding="utf-8")
