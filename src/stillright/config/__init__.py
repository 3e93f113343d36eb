"""What a user writes: update.yaml, study.yaml, suite.yaml and policy.yaml, as strict, frozen models."""

from stillright.config.old import OldAnswers
from stillright.config.policy import Limit, Policy, load_policy
from stillright.config.strict import read_yaml
from stillright.config.study import StudyConfig, load_study
from stillright.config.suite import Suite, load_suite
from stillright.config.update import (
    LoraConfig,
    StrategyConfig,
    TaskConfig,
    TeachersConfig,
    TrainingConfig,
    UpdateConfig,
    load_update,
    parse_update,
    with_key,
    with_overrides,
)

__all__ = [
    "Limit",
    "LoraConfig",
    "OldAnswers",
    "Policy",
    "StrategyConfig",
    "StudyConfig",
    "Suite",
    "TaskConfig",
    "TeachersConfig",
    "TrainingConfig",
    "UpdateConfig",
    "load_policy",
    "load_study",
    "load_suite",
    "load_update",
    "parse_update",
    "read_yaml",
    "with_key",
    "with_overrides",
]
