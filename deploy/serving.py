"""Say what serves: the revision behind a service's traffic, or behind a worker pool's instances.

usage: serving.py revision FILE           the revision with the largest share
       serving.py shares FILE             each revision with a share, and its percent
       serving.py tagged TAG FILE         the revision with this traffic tag
       serving.py address REVISION FILE   the address of its own that REVISION has as a candidate
       serving.py instances FILE          how many instances a worker pool has by its settings
       serving.py ready FILE              of a revision: True, False or Unknown, and the reason

Prints nothing where there is none. FILE holds what ``gcloud run services describe --format=json``
printed, or ``worker-pools describe``, or, for ``ready``, ``revisions describe``. Standard library
only: this runs in the deploy pipeline.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

#: Tags of traffic targets. A candidate is deployed and not yet in use; ``released`` is on the
#: revision that serves, once a release was tried and got traffic; ``previous`` is the one before.
CANDIDATE, RELEASED, PREVIOUS = "candidate", "released", "previous"

_INSTANCES = "run.googleapis.com/manualInstanceCount"


def targets(current: dict[str, Any]) -> list[dict[str, Any]]:
    """Where traffic goes, or to which revisions a pool's instances belong."""
    status = current.get("status", {})
    found: list[dict[str, Any]] = status.get("traffic") or status.get("instanceSplits") or []
    if not found and current.get("kind") == "WorkerPool" and "latestReadyRevisionName" in status:
        return [{"revisionName": status["latestReadyRevisionName"], "percent": 100}]
    return found


def shares(current: dict[str, Any]) -> dict[str, int]:
    """Revision to percent, those without any left out.

    Raises:
        ValueError: a target names no revision.
    """
    found: dict[str, int] = {}
    for target in targets(current):
        name = target.get("revisionName")
        if not name:
            raise ValueError("the current traffic names no revision: is the service ready?")
        found[name] = found.get(name, 0) + int(target.get("percent") or 0)
    return {name: share for name, share in found.items() if share}


def serving_revision(current: dict[str, Any]) -> str | None:
    """The revision with the largest share; ``None`` when nothing serves.

    Raises:
        ValueError: two revisions share the first place, or a target names no revision.
    """
    found = shares(current)
    largest = [name for name, share in found.items() if share == max(found.values())]
    if len(largest) > 1:
        raise ValueError(
            f"{' and '.join(largest)} have the same share of the traffic: give one of them more, "
            "with gcloud run services update-traffic --to-revisions"
        )
    return largest[0] if largest else None


def tagged(current: dict[str, Any], tag: str) -> str | None:
    """The revision with this traffic tag."""
    names = (target["revisionName"] for target in targets(current) if target.get("tag") == tag)
    return next(names, None)


def candidate_address(current: dict[str, Any], revision: str) -> str | None:
    """The address under which ``revision`` can be tried without traffic."""
    for target in targets(current):
        if target.get("tag") == CANDIDATE and target.get("revisionName") == revision:
            return str(target["url"])
    return None


def readiness(revision: dict[str, Any]) -> str:
    """``True``, ``False`` or ``Unknown``, and the platform's reason where it gives one."""
    for condition in revision.get("status", {}).get("conditions", []):
        if condition.get("type") == "Ready":
            return f"{condition.get('status', 'Unknown')} {condition.get('message', '')}".strip()
    return "Unknown"


def read(path: Path) -> dict[str, Any] | None:
    """What gcloud printed; ``None`` for an empty file, which stands for a service not there."""
    text = path.read_text()
    found: dict[str, Any] | None = json.loads(text) if text.strip() else None
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    questions = parser.add_subparsers(dest="question", required=True)
    for name, argument in (
        *(("revision", None), ("shares", None), ("instances", None), ("ready", None)),
        *(("tagged", "tag"), ("address", "revision")),
    ):
        question = questions.add_parser(name)
        if argument:
            question.add_argument(argument)
        question.add_argument("file", type=Path)
    arguments = parser.parse_args()
    current = read(arguments.file) or {}
    try:
        if arguments.question == "shares":
            answer: str | None = ", ".join(f"{name} {n}%" for name, n in shares(current).items())
        elif arguments.question == "instances":
            answer = current.get("metadata", {}).get("annotations", {}).get(_INSTANCES)
        elif arguments.question == "ready":
            answer = readiness(current)
        elif arguments.question == "tagged":
            answer = tagged(current, arguments.tag)
        elif arguments.question == "address":
            answer = candidate_address(current, arguments.revision)
        else:
            answer = serving_revision(current)
    except ValueError as error:
        sys.exit(str(error))
    if answer:
        print(answer)


if __name__ == "__main__":
    main()
