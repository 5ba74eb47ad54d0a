"""Loading the compiled kernels before the first job needs them."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from worker.services.backtesting import EngineCalls

logger = logging.getLogger(__name__)

_BARS = 60
_COMMON: dict[str, Any] = {
    "symbol": "WARM-UP",
    "startDate": "2020-01-01",
    "endDate": "2020-12-31",
    "startingCapital": 100_000,
    "pricePath": [100.0 + (bar % 7) - (bar % 3) for bar in range(_BARS)],
}
#: One small run for each family of kernels.
WARM_UP_CONFIGS: tuple[dict[str, Any], ...] = (
    {**_COMMON, "strategyId": "wheel"},
    {**_COMMON, "strategyId": "smaCross", "parameters": {"fast": 3, "slow": 8}},
    {**_COMMON, "strategyId": "buyAndHold"},
)


class WarmUp:
    """Runs small backtests in a thread; ``done`` says when every kernel is there.

    ``on_failed`` is called if they cannot be loaded: this process will never run a job.
    """

    def __init__(self, calls: EngineCalls, on_failed: Callable[[], None] = lambda: None) -> None:
        self._calls = calls
        self._on_failed = on_failed
        self._over = threading.Event()
        self._over.set()
        self.done = threading.Event()
        self.failed = False

    def start(self) -> None:
        self._over.clear()
        threading.Thread(target=self.run, name="warm-up", daemon=True).start()

    def wait(self) -> bool:
        """Wait until it is over, if it was started; whether it did not fail."""
        self._over.wait()
        return not self.failed

    def run(self) -> None:
        """Load everything, or log why not."""
        started = time.monotonic()
        try:
            for config in WARM_UP_CONFIGS:
                self._calls.run_backtest(self._calls.parse_config(config))
        except Exception:
            logger.exception("the kernels cannot be loaded", extra={"event": "warm_up_failed"})
            self.failed = True
            self._over.set()
            self._on_failed()
            return
        self.done.set()
        self._over.set()
        seconds = time.monotonic() - started
        logger.info("kernels loaded in %.2f s", seconds, extra={"event": "warm"})
