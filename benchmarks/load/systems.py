"""The whole system as processes of this machine, on a database or on the emulators."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.emulators import FirestoreEmulator, PubSubEmulator
from tests.support.eventarc import Eventarc
from tests.support.postgres import PostgresServer
from tests.support.processes import Server, free_port
from tests.support.signed_tokens import issuer
from worker.bootstrap import build_store
from worker.ports import Store
from worker.settings import load_settings

PROJECT = "load"
TOPIC = "backtests"
_PROGRAM = str(Path(sys.executable).with_name("backtest-worker"))


@dataclass(frozen=True)
class System:
    """``url`` is the control service's."""

    url: str
    store: Store


@contextmanager
def on_postgresql(server: PostgresServer | None = None) -> Iterator[System]:
    """A database and a poller of two processes."""
    with ExitStack() as stack:
        if server is None:
            server = PostgresServer()
            stack.callback(server.stop)
        store = server.url(server.new_database())
        _migrate(store)
        environment = _environment(stack, store, "local") | {"MAX_CONCURRENT_BACKTESTS": "2"}
        yield _started(stack, environment, "poll")


@contextmanager
def on_emulators() -> Iterator[System]:
    """Firestore and Pub/Sub, which pushes to one worker."""
    with ExitStack() as stack:
        firestore, pubsub = FirestoreEmulator(), PubSubEmulator()
        stack.callback(firestore.stop)
        stack.callback(pubsub.stop)
        for name, host in (
            ("FIRESTORE_EMULATOR_HOST", firestore.host),
            ("PUBSUB_EMULATOR_HOST", pubsub.host),
        ):
            os.environ[name] = host
            stack.callback(os.environ.pop, name)
        firestore.warm_up()
        project = firestore.new_project()
        pubsub.create_topic(project, TOPIC)
        environment = _environment(
            stack, f"firestore://{project}/(default)", f"pubsub://{project}/{TOPIC}"
        )
        system = _started(stack, environment, "serve")
        pubsub.create_subscription(
            project,
            "push",
            TOPIC,
            push_endpoint=f"http://127.0.0.1:{environment['WORKER_PORT']}/pubsub/push",
        )
        events = Eventarc(f"{system.url}/events/firestore")
        stack.callback(events.close)
        for kind in ("Jobs", "Bundles"):
            firestore.register_trigger(
                project, f"on-{kind.lower()}", f"backtest{kind}/{{id}}", events.deliver
            )
        stack.callback(firestore.bridge.off, project)
        yield system


def _environment(stack: ExitStack, store: str, doorbell: str) -> dict[str, str]:
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    (directory / "candles").mkdir()
    (directory / "certificate.pem").write_text(issuer().certificate())
    return os.environ | {
        "STORE": store,
        "DOORBELL": doorbell,
        "CANDLES": str(directory / "candles"),
        "ARTIFACTS": str(directory / "artifacts"),
        "AUTH": "firebase",
        "FIREBASE_PROJECT": PROJECT,
        "CERTIFICATE": str(directory / "certificate.pem"),
        "WORKER_PORT": str(free_port()),
        "LOG_FORMAT": "json",
    }


def _started(stack: ExitStack, environment: dict[str, str], worker: str) -> System:
    """Control service and worker, once both are ready; the directory is this repository's."""
    root = str(Path(__file__).parents[2])
    environment = environment | {"PYTHONPATH": root}
    ports = {"control": str(free_port()), worker: environment["WORKER_PORT"]}
    control = [sys.executable, "-m", "benchmarks.load.control", environment["CERTIFICATE"]]
    for name, command in (("control", control), (worker, [_PROGRAM, worker])):
        server = Server(name, command, env=environment | {"PORT": ports[name]})
        stack.callback(server.stop)
        server.wait_until(lambda name=name: _is_ready(ports[name]))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    store = build_store(load_settings(store=environment["STORE"]))
    stack.callback(store.close)
    return System(f"http://127.0.0.1:{ports['control']}", store)


def _migrate(url: str) -> None:
    from worker.adapters.sql import SqlJobStore

    store = SqlJobStore(url)
    store.create_schema()
    store.close()


def _is_ready(port: str) -> bool:
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/ready", timeout=10, trust_env=False)
    except httpx.TransportError:
        return False
    return answer.status_code == 200
