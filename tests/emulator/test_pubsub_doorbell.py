"""The Pub/Sub doorbell against the real emulator, and against nobody."""

import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.support.control import laptop_settings
from tests.support.emulators import PubSubEmulator
from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import free_port
from worker.adapters.pubsub import PubSubDoorbell
from worker.bootstrap import run_limits
from worker.jobs.errors import DoorbellUnavailable
from worker.ports import Ring

pytestmark = pytest.mark.emulator


@pytest.fixture
def project(pubsub_emulator: PubSubEmulator) -> str:
    name = pubsub_emulator.new_project()
    pubsub_emulator.create_topic(name, "doorbell")
    pubsub_emulator.create_subscription(name, "heard", "doorbell")
    return name


@pytest.fixture
def doorbell(project: str) -> Iterator[PubSubDoorbell]:
    bell = PubSubDoorbell(project, "doorbell", timeout_seconds=PATIENCE_SECONDS)
    yield bell
    bell.close()


def told(message: Mapping[str, Any]) -> Any:
    return json.loads(message["data"])


def test_a_ring_names_the_job_and_carries_version_and_trace(
    pubsub_emulator: PubSubEmulator, project: str, doorbell: PubSubDoorbell
) -> None:
    doorbell.ring(Ring(job_id="job-1", engine_version="1.0.0", traceparent="00-ab-cd-01"))

    (message,) = pubsub_emulator.pull(project, "heard")
    assert told(message) == {"jobId": "job-1"}
    assert message["attributes"] == {"engineVersion": "1.0.0", "traceparent": "00-ab-cd-01"}


def test_a_ring_without_a_trace_has_no_such_attribute(
    pubsub_emulator: PubSubEmulator, project: str, doorbell: PubSubDoorbell
) -> None:
    doorbell.ring(Ring(job_id="job-1", engine_version="1.0.0"))

    (message,) = pubsub_emulator.pull(project, "heard")
    assert message["attributes"] == {"engineVersion": "1.0.0"}


def test_a_ring_does_not_wait_for_company(
    pubsub_emulator: PubSubEmulator, project: str, doorbell: PubSubDoorbell
) -> None:
    """Each is with the broker when it returns, and the next is not needed for that."""
    for number in range(3):
        doorbell.ring(Ring(job_id=f"job-{number}", engine_version="1.0.0"))

        (message,) = pubsub_emulator.pull(project, "heard")
        assert told(message) == {"jobId": f"job-{number}"}
    assert doorbell._publisher.batch_settings.max_messages == 1


@pytest.mark.usefixtures("pubsub_emulator")
def test_a_topic_that_does_not_exist_is_an_unavailable_doorbell() -> None:
    bell = PubSubDoorbell("no-such-project", "no-such-topic", timeout_seconds=PATIENCE_SECONDS)
    with pytest.raises(DoorbellUnavailable, match="no-such-topic"):
        bell.ring(Ring(job_id="job-1", engine_version="1.0.0"))
    bell.close()


def test_a_broker_that_is_away_is_reported_within_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{free_port()}")
    bell = PubSubDoorbell("demo", "doorbell", timeout_seconds=1)

    # Without the bound Google's client tries for ten minutes.
    with pytest.raises(DoorbellUnavailable):
        bell.ring(Ring(job_id="job-1", engine_version="1.0.0"))

    bell.close()
    bell.close()


def test_a_worker_that_leaves_has_time_to_ring() -> None:
    settings = laptop_settings()
    longest = inspect.signature(PubSubDoorbell).parameters["timeout_seconds"].default
    assert run_limits(settings).shutdown_grace + longest <= settings.shutdown_seconds
