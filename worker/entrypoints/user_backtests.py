"""What a user does with backtests over HTTP, apart from routes and headers."""

import logging
from collections.abc import Iterator

import engine
from worker import logs
from worker.bootstrap import Services
from worker.entrypoints.backtest_requests import (
    BacktestList,
    config_errors,
    read_new_backtest,
)
from worker.entrypoints.bodies import parsed
from worker.entrypoints.control_metrics import ControlMetrics
from worker.entrypoints.field_errors import InvalidFields
from worker.entrypoints.job_forms import JobSummary
from worker.entrypoints.problems import Problem
from worker.entrypoints.user_auth import User
from worker.jobs.errors import (
    DoorbellUnavailable,
    ErrorCode,
    JobFailure,
    RecordRefused,
    StoreUnavailable,
)
from worker.jobs.job import Job, ResultRecord
from worker.jobs.states import JobStatus
from worker.report.result_report import result_report
from worker.services.admission import CheckConfig
from worker.services.arrivals import Arrivals
from worker.services.cancelling import cancel
from worker.services.submission import KeyReused, NewJob, Submission, Submitted

logger = logging.getLogger(__name__)


class UserBacktests:
    """Answers with jobs and results, or raises the ``Problem`` to answer with."""

    def __init__(
        self,
        services: Services,
        arrivals: Arrivals,
        metrics: ControlMetrics,
        check_config: CheckConfig,
    ) -> None:
        self._store = services.store
        self._artifacts = services.artifacts
        self._clock = services.clock
        self._waiting = services.waiting
        self._arrivals = arrivals
        self._metrics = metrics
        self._check_config = check_config
        self._submission = Submission(
            services.store, services.admission, services.clock, check_config
        )

    def submit(self, user: User, body: bytes, key: str | None, traceparent: str | None) -> Job:
        """Store and admit the backtest in a request's body, and ring for it."""
        try:
            with logs.about(traceparent=traceparent):
                submitted = self._stored(user, body, key)
        except (InvalidFields, Problem):
            self._metrics.submission("refused")
            raise
        self._metrics.submission("created" if submitted.is_new else "repeated")
        job = submitted.snapshot.job
        if job.status is JobStatus.QUEUED and job.is_admitted:
            self._ring(job, traceparent)
        return job

    def own(self, user: User, job_id: str) -> Job:
        """A job of this user; of anybody for an administrator. Chunk jobs are nobody's."""
        seen = self._store.get(job_id)
        if seen is None or seen.job.is_chunk or not user.may_see(seen.job.user_id):
            raise Problem(404, "There is no such backtest.")
        return seen.job

    def page(self, user: User, limit: int, cursor: str | None) -> BacktestList:
        """A page of this user's jobs."""
        try:
            page = self._store.jobs_of(user.user_id, limit=limit, cursor=cursor)
        except ValueError:
            raise InvalidFields(
                [{"path": "cursor", "expected": "nextCursor of a page", "got": f"{cursor!r:.80}"}]
            ) from None
        return BacktestList(
            backtests=[JobSummary.of(job) for job in page.jobs], next_cursor=page.cursor
        )

    def result(self, user: User, job_id: str) -> ResultRecord:
        """The result of a completed job of this user."""
        job = self.own(user, job_id)
        if job.status is not JobStatus.COMPLETED:
            raise Problem(
                409,
                f"The backtest is {job.status}, so there is no result.",
                jobStatus=job.status,
                errorCode=job.error_code,
            )
        record = self._store.result(job_id)
        if record is None or self._is_over(job):
            raise Problem(410, "The result has expired.")
        return record

    def report(self, user: User, job_id: str) -> str:
        """The result of a completed job of this user, as a page."""
        record = self.result(user, job_id)
        return result_report(
            record.backtest_result,
            result_digest=record.result_digest,
            summary_digest=record.summary_digest,
            job_id=record.job_id,
        )

    def _is_over(self, job: Job) -> bool:
        """Whether its time has passed, although nobody has deleted it yet."""
        return job.expire_at is not None and job.expire_at <= self._clock.now()

    def artifact(self, user: User, job_id: str, name: str) -> Iterator[bytes]:
        """A complete series of a result of this user, in pieces."""
        artifact = self.result(user, job_id).artifacts.get(name)
        if artifact is None:
            raise Problem(404, "The result has no such artifact.")
        try:
            return self._artifacts.chunks(artifact)
        except FileNotFoundError:
            raise Problem(410, "The artifact has expired.") from None

    def cancel(self, user: User, job_id: str) -> Job:
        """The job after the request to cancel it."""
        self.own(user, job_id)
        cancelled = cancel(self._store, job_id)
        if cancelled is None:
            raise Problem(404, "There is no such backtest.")
        for job in self._waiting.after(cancelled.job):
            self._ring(job, None)
        return cancelled.job

    def _stored(self, user: User, body: bytes, key: str | None) -> Submitted:
        asked = read_new_backtest(parsed(body), self._check_config)
        new = NewJob(
            user_id=user.user_id,
            config_used=asked.config_used,
            priority=asked.priority,
            engine_version=asked.engine_version,
            timeout_seconds=asked.timeout_seconds,
            idempotency_key=key,
        )
        try:
            return self._submission.submit(new)
        except engine.ConfigError as error:
            raise InvalidFields(config_errors(error)) from None
        except JobFailure as failure:
            status = 429 if failure.code is ErrorCode.QUOTA_EXCEEDED else 422
            raise Problem(status, failure.message, errorCode=failure.code) from None
        except RecordRefused as error:
            logger.warning("refused by the store: %s", error, extra={"event": "record_refused"})
            raise Problem(
                422, "The backtest is too large to be stored, or no plain data."
            ) from None
        except KeyReused:
            raise Problem(
                409, "This Idempotency-Key came with another backtest in the last 24 hours."
            ) from None

    def _ring(self, job: Job, traceparent: str | None) -> None:
        """A failed ring only delays the job until the sweep rings, so it is not an error here."""
        try:
            with logs.about(traceparent=traceparent):
                self._arrivals.ring(job, traceparent)
        except (DoorbellUnavailable, StoreUnavailable) as error:
            self._metrics.ring_failed()
            logger.warning(
                "the job is admitted, but the ring failed: %s",
                error,
                extra={"event": "ring_failed", "job_id": job.job_id},
            )
