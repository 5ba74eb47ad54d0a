"""A request whose body stops coming."""

import asyncio
import signal
from collections.abc import Iterator

import pytest

from tests.support.control import make_control
from tests.support.workers import make_worker
from worker.entrypoints.ending import leave_on_hangup
from worker.entrypoints.problems import Message, Receive, Scope, Send
from worker.entrypoints.slow_bodies import SlowBodies

SCOPE: Scope = {"type": "http", "method": "POST", "path": "/", "headers": []}


async def reading(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body, then answers how long it was."""
    del scope
    length, more = 0, True
    while more:
        message = await receive()
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(length).encode()})


def answered(
    pieces: list[Message], *, leaving: bool = False, patience: float = 60.0
) -> list[Message]:
    """What is sent when these pieces come, and then nothing more."""
    sent: list[Message] = []

    async def receive() -> Message:
        if pieces:
            return pieces.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    app = SlowBodies(reading, lambda: leaving, patience)
    asyncio.run(app(SCOPE, receive, send))
    return sent


def piece(body: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_whole_body_passes() -> None:
    start, body = answered([piece(b"12", more=True), piece(b"345", more=False)], patience=0.0)
    assert (start["status"], body["body"]) == (200, b"5")


def test_one_that_stops_coming_is_answered_408() -> None:
    start, body = answered([piece(b"12", more=True)], patience=0.25)
    assert start["status"] == 408
    assert b"No more of the body came for 0.25 seconds." in body["body"]
    assert (b"connection", b"close") in start["headers"]


def test_whoever_leaves_does_not_wait_for_it() -> None:
    start, body = answered([piece(b"12", more=True)], leaving=True)
    assert start["status"] == 503
    assert b"shutting down" in body["body"]


@pytest.fixture
def hangup() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangup")
def test_a_process_that_is_to_outlive_its_terminal_does() -> None:
    told: list[int] = []
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    leave_on_hangup(lambda number, _: told.append(number))
    signal.raise_signal(signal.SIGHUP)
    assert told == []
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    leave_on_hangup(lambda number, _: told.append(number))
    signal.raise_signal(signal.SIGHUP)
    assert told == [signal.SIGHUP]


class TestSlashes:
    """Pub/Sub, Scheduler and Eventarc do not follow a redirection."""

    @pytest.mark.parametrize("path", ["/pubsub/push/", "/pubsub/push//", "/run/"])
    def test_the_worker_takes_an_address_with_one(self, path: str) -> None:
        parts = make_worker()
        parts.queue("j1")
        answer = parts.client.post(path, json={"jobId": "j1"}, follow_redirects=False)
        assert answer.status_code in (200, 204)
        assert parts.job("j1").attempt == 1

    def test_so_does_the_control_service(self) -> None:
        client = make_control().client
        assert client.post("/tasks/sweep/", follow_redirects=False).status_code == 200
        assert client.get("/v1/backtests/", follow_redirects=False).status_code == 200
        assert client.get("/", follow_redirects=False).status_code == 200

    @pytest.mark.parametrize("path", ["/nothing/", "/v1/"])
    def test_what_is_not_there_is_still_not_there(self, path: str) -> None:
        assert make_control().client.get(path, follow_redirects=False).status_code == 404

    def test_a_long_body_is_refused_there_too(self) -> None:
        client = make_control().client
        client.headers["Content-Type"] = "application/json"
        answer = client.post("/v1/backtests/", content=b"{" + b" " * 5_000_000)
        assert answer.status_code == 413
