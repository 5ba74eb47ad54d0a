"""Each key of a job and of a bundle, written to the rules absent, null, right and wrong."""

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import firestore

from tests.support.client_keys import BUNDLE_KEYS, JOB_KEYS, Case, Key, cases, document
from tests.support.emulators import FirestoreEmulator

pytestmark = pytest.mark.emulator

RULES = (Path(__file__).parents[2] / "firestore.rules").read_text(encoding="utf-8")
COLLECTIONS = {"backtestJobs": JOB_KEYS, "backtestBundles": BUNDLE_KEYS}
#: How many documents are under way at a time.
AT_ONCE = 8


@pytest.fixture
def alice(
    firestore_emulator: FirestoreEmulator, firestore_project: str
) -> Iterator[firestore.Client]:
    firestore_emulator.load_rules(firestore_project, RULES)
    client = firestore_emulator.user_client(firestore_project, "alice")
    yield client
    client.close()  # type: ignore[no-untyped-call]  # Google's has no types


def listed(collection: str, function: str) -> list[str]:
    """The keys that the rules of a collection hand to ``hasAll`` or to ``hasOnly``."""
    rules = RULES.split(f"match /{collection}/")[1].split("\n    match /")[0]
    (keys,) = re.findall(rf"data\.keys\(\)\.{function}\(\[(.*?)\]\)", rules, re.S)
    return re.findall(r"'(\w+)'", keys)


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_the_table_has_every_key_that_the_rules_know(collection: str) -> None:
    keys = COLLECTIONS[collection]
    assert sorted(key.name for key in keys) == sorted(listed(collection, "hasOnly"))
    required = [key.name for key in keys if key.required]
    assert sorted(required) == sorted(listed(collection, "hasAll"))


def is_taken(client: firestore.Client, collection: str, case: Case) -> bool:
    try:
        client.collection(collection).document(case.name).create(case.document)
    except exceptions.PermissionDenied:
        return False
    return True


def is_to_be_taken(case: Case) -> bool:
    if case.kind in ("absent", "null"):
        return not case.key.required
    return case.kind == "right"


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_every_optional_key_may_be_absent_or_null(alice: firestore.Client, collection: str) -> None:
    keys = COLLECTIONS[collection]
    written = list(cases(keys))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(partial(is_taken, alice, collection), written))

    wrong = [
        f"{case}: {'taken' if taken else 'denied'}"
        for case, taken in zip(written, answers, strict=True)
        if taken != is_to_be_taken(case)
    ]
    assert wrong == []
    assert {case.kind for case in written} == {"absent", "null", "right", "wrong", "refused"}


@pytest.mark.parametrize("before", ["absent", None, False])
@pytest.mark.parametrize(("collection", "keys"), COLLECTIONS.items())
def test_a_cancellation_is_asked_for_where_there_was_none(
    alice: firestore.Client, collection: str, keys: Sequence[Key], before: bool | str | None
) -> None:
    changes: dict[str, Any] = {} if before == "absent" else {"cancelRequested": before}
    grid = {"parameterGrid": {"parameters.fast": [3]}} if collection == "backtestBundles" else {}
    reference = alice.collection(collection).document("one")
    reference.create(document(keys, "one", **grid, **changes))

    reference.update({"cancelRequested": True})

    assert reference.get().get("cancelRequested") is True
    with pytest.raises(exceptions.PermissionDenied):
        reference.update({"cancelRequested": None})
