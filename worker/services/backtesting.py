"""A backtest without a job: config in, result out, with candles from the source."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import engine
from engine.candles import Candles
from worker.jobs.errors import ErrorCode, JobFailure
from worker.ports import CandleSource

logger = logging.getLogger(__name__)

ENGINE_ERROR_MESSAGE = (
    "The backtest failed because of an error on our side. It has been logged; replay the job, "
    "and report it if it fails again."
)
MEMORY_MESSAGE = (
    "The backtest needs more memory than a worker has. Use a shorter range or a coarser timeframe."
)

OnProgress = Callable[[float], None]
ShouldStop = Callable[[], bool]


class Result(Protocol):
    """What the engine hands back."""

    def to_document(self) -> dict[str, Any]: ...

    def to_outline(self) -> Mapping[str, Any]: ...

    @property
    def result_digest(self) -> str: ...

    @property
    def summary_digest(self) -> str: ...


class RunBacktest(Protocol):
    """The engine's ``run_backtest``."""

    def __call__(
        self,
        config: Any,
        candles: Candles | Mapping[Any, Candles] | None = None,
        on_progress: OnProgress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Result: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineCalls:
    """The three calls of the engine that a run consists of."""

    parse_config: Callable[[Mapping[str, Any]], Any]
    required_series: Callable[[Any], Any]
    run_backtest: RunBacktest


class Backtesting:
    """The service."""

    def __init__(self, candles: CandleSource, calls: EngineCalls) -> None:
        self._candles = candles
        self._calls = calls

    def run(
        self,
        config_used: Mapping[str, Any],
        on_progress: OnProgress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Result:
        """Parse, load the candles that the config needs, run.

        Raises:
            engine.ConfigError, engine.DataError, engine.Stopped: as the engine does.
            JobFailure: the candles are not there.
        """
        config = self._calls.parse_config(config_used)
        candles = self.load(self._calls.required_series(config))
        return self._calls.run_backtest(
            config, candles or None, on_progress=on_progress, should_stop=should_stop
        )

    def load(self, wanted: Iterable[engine.SeriesRequest]) -> dict[tuple[str, str], Candles]:
        """Candles by symbol and timeframe. Raises ``JobFailure`` if some are not there."""
        return {
            (series.symbol, series.timeframe): self._candles.load(
                series.symbol, series.timeframe, series.start, series.end
            )
            for series in wanted
        }


def as_failure(error: BaseException) -> JobFailure:
    """The code and sentence for whatever stopped a backtest; details of our own errors are logged
    and not told.
    """
    match error:
        case JobFailure():
            return error
        case engine.ConfigError():
            return JobFailure(ErrorCode.INVALID_CONFIG, f"The configuration is not valid: {error}.")
        case engine.DataNotFoundError():
            return JobFailure(ErrorCode.DATA_NOT_FOUND, f"Candles are missing: {error}.")
        case engine.DataError():
            return JobFailure(ErrorCode.DATA_INVALID, f"The candles cannot be used: {error}.")
        case MemoryError():
            logger.error("out of memory", extra={"event": "engine_error"})
            return JobFailure(ErrorCode.ENGINE_ERROR, MEMORY_MESSAGE)
        case _:
            logger.error("the engine failed", exc_info=error, extra={"event": "engine_error"})
            return JobFailure(ErrorCode.ENGINE_ERROR, ENGINE_ERROR_MESSAGE)
