"""Training curves for the loggers that transformers knows: who is there, and one run of theirs for each training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from transformers import Trainer

from stillright.config import TrainingConfig
from stillright.errors import MissingExtra
from stillright.training.settings import Job
from stillright.upstream.transformers import end_runs, reporter_problem, write_curves_to

PACKAGES = {"azure_ml": "azureml-sdk", "comet_ml": "comet-ml", "flyte": "flytekit"}  # of a name that is no package


def refuse_missing_reporters(config: TrainingConfig) -> None:
    """Raises MissingExtra where the package of a logger is not installed, or it lacks something else."""
    for name in config.report_to:
        if (problem := reporter_problem(name)) is not None:
            raise MissingExtra(
                f"training.report_to {name}: cannot be reported to ({problem}); install it with: pip install "
                f"{PACKAGES.get(name, name)}, or leave it out"
            )


@contextmanager
def reported(trainer: Trainer, job: Job) -> Iterator[None]:
    """What is trained within is a run of its own, whose TensorBoard files outlive the folder of checkpoints."""
    write_curves_to(trainer, job.run / "tensorboard" / job.label.replace("/", "-"))
    try:
        yield
    finally:
        end_runs(trainer)
