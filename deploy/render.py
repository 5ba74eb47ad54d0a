"""Fill in a service template and say where its traffic goes.

usage: render.py TEMPLATE [--settings ENV] [--sql INSTANCE] [--current FILE] KEY=VALUE…

Prints a manifest for ``gcloud run services replace`` or ``gcloud beta run worker-pools replace``,
as JSON, which both read as YAML. ENV has a line KEY=VALUE for each setting to add. With INSTANCE
(PROJECT:REGION:NAME in Cloud SQL) the store is not Firestore but the one whose address is in the
secret ``backtest-store``. FILE holds what ``describe --format=json`` printed; an empty file means
that the service is not there yet. What an operator has put on the service itself (annotations,
labels, traffic tags) stays.

The traffic that flows now is pinned to its revisions by name, and the new revision gets none, only
the tag ``candidate`` to be tried under. A first deploy has nothing to pin and takes all traffic.
Standard library only: this runs in the deploy pipeline.
"""

import argparse
import json
import string
import sys
from pathlib import Path
from typing import Any

from deploy.plain_yaml import parse
from deploy.revision import SQL_INSTANCES, kept_annotations, kept_labels, require_platform_value
from deploy.serving import CANDIDATE, read, shares, targets

#: The program's own default, which bounds how often it rings; service.yaml bounds the instances.
DEFAULT_MAX_WORKERS = "10"
_SQL_STORE = {"secretKeyRef": {"name": "backtest-store", "key": "latest"}}


def pinned_traffic(current: dict[str, Any] | None, revision: str) -> list[dict[str, Any]]:
    """Traffic targets: what serves now, by name, and ``revision`` under its tag.

    Raises:
        ValueError: the current traffic names no revision, or ``revision`` is already there.
    """
    found = shares(current or {})
    now = targets(current or {})
    if revision in {target["revisionName"] for target in now}:
        raise ValueError(f"{revision} is deployed already")
    serving = [{"revisionName": name, "percent": share} for name, share in found.items()]
    tags = [
        {"revisionName": target["revisionName"], "percent": 0, "tag": target["tag"]}
        for target in now
        if target.get("tag") not in (None, CANDIDATE)
    ]
    percent = 0 if serving else 100
    return [*serving, *tags, {"revisionName": revision, "percent": percent, "tag": CANDIDATE}]


def audiences(service: str, values: dict[str, str], current: dict[str, Any] | None) -> str:
    """Every audience that Google's callers may name: the service's addresses, with route or not."""
    known = f"https://{service}-{values['PROJECT_NUMBER']}.{values['REGION']}.run.app"
    addresses = [known]
    other = (current or {}).get("status", {}).get("url")
    if other and other != known:
        addresses.append(other)
    return ",".join(address + route for address in addresses for route in ("", "/events/firestore"))


def fill(template: str, values: dict[str, str]) -> dict[str, Any]:
    """The manifest that the text of a template describes, with ``values`` in its braces.

    Raises:
        KeyError: the template wants a value that is not given.
        ValueError: the template is not of the YAML that :mod:`deploy.plain_yaml` reads.
    """

    def filled(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: filled(value) for key, value in node.items()}
        if isinstance(node, list):
            return [filled(item) for item in node]
        return string.Template(node).substitute(values) if isinstance(node, str) else node

    manifest: dict[str, Any] = filled(parse(template))
    return manifest


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


def _variables(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = manifest["spec"]["template"]["spec"]["containers"][0]["env"]
    return found


def add_settings(manifest: dict[str, Any], settings: dict[str, str]) -> None:
    """Give the manifest's container more environment variables.

    Raises:
        ValueError: the manifest sets one of them itself.
    """
    variables = _variables(manifest)
    twice = settings.keys() & {item["name"] for item in variables}
    if twice:
        raise ValueError(f"{', '.join(sorted(twice))} is set by the manifest itself")
    variables.extend({"name": name, "value": value} for name, value in settings.items())


def use_sql_store(manifest: dict[str, Any], instance: str) -> None:
    """Put the manifest's jobs into Cloud SQL, reached through the platform's socket."""
    manifest["spec"]["template"]["metadata"]["annotations"][SQL_INSTANCES] = instance
    for variable in _variables(manifest):
        if variable["name"] == "STORE":
            del variable["value"]
            variable["valueFrom"] = _SQL_STORE


def keep(manifest: dict[str, Any], current: dict[str, Any]) -> None:
    """Take over the annotations and labels that an operator has put on the service itself."""
    metadata = manifest["metadata"]
    old = current.get("metadata", {})
    metadata["annotations"] = kept_annotations(old) | metadata.get("annotations", {})
    metadata["labels"] = kept_labels(old) | metadata.get("labels", {})


def render(
    template: str,
    values: dict[str, str],
    *,
    settings: dict[str, str],
    sql_instance: str | None = None,
    current: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The finished manifest of a release.

    ``values`` fill in the template; ``settings`` are an installation's own. Where the template has
    ``MAX_WORKERS`` or ``FIREBASE_PROJECT`` in braces, the setting goes there, and has a default.

    Raises:
        KeyError: the template wants a value that is not given.
        ValueError: a setting is wrong, or the manifest sets it itself.
    """
    wanted = set(string.Template(template).get_identifiers())
    filled_in = {"MAX_WORKERS": DEFAULT_MAX_WORKERS, "FIREBASE_PROJECT": values["PROJECT"]}
    filled_in = {name: settings.get(name, filled_in[name]) for name in filled_in.keys() & wanted}
    known = values | filled_in
    if "AUDIENCES" in wanted:
        known.setdefault("AUDIENCES", audiences(values["SERVICE"], values, current))
    if "MAX_WORKERS" in wanted:
        require_platform_value("max-instances", known["MAX_WORKERS"])
    manifest = fill(template, known)
    if sql_instance:
        use_sql_store(manifest, sql_instance)
    add_settings(
        manifest, {name: value for name, value in settings.items() if name not in filled_in}
    )
    keep(manifest, current or {})
    if manifest["kind"] == "Service":
        manifest["spec"]["traffic"] = pinned_traffic(current, values["REVISION"])
    return manifest


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("template", type=Path)
    parser.add_argument("--current", type=Path)
    parser.add_argument("--settings", type=Path)
    parser.add_argument("--sql", metavar="INSTANCE")
    parser.add_argument("values", nargs="+", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    try:
        manifest = render(
            arguments.template.read_text(),
            dict(value.split("=", 1) for value in arguments.values),
            settings=read_settings(arguments.settings) if arguments.settings else {},
            sql_instance=arguments.sql,
            current=read(arguments.current) if arguments.current else None,
        )
    except ValueError as error:
        sys.exit(f"{arguments.template}: {error}")
    json.dump(manifest, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
