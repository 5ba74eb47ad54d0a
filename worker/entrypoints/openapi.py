"""The description of an application's routes: FastAPI's own, completed with how errors look."""

import threading
from collections.abc import Collection, Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from worker.entrypoints import bundle_examples
from worker.entrypoints.api_examples import OF_SCHEMAS, WRONG_FIELDS
from worker.entrypoints.caller_auth import SCHEME as MACHINES
from worker.entrypoints.probes import PATHS as PROBES
from worker.entrypoints.security_headers import page_headers

PATH = "/docs"
PROBLEM = "application/problem+json"

_METHODS = ("get", "post", "put", "patch", "delete")
_PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "What went wrong (RFC 9457). More members may follow.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string", "description": "The HTTP status in words."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "One sentence for a person."},
        "errorCode": {"type": ["string", "null"], "description": "The backtest's, if it failed."},
        "jobStatus": {"type": "string", "description": "The backtest's, if that is why."},
        "errors": {
            "type": "array",
            "description": "Every wrong field of the request.",
            "items": {
                "type": "object",
                "required": ["path", "expected", "got"],
                "properties": {
                    "path": {"type": "string"},
                    "expected": {"type": "string"},
                    "got": {"type": "string"},
                },
            },
        },
    },
}
_UNKNOWN_QUERY = "A query parameter is not known here: `errors` names it, and those that are."
_SECURED = {
    "401": "No good token came with the request.",
    "403": "This token may not be used here.",
    "503": "The store does not answer; try again.",
}


def install_documentation(app: FastAPI, machines: Collection[str] = ()) -> None:
    """``/openapi.json``, and ``/docs`` as a page that needs no other server and no script.

    ``machines`` are the paths of routes that take any query; all others refuse an unknown one.

    Make the application with ``docs_url=None, redoc_url=None``: FastAPI's pages load theirs from
    elsewhere.
    """
    plain = app.openapi
    describing = threading.Lock()

    def openapi() -> dict[str, Any]:
        with describing:
            if app.openapi_schema is None:
                app.openapi_schema = completed(plain(), machines)
            return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI says to extend it

    @app.get(PATH, include_in_schema=False)
    def documentation() -> HTMLResponse:
        from worker.report.reference import reference_page
        from worker.report.result_report import policy

        return HTMLResponse(reference_page(app.openapi()), headers=page_headers(policy()))


def completed(schema: dict[str, Any], machines: Collection[str] = ()) -> dict[str, Any]:
    """The same description with every error as a problem document, and the usual ones added."""
    for path, methods in schema["paths"].items():
        if path not in PROBES and path not in machines:
            for operation in operations({"paths": {path: methods}}):
                operation["responses"].setdefault("422", {"description": _UNKNOWN_QUERY})
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = _PROBLEM_SCHEMA
    shown = OF_SCHEMAS | bundle_examples.OF_SCHEMAS
    for name in shown.keys() & schemas.keys():
        # Not with the model: FastAPI drops what is null in an example.
        schemas[name]["examples"] = [shown[name]]
    for operation in operations(schema):
        responses = operation["responses"]
        for requirement in operation.get("security", []):
            for status, meaning in _SECURED.items():
                if status != "403" or MACHINES in requirement:
                    responses.setdefault(status, {"description": meaning})
        for status, response in responses.items():
            if response["description"] == "Successful Response":
                response["description"] = "It went well."
            if status[0] in "45":
                _as_problem(int(status), response)
        operation["responses"] = dict(sorted(responses.items()))
    return schema


def operations(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each operation of a description."""
    for path in schema["paths"].values():
        yield from (path[method] for method in _METHODS if method in path)


def _as_problem(status: int, response: dict[str, Any]) -> None:
    if response["description"] == "Validation Error":
        response["description"] = "Not valid: `errors` lists every wrong field."
    example = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": response["description"],
    }
    if "`errors`" in response["description"]:
        example |= {"detail": "1 field(s) of the request are not valid.", "errors": WRONG_FIELDS}
    if "`jobStatus`" in response["description"]:
        told = {"detail": "The backtest is running, so there is no result.", "errorCode": None}
        example |= told | {"jobStatus": "running"}
    schema = {"$ref": "#/components/schemas/Problem"}
    response["content"] = {PROBLEM: {"schema": schema, "example": example}}
