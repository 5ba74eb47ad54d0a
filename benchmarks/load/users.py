"""What users do at the same time, and how long each answer takes."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

#: Prices of a made-up instrument: a job needs no candles, and runs in milliseconds.
PRICES = [100.0 + day % 17 + day / 50 for day in range(250)]
#: Different jobs of users; the same number is the same job.
KINDS = 8
#: One user in so many starts a bundle, cancels what it has submitted.
BUNDLE_EVERY = 25
CANCEL_EVERY = 10
VARIANTS = 12
#: Seconds between two looks at a job: from the first to the last, longer and longer.
FIRST_LOOK, LONGEST_LOOK = 1.0, 8.0
#: A service that is full answers late; a user waits so long for an answer.
ANSWER_SECONDS = 60.0


def config(kind: int) -> dict[str, Any]:
    return {
        "strategyId": "smaCross",
        "symbol": "LOAD",
        "startDate": "2024-01-01",
        "endDate": "2025-12-31",
        "startingCapital": 10_000,
        "pricePath": PRICES,
        "parameters": {"fast": 2 + kind, "slow": 20},
    }


@dataclass
class Notes:
    """What all users saw: seconds by operation, ids, answers that nobody should get."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    jobs: dict[str, int] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    bundles: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    requests: int = 0


class User:
    """One of them; ``deadline`` is when it gives up looking (monotonic)."""

    def __init__(
        self,
        number: int,
        client: httpx.AsyncClient,
        headers: Mapping[str, str],
        notes: Notes,
        deadline: float,
    ) -> None:
        self._number = number
        self._client = client
        self._headers = dict(headers)
        self._notes = notes
        self._deadline = deadline
        self._random = random.Random(number)

    async def visit(self) -> None:
        """Submit a job or a bundle, perhaps change one's mind, wait for the end, fetch it."""
        await asyncio.sleep(self._random.random())
        if self._number % BUNDLE_EVERY == BUNDLE_EVERY - 1:
            await self._bundle()
        else:
            await self._job()

    async def _job(self) -> None:
        kind = self._number % KINDS
        body = {"configUsed": config(kind)}
        key = {"Idempotency-Key": f"visit-{self._number}"}
        began = time.monotonic()
        made = await self._ask("submit", "POST", "/v1/backtests", 201, json=body, headers=key)
        if made is None:
            return
        job_id = made["jobId"]
        self._notes.jobs[job_id] = kind
        again = await self._ask("repeat", "POST", "/v1/backtests", 201, json=body, headers=key)
        if again is not None and again["jobId"] != job_id:
            self._notes.unexpected.append(f"one key, two jobs: {job_id}, {again['jobId']}")
        path = f"/v1/backtests/{job_id}"
        if self._number % CANCEL_EVERY == CANCEL_EVERY - 1:
            self._notes.cancelled.add(job_id)
            await self._ask("cancel", "POST", f"{path}/cancel", 200, 202)
        ended = await self._wait("job", path)
        if ended is None:
            return
        self._notes.seconds["job until seen ended"].append(time.monotonic() - began)
        if ended["status"] == "completed":
            await self._ask("result", "GET", f"{path}/result", 200)

    async def _bundle(self) -> None:
        body = {
            "baseConfig": config(0),
            "parameterGrid": {"parameters.fast": list(range(2, 2 + VARIANTS))},
        }
        began = time.monotonic()
        made = await self._ask("submit bundle", "POST", "/v1/bundles", 201, json=body)
        if made is None:
            return
        self._notes.bundles.append(made["bundleId"])
        path = f"/v1/bundles/{made['bundleId']}"
        ended = await self._wait("bundle", path)
        if ended is not None:
            self._notes.seconds["bundle until seen ended"].append(time.monotonic() - began)
            await self._ask("variants", "GET", f"{path}/variants", 200)

    async def _wait(self, what: str, path: str) -> dict[str, Any] | None:
        pause = FIRST_LOOK
        while time.monotonic() < self._deadline:
            await asyncio.sleep(pause * (0.5 + self._random.random()))
            pause = min(pause * 1.6, LONGEST_LOOK)
            seen = await self._ask(f"look at {what}", "GET", path, 200)
            if seen is not None and seen["status"] in ("completed", "failed"):
                return seen
        self._notes.unexpected.append(f"{path} has not ended")
        return None

    async def _ask(
        self, what: str, method: str, path: str, *expected: int, **more: Any
    ) -> dict[str, Any] | None:
        headers = self._headers | more.pop("headers", {})
        request = self._client.build_request(method, path, headers=headers, **more)
        self._notes.requests += 1
        began = time.monotonic()
        try:
            answer = await self._sent(request)
        except httpx.HTTPError as error:
            self._notes.unexpected.append(f"{what}: {type(error).__name__}")
            return None
        self._notes.seconds[what].append(time.monotonic() - began)
        if answer.status_code not in expected:
            self._notes.unexpected.append(f"{what}: {answer.status_code} {answer.text[:200]}")
            return None
        return dict(answer.json())

    async def _sent(self, request: httpx.Request) -> httpx.Response:
        """Once more if the connection was one that the server was about to close, as any client
        does with what may be asked twice.
        """
        try:
            return await self._client.send(request)
        except (httpx.ReadError, httpx.RemoteProtocolError):
            if request.method != "GET" and "Idempotency-Key" not in request.headers:
                raise
            return await self._client.send(request)


async def visit_all(url: str, tokens: list[Mapping[str, str]], seconds: float) -> Notes:
    """All users at once; none looks for longer than ``seconds``."""
    notes = Notes()
    deadline = time.monotonic() + seconds
    limits = httpx.Limits(max_connections=len(tokens), max_keepalive_connections=200)
    async with httpx.AsyncClient(
        base_url=url, timeout=ANSWER_SECONDS, limits=limits, trust_env=False
    ) as client:
        users = [User(n, client, token, notes, deadline) for n, token in enumerate(tokens)]
        await asyncio.gather(*(user.visit() for user in users))
    return notes
