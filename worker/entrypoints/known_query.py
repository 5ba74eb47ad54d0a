"""Query parameters that a route does not know are refused, not ignored.

A misspelt parameter would otherwise change an answer without a word: all variants where only failed
ones were asked for, the first page again in place of the next.
"""

import inspect
from collections.abc import Callable, Collection
from functools import cache
from typing import Any

from fastapi import Request, params

from worker.entrypoints.field_errors import InvalidFields
from worker.entrypoints.probes import PATHS as PROBES

_LONGEST_NAME = 80


def known_query(machines: Collection[str]) -> Callable[[Request], Any]:
    """A FastAPI dependency for a whole application.

    Probes, and routes with a path in ``machines``, take any query: platforms add parameters of
    their own to what they deliver. So do pages, which are in no description.
    """
    tolerant = frozenset({*PROBES, *machines})

    async def check(request: Request) -> None:
        route: Any = request.scope["route"]
        if not request.query_params or route.path in tolerant or not route.include_in_schema:
            return
        known = query_names(route.endpoint)
        unknown = [name for name in request.query_params if name not in known]
        if unknown:
            raise _refusal(unknown, known)

    return check


@cache
def query_names(endpoint: Callable[..., Any]) -> tuple[str, ...]:
    """The query parameters of a route's function, in alphabetical order."""
    return tuple(
        sorted(
            given.alias or name
            for name, parameter in inspect.signature(endpoint).parameters.items()
            for given in getattr(parameter.annotation, "__metadata__", ())
            if isinstance(given, params.Query)
        )
    )


def _refusal(unknown: list[str], known: tuple[str, ...]) -> InvalidFields:
    expected = ", ".join(known) or "no query parameter"
    shown = [name[:_LONGEST_NAME] for name in unknown]
    return InvalidFields(
        [{"path": name, "expected": expected, "got": "an unknown name"} for name in shown],
        f"Unknown query parameter {shown[0]!r}: expected {expected}.",
    )
