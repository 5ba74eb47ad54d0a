"""Fill in a service template and say where its traffic goes.

usage: render.py TEMPLATE --service NAME --current FILE KEY=VALUE…

FILE holds what ``gcloud run services describe --format=json`` printed; an empty file means that the
service is not there yet. The traffic that flows now is pinned to its revisions by name, and the new
revision gets none, only the tag ``candidate`` to be tried under. A first deploy has nothing to pin
and takes all traffic. Standard library only: this runs in the deploy pipeline.
"""

import argparse
import json
import string
from pathlib import Path
from typing import Any

CANDIDATE = "candidate"


def pinned_traffic(current: dict[str, Any] | None, revision: str) -> list[dict[str, Any]]:
    """Traffic targets: what serves now, by name, and ``revision`` under its tag.

    Raises:
        ValueError: the current traffic names no revision, or ``revision`` is already there.
    """
    status = (current or {}).get("status", {})
    shares: dict[str, int] = {}
    tags: list[dict[str, Any]] = []
    for target in status.get("traffic", []):
        name = target.get("revisionName")
        if not name:
            raise ValueError("the current traffic names no revision: is the service ready?")
        if name == revision:
            raise ValueError(f"{revision} is deployed already")
        shares[name] = shares.get(name, 0) + int(target.get("percent") or 0)
        if target.get("tag") not in (None, CANDIDATE):
            tags.append({"revisionName": name, "percent": 0, "tag": target["tag"]})
    serving = [{"revisionName": name, "percent": share} for name, share in shares.items() if share]
    percent = 0 if serving else 100
    new = {"revisionName": revision, "percent": percent, "tag": CANDIDATE}
    return [*serving, *tags, new]


def audiences(service: str, values: dict[str, str], current: dict[str, Any] | None) -> str:
    """Every audience that Google's callers may name: the service's addresses, with route or not."""
    known = f"https://{service}-{values['PROJECT_NUMBER']}.{values['REGION']}.run.app"
    addresses = [known]
    other = (current or {}).get("status", {}).get("url")
    if other and other != known:
        addresses.append(other)
    return ",".join(address + route for address in addresses for route in ("", "/events/firestore"))


def render(template: str, values: dict[str, str], traffic: list[dict[str, Any]]) -> str:
    """The finished manifest.

    Raises:
        KeyError: the template wants a value that is not given.
    """
    lines = ["  traffic:"]
    for target in traffic:
        first, *rest = [f"{key}: {value}" for key, value in target.items()]
        lines.append(f"    - {first}")
        lines.extend(f"      {line}" for line in rest)
    return string.Template(template).substitute(values) + "\n".join(lines) + "\n"


def read_current(path: Path) -> dict[str, Any] | None:
    """What the service looks like now; ``None`` when it is not there."""
    text = path.read_text().strip()
    found: dict[str, Any] | None = json.loads(text) if text else None
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("template", type=Path)
    parser.add_argument("--service", required=True)
    parser.add_argument("--current", type=Path, required=True)
    parser.add_argument("values", nargs="+", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    values = dict(value.split("=", 1) for value in arguments.values)
    current = read_current(arguments.current)
    values["AUDIENCES"] = audiences(arguments.service, values, current)
    traffic = pinned_traffic(current, values["REVISION"])
    print(render(arguments.template.read_text(), values, traffic), end="")


if __name__ == "__main__":
    main()
