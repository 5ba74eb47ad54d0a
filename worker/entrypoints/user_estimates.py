"""What a user is told about a backtest or a bundle before it is submitted."""

import math
from collections.abc import Mapping
from typing import Any

import engine
from worker.bootstrap import Services
from worker.entrypoints.backtest_requests import NewBacktest, config_errors, read_new_backtest
from worker.entrypoints.bodies import parsed
from worker.entrypoints.bundle_forms import EstimateForm
from worker.entrypoints.bundle_requests import (
    BASE_CONFIG,
    NewBundle,
    asked_bundle,
    bundle_errors,
    read_new_bundle,
)
from worker.entrypoints.field_errors import InvalidFields
from worker.entrypoints.user_auth import User
from worker.jobs.errors import JobFailure
from worker.jobs.variants import VariantSource
from worker.services.bundles.cost_model import Estimate, estimate_backtest, estimate_bundle
from worker.services.bundles.submission import BundleSubmission
from worker.services.submission import NewJob, Submission

#: The keys that a body may have, as a backtest and as a bundle.
_BACKTEST_KEYS, _BUNDLE_KEYS = (
    frozenset(field.alias or name for name, field in form.model_fields.items())
    for form in (NewBacktest, NewBundle)
)


class UserEstimates:
    """Answers with estimates, or raises ``InvalidFields``."""

    def __init__(self, services: Services) -> None:
        self._backtests = Submission(
            services.store, services.admission, services.clock, engine.parse_config
        )
        self._admission = services.bundle_admission
        self._bundles = BundleSubmission(
            services.store, self._admission, services.artifacts, services.clock
        )

    def estimate(self, user: User, body: bytes) -> EstimateForm:
        """Of what is in the body of a request that would submit it."""
        asked = parsed(body)
        if not isinstance(asked, dict):
            return self._of_backtest(user, asked)
        if asked.get(BASE_CONFIG) is not None:
            return self._of_bundle(user, _without_nulls(asked, _BACKTEST_KEYS - _BUNDLE_KEYS))
        return self._of_backtest(user, _without_nulls(asked, _BUNDLE_KEYS - _BACKTEST_KEYS))

    def _of_backtest(self, user: User, body: object) -> EstimateForm:
        asked = read_new_backtest(body, engine.parse_config)
        new = NewJob(
            user_id=user.user_id,
            config_used=asked.config_used,
            priority=asked.priority,
            engine_version=asked.engine_version,
            timeout_seconds=asked.timeout_seconds,
        )
        try:
            estimate = estimate_backtest(engine.parse_config(asked.config_used))
        except engine.ConfigError as error:
            raise InvalidFields(config_errors(error)) from None
        try:
            self._backtests.check(new)
        except JobFailure as failure:
            return _form(estimate, 1, failure)
        return _form(estimate, 1, None)

    def _of_bundle(self, user: User, body: object) -> EstimateForm:
        asked = asked_bundle(user.user_id, read_new_bundle(body))
        refused: JobFailure | None = None
        try:
            bundle = self._bundles.planned(asked)
            variants = VariantSource.of(bundle)
            try:
                examined = self._bundles.examine(bundle)
                self._bundles.check_quotas(bundle, examined)
            except JobFailure as failure:
                refused = failure
        except engine.ConfigError as error:
            raise InvalidFields(bundle_errors(error)) from None
        estimate = estimate_bundle(bundle.base_config, variants, bundle.keep_results)
        chunk_size = self._admission.chunk_size_of(estimate)
        return _form(estimate, math.ceil(estimate.variants / chunk_size), refused)


def _without_nulls(body: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    """The body without those of these keys that are null."""
    return {key: value for key, value in body.items() if value is not None or key not in keys}


def _form(estimate: Estimate, jobs: int, refused: JobFailure | None) -> EstimateForm:
    return EstimateForm(
        variants=estimate.variants,
        bars=estimate.bars,
        seconds=float(f"{estimate.seconds:.3g}"),
        jobs=jobs,
        is_admitted=refused is None,
        error_code=None if refused is None else refused.code,
        error_message=None if refused is None else refused.message,
    )
