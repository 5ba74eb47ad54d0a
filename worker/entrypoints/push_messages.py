"""What Pub/Sub pushes: the doorbell message, wrapped in an envelope or bare."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from worker.entrypoints.tracing import valid_traceparent
from worker.jobs.job import is_job_id

_URL_SAFE = str.maketrans("-_", "+/")


class MalformedPush(Exception):
    """Not a doorbell message; says why, without repeating what was sent."""


@dataclass(frozen=True, slots=True)
class PushMessage:
    """Which job rang, and the trace it belongs to."""

    job_id: str
    traceparent: str | None = None


def parse_push(body: bytes) -> PushMessage:
    """Read a push request's body.

    Raises:
        MalformedPush: whatever is wrong with it.
    """
    outer = _object(body)
    message = outer.get("message")
    if message is None:
        return PushMessage(_job_id(outer))
    if not isinstance(message, dict):
        raise MalformedPush("message is not an object")
    attributes = message.get("attributes")
    traceparent = attributes.get("traceparent") if isinstance(attributes, dict) else None
    return PushMessage(
        _job_id(_object(_data(message))),
        valid_traceparent(traceparent) if isinstance(traceparent, str) else None,
    )


def _object(text: bytes) -> dict[str, Any]:
    if not text:
        raise MalformedPush("empty")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedPush(f"not JSON ({type(error).__name__})") from None
    if not isinstance(value, dict):
        raise MalformedPush("not a JSON object")
    return value


def _data(message: dict[str, Any]) -> bytes:
    data = message.get("data")
    if not isinstance(data, str):
        raise MalformedPush("the message has no data")
    try:
        return base64.b64decode(_standard(data), validate=True)
    except (binascii.Error, ValueError):
        raise MalformedPush("data is not base64") from None


def _standard(data: str) -> str:
    """JSON's protobuf mapping allows either alphabet, with padding or without."""
    bare = data.rstrip("=").translate(_URL_SAFE)
    return bare + "=" * (-len(bare) % 4)


def _job_id(data: dict[str, Any]) -> str:
    job_id = data.get("jobId")
    if not isinstance(job_id, str) or not is_job_id(job_id):
        raise MalformedPush("no valid jobId")
    return job_id
