"""Reading request bodies that nobody vouches for."""

import json
import re
from collections.abc import Mapping
from email.message import Message as HeaderMessage
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from worker.entrypoints.field_errors import InvalidFields, field_errors, not_json
from worker.entrypoints.json_objects import RepeatedKey, without_repeats
from worker.entrypoints.problems import Problem

Model = TypeVar("Model", bound=BaseModel)

#: A configuration has at most 900 KiB as a document; as JSON its numbers may be longer.
MAX_CONFIG_BODY_BYTES = 4 * 1024 * 1024

#: How a text in JSON may hold half of a pair of surrogates, which no answer could say again.
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

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


def described_body(
    model: type[BaseModel], examples: Mapping[str, Any], *others: type[BaseModel]
) -> dict[str, Any]:
    """The OpenAPI description of a JSON body that a handler reads by itself, as one of models."""
    schemas = [one.model_json_schema() for one in (model, *others)]
    schema = {"anyOf": schemas} if others else schemas[0]
    content = {"schema": schema, "examples": dict(examples)}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


async def json_body(request: Request, model: type[Model]) -> Model:
    """The body as a model, whatever its content type says.

    Raises:
        InvalidFields: with every field that is wrong.
    """
    value = parsed(await request.body())
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise InvalidFields(field_errors(error.errors(include_url=False))) from None


def require_json_of_pages(request: Request) -> None:
    """As :func:`require_json`, for what a browser sends: it says from which page that comes. Who
    types a command need not declare the body.
    """
    if "origin" in request.headers or "sec-fetch-site" in request.headers:
        require_json(request)


def require_json(request: Request) -> None:
    """Refuse a body that is not declared as JSON: a browser sends a form without asking anybody,
    from any web page to a service on its visitor's machine.
    """
    header = HeaderMessage()
    header["content-type"] = given = request.headers.get("content-type", "")
    subtype = header.get_content_subtype()
    if header.get_content_maintype() != "application" or not (
        subtype == "json" or subtype.endswith("+json")
    ):
        raise Problem(
            415, f"Content-Type: expected application/json, got {given[:60] or 'nothing'}."
        )


def parsed(body: bytes) -> object:
    """The JSON of a body; NaN and infinity are no JSON, halves of characters no text, and
    of two values for one key nobody knows which is meant.

    Raises:
        InvalidFields: it is none.
    """
    try:
        value = json.loads(body, parse_constant=_refuse, object_pairs_hook=without_repeats)
        if _SURROGATE.search(body):
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except RepeatedKey as error:
        raise _unusable(str(error)) from None
    except UnicodeEncodeError:
        raise _unusable("half of a surrogate pair") from None
    except json.JSONDecodeError as error:
        place = f"at line {error.lineno}, column {error.colno}"
        fields = [not_json(error.msg, error.pos + 1)]
        raise InvalidFields(fields, f"The body is not JSON: {error.msg} {place}.") from None
    except UnicodeDecodeError as error:
        raise _unusable(f"byte {error.start + 1} is no UTF-8") from None
    except RecursionError:
        raise _unusable("nested too deeply") from None
    except ValueError:
        raise _unusable("an integer of too many digits") from None


def _refuse(constant: str) -> None:
    raise _unusable(f"JSON has no {constant}")


def _unusable(why: str) -> InvalidFields:
    return InvalidFields([not_json(why)], f"The body is not JSON that can be read: {why}.")
