"""``GET /``: the page for people. Static files of this package, and nothing from anywhere else."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Response

from worker.entrypoints.problems import Problem
from worker.entrypoints.security_headers import page_headers
from worker.report.result_report import style_hash

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
}
_START = "index.html"


def page_policy() -> str:
    """Scripts and styles of this service alone, no text ever read as markup.

    A report that the page opens with the user's token inherits this policy, so its style is in it.
    """
    return (
        "default-src 'none'; script-src 'self'; "
        f"style-src 'self' {style_hash()}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def page_router() -> APIRouter:
    """The page and what belongs to it."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def start() -> Response:
        return _answer(_START)

    @router.get("/page/{name}")
    def part(name: str) -> Response:
        if name == _START or name not in page_files():
            raise Problem(404, "There is no such page.")
        return _answer(name)

    return router


@cache
def page_files() -> Mapping[str, bytes]:
    """The files by name."""
    folder = files("worker.report").joinpath("page")
    return {
        file.name: file.read_bytes()
        for file in folder.iterdir()
        if file.name.rpartition(".")[2] in _TYPES
    }


def _answer(name: str) -> Response:
    kind = _TYPES[name.rpartition(".")[2]]
    headers = {**page_headers(page_policy()), "Content-Type": kind, "Cache-Control": "no-cache"}
    return Response(page_files()[name], headers=headers)
