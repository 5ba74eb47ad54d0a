from collections.abc import Iterator

import pytest

from tests.support.emulators import FirestoreEmulator, PubSubEmulator
from tests.support.stack import Stack
from worker.bootstrap import engine_calls
from worker.services.warming import WarmUp


@pytest.fixture(scope="session")
def session_stack(
    firestore_process: FirestoreEmulator,
    pubsub_process: PubSubEmulator,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    # What is compiled here need not be waited for until the worker is ready.
    WarmUp(engine_calls()).run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRESTORE_EMULATOR_HOST", firestore_process.host)
        stack = Stack(firestore_process, pubsub_process, tmp_path_factory.mktemp("stack"))
        yield stack
        stack.close()


@pytest.fixture
def stack(session_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The running system; jobs of different tests are different users' jobs."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", session_stack.emulator.host)
    return session_stack
