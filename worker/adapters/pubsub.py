"""The doorbell as a Pub/Sub topic."""

import json
from concurrent.futures import TimeoutError as FutureTimeoutError

from google.api_core import exceptions
from google.api_core.retry import Retry
from google.auth.exceptions import GoogleAuthError
from google.cloud.pubsub_v1 import PublisherClient
from google.cloud.pubsub_v1.types import BatchSettings

from worker.jobs.errors import DoorbellUnavailable
from worker.ports import Ring

_TRANSIENT = (
    exceptions.Aborted,
    exceptions.DeadlineExceeded,
    exceptions.InternalServerError,
    exceptions.ResourceExhausted,
    exceptions.ServiceUnavailable,
    exceptions.Unknown,
)


def _is_transient(error: Exception) -> bool:
    return isinstance(error, _TRANSIENT)


class PubSubDoorbell:
    """Publishes ``{"jobId": …}``; the attribute ``engineVersion`` lets a subscription filter.

    A ring blocks until the server has taken the message, at most ``timeout_seconds``: a worker
    that gives its job back rings within the time it has to leave.
    """

    def __init__(self, project: str, topic: str, *, timeout_seconds: float = 4.0) -> None:
        self._timeout = timeout_seconds
        self._topic = f"projects/{project}/topics/{topic}"
        # One message a request: waiting to fill a batch would only make the caller wait.
        self._publisher = PublisherClient(BatchSettings(max_messages=1))
        self._closed = False

    def ring(self, ring: Ring) -> None:
        attributes = {"engineVersion": ring.engine_version}
        if ring.traceparent:
            attributes["traceparent"] = ring.traceparent
        try:
            self._publisher.publish(
                self._topic,
                json.dumps({"jobId": ring.job_id}).encode(),
                retry=Retry(
                    predicate=_is_transient, initial=0.1, maximum=2.0, timeout=self._timeout
                ),
                timeout=self._timeout,
                **attributes,
            ).result(self._timeout)
        except (exceptions.GoogleAPIError, GoogleAuthError, FutureTimeoutError) as error:
            raise DoorbellUnavailable(
                f"could not publish to {self._topic}: {type(error).__name__}: {error}"
            ) from error

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._publisher.stop()
        self._publisher.transport.close()
