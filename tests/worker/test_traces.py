"""A job's trace goes with it, from the request that created it to the last line about its end."""

import base64
import json
import logging
from collections.abc import Iterator
from io import StringIO

import pytest

from tests.support.control import RecordingDoorbell, make_control
from tests.support.jobs import CONFIG, a_job, read
from tests.support.workers import WorkerParts, make_worker
from worker import logs
from worker.jobs.job import Job
from worker.logs import JsonFormatter
from worker.services.arrivals import Arrivals

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
OTHER = f"00-{'a' * 32}-00f067aa0ba902b7-01"


@pytest.fixture
def lines() -> Iterator[StringIO]:
    """What this process logs, as Cloud Logging reads it."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter("project"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def traces(lines: StringIO, job_id: str) -> dict[str, str | None]:
    """The trace of each event that was logged about the job."""
    entries = [json.loads(line) for line in lines.getvalue().splitlines()]
    return {
        entry["event"]: entry.get("logging.googleapis.com/trace")
        for entry in entries
        if entry.get("jobId") == job_id and "event" in entry
    }


def test_from_the_request_over_the_ring_to_the_workers_last_line(lines: StringIO) -> None:
    control = make_control()
    answer = control.client.post(
        "/v1/backtests", json={"configUsed": CONFIG}, headers={"traceparent": TRACEPARENT}
    )
    job_id = answer.json()["jobId"]
    [ring] = control.doorbell.rings
    assert ring.traceparent == TRACEPARENT

    parts = make_worker()
    parts.store.create(read(control.store, job_id).job)
    push(parts, job_id, {"traceparent": ring.traceparent})

    found = traces(lines, job_id)
    assert {"job_started", "job_completed"} <= set(found)
    assert set(found.values()) == {f"projects/project/traces/{TRACE}"}
    assert parts.job(job_id).traceparent == TRACEPARENT


def push(parts: WorkerParts, job_id: str, attributes: dict[str, str | None]) -> None:
    data = base64.b64encode(json.dumps({"jobId": job_id}).encode()).decode()
    message = {"data": data, "attributes": attributes, "messageId": "1"}
    answer = parts.client.post("/pubsub/push", json={"message": message, "subscription": "s"})
    assert answer.status_code == 204


def test_a_job_runs_in_its_own_trace_whichever_rang(lines: StringIO) -> None:
    parts = make_worker()
    parts.queue("mine", traceparent=TRACEPARENT)
    push(parts, "someone-elses", {"traceparent": OTHER})

    assert traces(lines, "mine")["job_started"] == f"projects/project/traces/{TRACE}"
    assert traces(lines, "mine")["job_completed"] == f"projects/project/traces/{TRACE}"


def test_whoever_rings_again_rings_in_the_jobs_trace() -> None:
    parts = make_worker()
    doorbell = RecordingDoorbell()
    arrivals = Arrivals(parts.worker.services.admission, doorbell)
    arrivals.ring(Job(job_id="j1", lane="push", rank=1.0, traceparent=TRACEPARENT))
    assert [ring.traceparent for ring in doorbell.rings] == [TRACEPARENT]


def test_the_first_trace_stays() -> None:
    parts = make_worker()
    admission = parts.worker.services.admission
    seen = parts.store.create(a_job("j1", traceparent=TRACEPARENT))
    with logs.about(traceparent=OTHER):
        assert admission.admit(seen).job.traceparent == TRACEPARENT
        untraced = parts.store.create(a_job("j2"))
        assert admission.admit(untraced).job.traceparent == OTHER
