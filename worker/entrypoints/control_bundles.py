"""The user's routes for bundles. Another user's bundle is not found."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import JSONResponse

from worker.entrypoints.bundle_forms import BundleForm, BundleList, VariantList, VariantResult
from worker.entrypoints.bundle_requests import bundle_body_schema
from worker.entrypoints.user_auth import User
from worker.entrypoints.user_bundles import UserBundles
from worker.entrypoints.user_routes import Limit, PageCursor, Posted, posted
from worker.jobs.bundle import BUNDLE_ID_PATTERN
from worker.jobs.states import JobStatus
from worker.services.bundles.paging import BY_INDEX, SORTS, Only, Order

PREFIX = "/v1/bundles"

BundleId = Annotated[
    str, Path(pattern=f"^{BUNDLE_ID_PATTERN}$", description="The bundle's `bundleId`.")
]

_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"description": "No such bundle of yours."}}


def bundles_router(bundles: UserBundles, current_user: Callable[..., User]) -> APIRouter:
    """``/v1/bundles`` for the user that ``current_user``, a dependency, finds in a request."""
    router = APIRouter(prefix=PREFIX, tags=["bundles"])
    as_user = Depends(current_user)
    as_posted = Depends(posted(current_user))

    @router.post(
        "",
        status_code=201,
        response_model=BundleForm,
        summary="Submit a bundle",
        openapi_extra=bundle_body_schema(),
        responses={
            409: {"description": "The Idempotency-Key came with another bundle."},
            413: {"description": "The body is longer than 20 MiB."},
            415: {"description": "The body is not declared as JSON."},
            422: {"description": "Not valid: `errors` lists every wrong field."},
            429: {"description": "It exceeds a quota."},
        },
    )
    def submit(response: Response, new: Posted = as_posted) -> BundleForm:
        bundle = bundles.submit(*new)
        response.headers["Location"] = f"{PREFIX}/{bundle.bundle_id}"
        return bundle

    @router.get("", response_model=BundleList, summary="Your bundles, newest first")
    def list_own(user: User = as_user, limit: Limit = 50, cursor: PageCursor = None) -> BundleList:
        return bundles.page(user, limit, cursor)

    @router.get(
        "/{bundle_id}",
        response_model=BundleForm,
        summary="One bundle: its counts, its progress, its best variant so far",
        responses=_NOT_FOUND,
    )
    def look(bundle_id: BundleId, user: User = as_user) -> BundleForm:
        return bundles.look(user, bundle_id)

    @router.get(
        "/{bundle_id}/variants",
        response_model=VariantList,
        summary="The variants that have ended, by any of their figures",
        responses={**_NOT_FOUND, 410: {"description": "They have expired."}},
    )
    def variants(
        bundle_id: BundleId,
        user: User = as_user,
        sort: Annotated[
            Literal[SORTS],  # type: ignore[valid-type]  # the names are the engine's
            Query(description="`index` or a metric; nulls are last, ties go by index."),
        ] = BY_INDEX,
        order: Annotated[
            Literal["asc", "desc"] | None,
            Query(description="By default metrics are descending and `index` is ascending."),
        ] = None,
        status: Annotated[Only | None, Query(description="Only variants that ended so.")] = None,
        limit: Limit = 50,
        cursor: PageCursor = None,
    ) -> VariantList:
        descending = sort != BY_INDEX if order is None else order == "desc"
        wanted = Order(sort=sort, descending=descending, only=status)
        return bundles.variants(user, bundle_id, wanted, limit, cursor)

    @router.get(
        "/{bundle_id}/variants/{index}/result",
        summary="The full result of a variant, if it is kept",
        responses={
            200: {"model": VariantResult},
            404: {"description": "No such bundle of yours or variant of it, or it is not kept."},
            409: {"description": "There is none: `jobStatus` and `errorCode` say why."},
            410: {"description": "It has expired."},
        },
    )
    def result(
        bundle_id: BundleId,
        index: Annotated[int, Path(ge=0, description="The variant's `index`.")],
        user: User = as_user,
    ) -> JSONResponse:
        return JSONResponse(bundles.result(user, bundle_id, index))

    @router.post(
        "/{bundle_id}/cancel",
        response_model=BundleForm,
        summary="Cancel a bundle; as often as you like",
        responses={
            202: {"description": "It is running and will stop soon.", "model": BundleForm},
            **_NOT_FOUND,
        },
    )
    def cancel(response: Response, bundle_id: BundleId, user: User = as_user) -> BundleForm:
        bundle = bundles.cancel(user, bundle_id)
        if bundle.status is JobStatus.RUNNING:
            response.status_code = 202
        return bundle

    return router
