"""A policy and a check of configs that tests of admission share."""

from collections.abc import Mapping
from typing import Any

import engine
from worker.jobs.lanes import Rollout
from worker.services.admission import AdmissionPolicy

POLICY = AdmissionPolicy(
    current_version="1.0.0",
    own_versions=("1.0.0",),
    accepted_versions=("1.0.0", "2.0.0"),
    max_priority=0,
    max_timeout_seconds=540,
    ageing_seconds=3600,
    rollout=Rollout(lane="push"),
)


def check(config: Mapping[str, Any]) -> None:
    if config.get("strategyId") == "magic":
        problems = [
            engine.ConfigProblem("strategyId", "a known strategy", "'magic'"),
            engine.ConfigProblem("parameters.dte", "at least 1", "0"),
        ]
        raise engine.ConfigError(problems)
