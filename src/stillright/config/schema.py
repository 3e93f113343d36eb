"""JSON Schemas of what users write, for editors that complete and check YAML."""

from __future__ import annotations

import json

from stillright.config.policy import Policy
from stillright.config.strict import Strict
from stillright.config.study import StudyConfig
from stillright.config.suite import Suite
from stillright.config.update import UpdateConfig

MODELS: dict[str, type[Strict]] = {"policy": Policy, "update": UpdateConfig, "study": StudyConfig, "suite": Suite}


def schema(name: str) -> str:
    """The JSON Schema of policy.yaml, update.yaml, study.yaml or suite.yaml, by its name in MODELS."""
    described = {"$schema": "https://json-schema.org/draft/2020-12/schema", **MODELS[name].model_json_schema()}
    return json.dumps(described, indent=2) + "\n"
