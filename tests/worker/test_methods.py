"""HEAD wherever GET is, every method in a 405, and no address that cannot be."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient

from tests.support.control import CONFIG, Control, make_control
from worker.entrypoints.methods import install_methods
from worker.entrypoints.problems import install_problem_handlers


@pytest.fixture
def control() -> Control:
    return make_control()


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/backtests", "GET, HEAD, POST"),
        ("/v1/backtests/job-1", "GET, HEAD"),
        ("/v1/backtests/job-1/cancel", "POST"),
        ("/v1/bundles", "GET, HEAD, POST"),
        ("/v1/bundles/bundle-1/variants", "GET, HEAD"),
        ("/events/firestore", "POST"),
        ("/health", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
        ("/", "GET, HEAD"),
    ],
)
def test_a_405_names_every_method_of_the_address(control: Control, path: str, allowed: str) -> None:
    answer = control.client.put(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.headers["content-type"] == "application/problem+json"
    assert allowed in answer.json()["detail"]


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/openapi.json", "/health", "/metrics", "/v1/backtests"]
)
def test_head_tells_what_get_would_without_the_body(control: Control, path: str) -> None:
    shown, told = control.client.get(path), control.client.head(path)
    assert (told.status_code, told.content) == (200, b"")
    assert shown.content
    assert told.headers["content-type"] == shown.headers["content-type"]


def test_head_has_the_errors_of_get(control: Control) -> None:
    assert control.client.head("/v1/backtests/nobody").status_code == 404
    assert control.client.head("/v1/backtests?limit=x").status_code == 422
    assert control.client.head("/tasks/sweep").status_code == 405


def test_a_stream_is_left_out_piece_by_piece() -> None:
    app = FastAPI()
    install_problem_handlers(app)
    install_methods(app)

    @app.get("/pieces")
    def pieces() -> StreamingResponse:
        def parts() -> Iterator[bytes]:
            yield b"one"
            yield b"two"

        return StreamingResponse(parts(), media_type="text/plain")

    client = TestClient(app)
    assert client.get("/pieces").content == b"onetwo"
    assert client.head("/pieces").content == b""


@pytest.mark.parametrize("name", ["a%20b", "a.b", "%C3%BC", "x" * 129, "x" * 1500, "__x__", "%00"])
@pytest.mark.parametrize("kind", ["backtests", "bundles"])
def test_an_id_that_nothing_can_have_is_not_found(control: Control, kind: str, name: str) -> None:
    for answer in (
        control.client.get(f"/v1/{kind}/{name}"),
        control.client.post(f"/v1/{kind}/{name}/cancel"),
    ):
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


def test_so_is_a_variant_that_is_no_number_and_a_series_of_no_name(control: Control) -> None:
    job = control.client.post("/v1/backtests", json={"configUsed": CONFIG}).json()["jobId"]
    for path in (
        "/v1/bundles/bundle-1/variants/first/result",
        "/v1/bundles/bundle-1/variants/-1/result",
        f"/v1/backtests/{job}/artifacts/no_such-one",
    ):
        assert control.client.get(path).status_code == 404
