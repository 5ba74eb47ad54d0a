"""Make the manifest that deploy/set.sh deploys: what serves, with some settings changed.

usage: change.py check SERVICE CHANGE…
       change.py apply SERVICE --revision NAME --current FILE --serving FILE CHANGE…

CHANGE is KEY=VALUE, or KEY- to remove the setting. ``check`` ends with 64 and a sentence when one
of them is not possible. ``apply`` prints a manifest as JSON, or nothing when the revision that
serves has these settings already; it names each changed setting on standard error. CURRENT holds
what ``describe --format=json`` printed of the service or worker pool, SERVING the same of the
revision that serves. Standard library only: this runs in the deploy pipeline.
"""

import argparse
import difflib
import json
import re
import sys
from pathlib import Path
from typing import Any

from deploy.render import pinned_traffic
from deploy.revision import (
    BY_HAND,
    PLATFORM,
    SECRET,
    Template,
    changed,
    kept_annotations,
    kept_labels,
    normal,
    require_platform_value,
    settings,
    shown,
)

_PAGE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"
_TESTS_SECTION = "## Read by the tests"
#: Cloud Run sets these itself.
_RESERVED = ("K_SERVICE", "PORT")
_LONGEST_NAME = 63
_REGION_LABEL = "cloud.googleapis.com/location"
POOL = "backtest-poller"
CONTROL = "backtest-control"

Changes = dict[str, str | None]


def known_settings() -> list[str]:
    """Every environment variable in docs/settings.md that a service reads."""
    page = _PAGE.read_text().partition(_TESTS_SECTION)[0]
    return re.findall(r"^\| `([A-Z_0-9]+)` \|", page, flags=re.MULTILINE)


def parse_changes(service: str, words: list[str]) -> Changes:
    """Setting to its new value, ``None`` for one to remove.

    ``MAX_WORKERS`` of a worker is the number of its instances at most: its ``max-instances``.

    Raises:
        ValueError: a change is not of this form, or not possible for this service.
    """
    found: Changes = {}
    for word in words:
        name, assigned, text = word.partition("=")
        if not assigned and not name.endswith("-"):
            raise ValueError(f"expected KEY=VALUE or KEY-, not {word!r}")
        value = text if assigned else None
        name = name if assigned else name.removesuffix("-")
        if name == "MAX_WORKERS" and service not in (CONTROL, POOL):
            name = "max-instances"
        if name in found:
            raise ValueError(f"{name} is given twice")
        _require_possible(service, name, value)
        found[name] = None if value is None else normal(name, value)
    return found


def _require_possible(service: str, name: str, value: str | None) -> None:
    if name in PLATFORM:
        _require_possible_for_platform(service, name, value)
        return
    known = known_settings()
    if name not in known:
        close = difflib.get_close_matches(name, [*known, *PLATFORM], cutoff=0.6)
        close = close or difflib.get_close_matches(name.upper(), known, cutoff=0.6)
        hint = f"; close to it: {', '.join(close)}" if close else "; docs/settings.md has them all"
        raise ValueError(f"{name!r} is not a setting{hint}")
    if name in SECRET:
        raise ValueError(
            f"{name} is not set here: it may hold a password, and another store takes a release "
            "(docs/deploy.md)"
        )
    if name in _RESERVED:
        raise ValueError(f"{name} is set by Cloud Run")


def _require_possible_for_platform(service: str, name: str, value: str | None) -> None:
    if service == POOL and name not in ("memory", "cpu"):
        raise ValueError(f"a worker pool has no {name}: deploy/scale.sh sets how many pollers run")
    if value is None:
        raise ValueError(f"{name} cannot be removed: give it a value")
    require_platform_value(name, value)
    if name == "concurrency" and service != CONTROL and value != "1":
        raise ValueError("concurrency: a worker takes one request at a time")


def apply(
    service: str,
    revision: str,
    *,
    current: dict[str, Any],
    serving: Template,
    changes: Changes,
) -> dict[str, Any] | None:
    """The manifest of what serves with ``changes``; ``None`` when it has these settings already.

    Raises:
        ValueError: the name of the new revision is too long, or gcloud printed a form that is not
            known here.
    """
    if len(revision) > _LONGEST_NAME:
        raise ValueError(f"{revision} is longer than the {_LONGEST_NAME} characters of Cloud Run")
    if "containers" not in serving.get("spec", {}):
        raise ValueError("gcloud describes the revision in a form that this script does not know")
    before = settings(serving)
    effective = {name: value for name, value in changes.items() if before.get(name) != value}
    if not effective:
        return None
    new = changed(serving, effective)
    template = {
        "metadata": {
            "name": revision,
            "labels": kept_labels(new["metadata"]),
            "annotations": kept_annotations(new["metadata"]),
        },
        "spec": new["spec"],
    }
    old = current["metadata"]
    metadata: dict[str, Any] = {
        "name": service,
        "labels": kept_labels(old),
        "annotations": kept_annotations(old),
    }
    if service == POOL:
        # `worker-pools replace` has no --region: it looks at this label.
        metadata["labels"][_REGION_LABEL] = old["labels"][_REGION_LABEL]
        splits = [{"latestRevision": True, "percent": 100}]
        spec = {"template": template, "instanceSplits": splits}
        return _manifest("run.googleapis.com/v1", "WorkerPool", metadata, spec)
    spec = {"template": template, "traffic": pinned_traffic(current, revision)}
    return _manifest("serving.knative.dev/v1", "Service", metadata, spec)


def _manifest(
    version: str, kind: str, metadata: dict[str, Any], spec: dict[str, Any]
) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    actions = parser.add_subparsers(dest="action", required=True)
    for name in ("check", "apply"):
        action = actions.add_parser(name)
        action.add_argument("service")
        if name == "apply":
            action.add_argument("--revision", required=True)
            action.add_argument("--current", type=Path, required=True)
            action.add_argument("--serving", type=Path, required=True)
        action.add_argument("changes", nargs="+", metavar="CHANGE")
    arguments = parser.parse_args()
    try:
        changes = parse_changes(arguments.service, arguments.changes)
        if arguments.action == "check":
            return
        serving = json.loads(arguments.serving.read_text())
        manifest = apply(
            arguments.service,
            arguments.revision,
            current=json.loads(arguments.current.read_text()),
            serving=serving,
            changes=changes,
        )
    except ValueError as error:
        print(error, file=sys.stderr)
        sys.exit(64)
    if manifest is None:
        return
    before, after = settings(serving), settings(manifest["spec"]["template"])
    for name in sorted(manifest["spec"]["template"]["metadata"]["annotations"][BY_HAND].split(",")):
        if before.get(name) != after.get(name):
            old, new = shown(name, before.get(name)), shown(name, after.get(name))
            print(f"{arguments.service}: {name}: {old} -> {new}", file=sys.stderr)
    json.dump(manifest, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
