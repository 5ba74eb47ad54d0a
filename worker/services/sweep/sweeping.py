"""The sweep: all maintenance jobs, one after the other."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from worker.jobs.errors import StoreUnavailable
from worker.ports import Clock
from worker.services.sweep.contact import StoreContact

logger = logging.getLogger(__name__)

#: No step is begun later than this; the next sweep is soon.
BUDGET_SECONDS = 45.0


class Step(Protocol):
    """One maintenance job."""

    @property
    def name(self) -> str: ...

    def run(self) -> int:
        """How many jobs it has changed, or rings it has rung."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What each step did; ``failed`` names those that broke off."""

    done: Mapping[str, int]
    failed: Sequence[str]


class Sweep:
    """The service."""

    def __init__(self, steps: Sequence[Step], contact: StoreContact, clock: Clock) -> None:
        self._steps = steps
        self._contact = contact
        self._clock = clock

    def run(self) -> Swept:
        """One sweep. A step that fails does not keep the others from their work.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        started = self._clock.monotonic()
        done: dict[str, int] = {}
        failed: list[str] = []
        for step in self._steps:
            if self._clock.monotonic() - started > BUDGET_SECONDS:
                logger.warning("the sweep is out of time", extra={"event": "sweep_cut_short"})
                failed.append(step.name)
                continue
            try:
                done[step.name] = step.run()
            except StoreUnavailable as error:
                self._contact.require()
                failed.append(step.name)
                logger.warning(
                    "a step of the sweep broke off, the store answers otherwise: %s: %s",
                    step.name,
                    error,
                    extra={"event": "sweep_failed"},
                )
            except Exception:
                failed.append(step.name)
                logger.exception(
                    "a step of the sweep failed: %s", step.name, extra={"event": "sweep_failed"}
                )
        if any(done.values()):
            logger.info("swept: %s", done, extra={"event": "swept"})
        return Swept(done=done, failed=failed)


class LocalSweep:
    """Sweeps in a thread, where no scheduler does it; ``on_swept`` hears of each sweep."""

    def __init__(
        self,
        sweep: Sweep,
        shutdown: threading.Event,
        seconds: float,
        on_swept: Callable[[Swept], None] = lambda _: None,
    ) -> None:
        self._sweep = sweep
        self._on_swept = on_swept
        self._shutdown = shutdown
        self._seconds = seconds
        self._thread = threading.Thread(target=self._run, name="local-sweep", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout: float) -> None:
        """Wait for the thread after ``shutdown`` was set."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._shutdown.wait(self._seconds):
            try:
                self._on_swept(self._sweep.run())
            except StoreUnavailable as error:
                logger.warning("%s", error.sentence, extra={"event": "store_down"})
            except Exception:
                logger.exception("sweeping failed", extra={"event": "sweep_failed"})
