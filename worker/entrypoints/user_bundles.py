"""What a user does with bundles over HTTP, apart from routes and headers."""

import logging
from collections.abc import Mapping
from typing import Any

import engine
from worker.bootstrap import Services
from worker.entrypoints.bodies import parsed
from worker.entrypoints.bundle_forms import (
    BundleForm,
    BundleList,
    BundleSummary,
    RankedVariant,
    VariantForm,
    VariantList,
)
from worker.entrypoints.bundle_requests import (
    NewBundle,
    asked_bundle,
    bundle_errors,
    read_new_bundle,
)
from worker.entrypoints.control_metrics import ControlMetrics
from worker.entrypoints.field_errors import InvalidFields
from worker.entrypoints.problems import Problem
from worker.entrypoints.user_auth import User
from worker.jobs.bundle import Bundle, KeepResults
from worker.jobs.errors import (
    DoorbellUnavailable,
    ErrorCode,
    JobFailure,
    RecordRefused,
    StoreUnavailable,
)
from worker.jobs.states import JobStatus
from worker.services.bundles import kept_results
from worker.services.bundles.artifact_cache import ArtifactCache
from worker.services.bundles.ended_rows import EndedRows
from worker.services.bundles.paging import BadCursor, Order, VariantPages
from worker.services.bundles.reading_ahead import read_ahead
from worker.services.bundles.submission import BundleSubmission, SubmittedBundle
from worker.services.submission import KeyReused

logger = logging.getLogger(__name__)

_GONE = "What was stored of this bundle has expired."


class UserBundles:
    """Answers with bundles and variants, or raises the ``Problem`` to answer with."""

    def __init__(self, services: Services, metrics: ControlMetrics) -> None:
        self._store = services.store
        self._clock = services.clock
        self._arrivals = services.bundle_arrivals
        self._cancelling = services.bundle_cancelling
        self._progress = services.bundle_progress
        # Firestore's event of the new document does it elsewhere, after the answer.
        self._expands_at_once = not services.settings.store.startswith("firestore://")
        self._metrics = metrics
        self._artifacts = ArtifactCache(services.artifacts)
        self._ended = EndedRows(services.store)
        self._pages = VariantPages(self._ended, self._artifacts)
        self._submission = BundleSubmission(
            services.store, services.bundle_admission, services.artifacts, services.clock
        )

    def submit(
        self, user: User, body: bytes, key: str | None, traceparent: str | None
    ) -> BundleForm:
        """Store the bundle in a request's body."""
        try:
            submitted = self._stored(user, read_new_bundle(parsed(body)), key)
        except (InvalidFields, Problem):
            self._metrics.submission("refused")
            raise
        self._metrics.submission("created" if submitted.is_new else "repeated")
        bundle = submitted.snapshot.bundle
        if self._expands_at_once and bundle.status is JobStatus.QUEUED:
            bundle = self._announced(bundle, traceparent)
        return self._form(bundle)

    def page(self, user: User, limit: int, cursor: str | None) -> BundleList:
        """A page of this user's bundles."""
        try:
            page = self._store.bundles_of(user.user_id, limit=limit, cursor=cursor)
        except ValueError:
            raise _bad_cursor(cursor) from None
        bundles = read_ahead(page.bundles, self._progress.live)
        return BundleList(
            bundles=[BundleSummary.of(bundle) for bundle in bundles], next_cursor=page.cursor
        )

    def look(self, user: User, bundle_id: str) -> BundleForm:
        """A bundle of this user as it stands now."""
        return self._form(self._progress.live(self._own(user, bundle_id)))

    def variants(
        self, user: User, bundle_id: str, order: Order, limit: int, cursor: str | None
    ) -> VariantList:
        """A page of the variants that have ended."""
        bundle = self._own(user, bundle_id)
        try:
            page = self._pages.page(bundle, order, limit=limit, cursor=cursor)
        except BadCursor:
            raise _bad_cursor(cursor) from None
        except FileNotFoundError:
            raise Problem(410, _GONE) from None
        return VariantList(
            variants=[VariantForm.of(row) for row in page.rows], next_cursor=page.cursor
        )

    def result(self, user: User, bundle_id: str, index: int) -> dict[str, Any]:
        """The full result of one variant, if it is kept."""
        bundle = self._own(user, bundle_id)
        if index >= bundle.total > 0:
            raise Problem(404, f"The bundle has {bundle.total} variants, counted from 0.")
        if bundle.keep_results is KeepResults.NONE:
            raise Problem(404, "This bundle keeps no full results.")
        try:
            variant = self._completed(bundle, index)
            kept = self._kept(bundle, index)
        except FileNotFoundError:
            raise Problem(410, _GONE) from None
        return {
            "bundleId": bundle.bundle_id,
            "index": index,
            "overrides": variant.overrides,
            "engineVersion": bundle.engine_version,
            **{name: value for name, value in kept.items() if name != "index"},
        }

    def cancel(self, user: User, bundle_id: str) -> BundleForm:
        """The bundle after the request to cancel it."""
        self._own(user, bundle_id)
        cancelled = self._cancelling.cancel(bundle_id)
        if cancelled is None:
            raise Problem(404, "There is no such bundle.")
        return self._form(cancelled.bundle)

    def _own(self, user: User, bundle_id: str) -> Bundle:
        """A bundle of this user; of anybody for an administrator."""
        seen = self._store.get_bundle(bundle_id)
        if seen is None or not user.may_see(seen.bundle.user_id):
            raise Problem(404, "There is no such bundle.")
        return seen.bundle

    def _completed(self, bundle: Bundle, index: int) -> VariantForm:
        row = self._pages.row(bundle, index)
        if row is None:
            status = bundle.status
            raise Problem(409, "The variant has not run yet.", jobStatus=status, errorCode=None)
        variant = VariantForm.of(row)
        if variant.status is JobStatus.FAILED:
            raise Problem(
                409,
                "The variant failed, so there is no result.",
                jobStatus=variant.status,
                errorCode=variant.error_code,
            )
        return variant

    def _kept(self, bundle: Bundle, index: int) -> Mapping[str, Any]:
        is_open = bundle.keep_results is KeepResults.BEST and not bundle.status.is_final
        if is_open:
            raise Problem(
                409,
                "Which variants are the best is known when all have run.",
                jobStatus=bundle.status,
                errorCode=None,
            )
        part = self._ended.result_part(bundle, index)
        found = kept_results.find(self._artifacts.read(part), index) if part is not None else None
        if found is None:
            raise Problem(404, "The full result of this variant is not kept.")
        return found

    def _form(self, bundle: Bundle) -> BundleForm:
        return BundleForm.look(bundle, self._best(bundle))

    def _best(self, bundle: Bundle) -> RankedVariant | None:
        try:
            row = self._pages.best(bundle)
        except FileNotFoundError:
            return None
        return None if row is None else RankedVariant.of(row)

    def _announced(self, bundle: Bundle, traceparent: str | None) -> Bundle:
        """Where no event tells of a new bundle it is expanded at once; else the sweep does it."""
        try:
            self._arrivals.announce(bundle.bundle_id, traceparent)
        except (DoorbellUnavailable, StoreUnavailable) as error:
            self._metrics.ring_failed()
            logger.warning(
                "the bundle is stored, and waits for the sweep: %s",
                error,
                extra={"event": "ring_failed", "bundle_id": bundle.bundle_id},
            )
        seen = self._store.get_bundle(bundle.bundle_id)
        return bundle if seen is None else seen.bundle

    def _stored(self, user: User, new: NewBundle, key: str | None) -> SubmittedBundle:
        try:
            return self._submission.submit(asked_bundle(user.user_id, new, key))
        except engine.ConfigError as error:
            raise InvalidFields(bundle_errors(error)) from None
        except JobFailure as failure:
            status = 429 if failure.code is ErrorCode.QUOTA_EXCEEDED else 422
            raise Problem(status, failure.message, errorCode=failure.code) from None
        except RecordRefused as error:
            logger.warning("refused by the store: %s", error, extra={"event": "record_refused"})
            raise Problem(
                422, "The bundle's config or grid is too large to be stored, or no plain data."
            ) from None
        except KeyReused:
            raise Problem(
                409, "This Idempotency-Key came with another bundle in the last 24 hours."
            ) from None


def _bad_cursor(cursor: str | None) -> InvalidFields:
    return InvalidFields(
        [
            {
                "path": "cursor",
                "expected": "nextCursor of a page of this list",
                "got": f"{cursor!r:.80}",
            }
        ]
    )
