"""Log lines that Cloud Logging understands, and that people can read."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from worker import logs

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    yield
    root.handlers, root.level = before[0], before[1]


def logged(style: Any, *arguments: Any, name: str = "worker.x", **kwargs: Any) -> str:
    stream = io.StringIO()
    logs.configure_logging(style, stream)
    logging.getLogger(name).log(logging.WARNING, *arguments, **kwargs)
    return stream.getvalue()


@pytest.mark.usefixtures("restored_logging")
class TestJson:
    def test_a_line_has_cloud_loggings_names(self) -> None:
        line = json.loads(logged("json", "hello %s", "you", extra={"event": "greeting"}))
        assert line["severity"] == "WARNING"
        assert line["message"] == "hello you"
        assert line["event"] == "greeting"
        assert line["time"].endswith("+00:00")

    def test_what_a_line_is_about_is_in_camel_case(self) -> None:
        line = json.loads(logged("json", "x", extra={"job_id": "j1", "error_code": None}))
        assert line["jobId"] == "j1"
        assert "errorCode" not in line

    def test_what_lines_are_looked_for_by_is_a_label_too(self) -> None:
        extra = {"event": "job_failed", "job_id": "j1", "error_code": "TIMEOUT", "attempt": 2}
        line = json.loads(logged("json", "x", extra=extra))
        labels = {"event": "job_failed", "jobId": "j1", "errorCode": "TIMEOUT"}
        assert line["logging.googleapis.com/labels"] == labels
        assert (line["jobId"], line["attempt"]) == ("j1", 2)
        assert "logging.googleapis.com/labels" not in json.loads(logged("json", "x"))

    def test_the_job_and_the_trace_are_on_every_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "demo")
        with logs.about(job_id="j1", traceparent=TRACE):
            assert logs.current_traceparent() == TRACE
            line = json.loads(logged("json", "x"))
        assert line["jobId"] == "j1"
        assert line["logging.googleapis.com/trace"] == (
            "projects/demo/traces/4bf92f3577b34da6a3ce929d0e0e4736"
        )
        assert line["logging.googleapis.com/spanId"] == "00f067aa0ba902b7"
        assert line["logging.googleapis.com/trace_sampled"] is True
        assert "jobId" not in json.loads(logged("json", "x"))
        assert logs.current_traceparent() is None

    def test_an_inner_context_keeps_the_outer_trace(self) -> None:
        with logs.about(traceparent=TRACE), logs.about(job_id="j1"):
            line = json.loads(logged("json", "x"))
        assert line["jobId"] == "j1"
        assert line["logging.googleapis.com/trace"] == "4bf92f3577b34da6a3ce929d0e0e4736"

    def test_a_trace_that_is_none_is_left_out(self) -> None:
        with logs.about(traceparent="rubbish\nSEVERITY: fake"):
            line = logged("json", "x")
        assert line.count("\n") == 1
        assert not any(name.startswith("logging.google") for name in json.loads(line))

    def test_an_exception_is_one_line(self) -> None:
        try:
            raise ValueError("inside")
        except ValueError:
            line = logged("json", "failed", exc_info=True)
        assert line.count("\n") == 1
        assert "ValueError: inside" in json.loads(line)["stack_trace"]

    def test_a_message_with_newlines_is_one_line(self) -> None:
        assert logged("json", "a\nb").count("\n") == 1

    def test_uvicorn_speaks_the_same_language(self) -> None:
        line = json.loads(
            logged("json", "Started", name="uvicorn.error", extra={"color_message": "x"})
        )
        assert line["message"] == "Started"
        assert "colorMessage" not in line

    def test_libraries_are_quiet(self) -> None:
        stream = io.StringIO()
        logs.configure_logging("json", stream)
        logging.getLogger("httpx").info("HTTP Request: GET https://x?key=secret")
        assert stream.getvalue() == ""


@pytest.mark.usefixtures("restored_logging")
class TestText:
    def test_a_line_is_for_people(self) -> None:
        line = logged("text", "job started", extra={"event": "job_started", "job_id": "j1"})
        assert "WARNING job started  jobId=j1" in line
        assert "job_started" not in line

    def test_a_plain_line_has_nothing_behind_it(self) -> None:
        assert logged("text", "hello").endswith("WARNING hello\n")

    def test_an_exception_follows_its_line(self) -> None:
        try:
            raise ValueError("inside")
        except ValueError:
            assert "ValueError: inside" in logged("text", "failed", exc_info=True)
