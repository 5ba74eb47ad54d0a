"""A worker in this process: a store in memory and an engine that does as the test says."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi.testclient import TestClient

import engine
from engine.candles import Candles
from tests.support.clocks import TickingClock
from tests.support.control import OWN, FragileStore, RecordingDoorbell, laptop_settings
from tests.support.jobs import an_admitted_job, read
from tests.support.patience import PATIENCE_SECONDS
from worker.bootstrap import Places, Services, Worker, admission_policy, build_worker
from worker.entrypoints.worker_app import create_worker_app
from worker.jobs.errors import ErrorCode, JobFailure
from worker.jobs.job import Artifact, Job
from worker.oidc import Fetch, fetch_certificates
from worker.services.admission import Admission
from worker.services.backtesting import EngineCalls
from worker.services.run_job import RunLimits

OnProgress = Callable[[float], None]
ShouldStop = Callable[[], bool]
Script = Callable[[OnProgress, ShouldStop], "ScriptedResult"]


def a_document(**values: Any) -> dict[str, Any]:
    """A result as the engine hands it over, as far as the worker looks into it."""
    return {
        "configUsed": {"strategyId": "smaCross", "pricePath": []},
        "equityCurve": [100.0, 110.0],
        "equityTimestamps": ["2020-01-02T00:00:00Z", "2020-01-03T00:00:00Z"],
        "trades": [],
        "cycles": [],
        "regimeSegments": [],
        "dataFingerprint": "sha256:data",
        "truncated": {},
        "totalReturn": 0.1,
    } | values


@dataclass(frozen=True)
class ScriptedResult:
    document: dict[str, Any] = field(default_factory=a_document)
    result_digest: str = "sha256:result"
    summary_digest: str = "sha256:summary"

    def to_document(self) -> dict[str, Any]:
        return dict(self.document)

    def to_outline(self) -> dict[str, Any]:
        return self.to_document()


def at_once(on_progress: OnProgress, _: ShouldStop) -> ScriptedResult:
    """An engine that is done before anybody looks."""
    on_progress(1.0)
    return ScriptedResult()


def raising(error: BaseException) -> Script:
    def script(*_: object) -> ScriptedResult:
        raise error

    return script


class ScriptedEngine:
    """``script`` is what the next runs do; ``entered`` is set when one has begun."""

    def __init__(self) -> None:
        self.script: Script = at_once
        self.entered = threading.Event()
        self.release = threading.Event()
        self.runs = 0

    @property
    def calls(self) -> EngineCalls:
        return EngineCalls(
            parse_config=self._parse, required_series=lambda _: (), run_backtest=self._run
        )

    def until_stopped(self, _: OnProgress, should_stop: ShouldStop) -> ScriptedResult:
        """Run until told to stop, looking every few milliseconds like a kernel's chunks."""
        while not should_stop():
            if self.release.wait(0.005):
                return ScriptedResult()
        raise engine.Stopped

    def until_released(self, *_: object) -> ScriptedResult:
        """Hear nothing until the test lets go."""
        assert self.release.wait(PATIENCE_SECONDS)
        return ScriptedResult()

    def check_config(self, config: Mapping[str, Any]) -> None:
        if config.get("strategyId") not in ("smaCross", "wheel", "buyAndHold"):
            raise engine.ConfigError(
                [engine.ConfigProblem("strategyId", "a known strategy", "nothing")]
            )

    def _parse(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        self.check_config(config)
        return config

    def _run(
        self,
        config: Mapping[str, Any],
        _: Candles | Mapping[str, Candles] | None = None,
        on_progress: OnProgress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> ScriptedResult:
        if config.get("symbol") == "WARM-UP":
            return ScriptedResult()
        self.runs += 1
        self.entered.set()
        return self.script(on_progress or (lambda _: None), should_stop or (lambda: False))


class MissingCandles:
    def load(self, symbol: str, *_: object) -> Candles:
        raise JobFailure(ErrorCode.DATA_NOT_FOUND, f"There are no candles of {symbol}.")

    def entries(self) -> Sequence[Any]:
        return ()


@dataclass
class TableArtifacts:
    """Keeps the columns themselves."""

    tables: dict[str, Mapping[str, Sequence[object]]] = field(default_factory=dict)

    def put(self, key: str, columns: Mapping[str, Sequence[object]]) -> Artifact:
        self.tables[key] = columns
        return Artifact(uri=f"memory:{key}", rows=len(next(iter(columns.values()))), sha256="0")

    def read(self, artifact: Artifact) -> bytes:
        raise FileNotFoundError(artifact.uri)

    def chunks(self, artifact: Artifact) -> Iterator[bytes]:
        raise FileNotFoundError(artifact.uri)


@dataclass
class WorkerParts:
    """The parts a test looks at, and a client of the app."""

    store: FragileStore
    doorbell: RecordingDoorbell
    artifacts: TableArtifacts
    clock: TickingClock
    engine: ScriptedEngine
    worker: Worker
    client: TestClient
    abandoned: threading.Event

    def queue(self, job_id: str = "j1", place: float = 0.0, **values: Any) -> Job:
        return self.store.create(an_admitted_job(job_id, place, **values)).job

    def job(self, job_id: str = "j1") -> Job:
        return read(self.store, job_id).job

    def drain(self) -> int:
        return self.worker.drain.drain(self.clock.monotonic())

    def metric(self, sample: str) -> float:
        for line in self.worker.telemetry.exposition().decode().splitlines():
            name, _, value = line.rpartition(" ")
            if name == sample:
                return float(value)
        return 0.0


def make_worker(
    fetch: Fetch = fetch_certificates,
    limits: RunLimits | None = None,
    *,
    places: bool = False,
    **settings: Any,
) -> WorkerParts:
    """``places``: the worker looks at the directories that the settings name."""
    configured = laptop_settings(**settings)
    clock = TickingClock()
    store = FragileStore(clock)
    doorbell = RecordingDoorbell()
    artifacts = TableArtifacts()
    scripted = ScriptedEngine()
    abandoned = threading.Event()
    services = Services(
        settings=configured,
        store=store,
        doorbell=doorbell,
        candles=MissingCandles(),
        artifacts=artifacts,
        clock=clock,
        admission=Admission(store, admission_policy(configured), scripted.check_config),
        places=Places(configured) if places else None,
    )
    worker = build_worker(services, calls=scripted.calls, limits=limits, on_abandoned=abandoned.set)
    client = TestClient(
        create_worker_app(worker, fetch=fetch), base_url=OWN, raise_server_exceptions=False
    )
    return WorkerParts(store, doorbell, artifacts, clock, scripted, worker, client, abandoned)
