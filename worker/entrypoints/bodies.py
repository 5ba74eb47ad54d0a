"""Reading request bodies that nobody vouches for."""

import json
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from worker.entrypoints.problems import MAX_LISTED_ERRORS, Problem

Model = TypeVar("Model", bound=BaseModel)

#: A configuration has at most 900 KiB as a document; as JSON its numbers may be longer.
MAX_CONFIG_BODY_BYTES = 4 * 1024 * 1024

#: A body is read to its end up to here, so that its sender can hear the answer.
MAX_DISCARDED_BYTES = 32 * 1024 * 1024


async def bounded_body(request: Request, limit: int) -> bytes | None:
    """The body, or ``None`` if it is longer than ``limit`` bytes or broke off."""
    kept = bytearray()
    total = 0
    try:
        async for part in request.stream():
            total += len(part)
            if total <= limit:
                kept += part
            elif total > MAX_DISCARDED_BYTES:
                return None
    except ClientDisconnect:
        return None
    return bytes(kept) if total <= limit else None


async def json_body(request: Request, model: type[Model]) -> Model:
    """The body as a model, whatever its content type says.

    Raises:
        Problem: 422, with every field that is wrong.
    """
    try:
        value = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise Problem(422, "The body is not JSON.") from None
    if not isinstance(value, dict):
        raise Problem(422, "The body is not a JSON object.")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        errors = [
            {"path": ".".join(str(part) for part in item["loc"]), "expected": item["msg"]}
            for item in error.errors(include_url=False, include_input=False)
        ]
        raise Problem(422, "The body is not valid.", errors=errors[:MAX_LISTED_ERRORS]) from None
