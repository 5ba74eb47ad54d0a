"""What the services need from the world. Adapters implement these; bootstrap chooses them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from engine.candles import Candles
from worker.jobs.bundle import Bundle, BundleChange, BundleOutline, BundleSnapshot
from worker.jobs.chunks import ChunkTally
from worker.jobs.errors import ErrorCode, JobFailure
from worker.jobs.job import Artifact, Job, JobChange, ResultRecord, Snapshot
from worker.jobs.lease import ServerTime
from worker.jobs.states import JobStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which queued jobs a worker may take: its lane, and the engine versions it reproduces."""

    lane: str
    engine_versions: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a user's jobs, newest first; ``cursor`` asks for the next one."""

    jobs: Sequence[Job]
    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BundlePage:
    """One page of a user's bundles, newest first; ``cursor`` asks for the next one."""

    bundles: Sequence[BundleOutline]
    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """The claimable jobs of one lane and engine version; ``waited`` is in seconds."""

    jobs: int
    oldest_id: str
    waited: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """All lanes that run here, at one moment of the store's clock.

    ``queued`` counts claimable jobs by priority, ``waiting`` those that their owner's quota keeps
    out of the queue, ``ended`` the ends of the asked time by status and error code.
    """

    queued: Mapping[int, int]
    waiting: int
    running: int
    expired_leases: int
    oldest_seconds: float
    ended: Mapping[tuple[JobStatus, ErrorCode | None], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """The kill switch: while it is on, nothing is rung for and nothing is claimed."""

    is_on: bool
    reason: str | None = None
    changed_at: datetime | ServerTime | None = None


class JobSearch(Protocol):
    """What the sweep looks for. Ids only: whoever acts on one reads the job and judges again.

    Only jobs of the lanes that run here count as ours; those of no lane yet are waiting for
    admission.
    """

    def expired_leases(self, *, limit: int) -> Sequence[str]:
        """Running jobs whose lease ran out on the store's clock, or that have none."""

    def overdue(self, *, longest: float, slack: float, limit: int) -> Sequence[str]:
        """Jobs that run ``slack`` seconds beyond their own time-out, or beyond ``longest``."""

    def cancelled_in_queue(self, *, limit: int) -> Sequence[str]:
        """Queued jobs with ``cancelRequested``."""

    def unadmitted(self, *, limit: int) -> Sequence[str]:
        """Queued jobs that admission has not seen, in whatever spelling they are queued."""

    def waiting_users(self, *, limit: int, after: str = "") -> Sequence[str]:
        """Owners of waiting jobs, in the order of their ids, those behind ``after``."""

    def waiting_of(self, user_id: str, *, limit: int) -> Sequence[str]:
        """A user's waiting jobs: higher priority first, then the one admitted first."""

    def outlived_jobs(self, *, limit: int) -> Sequence[str]:
        """Ended jobs that expired longer ago than records are kept, the first ones first."""

    def failed(self, code: ErrorCode, since: timedelta, *, limit: int) -> Sequence[str]:
        """Jobs that a person could replay: ended with ``code`` in the last ``since``, in the order
        of their ends. Chunk jobs are not among them: their bundle has ended with them.
        """

    def backlog(self, lane: str, engine_version: str) -> Backlog | None:
        """What could be claimed, ``None`` if nothing."""


class JobCounts(Protocol):
    """Figures computed in the store: for quotas and for the fleet's metrics."""

    def queued_of(self, user_id: str) -> int:
        """A user's queued jobs that admission has seen, waiting ones included, chunk jobs not."""

    def active_of(self, user_id: str) -> int:
        """A user's jobs that run or may be claimed."""

    def bars_of(self, user_id: str, since: datetime) -> int:
        """The bars of all of a user's jobs admitted after ``since``."""

    def fleet(self, since: timedelta) -> Fleet:
        """The whole; ``since`` is how far back ends are counted."""


class Switches(Protocol):
    """What is one for the whole fleet: whether a person holds it, and where its artifacts are."""

    def pause(self) -> Pause:
        """As it is set now; off if nobody ever set it."""

    def set_pause(self, pause: Pause) -> None:
        """Replace it."""

    def artifacts_mark(self) -> str | None:
        """The mark of the place for artifacts that belongs to this store, if there is one."""

    def remember_artifacts(self, mark: str, *, instead_of: str | None) -> str:
        """Remember a mark if ``instead_of`` is what is remembered; what is remembered then."""


class JobStore(JobSearch, JobCounts, Switches, Protocol):
    """Jobs and results. Every write is guarded by the version that the writer has read.

    With a retention, a commit that ends a job also says when the job and its result expire. A chunk
    job's result has no such time: it is kept as long as the record of the job.

    All methods may raise ``StoreUnavailable``; ``create``, ``commit`` and ``take_best`` may raise
    ``OutcomeUnknown`` when a write was sent and no answer came, and ``RecordRefused`` when the
    store can never hold what they were given.
    """

    def create(self, job: Job) -> Snapshot:
        """Store a new job. Raises ``JobExists``."""

    def get(self, job_id: str) -> Snapshot | None:
        """Read a job as it is now; ``None`` for an unknown id."""

    def take_best(self, wanted: Wanted, decide: Callable[[Snapshot], JobChange]) -> Snapshot | None:
        """Apply ``decide`` to the admitted queued job of lowest rank that nobody else takes.

        Returns the job after the change, or ``None`` when nothing claimable is left. Two callers
        never both succeed on one state of a job.
        """

    def commit(
        self,
        seen: Snapshot,
        change: JobChange,
        result: ResultRecord | None = None,
        *,
        by: datetime | None = None,
    ) -> Snapshot:
        """Write ``change``, and in the same commit make the stored result that of the job's state.

        ``result`` takes the place of one that is left where a person queued a completed job by
        hand; a change that ends the job ``failed`` removes such a one. Nothing is written, and
        nothing of the result, unless the guard holds.

        ``by``: a moment of the store's clock after which a change without a result is no longer
        written, however long the write was on its way. Firestore has no such guard: there a write
        arrives within the few seconds that a call may take, or not at all.

        Raises ``Conflict`` if the job was written since ``seen``, or it is too late.
        """

    def result(self, job_id: str) -> ResultRecord | None:
        """The result of a completed job."""

    def purge_results(self, *, limit: int) -> int:
        """Remove at most ``limit`` results that have expired; how many those were.

        A store that removes them by itself has nothing to do.
        """

    def forget(self, seen: Snapshot) -> None:
        """Remove the record of a job, and with it a result that is still there.

        Raises ``Conflict`` if the job was written since ``seen``, or is gone.
        """

    def jobs_of(self, user_id: str, *, limit: int, cursor: str | None = None) -> Page:
        """A user's own jobs, newest first by ``admitted_at``; chunk jobs are not among them.

        A job is listed once admission has seen it. Raises ``ValueError`` for a cursor that no
        page gave.
        """

    def ping(self) -> None:
        """Raise ``StoreUnavailable`` unless the store answers now."""

    def try_write(self) -> None:
        """Raise ``StoreUnavailable`` unless jobs can be written now. Nothing of it is left behind
        that anybody sees; in Firestore, a time in a document of its own.
        """

    def close(self) -> None:
        """Give connections back."""


class BundleSearch(Protocol):
    """What the sweep looks for among bundles. Ids only, and bundles of the lanes that run here."""

    def unexpanded_bundles(self, *, limit: int, after: str = "") -> Sequence[str]:
        """Queued bundles, those that admission has not seen included, in the order of their ids,
        behind ``after``; not those whose ``next_expansion_at`` is to come.
        """

    def running_bundles(self, *, limit: int, after: str = "") -> Sequence[str]:
        """Expanded bundles that have not ended, in the order of their ids, behind ``after``."""

    def outlived_bundles(self, *, limit: int) -> Sequence[str]:
        """Ended bundles that expired longer ago than records are kept, the first ones first."""

    def open_bundles_of(self, user_id: str) -> int:
        """How many bundles of a user have not ended."""


class BundleStore(BundleSearch, Protocol):
    """Bundles and their chunk jobs. Implemented by every :class:`JobStore`, and guarded like it.

    Methods raise what those of the job store raise.
    """

    def create_bundle(self, bundle: Bundle) -> BundleSnapshot:
        """Store a new bundle. Raises ``BundleExists``."""

    def get_bundle(self, bundle_id: str) -> BundleSnapshot | None:
        """Read a bundle as it is now; ``None`` for an unknown id."""

    def commit_bundle(
        self, seen: BundleSnapshot, change: BundleChange, jobs: Sequence[Job] = ()
    ) -> BundleSnapshot:
        """Write ``change``, and create ``jobs`` in the same commit.

        Raises ``Conflict`` if the bundle was written since ``seen``, or one of the jobs exists.
        With a retention, a commit that ends the bundle also says when it expires.
        """

    def forget_bundle(self, seen: BundleSnapshot) -> None:
        """Remove the record of a bundle, and nothing of its chunk jobs.

        Raises ``Conflict`` if the bundle was written since ``seen``, or is gone.
        """

    def bundles_of(self, user_id: str, *, limit: int, cursor: str | None = None) -> BundlePage:
        """Outlines of a user's own bundles, newest first by ``admitted_at``; those admission has
        not seen are not listed. Nothing else of a bundle is read.

        Raises ``ValueError`` for a cursor that no page gave.
        """

    def chunk_jobs(self, bundle_id: str) -> Sequence[Job]:
        """All chunk jobs of a bundle, in the order of their variants."""

    def chunk_tally(self, bundle_id: str) -> ChunkTally:
        """The same, only counted."""


class Store(JobStore, BundleStore, Protocol):
    """What every installation has: one store for both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """A doorbell message: permission to run the best queued job, and which job rang."""

    job_id: str
    engine_version: str
    traceparent: str | None = None


class Doorbell(Protocol):
    """Wakes a worker. Losing or doubling a ring changes latency, nothing else."""

    def ring(self, ring: Ring) -> None:
        """Publish. Raises ``DoorbellUnavailable``."""

    def close(self) -> None:
        """Flush and disconnect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandleEntry:
    """One stored series: ``first`` and ``last`` are opening times of bars, UTC."""

    symbol: str
    timeframe: str
    rows: int
    first: datetime
    last: datetime
    fingerprint: str


class CandleSource(Protocol):
    """Server-side candles by symbol and timeframe."""

    def load(
        self, symbol: str, timeframe: str, start: datetime | None, end: datetime | None
    ) -> Candles:
        """Bars whose opening time lies in [start, end]; ``None`` leaves that side open.

        A timeframe that is not stored is made of a shorter one that is and divides it.

        Raises ``JobFailure`` DATA_NOT_FOUND naming what was asked and what is held, or
        DATA_INVALID when stored bars cannot be used.
        """

    def entries(self, damaged: Callable[[JobFailure], None] | None = None) -> Sequence[CandleEntry]:
        """Everything stored, by symbol, then timeframe.

        ``damaged`` is told of each series that cannot be read, and it is left out; without it the
        first one is raised.
        """


class CandleLibrary(CandleSource, Protocol):
    """A candle source that also takes new series."""

    def replace(self, candles: Candles) -> CandleEntry:
        """Store a series in place of what is held under its symbol and timeframe, at once."""


class ArtifactStore(Protocol):
    """Complete series beside a result document, as Parquet."""

    def put(self, key: str, columns: Mapping[str, Sequence[object]]) -> Artifact:
        """Write a table under ``key`` (``{jobId}/{attempt}/{name}``), replacing an older one."""

    def read(self, artifact: Artifact) -> bytes:
        """The Parquet file. Raises ``FileNotFoundError`` when it is gone."""

    def chunks(self, artifact: Artifact) -> Iterator[bytes]:
        """The same in pieces. Raises ``FileNotFoundError`` at once, not with the first piece."""

    def remove(self, artifact: Artifact) -> None:
        """Delete the file. Raises ``FileNotFoundError`` when it is gone."""

    def mark(self) -> str | None:
        """The id by which this place is told from others, if it was given one."""

    def set_mark(self, mark: str) -> str:
        """Give the place an id unless it has one; the one that it has then."""

    def discard(self, owner: str, is_meant: Callable[[str], bool], before: datetime) -> int:
        """Delete what lies below ``owner`` (the first part of a key); how many files that were.

        Only what was written before a moment, and whose path below ``owner`` ``is_meant``, with
        what writers that died have left. It may be called again at any time.
        """


class Clock(Protocol):
    """Time, injected so that tests own it."""

    def now(self) -> datetime:
        """UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back."""
