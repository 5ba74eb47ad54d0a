"""Log lines: JSON with Cloud Logging's field names, or text for people.

What a line is about (event, job id, code) goes into ``extra``; configurations, prices and tokens
never do. Inside :func:`about` every line carries the job and the trace of the request.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

_job: ContextVar[str | None] = ContextVar("log_job", default=None)
_traceparent: ContextVar[str | None] = ContextVar("log_traceparent", default=None)

#: What Cloud Logging indexes, so that all lines about one job are found at once.
_LABELS = ("event", "jobId", "bundleId", "errorCode")

_OWN_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}


@contextmanager
def about(*, job_id: str | None = None, traceparent: str | None = None) -> Iterator[None]:
    """Every line logged inside names this job and this trace; ``None`` keeps what was said."""
    tokens = [
        (variable, variable.set(value))
        for variable, value in ((_job, job_id), (_traceparent, traceparent))
        if value is not None
    ]
    try:
        yield
    finally:
        for variable, token in reversed(tokens):
            variable.reset(token)


def current_traceparent() -> str | None:
    """The W3C trace context of the request being answered."""
    return _traceparent.get()


def configure_logging(style: Literal["json", "text"], stream: TextIO | None = None) -> None:
    """Send every logger of this process, uvicorn's included, to one stream (default stderr)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    project = os.environ.get("GOOGLE_CLOUD_PROJECT", "")
    handler.setFormatter(JsonFormatter(project) if style == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
    for noisy in ("alembic", "httpx", "httpcore", "google", "urllib3", "numba"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class JsonFormatter(logging.Formatter):
    """One JSON object a line, as Cloud Logging's agent reads it."""

    def __init__(self, project: str = "") -> None:
        super().__init__()
        self._project = project

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "severity": record.levelname,
            "message": record.getMessage(),
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "logger": record.name,
        }
        extra = _extra(record)
        entry.update(extra)
        if labels := {name: str(extra[name]) for name in _LABELS if name in extra}:
            entry["logging.googleapis.com/labels"] = labels
        entry.update(self._trace())
        if record.exc_info:
            entry["stack_trace"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str, ensure_ascii=False)

    def _trace(self) -> dict[str, Any]:
        match = _TRACEPARENT.fullmatch(_traceparent.get() or "")
        if match is None:
            return {}
        trace_id, span_id, flags = match.groups()
        name = f"projects/{self._project}/traces/{trace_id}" if self._project else trace_id
        return {
            "logging.googleapis.com/trace": name,
            "logging.googleapis.com/spanId": span_id,
            "logging.googleapis.com/trace_sampled": bool(int(flags, 16) & 1),
        }


class TextFormatter(logging.Formatter):
    """Time, level, message, then what it is about."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        extra = " ".join(
            f"{name}={value}" for name, value in _extra(record).items() if name != "event"
        )
        line = f"{time} {record.levelname:7} {record.getMessage()}{'  ' if extra else ''}{extra}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    """What the line is about, in camelCase, without what is not known."""
    found = {
        _camel(name): value
        for name, value in vars(record).items()
        if name not in _OWN_FIELDS and value is not None
    }
    job_id = _job.get()
    if job_id is not None:
        found.setdefault("jobId", job_id)
    return found


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
