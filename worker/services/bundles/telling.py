"""While chunk jobs of a bundle run, its record is kept up to date for clients that listen to it.

Every worker that runs a chunk job takes part. Each waits for as many times as chunk jobs run, so
that together they write about once in ``SECONDS``.
"""

import logging
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from worker.jobs.errors import StoreError
from worker.services.bundles.progress import BundleProgress

logger = logging.getLogger(__name__)

#: The time between two writes of a bundle's figures. Its store counts its chunk jobs for each.
SECONDS = 2.0

#: Waits for so many seconds; whether it is over.
Wait = Callable[[float], bool]


class BundleTelling:
    """The service."""

    def __init__(
        self,
        progress: BundleProgress,
        part_of: Callable[[float], float] = lambda seconds: random.uniform(0, seconds),
    ) -> None:
        """``part_of`` a time is how long the first of several writes is put off, at random."""
        self._progress = progress
        self._part_of = part_of

    @contextmanager
    def during(self, bundle_id: str) -> Iterator[None]:
        """Tell in a thread of its own, for as long as the block takes.

        A write that is on its way at the end is not waited for: it is guarded like every other.
        """
        over = threading.Event()
        threading.Thread(
            target=self.tell, args=(bundle_id, over.wait), name="bundle-teller", daemon=True
        ).start()
        try:
            yield
        finally:
            over.set()

    def tell(self, bundle_id: str, is_over: Wait) -> None:
        """Write the bundle's figures again and again until it is over."""
        if is_over(SECONDS):
            return
        try:
            # Workers that begin together shall not write together.
            others = max(0, self._progress.running(bundle_id) - 1)
            pause = self._part_of(SECONDS * others)
        except StoreError:
            pause = SECONDS
        while not is_over(pause):
            try:
                pause = SECONDS * max(1, self._progress.tell(bundle_id))
            except StoreError as error:
                logger.warning(
                    "a bundle is not up to date: %s",
                    error,
                    extra={"event": "bundle_delayed", "bundle_id": bundle_id},
                )
                pause = max(pause, SECONDS)
