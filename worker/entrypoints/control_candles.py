"""``POST /v1/candles``: administrators store a series by HTTP, as ``candles import`` does."""

import threading
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool

from worker.candle_import import ImportRefused, import_content
from worker.entrypoints.bodies import bounded_body
from worker.entrypoints.candle_forms import ImportForm
from worker.entrypoints.problems import Problem
from worker.entrypoints.user_auth import User
from worker.ports import CandleLibrary

PATH = "/v1/candles"

#: What Cloud Run lets through, and what fits the memory of a small control service unpacked.
MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_UNPACKED_BYTES = 64 * 1024 * 1024

PARQUET = "application/vnd.apache.parquet"
#: Any web page may make its visitor's browser send other types without asking.
CONTENT_TYPES = ("text/csv", PARQUET, "application/gzip", "application/zip")

_EXAMPLE = "timestamp,open,high,low,close,volume\n2024-01-02,472.2,473.7,470.5,472.7,123623700\n"
_BODY = {
    "requestBody": {
        "required": True,
        "description": f"CSV or Parquet, at most {MAX_BODY_BYTES // 2**20} MiB. "
        "The columns are named timestamp, open, high, low, close, volume.",
        "content": {
            "text/csv": {"schema": {"type": "string"}, "example": _EXAMPLE},
            **{
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in CONTENT_TYPES[1:]
            },
        },
    }
}


def candles_router(library: CandleLibrary, importer: Callable[..., User]) -> APIRouter:
    """The route; ``importer`` is a dependency that lets only those pass who may import."""
    router = APIRouter(tags=["candles"])
    turn = threading.Lock()

    @router.post(
        PATH,
        response_model=ImportForm,
        summary="Store candles in place of those under the same symbol and timeframe",
        openapi_extra=_BODY,
        dependencies=[Depends(importer)],
        responses={
            403: {"description": "Not an administrator."},
            413: {"description": "The body is too long."},
            415: {"description": f"The body is not declared as {', '.join(CONTENT_TYPES)}."},
            422: {"description": "Nothing was stored: the sentence names the first bad row."},
            503: {"description": "Another import is running, or the bucket does not answer."},
        },
    )
    async def import_candles(
        request: Request,
        symbol: Annotated[str, Query(description="As configs ask for it.", examples=["SPY"])],
        timeframe: Annotated[str, Query(description="Length of a bar.", examples=["1d"])],
    ) -> ImportForm:
        _require_type(request)
        body = await bounded_body(request, MAX_BODY_BYTES)
        if body is None:
            raise Problem(413, f"The body may have at most {MAX_BODY_BYTES} bytes.")
        return await run_in_threadpool(_stored, library, turn, body, symbol, timeframe)

    return router


def _require_type(request: Request) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in CONTENT_TYPES:
        raise Problem(
            415,
            f"Content-Type: expected {', '.join(CONTENT_TYPES)}, got {given[:60] or 'nothing'}.",
        )


def _stored(
    library: CandleLibrary, turn: threading.Lock, body: bytes, symbol: str, timeframe: str
) -> ImportForm:
    """One at a time: several large files at once would not fit."""
    if not turn.acquire(blocking=False):
        raise Problem(503, "Another import is running; try again.", headers={"Retry-After": "5"})
    try:
        report = import_content(library, body, symbol, timeframe, most_unpacked=MAX_UNPACKED_BYTES)
    except ImportRefused as refused:
        raise Problem(422, f"Nothing was imported: {refused}.") from None
    finally:
        turn.release()
    return ImportForm.of_report(report)
