"""The servers that other tests build on answer, isolate and deliver as those tests assume."""

import os
import queue
import select
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from google.api_core.exceptions import PermissionDenied
from google.cloud import firestore
from google.events.cloud.firestore import DocumentEventData

from tests.support.emulators import FirestoreEmulator, PubSubEmulator
from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import Server, missing
from tests.support.trigger_bridge import Delivery

_OWN_NOTES_ONLY = """
rules_version = '2';
service cloud.firestore {
  match /databases/{database}/documents {
    match /notes/{id} { allow read: if request.auth.uid == resource.data.owner; }
  }
}
"""


@pytest.mark.emulator
def test_a_trigger_delivers_the_created_document_as_a_cloud_event(
    firestore_emulator: FirestoreEmulator, firestore_project: str
) -> None:
    received: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
    firestore_emulator.register_trigger(
        firestore_project, "on-note", "notes/{noteId}", received.put
    )
    client = firestore.Client(project=firestore_project)
    client.collection("other").document("n0").create({"text": "unheard"})
    client.collection("notes").document("n1").create({"text": "heard"})

    delivery = received.get(timeout=PATIENCE_SECONDS)

    event = DocumentEventData.deserialize(delivery.body)
    assert event.value.name.endswith("/documents/notes/n1")
    assert event.value.fields["text"].string_value == "heard"
    assert delivery.headers["ce-type"] == "google.cloud.firestore.document.v1.created"
    assert delivery.headers["ce-source"].startswith(
        f"//firestore.googleapis.com/projects/{firestore_project}/"
    )
    assert received.empty()
    client.close()  # type: ignore[no-untyped-call]  # Google's has no types


@pytest.mark.emulator
def test_rules_bind_a_user_client_and_not_the_administrator(
    firestore_emulator: FirestoreEmulator, firestore_project: str
) -> None:
    firestore_emulator.load_rules(firestore_project, _OWN_NOTES_ONLY)
    admin = firestore.Client(project=firestore_project)
    admin.collection("notes").document("n1").create({"owner": "ann"})

    ann = firestore_emulator.user_client(firestore_project, "ann")
    bob = firestore_emulator.user_client(firestore_project, "bob")

    assert ann.collection("notes").document("n1").get().exists
    with pytest.raises(PermissionDenied):
        bob.collection("notes").document("n1").get()
    for client in (admin, ann, bob):
        client.close()  # type: ignore[no-untyped-call]  # Google's has no types


@pytest.mark.emulator
def test_rules_with_a_slip_are_refused(
    firestore_emulator: FirestoreEmulator, firestore_project: str
) -> None:
    with pytest.raises(AssertionError):
        firestore_emulator.load_rules(
            firestore_project, _OWN_NOTES_ONLY.replace("allow read", "allow reda")
        )


@pytest.mark.emulator
def test_a_published_message_can_be_pulled_once(pubsub_emulator: PubSubEmulator) -> None:
    project = pubsub_emulator.new_project()
    pubsub_emulator.create_topic(project, "doorbell")
    pubsub_emulator.create_subscription(project, "worker", "doorbell")
    pubsub_emulator.publish(project, "doorbell", b'{"jobId": "j1"}', engineVersion="1.0.0")

    (message,) = pubsub_emulator.pull(project, "worker")

    assert message["data"] == b'{"jobId": "j1"}'
    assert message["attributes"] == {"engineVersion": "1.0.0"}
    assert pubsub_emulator.pull(project, "worker") == []


@pytest.mark.postgres
def test_each_test_has_an_empty_database(postgres_url: str) -> None:
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchone()
    assert row == (0,)


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_a_server_dies_with_a_killed_parent() -> None:
    root = Path(__file__).parents[2]
    parent = subprocess.Popen(
        [sys.executable, "-c", _KILLED_PARENT],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
    )
    assert parent.stdout is not None
    child = os.pidfd_open(int(parent.stdout.readline()))
    parent.send_signal(signal.SIGKILL)
    parent.wait(PATIENCE_SECONDS)

    gone, _, _ = select.select([child], [], [], PATIENCE_SECONDS)

    assert gone
    os.close(child)
    parent.stdout.close()


_KILLED_PARENT = """
import os, subprocess, sys, time
guard = "tests/support/guarded_exec.py"
child = subprocess.Popen(
    [sys.executable, "-I", guard, str(os.getpid()), "15", "-", "--", "sleep", "600"]
)
while not open(f"/proc/{child.pid}/cmdline", "rb").read().startswith(b"sleep"):
    time.sleep(0.01)
print(child.pid, flush=True)
time.sleep(600)
"""


def test_without_its_program_a_test_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUIRE_EMULATORS", raising=False)

    with pytest.raises(pytest.skip.Exception, match="no Java"):
        missing("there is no Java")


def test_where_everything_is_required_it_fails_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUIRE_EMULATORS", "1")

    with pytest.raises(pytest.fail.Exception, match="no Java"):
        missing("there is no Java")


def test_a_server_that_never_answers_shows_what_it_said() -> None:
    server = Server("the mute server", ["sh", "-c", "echo no memory left >&2; exec sleep 600"])

    with pytest.raises(RuntimeError, match="no memory left"):
        server.wait_until(lambda: "memory" in server.output() and False, timeout=1.0)

    assert server.process.poll() is not None
