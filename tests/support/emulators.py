"""The Firestore and Pub/Sub emulators, started as plain Java processes on free loopback ports."""

import base64
import json
import shutil
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import httpx
from google.cloud import firestore

from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import Server, free_port, missing
from tests.support.trigger_bridge import Delivery, TriggerBridge

_JAVA_FLAGS = ("-Duser.language=en", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xms32m")
_FIRESTORE_MAIN = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
_SDK_PLACES = (
    "/usr/lib/google-cloud-sdk",
    "/usr/share/google-cloud-sdk",
    "/opt/google-cloud-sdk",
    "~/google-cloud-sdk",
)


@cache
def _sdk_root() -> Path | None:
    for place in _SDK_PLACES:
        root = Path(place).expanduser()
        if (root / "platform").is_dir():
            return root
    if gcloud := shutil.which("gcloud"):
        asked = subprocess.run(
            [gcloud, "info", "--format=value(installation.sdk_root)"],
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.returncode == 0 and asked.stdout.strip():
            return Path(asked.stdout.strip())
    return None


def _java() -> str:
    java = shutil.which("java")
    if java is None:
        missing("there is no Java runtime: install one (Debian: default-jre-headless)")
        raise AssertionError
    return java


def _jar(pattern: str, package: str) -> Path:
    root = _sdk_root()
    found = sorted(root.glob(pattern)) if root else []
    if not found:
        missing(f"the emulator's jar is not here: install {package} of the Google Cloud SDK")
    return found[-1]


def _answers(address: str) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            return httpx.get(f"http://{address}/", timeout=10.0, trust_env=False).is_success
        except httpx.TransportError:
            return False

    return ask


def unique_project() -> str:
    """A project nobody has written to: isolation without cleaning up."""
    return f"test-{uuid.uuid4().hex[:12]}"


def user_token(uid: str, **claims: object) -> str:
    """The unsigned identity token that the emulator takes for a signed-in user."""

    def part(content: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    header: dict[str, object] = {"alg": "none", "typ": "JWT"}
    return f"{part(header)}.{part({'sub': uid, 'user_id': uid, **claims})}."


class FirestoreEmulator:
    """One emulator process, many projects, triggers that call Python functions."""

    def __init__(self) -> None:
        java = _java()
        jar = _jar(
            "platform/cloud-firestore-emulator/cloud-firestore-emulator.jar",
            "cloud-firestore-emulator",
        )
        self.bridge = TriggerBridge()
        self.host = f"127.0.0.1:{free_port()}"
        port = self.host.partition(":")[2]
        self._server = Server(
            "the Firestore emulator",
            [
                *(java, *_JAVA_FLAGS, "-Xmx512m", "-cp", str(jar), _FIRESTORE_MAIN),
                *("--host", "127.0.0.1", "--port", port),
                *("--functions_emulator", self.bridge.address),
            ],
        )
        self._http = httpx.Client(
            base_url=f"http://{self.host}", timeout=PATIENCE_SECONDS, trust_env=False
        )
        self._server.wait_until(_answers(self.host))

    def new_project(self) -> str:
        return unique_project()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Whoever calls it in this block waits for an answer."""
        self._server.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._server.process.send_signal(signal.SIGCONT)

    def load_rules(self, project: str, text: str) -> None:
        """Put security rules into force; anything the compiler remarks on is an error."""
        answer = self._http.put(
            f"/emulator/v1/projects/{project}:securityRules",
            json={"rules": {"files": [{"name": "firestore.rules", "content": text}]}},
        )
        assert answer.status_code == 200, answer.text
        assert not answer.json().get("issues"), answer.text

    def register_trigger(
        self,
        project: str,
        trigger_id: str,
        document: str,
        deliver: Callable[[Delivery], None],
        event: str = "created",
    ) -> None:
        """Call ``deliver`` for each ``event`` on a document that matches the path pattern.

        Deliveries of one trigger come one after another, on a thread of the bridge.
        """
        self.bridge.on(project, trigger_id, deliver)
        answer = self._http.post(
            f"/emulator/v1/projects/{project}/eventarcTrigger",
            params={"eventarcTriggerId": trigger_id},
            json={
                "eventType": f"google.cloud.firestore.document.v1.{event}",
                "database": "(default)",
                "namespace": "(default)",
                "document": {"value": document, "matchType": "PATH_PATTERN"},
            },
        )
        assert answer.is_success, answer.text

    def index_usage(self, project: str) -> dict[str, object]:
        """The composite indexes that the queries made so far would need in production."""
        answer = self._http.get(
            f"/emulator/v1/projects/{project}:indexUsage",
            params={"database": f"projects/{project}/databases/(default)"},
        )
        assert answer.is_success, answer.text
        usage: dict[str, object] = answer.json()
        return usage

    def user_client(self, project: str, uid: str, **claims: object) -> firestore.Client:
        """A client under the security rules; the ordinary one is an administrator here.

        ``FIRESTORE_EMULATOR_HOST`` must be set, as the fixture does.
        """
        client = firestore.Client(project=project)
        others = [item for item in client._rpc_metadata if item[0] != "authorization"]
        token = user_token(uid, aud=project, **claims)
        client._rpc_metadata_internal = [*others, ("authorization", f"Bearer {token}")]
        return client

    def warm_up(self) -> None:
        """Make the first slow call before a test does; needs ``FIRESTORE_EMULATOR_HOST``."""
        client = firestore.Client(project=unique_project())
        document = client.collection("warm").document("up")
        document.create({"n": 1})
        document.get()
        client.close()  # type: ignore[no-untyped-call]  # Google's has no types

    def stop(self) -> None:
        self._http.close()
        self._server.stop()
        self.bridge.close()


class PubSubEmulator:
    """One emulator process; topics and subscriptions made over REST."""

    def __init__(self) -> None:
        java = _java()
        jar = _jar(
            "platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar", "pubsub-emulator"
        )
        self.host = f"127.0.0.1:{free_port()}"
        port = self.host.partition(":")[2]
        self._server = Server(
            "the Pub/Sub emulator",
            [
                java,
                *_JAVA_FLAGS,
                "-Xmx512m",
                "-jar",
                str(jar),
                "--host=127.0.0.1",
                f"--port={port}",
            ],
        )
        self._http = httpx.Client(
            base_url=f"http://{self.host}", timeout=PATIENCE_SECONDS, trust_env=False
        )
        self._server.wait_until(_answers(self.host))

    def new_project(self) -> str:
        return unique_project()

    def create_topic(self, project: str, topic: str) -> None:
        answer = self._http.put(f"/v1/projects/{project}/topics/{topic}", json={})
        assert answer.is_success, answer.text

    def create_subscription(
        self, project: str, subscription: str, topic: str, push_endpoint: str | None = None
    ) -> None:
        """Pull, or push (wrapped) when an endpoint is named."""
        body: dict[str, object] = {
            "topic": f"projects/{project}/topics/{topic}",
            "ackDeadlineSeconds": 600,
        }
        if push_endpoint:
            body["pushConfig"] = {"pushEndpoint": push_endpoint}
        answer = self._http.put(f"/v1/projects/{project}/subscriptions/{subscription}", json=body)
        assert answer.is_success, answer.text

    def publish(self, project: str, topic: str, data: bytes, **attributes: str) -> str:
        """Publish one message as anybody could; its id."""
        message = {"data": base64.b64encode(data).decode(), "attributes": attributes}
        answer = self._http.post(
            f"/v1/projects/{project}/topics/{topic}:publish", json={"messages": [message]}
        )
        assert answer.is_success, answer.text
        return str(answer.json()["messageIds"][0])

    def pull(self, project: str, subscription: str, limit: int = 100) -> list[dict[str, object]]:
        """Take what waits now and acknowledge it: message bodies with ``data`` decoded."""
        path = f"/v1/projects/{project}/subscriptions/{subscription}"
        answer = self._http.post(
            f"{path}:pull", json={"maxMessages": limit, "returnImmediately": True}
        )
        assert answer.is_success, answer.text
        received = answer.json().get("receivedMessages", [])
        if received:
            self._http.post(
                f"{path}:acknowledge", json={"ackIds": [item["ackId"] for item in received]}
            ).raise_for_status()
        messages: list[dict[str, object]] = [item["message"] for item in received]
        for message in messages:
            message["data"] = base64.b64decode(str(message.get("data", "")))
        return messages

    def warm_up(self) -> None:
        project = unique_project()
        self.create_topic(project, "warm-up")
        self.publish(project, "warm-up", b"{}")

    def stop(self) -> None:
        self._http.close()
        self._server.stop()
