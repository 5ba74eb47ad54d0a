"""What Cloud Run makes of a line of JSON that one of our processes writes."""

import json
from collections.abc import Mapping
from typing import Any

#: Resource labels as `gcloud run worker-pools logs read` and `gcloud run services logs read` use
#: them.
POOL = {"type": "cloud_run_worker_pool", "labels": {"worker_pool_name": "backtest-poller"}}


def service(name: str) -> dict[str, Any]:
    return {"type": "cloud_run_revision", "labels": {"service_name": name}}


def entry(line: str, resource: Mapping[str, Any]) -> dict[str, Any]:
    """The LogEntry; the fields that Cloud Logging knows by name leave ``jsonPayload``."""
    payload = json.loads(line)
    found: dict[str, Any] = {
        "resource": dict(resource),
        "severity": payload.pop("severity", "DEFAULT"),
        "timestamp": payload.pop("time", None),
        "labels": payload.pop("logging.googleapis.com/labels", {}),
    }
    for name in ("trace", "spanId", "trace_sampled"):
        found[name] = payload.pop(f"logging.googleapis.com/{name}", None)
    return {**found, "jsonPayload": payload}
