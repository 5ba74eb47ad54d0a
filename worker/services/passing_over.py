"""Many records one after the other, where one that is out of reach does not stop the rest."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from worker.jobs.errors import StoreUnavailable

logger = logging.getLogger(__name__)

R = TypeVar("R")

#: Each of them may take a lock timeout; more of them would take too long.
DELAYED_AT_ONCE = 3


class _Pinged(Protocol):
    def ping(self) -> None: ...


class PassingOver:
    """Acts on records. A record is delayed if the store does not do what is asked of it although it
    answers otherwise: somebody else's transaction has the row locked, or what belongs to the record
    lies where nobody can read it. The next call tries such a record after all others.
    """

    def __init__(self, store: _Pinged, kind: str = "job") -> None:
        """``kind`` is what the ids are of, for the log."""
        self._store = store
        self._kind = kind
        self._delayed: frozenset[str] = frozenset()
        self.has_given_up = False
        """Whether the last call left records alone because too many others were delayed."""

    def each(self, ids: Iterable[str], act: Callable[[str], R]) -> Sequence[R]:
        """Act on each; what was done, without the records that are delayed.

        Raises:
            StoreUnavailable: the store does not answer at all.
        """
        wanted = list(ids)
        ordered = sorted(wanted, key=self._delayed.__contains__)
        done: list[R] = []
        delayed: list[str] = []
        left: Sequence[str] = ()
        for place, record_id in enumerate(ordered):
            if len(delayed) == DELAYED_AT_ONCE:
                left = ordered[place:]
                break
            try:
                done.append(act(record_id))
            except StoreUnavailable as error:
                self._store.ping()
                delayed.append(record_id)
                logger.warning(
                    "a %s is out of reach, and is tried again later: %s",
                    self._kind,
                    error,
                    extra={"event": f"{self._kind}_delayed", f"{self._kind}_id": record_id},
                )
        self._delayed = self._delayed.intersection(left).union(delayed)
        self.has_given_up = bool(left)
        return done
