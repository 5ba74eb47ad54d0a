"""deploy/metrics and deploy/alerts in an installation of pollers only, from what pollers log."""

import json
import os
import re
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.cloud_filters import matches
from tests.support.cloud_logs import POOL, entry, service
from tests.support.jobs import an_admitted_job, read
from tests.support.maintenance import abandoned
from tests.support.pollers import CONFIG, SLOW_PROGRAM, Poller
from tests.support.processes import free_port
from worker.adapters.sql import SqlJobStore
from worker.jobs import transitions
from worker.jobs.errors import Conflict
from worker.jobs.states import JobStatus
from worker.ports import Pause

ROOT = Path(__file__).resolve().parents[2]
METRICS = {
    file.stem: json.loads(file.read_text()) for file in (ROOT / "deploy/metrics").glob("*.json")
}
POLICIES = {
    file.stem: json.loads(file.read_text()) for file in (ROOT / "deploy/alerts").glob("*.json")
}
#: Policies on what an installation of pollers does not have, and what stands in for each there.
SERVICES_ONLY = {
    "control-errors": "pollers-silent",
    "worker-errors": "error-log",
    "sweep": "pollers-silent",
    "old-rings": "queue-age",
    "dead-rings": "queue-age",
}
KINDS = ("conditionThreshold", "conditionAbsent", "conditionMatchedLog")


def conditions(policy: str) -> list[dict[str, Any]]:
    return [item[kind] for item in POLICIES[policy]["conditions"] for kind in KINDS if kind in item]


class Places:
    """Pollers, each with a store of its own: what one logs does not depend on the others."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._pollers: list[Poller] = []
        self._stores: list[SqlJobStore] = []

    def store(self, name: str) -> SqlJobStore:
        (self._directory / name).mkdir()
        store = SqlJobStore(self._url(name))
        store.create_schema()
        self._stores.append(store)
        return store

    def start(self, name: str, **settings: object) -> Poller:
        directory = self._directory / name
        options: dict[str, Any] = {"max_concurrent_backtests": 1, "sweep_seconds": 0.5, **settings}
        self._pollers.append(Poller(self._url(name), directory, **options))
        return self._pollers[-1]

    def stop(self) -> list[str]:
        """Every line that was logged."""
        for poller in self._pollers:
            # All at once: each takes a moment to leave.
            poller.server.process.send_signal(signal.SIGTERM)
        lines = []
        for poller in self._pollers:
            poller.terminate()
            lines += poller.server.output().splitlines()
            poller.stop()
        for store in self._stores:
            store.close()
        return [line for line in lines if line.startswith("{")]

    def _url(self, name: str) -> str:
        return f"sqlite:///{self._directory / name / 'jobs.db'}"


def said(poller: Poller, event: str, **fields: object) -> bool:
    return any(
        line.get("event") == event and fields.items() <= line.items() for line in poller.events()
    )


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What three pollers log: a working one without its broker, a paused one, one in trouble."""
    places = Places(tmp_path_factory.mktemp("pollers"))
    try:
        working, paused, troubled = (places.store(name) for name in ("work", "pause", "trouble"))
        working.create(an_admitted_job("good", 1.0, config_used=CONFIG))
        nothing = {key: value for key, value in CONFIG.items() if key != "pricePath"}
        working.create(an_admitted_job("bad", 2.0, config_used=nothing))
        working.create(abandoned("lost", config_used=CONFIG))
        working.create(abandoned("poison", worker_losses=1))
        paused.create(an_admitted_job("held", -300.0, config_used=CONFIG))
        paused.set_pause(Pause(is_on=True))
        troubled.create(an_admitted_job("slow", config_used=CONFIG))

        trouble = places.start(
            "trouble",
            program=SLOW_PROGRAM,
            heartbeat_seconds=0.3,
            sweep_seconds=60,
        )
        pause = places.start("pause")
        pause.wait_until(lambda: said(pause, "fleet"))
        # It has nothing to run: the processor is the others'.
        pause.server.process.send_signal(signal.SIGTERM)
        work = places.start(
            "work",
            doorbell="pubsub://no-project/no-topic",
            pubsub_emulator_host=f"127.0.0.1:{free_port()}",
        )
        lose_a_lease(troubled, trouble)
        trouble.wait_until(lambda: said(trouble, "lease_lost"))
        [slot] = trouble.slots()
        os.kill(slot, signal.SIGKILL)
        trouble.wait_until(lambda: said(trouble, "slot_ended"))
        for event in ("job_completed", "job_reclaimed", "ring_failed", "fleet"):
            work.wait_until(lambda event=event: said(work, event))
        work.wait_until(lambda: said(work, "job_failed", errorCode="WORKER_LOST"))
        work.wait_until(lambda: read(working, "bad").job.status is JobStatus.FAILED)
    finally:
        logged = places.stop()
    return logged


def lose_a_lease(store: SqlJobStore, poller: Poller) -> None:
    """Take the job as a sweep would whose clock is a day ahead."""
    poller.wait_until(lambda: read(store, "slow").job.status is JobStatus.RUNNING)

    def taken() -> bool:
        seen = read(store, "slow")
        tomorrow = seen.read_at + timedelta(days=1)
        try:
            store.commit(seen, transitions.expire(seen.job, read_at=tomorrow, requeue_once=True))
        except Conflict:
            # A beat came in between.
            return False
        return True

    poller.wait_until(taken)


@pytest.fixture(scope="module")
def entries(lines: list[str]) -> list[dict[str, Any]]:
    return [entry(line, POOL) for line in lines]


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_line_of_a_poller_counts(name: str, entries: list[dict[str, Any]]) -> None:
    counted = [one for one in entries if matches(METRICS[name]["filter"], one)]

    assert counted
    if extractor := METRICS[name].get("valueExtractor"):
        field = re.fullmatch(r"EXTRACT\(jsonPayload\.(\w+)\)", extractor)
        assert field is not None
        # Cloud Logging leaves out a line without the field: one that says `held`, for one.
        values = [one["jsonPayload"].get(field[1]) for one in counted]
        assert any(isinstance(value, (int, float)) for value in values)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_line_of_another_service_or_pool_does_not(name: str, lines: list[str]) -> None:
    others = [service("web"), {"type": POOL["type"], "labels": {"worker_pool_name": "mail"}}]

    assert not any(
        matches(METRICS[name]["filter"], entry(line, other)) for line in lines for other in others
    )


def series(metric: str) -> dict[str, Any]:
    """A time series of the pool."""
    return {"resource": POOL, "metric": {"type": metric, "labels": {}}}


@pytest.mark.parametrize("name", sorted(POLICIES.keys() - SERVICES_ONLY))
def test_a_policy_watches_the_pool(name: str, entries: list[dict[str, Any]]) -> None:
    watched = []
    for condition in conditions(name):
        text = condition["filter"]
        named = re.search(r'metric\.type = "([^"]+)"', text)
        if named is None:
            watched.append(any(matches(text, one) for one in entries))
        else:
            watched.append(matches(text, series(named[1])))

    every = POLICIES[name]["combiner"] == "AND"
    assert (all if every else any)(watched), watched


def test_what_only_services_have_has_a_counterpart() -> None:
    for name, counterpart in SERVICES_ONLY.items():
        for condition in conditions(name):
            [metric] = re.findall(r'metric\.type = "([^"]+)"', condition["filter"])
            assert not metric.startswith("logging.googleapis.com/user/")
            assert not matches(condition["filter"], series(metric))
        assert counterpart in POLICIES.keys() - SERVICES_ONLY


def test_the_absence_of_pollers_is_not_seen_where_there_never_were_any() -> None:
    """A condition on absence looks at series that were there: a service's must not match."""
    [condition] = conditions("pollers-silent")
    [metric] = re.findall(r'metric\.type = "([^"]+)"', condition["filter"])
    of_a_service = {**series(metric), "resource": service("backtest-control")}

    assert not matches(condition["filter"], of_a_service)


def test_what_waits_for_the_end_of_a_pause_is_not_queued(entries: list[dict[str, Any]]) -> None:
    figures = [one["jsonPayload"] for one in entries if one["jsonPayload"].get("event") == "fleet"]
    held = [one for one in figures if "heldSeconds" in one]

    assert held[0]["heldSeconds"] >= 300
    assert "queuedSeconds" not in held[0]
    assert len(figures) > len(held)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('resource.type = "a" AND severity >= WARNING', True),
        ('resource.type = ("b" OR "a")', True),
        ('resource.type = one_of("b", "a")', True),
        ('(resource.type = "b" OR severity = ERROR) AND jsonPayload.event : *', True),
        ("severity >= CRITICAL", False),
        ("jsonPayload.code : *", False),
        ('resource.type != "a"', False),
    ],
)
def test_the_evaluator_reads_filters(text: str, expected: bool) -> None:
    thing = {"resource": {"type": "a"}, "severity": "ERROR", "jsonPayload": {"event": "x"}}

    assert matches(text, thing) == expected


@pytest.mark.parametrize(
    "text", ['a = "x" AND b = "y" OR c = "z"', 'a ~ "x"', 'a = "x" b = "y"', "(a = b", "a >= 5"]
)
def test_the_evaluator_refuses_what_it_does_not_know(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|parentheses|unknown|not in"):
        matches(text, {})
