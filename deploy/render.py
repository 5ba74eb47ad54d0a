"""Fill in a service template and say where its traffic goes.

usage: render.py TEMPLATE [--settings ENV] [--sql INSTANCE] --service NAME --current FILE KEY=VALUE…
       render.py TEMPLATE [--settings ENV] KEY=VALUE…

The second fills in a manifest that knows no traffic (a worker pool). ENV has a line KEY=VALUE for
each setting to add. With INSTANCE (PROJECT:REGION:NAME in Cloud SQL) the store is not Firestore but
the one whose address is in the secret ``backtest-store``. FILE holds what
``gcloud run services describe --format=json`` printed; an empty file means that the service is not
there yet. The traffic that flows now is pinned to its revisions by name, and the new
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
    """The finished manifest; without ``traffic`` there is no block of it.

    Raises:
        KeyError: the template wants a value that is not given.
    """
    finished = string.Template(template).substitute(values)
    if not traffic:
        return finished
    lines = ["  traffic:"]
    for target in traffic:
        first, *rest = [f"{key}: {value}" for key, value in target.items()]
        lines.append(f"    - {first}")
        lines.extend(f"      {line}" for line in rest)
    return finished + "\n".join(lines) + "\n"


def read_settings(path: Path) -> dict[str, str]:
    """The settings in a file of lines ``KEY=VALUE``, empty lines and comments left out.

    Raises:
        ValueError: a line is none of these.
    """
    lines = (line.strip() for line in path.read_text().splitlines())
    settings = {}
    for line in lines:
        if not line or line.startswith("#"):
            continue
        name, separator, value = line.partition("=")
        if not separator or not name.replace("_", "").isalnum() or not name.isupper():
            raise ValueError(f"{path.name}: expected KEY=VALUE, not {line!r}")
        settings[name] = value
    return settings


def with_settings(template: str, settings: dict[str, str]) -> str:
    """The template with more environment variables.

    Raises:
        ValueError: the template sets one of them itself.
    """
    for name in settings:
        if f"- name: {name}\n" in template:
            raise ValueError(f"{name} is set by the manifest itself")
    entries = "".join(
        f"            - name: {name}\n              value: {json.dumps(value).replace('$', '$$')}\n"
        for name, value in settings.items()
    )
    return template.replace("          env:\n", f"          env:\n{entries}", 1)


def with_sql_store(template: str, instance: str) -> str:
    """The template with its jobs in Cloud SQL, reached through the platform's socket."""
    firestore = "              value: firestore://${PROJECT}/${DATABASE}\n"
    secret = """              valueFrom:
                secretKeyRef:
                  name: backtest-store
                  key: latest
"""
    before, scaling, after = template.partition("        autoscaling.knative.dev/minScale")
    connected = f"        run.googleapis.com/cloudsql-instances: {instance}\n"
    return (before + connected + scaling + after).replace(firestore, secret, 1)


def read_current(path: Path) -> dict[str, Any] | None:
    """What the service looks like now; ``None`` when it is not there."""
    text = path.read_text().strip()
    found: dict[str, Any] | None = json.loads(text) if text else None
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("template", type=Path)
    parser.add_argument("--service")
    parser.add_argument("--current", type=Path)
    parser.add_argument("--settings", type=Path)
    parser.add_argument("--sql", metavar="INSTANCE")
    parser.add_argument("values", nargs="+", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    values = dict(value.split("=", 1) for value in arguments.values)
    traffic: list[dict[str, Any]] = []
    if arguments.current is not None:
        current = read_current(arguments.current)
        values["SERVICE"] = arguments.service
        values["AUDIENCES"] = audiences(arguments.service, values, current)
        traffic = pinned_traffic(current, values["REVISION"])
    template = arguments.template.read_text()
    if arguments.sql:
        template = with_sql_store(template, arguments.sql)
    if arguments.settings is not None:
        template = with_settings(template, read_settings(arguments.settings))
    print(render(template, values, traffic), end="")


if __name__ == "__main__":
    main()
