import pytest
from google.events.cloud.firestore import DocumentEventData

from worker.entrypoints.cloud_events import DocumentEvent, MalformedEvent, parse_document_event

HEADERS = {
    "ce-specversion": "1.0",
    "ce-id": "event-1",
    "ce-type": "google.cloud.firestore.document.v1.created",
    "ce-source": "//firestore.googleapis.com/projects/demo/databases/(default)",
    "content-type": "application/protobuf",
}
NAME = "projects/demo/databases/(default)/documents/backtestJobs/job-1"


def body(name: str = NAME) -> bytes:
    return bytes(DocumentEventData.serialize(DocumentEventData(value={"name": name})))


def test_a_created_document_is_named() -> None:
    assert parse_document_event(HEADERS, body()) == DocumentEvent(
        event_id="event-1",
        kind="created",
        project="demo",
        database="(default)",
        collection="backtestJobs",
        document_id="job-1",
    )


def test_a_deleted_document_is_named_by_its_old_value() -> None:
    event = parse_document_event(
        {**HEADERS, "ce-type": "google.cloud.firestore.document.v1.deleted"},
        bytes(DocumentEventData.serialize(DocumentEventData(old_value={"name": NAME}))),
    )
    assert (event.kind, event.document_id) == ("deleted", "job-1")


def test_an_event_with_the_writers_identity_is_of_the_same_kind() -> None:
    event = parse_document_event(
        {**HEADERS, "ce-type": HEADERS["ce-type"] + ".withAuthContext"}, body()
    )
    assert event.kind == "created"


def test_a_sub_collections_path_is_kept_whole() -> None:
    event = parse_document_event(HEADERS, body(NAME + "/notes/n1"))
    assert (event.collection, event.document_id) == ("backtestJobs/job-1/notes", "n1")


def test_a_content_type_may_have_parameters() -> None:
    headers = {**HEADERS, "content-type": "Application/Protobuf; charset=utf-8"}
    assert parse_document_event(headers, body()).document_id == "job-1"


@pytest.mark.parametrize("header", ["ce-traceparent", "traceparent"])
def test_the_trace_goes_on(header: str) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert parse_document_event({**HEADERS, header: trace}, body()).traceparent == trace


@pytest.mark.parametrize(
    ("header", "value", "complaint"),
    [
        ("ce-specversion", None, "ce-specversion"),
        ("ce-specversion", "0.3", "ce-specversion"),
        ("ce-id", None, "ce-id"),
        ("ce-type", None, "ce-type"),
        ("ce-type", "google.cloud.storage.object.v1.finalized", "google.cloud.storage"),
        ("content-type", None, "application/protobuf"),
        ("content-type", "application/json", "application/json"),
    ],
)
def test_a_header_that_does_not_fit_is_named(
    header: str, value: str | None, complaint: str
) -> None:
    headers = {name: text for name, text in HEADERS.items() if name != header}
    if value is not None:
        headers[header] = value
    with pytest.raises(MalformedEvent, match=complaint):
        parse_document_event(headers, body())


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"not protobuf at all",
        b"\xff" * 64,
        body("backtestJobs/job-1"),
        body("projects/demo/databases/(default)/documents/backtestJobs"),
        body("projects/demo/databases/(default)/documents/backtestJobs/job-1/notes"),
        body("projects/demo/databases/(default)/documents//job-1"),
    ],
    ids=[
        "empty",
        "text",
        "bytes",
        "no project",
        "a collection",
        "a sub-collection",
        "no collection",
    ],
)
def test_a_body_without_a_document_is_refused(garbage: bytes) -> None:
    with pytest.raises(MalformedEvent):
        parse_document_event(HEADERS, garbage)


def test_what_is_refused_is_not_repeated_at_length() -> None:
    with pytest.raises(MalformedEvent) as refused:
        parse_document_event({**HEADERS, "ce-type": "x" * 10_000}, body())
    assert len(str(refused.value)) < 300


def test_a_trace_that_is_none_is_dropped() -> None:
    assert parse_document_event({**HEADERS, "traceparent": "hello"}, body()).traceparent is None
