"""The whole system on the emulators: two services as processes, triggers, topic, push.

Nothing is faked between a user's write and the result: the user's client is under the security
rules, the trigger is the emulator's, the services are the command line's.
"""

import os
import sys
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from google.cloud import firestore

from tests.support.emulators import FirestoreEmulator, PubSubEmulator
from tests.support.eventarc import Eventarc
from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import Server, free_port

ROOT = Path(__file__).parents[2]
TOPIC = "backtests"
SUBSCRIPTION = "backtests-push"
JOBS, BUNDLES = "backtestJobs", "backtestBundles"
Document = dict[str, Any]


class Stack:
    """Control service and worker over one project of the emulators.

    ``FIRESTORE_EMULATOR_HOST`` must be set in this process while clients are made.
    """

    def __init__(
        self, firestore_emulator: FirestoreEmulator, pubsub: PubSubEmulator, directory: Path
    ) -> None:
        self.emulator = firestore_emulator
        self.pubsub = pubsub
        self.candles = directory / "candles"
        self.artifacts = directory / "artifacts"
        self.project = firestore_emulator.new_project()
        firestore_emulator.load_rules(self.project, (ROOT / "firestore.rules").read_text())
        pubsub.create_topic(self.project, TOPIC)
        self.http = httpx.Client(timeout=PATIENCE_SECONDS, trust_env=False)
        self._ports = {"serve": free_port(), "control": free_port()}
        self._servers: dict[str, Server] = {}
        try:
            for command in self._ports:
                self._launch(command)
            for command in self._ports:
                self._wait_until_ready(command)
        except BaseException:
            self._stop_all()
            raise
        self._eventarc = Eventarc(f"{self.control_url}/events/firestore")
        pubsub.create_subscription(
            self.project, SUBSCRIPTION, TOPIC, push_endpoint=f"{self.worker_url}/pubsub/push"
        )
        firestore_emulator.register_trigger(
            self.project, "on-job", "backtestJobs/{jobId}", self._eventarc.deliver
        )
        firestore_emulator.register_trigger(
            self.project, "on-bundle", "backtestBundles/{bundleId}", self._eventarc.deliver
        )
        self.admin = firestore.Client(project=self.project)

    @property
    def event_answers(self) -> list[int]:
        """The statuses with which the control service has answered events."""
        return self._eventarc.statuses

    @property
    def unheard_events(self) -> int:
        """How often an event was posted while nobody was there to answer."""
        return self._eventarc.unheard

    def user(self, uid: str) -> "StackUser":
        """A signed-in user's view, under the security rules."""
        return StackUser(self.emulator.user_client(self.project, uid), uid)

    def ring(self, data: bytes) -> None:
        """Publish to the doorbell's topic as anybody with the right to could."""
        self.pubsub.publish(self.project, TOPIC, data)

    def pushes(self, outcome: str) -> int:
        """How many push deliveries the worker has ended so."""
        text = self.http.get(f"{self.worker_url}/metrics").text
        sample = f'backtest_pushes_total{{outcome="{outcome}"}} '
        lines = [line for line in text.splitlines() if line.startswith(sample)]
        return int(float(lines[0].removeprefix(sample))) if lines else 0

    @property
    def worker_url(self) -> str:
        return self._url("serve")

    @property
    def control_url(self) -> str:
        return self._url("control")

    def stop(self, command: str) -> int:
        """End ``serve`` or ``control`` with SIGTERM; its exit status."""
        server = self._servers.pop(command)
        server.stop()
        return int(server.process.returncode)

    def start(self, command: str) -> None:
        """Start ``serve`` or ``control`` afresh, at its old address."""
        self._launch(command)
        self._wait_until_ready(command)

    def logs(self) -> str:
        """What both services have written."""
        return "".join(server.output() for server in self._servers.values())

    def close(self) -> None:
        self._eventarc.close()
        self.emulator.bridge.off(self.project)
        self._stop_all()

    def _stop_all(self) -> None:
        for server in self._servers.values():
            server.stop()
        self.http.close()

    def _url(self, command: str) -> str:
        return f"http://127.0.0.1:{self._ports[command]}"

    def _launch(self, command: str) -> None:
        program = Path(sys.executable).with_name("backtest-worker")
        environment = {
            **os.environ,
            "STORE": f"firestore://{self.project}/(default)",
            "DOORBELL": f"pubsub://{self.project}/{TOPIC}",
            "FIRESTORE_EMULATOR_HOST": self.emulator.host,
            "PUBSUB_EMULATOR_HOST": self.pubsub.host,
            "CANDLES": str(self.candles),
            "ARTIFACTS": str(self.artifacts),
            "HOST": "127.0.0.1",
            "PORT": str(self._ports[command]),
            "LOG_FORMAT": "json",
        }
        self._servers[command] = Server(command, [str(program), command], env=environment)

    def _wait_until_ready(self, command: str) -> None:
        self._servers[command].wait_until(lambda: self._is_ready(self._url(command)))

    def _is_ready(self, url: str) -> bool:
        try:
            return self.http.get(f"{url}/ready").status_code == 200
        except httpx.TransportError:
            return False


class StackUser:
    """What a client app does with Firestore, and nothing that it may not do."""

    def __init__(self, client: firestore.Client, uid: str) -> None:
        self.client = client
        self.uid = uid

    def submit(self, config: Document, **fields: Any) -> str:
        """Write a job; its id."""
        job_id = uuid.uuid4().hex
        self.client.collection("backtestJobs").document(job_id).create(
            {
                "jobId": job_id,
                "userId": self.uid,
                "submittedAt": datetime.now(UTC),
                "status": "queued",
                "configUsed": config,
                **fields,
            }
        )
        return job_id

    def submit_bundle(self, base_config: Document, **fields: Any) -> str:
        """Write a bundle; its id."""
        bundle_id = uuid.uuid4().hex
        self.client.collection(BUNDLES).document(bundle_id).create(
            {
                "bundleId": bundle_id,
                "userId": self.uid,
                "submittedAt": datetime.now(UTC),
                "status": "queued",
                "baseConfig": base_config,
                **fields,
            }
        )
        return bundle_id

    def wait_for_end(
        self, job_id: str, timeout: float = PATIENCE_SECONDS, *, collection: str = JOBS
    ) -> Document:
        """Listen until the job is completed or failed; the document then."""
        return self.wait_for(
            job_id,
            lambda job: job.get("status") in ("completed", "failed"),
            timeout,
            collection=collection,
        )

    def wait_for(
        self,
        job_id: str,
        condition: Callable[[Document], bool],
        timeout: float = PATIENCE_SECONDS,
        *,
        collection: str = JOBS,
    ) -> Document:
        """Listen until the job fulfils ``condition``; the document then.

        A write that meets the emulator while a listener is being set up may never be told, so the
        document is also read now and then. What comes later than something newer is not looked at.
        """
        last: list[Any] = []
        lock = threading.Lock()
        fulfilled = threading.Event()

        def look(seen: Any) -> None:
            with lock:
                is_news = not last or seen.update_time > last[0].update_time
                if seen.exists and is_news and not fulfilled.is_set():
                    last[:] = [seen]
                    if condition(seen.to_dict()):
                        fulfilled.set()

        def on_snapshot(documents: list[Any], *_: object) -> None:
            for document in documents:
                look(document)

        deadline = time.monotonic() + timeout
        watched = self.client.document(f"{collection}/{job_id}")
        watch = watched.on_snapshot(on_snapshot)
        try:
            while not fulfilled.wait(1.0):
                look(watched.get())
                assert time.monotonic() < deadline, f"{job_id} after {timeout} s: {_brief(last)}"
        finally:
            watch.unsubscribe()
        return dict(last[0].to_dict())

    def job(self, job_id: str) -> Document:
        document: Document | None = self.client.document(f"backtestJobs/{job_id}").get().to_dict()
        assert document is not None
        return document

    def result(self, job_id: str) -> Document | None:
        document: Document | None = (
            self.client.document(f"backtestResults/{job_id}").get().to_dict()
        )
        return document


def _brief(last: list[Any]) -> Document:
    """What was seen last, without the config, which may be long."""
    job = last[0].to_dict() if last else {}
    return {name: value for name, value in job.items() if name not in ("configUsed", "baseConfig")}


def eventually(condition: Callable[[], bool], what: str, timeout: float = PATIENCE_SECONDS) -> None:
    """Ask again and again, up to ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        pause.wait(0.05)
