"""What a running chunk knows: which variants have rows, how far it is, what is to be kept."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import engine
from worker.jobs.bundle import Bundle, KeepResults
from worker.jobs.chunks import Chunk
from worker.jobs.errors import ErrorCode, JobFailure
from worker.services.backtesting import ENGINE_ERROR_MESSAGE, OnProgress, ShouldStop
from worker.services.bundles.kept_results import BEST
from worker.services.bundles.variant_rows import ChunkRows, Variants

if TYPE_CHECKING:
    from engine.sweep import SweepRow

logger = logging.getLogger(__name__)

#: The share of a chunk's progress that its rows make where full results follow.
ROWS_SHARE = 0.9

_WHY_NOT_RUN = {
    ErrorCode.CANCELLED: "The bundle was cancelled before this variant had run.",
    ErrorCode.TIMEOUT: "Time ran out for the job of this variant before it had run.",
    ErrorCode.ENGINE_ERROR: "The job of this variant was stopped before it had run.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How a run hears of its job. ``why`` is asked once ``should_stop`` has said yes: the reason
    for the variants that have not run, or ``None`` if the whole attempt is to be given up.
    """

    on_progress: OnProgress
    should_stop: ShouldStop
    why: Callable[[], JobFailure | None]


class ChunkWork:
    """A chunk's rows on their way."""

    def __init__(self, bundle: Bundle, chunk: Chunk, variants: Variants, told: Told) -> None:
        from engine.sweep import Leaders

        self.bundle = bundle
        self.chunk = chunk
        self.variants = variants
        self.told = told
        self.rows = ChunkRows(chunk, variants)
        self._leaders = Leaders(bundle.rank_by, BEST)
        self._sound: list[int] = []
        self._ended = 0

    def chosen(self, places: Sequence[int]) -> "_Chosen":
        """The overrides of these variants."""
        return _Chosen(self.variants, self.chunk.start, places)

    def report(self, finished: float) -> None:
        """Tell the progress with so many of the running group's variants finished."""
        share = 1.0 if self.bundle.keep_results is KeepResults.NONE else ROWS_SHARE
        self.told.on_progress(share * min(1.0, (self._ended + finished) / self.chunk.count))

    def ended(self, count: int) -> None:
        """Count a group that has run."""
        self._ended += count

    def keep(self, place: int, row: "SweepRow", missing: JobFailure | None) -> None:
        """Take the row of the variant at ``place``; ``missing`` says what candles there are not."""
        self.rows.add(place, _for_users(row, missing))
        if row.error is None:
            self._leaders.add(replace(row, index=place))
            self._sound.append(place)

    def settle(self) -> JobFailure | None:
        """Give every variant without a row the reason for that; ``None`` if all have run."""
        if self.rows.completed + self.rows.failed == self.chunk.count:
            return None
        failure = self.told.why()
        if failure is None:
            raise engine.Stopped
        message = _WHY_NOT_RUN.get(failure.code, failure.message)
        self.rows.end_rest(JobFailure(failure.code, message))
        return failure

    def wanted(self) -> Sequence[int]:
        """The places of the variants whose full results are to be kept."""
        match self.bundle.keep_results:
            case KeepResults.ALL:
                return sorted(self._sound)
            case KeepResults.BEST:
                return sorted(row.index for row in self._leaders.rows())
            case KeepResults.NONE:
                return ()


class _Chosen:
    """Some variants of a chunk, made when they are asked for."""

    def __init__(self, variants: Variants, start: int, places: Sequence[int]) -> None:
        self._variants = variants
        self._start = start
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        return self._variants[self._start + self._places[index]]


def _for_users(row: "SweepRow", missing: JobFailure | None) -> "SweepRow":
    """The row with a reason that its owner can act on; details of our own errors are logged."""
    error = row.error
    if error is None:
        return row
    if error.code == ErrorCode.DATA_NOT_FOUND and missing is not None:
        return replace(row, error=error._replace(message=missing.message))
    if error.code == ErrorCode.ENGINE_ERROR:
        logger.error(
            "the engine failed at a variant: %s", error.message, extra={"event": "engine_error"}
        )
        return replace(row, error=error._replace(message=ENGINE_ERROR_MESSAGE))
    return row
