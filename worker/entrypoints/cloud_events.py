"""Eventarc's Firestore events: CloudEvents in binary mode around a protobuf body.

See https://github.com/googleapis/google-cloudevents for ``DocumentEventData`` and the CloudEvents
HTTP binding 1.0 for the ``ce-*`` headers. Only the document's name is taken from an event; what
the document says is read from the store.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from google.events.cloud.firestore import DocumentEventData
from google.protobuf.message import DecodeError

from worker.entrypoints.tracing import valid_traceparent

_TYPE_PREFIX = "google.cloud.firestore.document.v1."
_NAME = re.compile(r"projects/([^/]+)/databases/([^/]+)/documents/(.+)")


class MalformedEvent(Exception):
    """The request is not an event about a Firestore document; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentEvent:
    """Which document was touched, and how: ``created``, ``updated``, ``deleted`` or ``written``.

    ``collection`` is the path above the document: a sub-collection's has slashes in it.
    """

    event_id: str
    kind: str
    project: str
    database: str
    collection: str
    document_id: str
    traceparent: str | None = None


def parse_document_event(headers: Mapping[str, str], body: bytes) -> DocumentEvent:
    """Read an event from a request's headers (names in lower case) and body.

    Raises:
        MalformedEvent: a header is missing or wrong, or the body is not ``DocumentEventData``.
    """
    if headers.get("ce-specversion") != "1.0":
        raise MalformedEvent("not a CloudEvent 1.0 in binary mode: ce-specversion is not 1.0")
    event_id = headers.get("ce-id", "")
    if not event_id:
        raise MalformedEvent("ce-id is missing")
    event_type = headers.get("ce-type", "")
    if not event_type.startswith(_TYPE_PREFIX):
        raise MalformedEvent(f"ce-type {event_type[:100]!r} is not a Firestore document event")
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/protobuf":
        raise MalformedEvent(f"the body is {content_type[:100]!r}, not application/protobuf")
    project, database, path = _split_name(_document_name(body))
    collection, _, document_id = path.rpartition("/")
    return DocumentEvent(
        event_id=event_id,
        kind=event_type.removeprefix(_TYPE_PREFIX).partition(".")[0],
        project=project,
        database=database,
        collection=collection,
        document_id=document_id,
        traceparent=valid_traceparent(headers.get("ce-traceparent") or headers.get("traceparent")),
    )


def _document_name(body: bytes) -> str:
    try:
        data = DocumentEventData.deserialize(body)
    except DecodeError as error:
        raise MalformedEvent("the body is not DocumentEventData") from error
    return str(data.value.name or data.old_value.name)


def _split_name(name: str) -> tuple[str, str, str]:
    found = _NAME.fullmatch(name)
    if found is None or found[3].count("/") % 2 == 0 or "" in found[3].split("/"):
        raise MalformedEvent(f"{name[:200]!r} is not the name of a document")
    return found[1], found[2], found[3]
