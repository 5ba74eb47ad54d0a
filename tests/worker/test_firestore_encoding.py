"""Plain data in Firestore's wire form is what the library would have made of it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore
from google.cloud.firestore_v1 import _helpers
from google.cloud.firestore_v1.types import Value, Write

from worker.adapters.firestore.encoding import PlainDataBatch, fill

PLAIN: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "zero": 0,
    "integer": -(2**63),
    "number": 0.1,
    "negative zero": -0.0,
    "nothing": "",
    "text": "S&P 500 · ∑ 🎡",
    "empty list": [],
    "empty map": {},
    "curve": [1.0, 2, None, True, "x"],
    "tuple": (1.5,),
    "rows": [{"a": 1, "b": [{"c": {}}]}, {}],
    "dots.and`ticks": {"a.b": 1},
}


@pytest.fixture
def client() -> firestore.Client:
    credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]  # Google's has no types
    return firestore.Client(project="test", credentials=credentials)


def filled(value: object) -> Any:
    message = Value.pb(Value())
    fill(message, value)
    return message


@pytest.mark.parametrize("value", [*PLAIN.values(), PLAIN], ids=[*PLAIN, "all together"])
def test_a_value_is_what_the_library_makes_of_it(value: object) -> None:
    assert filled(value) == Value.pb(_helpers.encode_value(value))


@pytest.mark.parametrize("value", [b"bytes", datetime(2026, 1, 1, tzinfo=UTC), {1}, object()])
def test_what_is_no_plain_data_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="no plain data"):
        filled({"deep": [value]})


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, "\ud800", {"\ud800": 1}])
def test_what_has_no_wire_form_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"range|surrogates"):
        filled([value])


def test_a_document_is_what_create_makes_of_it(client: firestore.Client) -> None:
    reference = client.document("results/j1")
    document = {"userId": "ann", "createdAt": firestore.SERVER_TIMESTAMP, "large": PLAIN}
    expected, batch = client.batch(), PlainDataBatch(client)
    expected.create(reference, document)
    batch.create_around(reference, document, "large")
    assert [Write.pb(write) for write in batch._write_pbs] == [
        Write.pb(write) for write in expected._write_pbs
    ]
