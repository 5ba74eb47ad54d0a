"""Whether this process can run jobs at all: its kernels are loaded, its directories are there."""

import logging
import threading
from typing import Protocol

from worker.services.warming import WarmUp

logger = logging.getLogger(__name__)


class NotReady(Exception):
    """This process must not take a job now, which would only fail here; the message says why."""


class FindFault(Protocol):
    """What is wrong with this machine, ``None`` for nothing. A ``thorough`` look may write."""

    def __call__(self, *, thorough: bool) -> str | None: ...


class Readiness:
    """Looks before each claim, and thoroughly where there is reason to doubt."""

    def __init__(self, warm_up: WarmUp, find_fault: FindFault) -> None:
        self._warm_up = warm_up
        self._find_fault = find_fault
        self._lock = threading.Lock()
        self._told: str | None = None

    def require(self) -> None:
        """Before a claim: wait for the kernels, and look at the machine.

        Raises:
            NotReady: a job that is claimed now would fail whatever it is.
        """
        if not self._warm_up.wait():
            raise NotReady("the kernels cannot be loaded")
        fault = self._look(thorough=self._told is not None)
        if fault is not None:
            raise NotReady(fault)

    def fault(self) -> str | None:
        """What is wrong with this machine now."""
        return self._look(thorough=True)

    def _look(self, *, thorough: bool) -> str | None:
        """Each change of what is found is logged once."""
        fault = self._find_fault(thorough=thorough)
        with self._lock:
            before, self._told = self._told, fault
        if fault is not None and fault != before:
            logger.error("this process takes no jobs: %s", fault, extra={"event": "machine_unfit"})
        elif fault is None and before is not None:
            logger.info("this process takes jobs again", extra={"event": "machine_fit"})
        return fault
