"""Where training curves may go, by the names that transformers has for it; a test keeps them to those it knows."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

Reporter = Literal[
    "azure_ml",
    "clearml",
    "codecarbon",
    "comet_ml",
    "dagshub",
    "dvclive",
    "flyte",
    "mlflow",
    "neptune",
    "swanlab",
    "tensorboard",
    "trackio",
    "wandb",
]


def _listed(value: Any) -> Any:
    """One name may stand alone, and "none" for no name, as transformers has it."""
    return [] if value == "none" else [value] if isinstance(value, str) else value


Reporters = Annotated[
    tuple[Reporter, ...],
    BeforeValidator(_listed, json_schema_input_type=Reporter | Literal["none"] | list[Reporter]),
]
