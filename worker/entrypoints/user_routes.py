"""What the routes for backtests and for bundles have in common."""

from collections.abc import Callable
from typing import Annotated, NamedTuple

from fastapi import Depends, Header, Query, Request

from worker.entrypoints.bodies import require_json
from worker.entrypoints.tracing import valid_traceparent
from worker.entrypoints.user_auth import User

MAX_PAGE = 200
MAX_CURSOR = 500

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="How many.")]
PageCursor = Annotated[
    str | None, Query(max_length=MAX_CURSOR, description="`nextCursor` of a page.")
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        description="Kept for 24 hours: the same key and body make nothing a second time.",
    ),
]


class Posted(NamedTuple):
    """A request to submit something: whose, the body as it came, key and trace if there are any."""

    user: User
    body: bytes
    key: str | None
    traceparent: str | None


def posted(current_user: Callable[..., User]) -> Callable[..., object]:
    """A dependency that reads such a request; ``current_user`` is one that finds its user."""

    async def read(
        request: Request,
        user: Annotated[User, Depends(current_user)],
        idempotency_key: IdempotencyKey = None,
        traceparent: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> Posted:
        require_json(request)
        return Posted(user, await request.body(), idempotency_key, valid_traceparent(traceparent))

    return read
