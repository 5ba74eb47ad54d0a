"""The security rules, asked as a signed-in user of the real emulator."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter

from tests.support.emulators import FirestoreEmulator
from tests.support.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.emulator

RULES = (Path(__file__).parents[2] / "firestore.rules").read_text()

JOB: dict[str, Any] = {
    "userId": "alice",
    "submittedAt": "2026-03-01T12:00:00.000",
    "status": "queued",
    "configUsed": {"strategyId": "wheel", "symbol": "SPY", "parameters": {"put": {"delta": 0.3}}},
}
BUNDLE: dict[str, Any] = {
    "userId": "alice",
    "submittedAt": "2026-03-01T12:00:00.000",
    "status": "queued",
    "baseConfig": {"strategyId": "smaCross", "symbol": "SPY"},
    "parameterGrid": {"parameters.fast": [5, 10]},
}
#: What an app's model writes when it serializes every field it knows.
SHIPPED_CLIENT_FIELDS = {
    "status": "CloudBacktestStatus.queued",
    "startedAt": None,
    "completedAt": None,
    "errorMessage": None,
    "errorCode": None,
    "progress": 0,
    "attempt": 0,
    "cancelRequested": False,
    "lease": None,
    "engineVersion": "1.0.0",
    "priority": 0,
    "timeoutSeconds": None,
    "resultDigest": None,
}

ALLOWED_JOBS: dict[str, dict[str, Any]] = {
    "the five required fields": {},
    "a shipped client's whole model": SHIPPED_CLIENT_FIELDS,
    "submittedAt as a timestamp": {"submittedAt": datetime(2026, 3, 1, tzinfo=UTC)},
    "submittedAt from the server": {"submittedAt": firestore.SERVER_TIMESTAMP},
    "submittedAt of 40 characters": {"submittedAt": "x" * 40},
    "the highest priority": {"priority": 9},
    "the lowest priority": {"priority": -9},
    "an engine version of 32 characters": {"engineVersion": "1" * 32},
    "an engine version left open": {"engineVersion": None},
    "a time limit": {"timeoutSeconds": 60},
    "progress as a float": {"progress": 0.0},
    "server counters null": {"progress": None, "attempt": None, "interruptions": None},
    "every other server field null": dict.fromkeys(
        (
            "workerLosses",
            "rank",
            "admittedAt",
            "lane",
            "enumStyle",
            "bundleId",
            "variants",
            "durationMs",
            "expireAt",
        )
    ),
    "an empty config, which admission explains": {"configUsed": {}},
    "a config of 1,000 keys": {"configUsed": {f"k{n}": n for n in range(1000)}},
    "a long price path": {"configUsed": {"pricePath": [100.5] * 20_000}},
}

REMOVED = object()
DENIED_JOBS: dict[str, dict[str, Any]] = {
    "another user's": {"userId": "bob"},
    "nobody's": {"userId": None},
    "no userId": {"userId": REMOVED},
    "no jobId": {"jobId": REMOVED},
    "a jobId that is not the document's": {"jobId": "other"},
    "no status": {"status": REMOVED},
    "running": {"status": "running"},
    "completed": {"status": "completed"},
    "the status of imports": {"status": "Pending"},
    "no submittedAt": {"submittedAt": REMOVED},
    "submittedAt of 41 characters": {"submittedAt": "x" * 41},
    "submittedAt as a number": {"submittedAt": 1_700_000_000},
    "no config": {"configUsed": REMOVED},
    "a config as text": {"configUsed": "{}"},
    "a config as a list": {"configUsed": [1]},
    "a config of 1,001 keys": {"configUsed": {f"k{n}": n for n in range(1001)}},
    "an engine version of 33 characters": {"engineVersion": "1" * 33},
    "an empty engine version": {"engineVersion": ""},
    "an engine version as a number": {"engineVersion": 1},
    "priority 10": {"priority": 10},
    "priority -10": {"priority": -10},
    "priority as a float": {"priority": 1.5},
    "priority as text": {"priority": "high"},
    "no time at all": {"timeoutSeconds": 0},
    "more than a day": {"timeoutSeconds": 86_401},
    "a time limit as text": {"timeoutSeconds": "60"},
    "cancelled at once": {"cancelRequested": True},
    "a cancellation as text": {"cancelRequested": "false"},
    "progress": {"progress": 0.5},
    "progress as false": {"progress": False},
    "an attempt": {"attempt": 1},
    "a rank of its own": {"rank": 0.0},
    "a lane of its own": {"lane": "push"},
    "an admission of its own": {"admittedAt": datetime(2026, 3, 1, tzinfo=UTC)},
    "a lease": {"lease": {"leaseId": "x", "workerId": "y"}},
    "an end": {"completedAt": datetime(2026, 3, 1, tzinfo=UTC)},
    "an error": {"errorMessage": "none"},
    "a bundle": {"bundleId": "sweep-1"},
    "variants": {"variants": {"first": 0}},
    "losses": {"workerLosses": 1},
    "an unknown key": {"isAdmin": True},
}

DENIED_BUNDLES: dict[str, dict[str, Any]] = {
    "another user's": {"userId": "bob"},
    "a bundleId that is not the document's": {"bundleId": "other"},
    "a client's prefixed status": {"status": "CloudBacktestStatus.queued"},
    "no base config": {"baseConfig": REMOVED},
    "neither grid nor variants": {"parameterGrid": REMOVED},
    "both grid and variants": {"variants": [{"parameters.fast": 5}]},
    "an empty grid": {"parameterGrid": {}},
    "no variant in the list": {"parameterGrid": REMOVED, "variants": []},
    "variants as a map": {"parameterGrid": REMOVED, "variants": {"a": 1}},
    "an unknown choice of results": {"keepResults": "some"},
    "a long name": {"name": "n" * 201},
    "a long metric": {"rankBy": "m" * 65},
    "a count": {"total": 2},
    "progress": {"progress": 0.1},
    "a summary": {"summary": {"best": []}},
    "an unknown key": {"chunks": 3},
}
ALLOWED_BUNDLES: dict[str, dict[str, Any]] = {
    "a grid": {},
    "variants": {"parameterGrid": REMOVED, "variants": [{"parameters.fast": 5}]},
    "everything a client may say": {
        "name": "fast against slow",
        "rankBy": "sharpe",
        "keepResults": "none",
        "priority": 1,
        "engineVersion": "1.0.0",
        "cancelRequested": False,
        "variants": None,
        "total": 0,
        "completed": 0,
        "failed": 0,
        "progress": 0,
        "summary": None,
        "errorMessage": None,
    },
}


@pytest.fixture
def project(firestore_emulator: FirestoreEmulator, firestore_project: str) -> str:
    firestore_emulator.load_rules(firestore_project, RULES)
    return firestore_project


@pytest.fixture
def alice(firestore_emulator: FirestoreEmulator, project: str) -> firestore.Client:
    return firestore_emulator.user_client(project, "alice")


@pytest.fixture
def bob(firestore_emulator: FirestoreEmulator, project: str) -> firestore.Client:
    return firestore_emulator.user_client(project, "bob")


@pytest.fixture
def admin(project: str) -> firestore.Client:
    return firestore.Client(project=project)


def job(job_id: str = "job-1", **changes: Any) -> dict[str, Any]:
    merged = {"jobId": job_id, **JOB, **changes}
    return {name: value for name, value in merged.items() if value is not REMOVED}


def bundle(bundle_id: str = "sweep-1", **changes: Any) -> dict[str, Any]:
    merged = {"bundleId": bundle_id, **BUNDLE, **changes}
    return {name: value for name, value in merged.items() if value is not REMOVED}


def is_denied(act: Callable[[], object]) -> bool:
    try:
        act()
    except exceptions.PermissionDenied:
        return True
    return False


def wrong_answers(
    client: firestore.Client,
    collection: str,
    documents: dict[str, dict[str, Any]],
    document: Callable[..., dict[str, Any]],
    *,
    denied: bool,
) -> list[str]:
    """The cases in which the rules do not answer as the table says."""
    wrong = []
    for number, (case, changes) in enumerate(documents.items()):
        name = f"document-{number}"
        reference = client.collection(collection).document(name)
        new = document(name, **changes)
        if is_denied(partial(reference.create, new)) != denied:
            wrong.append(case)
    return wrong


def test_a_client_creates_its_own_queued_job(alice: firestore.Client) -> None:
    assert wrong_answers(alice, "backtestJobs", ALLOWED_JOBS, job, denied=False) == []


def test_a_client_creates_nothing_else(alice: firestore.Client) -> None:
    assert wrong_answers(alice, "backtestJobs", DENIED_JOBS, job, denied=True) == []


def test_a_client_creates_its_own_queued_bundle(alice: firestore.Client) -> None:
    assert wrong_answers(alice, "backtestBundles", ALLOWED_BUNDLES, bundle, denied=False) == []


def test_a_client_creates_no_other_bundle(alice: firestore.Client) -> None:
    assert wrong_answers(alice, "backtestBundles", DENIED_BUNDLES, bundle, denied=True) == []


@pytest.mark.parametrize("job_id", ["with space", "dots.in.it", "ümlaut", "x" * 129])
def test_a_job_id_outside_the_pattern_is_denied(alice: firestore.Client, job_id: str) -> None:
    reference = alice.collection("backtestJobs").document(job_id)
    assert is_denied(lambda: reference.create(job(job_id)))


def test_an_id_of_128_characters_is_allowed(alice: firestore.Client) -> None:
    job_id = "aZ09_-" + "x" * 122
    alice.collection("backtestJobs").document(job_id).create(job(job_id))


def test_a_taken_id_cannot_be_written_over(
    admin: firestore.Client, alice: firestore.Client, bob: firestore.Client
) -> None:
    admin.document("backtestJobs/job-1").create(job())

    assert is_denied(lambda: bob.document("backtestJobs/job-1").set(job(userId="bob")))
    assert is_denied(
        lambda: alice.document("backtestJobs/job-1").set(job(configUsed={"symbol": "QQQ"}))
    )


@pytest.mark.parametrize("collection", ["backtestJobs", "backtestResults", "backtestBundles"])
def test_only_the_owner_reads(
    admin: firestore.Client, alice: firestore.Client, bob: firestore.Client, collection: str
) -> None:
    admin.collection(collection).document("x").create({"userId": "alice"})

    assert alice.collection(collection).document("x").get().get("userId") == "alice"
    assert is_denied(lambda: bob.collection(collection).document("x").get())


@pytest.mark.parametrize("collection", ["backtestJobs", "backtestResults", "backtestBundles"])
def test_a_query_must_ask_for_the_users_own(
    admin: firestore.Client, alice: firestore.Client, bob: firestore.Client, collection: str
) -> None:
    admin.collection(collection).document("x").create({"userId": "alice"})
    mine = FieldFilter("userId", "==", "alice")

    found = list(alice.collection(collection).where(filter=mine).stream())
    assert [item.id for item in found] == ["x"]
    assert is_denied(lambda: list(alice.collection(collection).stream()))
    assert is_denied(lambda: list(bob.collection(collection).where(filter=mine).stream()))


@pytest.mark.parametrize("collection", ["backtestJobs", "backtestResults", "backtestBundles"])
def test_what_is_not_there_yet_reads_as_missing(alice: firestore.Client, collection: str) -> None:
    assert not alice.collection(collection).document("not-yet").get().exists


def test_without_signing_in_there_is_nothing(
    firestore_emulator: FirestoreEmulator, project: str, admin: firestore.Client
) -> None:
    admin.document("backtestJobs/job-1").create(job())
    stranger = firestore_emulator.user_client(project, "nobody")
    stranger._rpc_metadata_internal = [
        item for item in stranger._rpc_metadata if item[0] != "authorization"
    ]

    assert is_denied(lambda: stranger.document("backtestJobs/job-1").get())
    assert is_denied(lambda: stranger.document("backtestJobs/absent").get())
    assert is_denied(lambda: stranger.document("backtestJobs/job-2").create(job("job-2")))
    assert is_denied(
        lambda: stranger.document("backtestJobs/job-1").update({"cancelRequested": True})
    )


@pytest.mark.parametrize("before", ["absent", False, None])
@pytest.mark.parametrize("status", ["queued", "CloudBacktestStatus.queued", "running"])
def test_the_owner_cancels_an_open_job(
    admin: firestore.Client, alice: firestore.Client, status: str, before: bool | str | None
) -> None:
    stored = job(status=status, lease={"leaseId": "l"}, rank=1.0)
    if before != "absent":
        stored["cancelRequested"] = before
    admin.document("backtestJobs/job-1").create(stored)

    alice.document("backtestJobs/job-1").update({"cancelRequested": True})

    after = admin.document("backtestJobs/job-1").get().to_dict()
    assert after == {**stored, "cancelRequested": True}


@pytest.mark.parametrize("status", ["completed", "failed", "Pending"])
def test_an_ended_job_cannot_be_cancelled(
    admin: firestore.Client, alice: firestore.Client, status: str
) -> None:
    admin.document("backtestJobs/job-1").create(job(status=status))
    assert is_denied(lambda: alice.document("backtestJobs/job-1").update({"cancelRequested": True}))


@pytest.mark.parametrize(
    "change",
    [
        {"cancelRequested": False},
        {"cancelRequested": "true"},
        {"cancelRequested": firestore.DELETE_FIELD},
        {"status": "failed"},
        {"cancelRequested": True, "status": "failed"},
        {"cancelRequested": True, "progress": 1.0},
        {"userId": "bob"},
        {"configUsed.symbol": "QQQ"},
        {"priority": 9},
        {"rank": 0.0},
        {"attempt": 7},
        {"resultDigest": "sha256:0"},
        {"note": "hello"},
    ],
    ids=str,
)
def test_no_other_change_is_allowed(
    admin: firestore.Client, alice: firestore.Client, change: dict[str, Any]
) -> None:
    admin.document("backtestJobs/job-1").create(job(status="running", cancelRequested=False))
    assert is_denied(lambda: alice.document("backtestJobs/job-1").update(change))


def test_a_cancellation_cannot_be_taken_back(
    admin: firestore.Client, alice: firestore.Client
) -> None:
    admin.document("backtestJobs/job-1").create(job(status="running", cancelRequested=True))
    assert is_denied(
        lambda: alice.document("backtestJobs/job-1").update({"cancelRequested": False})
    )


def test_nobody_cancels_for_somebody_else(admin: firestore.Client, bob: firestore.Client) -> None:
    admin.document("backtestJobs/job-1").create(job())
    admin.document("backtestBundles/sweep-1").create(bundle())

    assert is_denied(lambda: bob.document("backtestJobs/job-1").update({"cancelRequested": True}))
    assert is_denied(
        lambda: bob.document("backtestBundles/sweep-1").update({"cancelRequested": True})
    )


def test_the_owner_cancels_a_bundle_and_changes_nothing_else(
    admin: firestore.Client, alice: firestore.Client
) -> None:
    admin.document("backtestBundles/sweep-1").create(bundle(status="running", total=4))

    assert is_denied(lambda: alice.document("backtestBundles/sweep-1").update({"total": 1}))
    alice.document("backtestBundles/sweep-1").update({"cancelRequested": True})
    assert admin.document("backtestBundles/sweep-1").get().get("cancelRequested") is True


def test_chunk_jobs_are_made_and_met_by_the_server_alone(
    admin: firestore.Client, alice: firestore.Client
) -> None:
    """They belong to the bundle's owner, and are none of the owner's jobs and results."""
    chunk = {"ownerId": "alice", "bundleId": "sweep-1", "status": "queued", "configUsed": {}}
    admin.document("backtestJobs/sweep-1-0").create(chunk)
    admin.document("backtestResults/sweep-1-0").create({"ownerId": "alice", "artifacts": {}})
    admin.document("backtestJobs/own").create(job("own"))

    mine = alice.collection("backtestJobs").where(filter=FieldFilter("userId", "==", "alice"))
    assert [item.id for item in mine.stream()] == ["own"]
    by_owner = FieldFilter("ownerId", "==", "alice")
    assert is_denied(lambda: list(alice.collection("backtestJobs").where(filter=by_owner).stream()))
    for path in ("backtestJobs/sweep-1-0", "backtestResults/sweep-1-0"):
        assert is_denied(alice.document(path).get)
    assert is_denied(
        lambda: alice.document("backtestJobs/sweep-1-0").update({"cancelRequested": True})
    )
    for changes in ({"ownerId": "alice"}, {"bundleId": "sweep-1"}, {"variants": {"start": 0}}):
        reference = alice.document("backtestJobs/sweep-1-1")
        assert is_denied(partial(reference.create, job("sweep-1-1", **changes)))


@pytest.mark.parametrize(
    "field",
    ["startedAt", "admittedAt", "lane", "chunks", "chunkSize", "artifacts", "variantsArtifact"],
)
def test_the_servers_part_of_a_bundle_is_not_a_clients_to_write(
    alice: firestore.Client, field: str
) -> None:
    reference = alice.document("backtestBundles/sweep-1")
    assert is_denied(partial(reference.create, bundle(**{field: 1})))
    reference.create(bundle())
    assert is_denied(partial(reference.update, {field: 1}))


@pytest.mark.parametrize("collection", ["backtestJobs", "backtestResults", "backtestBundles"])
def test_nothing_can_be_deleted(
    admin: firestore.Client, alice: firestore.Client, collection: str
) -> None:
    admin.collection(collection).document("x").create({"userId": "alice", "status": "failed"})
    assert is_denied(lambda: alice.collection(collection).document("x").delete())


def test_results_are_written_by_the_server_alone(
    admin: firestore.Client, alice: firestore.Client
) -> None:
    admin.document("backtestResults/job-1").create({"userId": "alice", "jobId": "job-1"})

    assert is_denied(lambda: alice.document("backtestResults/job-2").create({"userId": "alice"}))
    assert is_denied(lambda: alice.document("backtestResults/job-1").update({"resultDigest": "x"}))


@pytest.mark.parametrize(
    "path", ["settings/rollout", "users/alice", "backtestJobs/job-1/notes/n", "candles/SPY"]
)
def test_everything_else_is_closed(
    admin: firestore.Client, alice: firestore.Client, path: str
) -> None:
    admin.document(path).create({"userId": "alice"})

    assert is_denied(lambda: alice.document(path).get())
    assert is_denied(lambda: alice.document(path).update({"x": 1}))


def test_a_user_hears_of_the_result_through_a_listener(
    admin: firestore.Client, alice: firestore.Client
) -> None:
    seen: list[int] = []
    missing, arrived = Event(), Event()

    def on_snapshot(documents: list[Any], *_: object) -> None:
        seen.append(len(documents))
        (arrived if documents else missing).set()

    watch = alice.document("backtestResults/job-1").on_snapshot(on_snapshot)
    try:
        assert missing.wait(PATIENCE_SECONDS)
        admin.document("backtestResults/job-1").create({"userId": "alice"})
        assert arrived.wait(PATIENCE_SECONDS)
    finally:
        watch.unsubscribe()
    assert seen == [0, 1]
