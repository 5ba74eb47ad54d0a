"""The control service in this process, with a store in memory and a doorbell that remembers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fastapi.testclient import TestClient

import engine
from engine.candles import Candles
from tests.support.clocks import TickingClock
from worker.adapters.memory import MemoryJobStore
from worker.bootstrap import Services, admission_policy
from worker.entrypoints.control_app import create_control_app
from worker.jobs.errors import DoorbellUnavailable, StoreUnavailable
from worker.jobs.job import Artifact, Job, JobChange, ResultRecord, Snapshot
from worker.oidc import Fetch, fetch_certificates
from worker.ports import CandleEntry, CandleLibrary, Ring
from worker.services.admission import Admission, CheckConfig
from worker.settings import Settings, load_settings

#: A name by which a service without sign-in may be called.
OWN = "http://localhost"

CONFIG: dict[str, Any] = {
    "strategyId": "smaCross",
    "symbol": "SPY",
    "startDate": "2020-01-01",
    "endDate": "2020-12-31",
    "startingCapital": 1000.0,
    "parameters": {"fast": 5, "slow": 10},
}


def check_config(config: Mapping[str, Any]) -> None:
    """Knows of two fields only; what the engine's own check says is the engine's matter."""
    problems = []
    if config.get("strategyId") not in ("smaCross", "wheel"):
        problems.append(engine.ConfigProblem("strategyId", "a known strategy", "nothing"))
    if config.get("startingCapital", 1) <= 0:
        problems.append(engine.ConfigProblem("startingCapital", "more than 0", "0"))
    if problems:
        raise engine.ConfigError(problems)


class RecordingDoorbell:
    """Remembers rings; ``is_down`` makes it fail."""

    def __init__(self) -> None:
        self.rings: list[Ring] = []
        self.is_down = False
        self.is_closed = False

    def ring(self, ring: Ring) -> None:
        if self.is_down:
            raise DoorbellUnavailable("nobody at the door")
        self.rings.append(ring)

    def close(self) -> None:
        self.is_closed = True


class FragileStore(MemoryJobStore):
    """A memory store that can be away, for everything or for some of its calls."""

    def __init__(self, clock: TickingClock) -> None:
        super().__init__(clock)
        self.away: dict[str, Exception] = {}

    def fail(self, *calls: str, error: Exception | None = None) -> None:
        for call in calls:
            self.away[call] = error or StoreUnavailable("no answer")

    def create(self, job: Job) -> Snapshot:
        self._check("create")
        return super().create(job)

    def get(self, job_id: str) -> Snapshot | None:
        self._check("get")
        return super().get(job_id)

    def commit(
        self,
        seen: Snapshot,
        change: JobChange,
        result: ResultRecord | None = None,
        *,
        by: datetime | None = None,
    ) -> Snapshot:
        self._check("commit")
        return super().commit(seen, change, result, by=by)

    def expired_leases(self, *, limit: int) -> Sequence[str]:
        self._check("expired_leases")
        return super().expired_leases(limit=limit)

    def ping(self) -> None:
        self._check("ping")

    def _check(self, call: str) -> None:
        if call in self.away:
            raise self.away[call]


class NoCandles:
    def load(self, *_: object) -> Candles:
        raise AssertionError("the control service loads no candles")

    def entries(self) -> Sequence[Any]:
        return ()

    def replace(self, candles: Candles) -> CandleEntry:
        raise AssertionError(f"nobody asked to store {candles.symbol}")


@dataclass
class MemoryArtifacts:
    files: dict[str, bytes] = field(default_factory=dict)

    def put(self, *_: object) -> Artifact:
        raise AssertionError("the control service writes no artifacts")

    def read(self, artifact: Artifact) -> bytes:
        try:
            return self.files[artifact.uri]
        except KeyError:
            raise FileNotFoundError(artifact.uri) from None

    def chunks(self, artifact: Artifact) -> Iterator[bytes]:
        return iter([self.read(artifact)])

    def remove(self, artifact: Artifact) -> None:
        if self.files.pop(artifact.uri, None) is None:
            raise FileNotFoundError(artifact.uri)

    def discard(self, *_: object) -> int:
        raise AssertionError("nothing here has a retention")


@dataclass
class Control:
    """The parts a test looks at, and a client of the app."""

    store: FragileStore
    doorbell: RecordingDoorbell
    artifacts: MemoryArtifacts
    clock: TickingClock
    client: TestClient

    def job(self, job_id: str) -> Job:
        seen = self.store.get(job_id)
        assert seen is not None
        return seen.job

    def metric(self, sample: str) -> float:
        """A counter's value, 0 before it was first counted."""
        for line in self.client.get("/metrics").text.splitlines():
            name, _, value = line.rpartition(" ")
            if name == sample:
                return float(value)
        return 0.0


def laptop_settings(**overrides: Any) -> Settings:
    return load_settings(**{"store": "sqlite:///unused.db", "host": "127.0.0.1", **overrides})


def make_control(
    fetch: Fetch = fetch_certificates,
    *,
    candles: CandleLibrary | None = None,
    check: CheckConfig = check_config,
    **settings: Any,
) -> Control:
    configured = laptop_settings(**settings)
    clock = TickingClock()
    store = FragileStore(clock)
    doorbell = RecordingDoorbell()
    artifacts = MemoryArtifacts()
    services = Services(
        settings=configured,
        store=store,
        doorbell=doorbell,
        candles=candles or NoCandles(),
        artifacts=artifacts,
        clock=clock,
        admission=Admission(store, admission_policy(configured), check),
    )
    app = create_control_app(services, fetch=fetch, check_config=check)
    client = TestClient(app, base_url=OWN, raise_server_exceptions=False)
    return Control(store, doorbell, artifacts, clock, client)
