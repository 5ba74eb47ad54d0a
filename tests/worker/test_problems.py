"""Every error is a problem document, and long bodies are refused before they are kept."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from pydantic import BaseModel

from worker.entrypoints.problems import (
    MAX_LISTED_ERRORS,
    BodyLimit,
    Problem,
    install_problem_handlers,
    invalid_fields,
    problem_response,
)


class Body(BaseModel):
    count: int


def make_client() -> TestClient:
    app = FastAPI()
    install_problem_handlers(app)
    app.add_middleware(BodyLimit, limit=100, exempt=frozenset({"/any"}))

    @app.get("/teapot")
    def teapot() -> None:
        raise Problem(418, "Short and stout.", headers={"X-Pot": "1"}, errorCode="TEA")

    @app.get("/bug")
    def bug() -> None:
        raise RuntimeError("password=hunter2")

    @app.post("/count")
    def count(body: Body) -> int:
        return body.count

    @app.post("/length")
    @app.post("/any")
    async def length(request: Request) -> int:
        return len(await request.body())

    return TestClient(app, raise_server_exceptions=False)


def test_a_problem_has_its_members_and_headers() -> None:
    answer = make_client().get("/teapot")
    assert answer.status_code == 418
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-pot"] == "1"
    assert answer.json() == {
        "type": "about:blank",
        "title": "I'm a Teapot",
        "status": 418,
        "detail": "Short and stout.",
        "errorCode": "TEA",
    }


def test_a_status_without_a_name_still_has_a_title() -> None:
    assert b'"title":"Error"' in problem_response(599, "x").body


def test_a_bug_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    answer = make_client().get("/bug")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "hunter2" not in answer.text
    assert "hunter2" in caplog.text


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('{"count": "many"}', {"path": "count", "expected": "a whole number", "got": "'many'"}),
        ("{}", {"path": "count", "expected": "a value", "got": "nothing"}),
        ("[]", {"path": "", "expected": "an object", "got": "a list of 0"}),
        (
            "{",
            {
                "path": "",
                "expected": "JSON",
                "got": "text that is none: Expecting property name enclosed in double quotes "
                "at character 2",
            },
        ),
    ],
)
def test_the_frameworks_422_lists_fields(body: str, told: dict[str, str]) -> None:
    headers = {"content-type": "application/json"}
    answer = make_client().post("/count", content=body, headers=headers)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"] == [told]


def test_a_long_list_of_errors_is_cut_and_counted() -> None:
    errors = [{"path": str(number), "expected": "x"} for number in range(1_000)]
    body = invalid_fields(errors).body
    assert b"1000 field(s)" in body
    assert bytes(body).count(b'"path"') == MAX_LISTED_ERRORS


@pytest.mark.parametrize("size", [0, 100])
def test_a_body_within_the_limit_passes(size: int) -> None:
    assert make_client().post("/length", content=b"x" * size).json() == size


def test_a_declared_body_beyond_the_limit_is_413() -> None:
    answer = make_client().post("/length", content=b"x" * 101)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_undeclared_body_beyond_the_limit_is_413_too() -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * 10

    assert make_client().post("/length", content=parts()).status_code == 413


def test_an_exempt_path_reads_what_it_likes() -> None:
    assert make_client().post("/any", content=b"x" * 1_000).json() == 1_000
