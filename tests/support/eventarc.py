"""Eventarc's part of the road: hand on what the emulator's trigger says, and try again."""

import threading
import time

import httpx

from tests.support.patience import PATIENCE_SECONDS
from tests.support.trigger_bridge import Delivery


class Eventarc:
    """Delivers events to a service over HTTP until it answers with 2xx, as Eventarc does.

    ``statuses`` are all answers so far; ``unheard`` counts the posts that nobody answered.
    """

    def __init__(self, url: str, *, patience: float = PATIENCE_SECONDS) -> None:
        self._http = httpx.Client(timeout=PATIENCE_SECONDS, trust_env=False)
        self._url = url
        self._patience = patience
        self._closed = threading.Event()
        self.statuses: list[int] = []
        self.unheard = 0

    def deliver(self, delivery: Delivery) -> None:
        """Post one event; pauses between tries, gives up after ``patience`` seconds."""
        deadline = time.monotonic() + self._patience
        while not self._post(delivery) and time.monotonic() < deadline:
            if self._closed.wait(0.2):
                return

    def close(self) -> None:
        self._closed.set()
        self._http.close()

    def _post(self, delivery: Delivery) -> bool:
        try:
            answer = self._http.post(self._url, content=delivery.body, headers=delivery.headers)
        except httpx.TransportError:
            self.unheard += 1
            return False
        self.statuses.append(answer.status_code)
        return answer.is_success
