"""What a user writes: update.yaml and policy.yaml, as strict, frozen models."""

from stillright.config.policy import Limit, Policy, load_policy
from stillright.config.strict import read_yaml
from stillright.config.update import (
    LoraConfig,
    StrategyConfig,
    TaskConfig,
    TeachersConfig,
    TrainingConfig,
    UpdateConfig,
    load_update,
    parse_update,
    with_overrides,
)

__all__ = [
    "Limit",
    "LoraConfig",
    "Policy",
    "StrategyConfig",
    "TaskConfig",
    "TeachersConfig",
    "TrainingConfig",
    "UpdateConfig",
    "load_policy",
    "load_update",
    "parse_update",
    "read_yaml",
    "with_overrides",
]
