"""The settings of a Cloud Run revision: its environment, and five of the platform's.

A *template* is what a service's ``spec.template`` holds, and what ``gcloud run revisions describe
--format=json`` prints of a revision: ``metadata`` and ``spec``. Standard library only: this runs in
the deploy pipeline.
"""

import copy
import re
from collections.abc import Callable
from typing import Any

Template = dict[str, Any]

#: Annotation of a template: the settings that deploy/set.sh changed, separated by commas.
BY_HAND = "backtest/set-by-hand"
SQL_INSTANCES = "run.googleapis.com/cloudsql-instances"
#: Settings whose value may hold a password; they are named in output, never shown.
SECRET = frozenset({"STORE"})
_SECRET_STORE = "a secret"

_LIMITS = ("memory", "cpu")
_SCALES = {
    "max-instances": "autoscaling.knative.dev/maxScale",
    "min-instances": "autoscaling.knative.dev/minScale",
}
_CONCURRENCY = "concurrency"
#: The platform's settings by the names of gcloud's options.
PLATFORM = (*_LIMITS, *_SCALES, _CONCURRENCY)

_LARGEST_CONCURRENCY = 1000
_WHOLE: dict[str, tuple[int, int | None]] = {
    "max-instances": (1, None),
    "min-instances": (0, None),
    _CONCURRENCY: (1, _LARGEST_CONCURRENCY),
}
_PROCESSORS = ("1", "2", "4", "6", "8")
_MEMORY = re.compile(r"([1-9]\d*)(Mi|Gi)")
#: Cloud Run's second-generation environment has between 512 MiB and 32 GiB.
_MEBIBYTES = 1024
_SMALLEST_MEBIBYTES, _LARGEST_MEBIBYTES = 512, 32 * _MEBIBYTES

# Written by the platform or by gcloud itself, and not to be sent back: the SDK omits most of these
# in `describe --format=export` (command_lib/run/printers/export_printer.py). A breakglass reason
# counts for one deployment only, and `replace` copies serving.knative.dev/* over by itself.
_WRITTEN_BY_OTHERS = frozenset(
    f"run.googleapis.com/{name}"
    for name in (
        *("client-name", "client-version", "creatorEmail", "lastModifierEmail", "operation-id"),
        *("ingress-status", "urls", "binary-authorization-breakglass"),
    )
)
_PLATFORM_LABELS = ("run.googleapis.com/", "cloud.googleapis.com/", "client.knative.dev/")
_SERVING = "serving.knative.dev/"


def kept_annotations(metadata: dict[str, Any]) -> dict[str, str]:
    """The annotations that a new manifest takes over from what is deployed."""
    return {
        name: value
        for name, value in metadata.get("annotations", {}).items()
        if name not in _WRITTEN_BY_OTHERS and not name.startswith(_SERVING)
    }


def kept_labels(metadata: dict[str, Any]) -> dict[str, str]:
    """The labels that an operator has put on what is deployed."""
    return {
        name: value
        for name, value in metadata.get("labels", {}).items()
        if not name.startswith((*_PLATFORM_LABELS, _SERVING))
    }


def _container(template: Template) -> dict[str, Any]:
    container: dict[str, Any] = template["spec"]["containers"][0]
    return container


def _annotations(template: Template) -> dict[str, str]:
    found: dict[str, str] = template.setdefault("metadata", {}).setdefault("annotations", {})
    return found


def environment(template: Template) -> dict[str, str]:
    """Setting to value; a value from Secret Manager reads ``secret NAME:VERSION``."""
    found: dict[str, str] = {}
    for variable in _container(template).get("env", []):
        secret = variable.get("valueFrom", {}).get("secretKeyRef")
        shown = f"secret {secret['name']}:{secret['key']}" if secret else variable.get("value", "")
        found[variable["name"]] = shown
    return found


def platform(template: Template) -> dict[str, str]:
    """The platform's settings that the template names, by the names of gcloud's options."""
    limits = _container(template).get("resources", {}).get("limits", {})
    annotations = template.get("metadata", {}).get("annotations", {})
    found = {name: normal(name, limits[name]) for name in _LIMITS if name in limits}
    found |= {name: annotations[key] for name, key in _SCALES.items() if key in annotations}
    if "containerConcurrency" in template["spec"]:
        found[_CONCURRENCY] = str(template["spec"]["containerConcurrency"])
    return found


def normal(name: str, value: str) -> str:
    """One spelling of a limit, which the platform may write in another one: 1000m, 1024Mi."""
    if name == "cpu" and value.endswith("000m"):
        return value.removesuffix("000m")
    size = _MEMORY.fullmatch(value) if name == "memory" else None
    if size and size[2] == "Mi" and int(size[1]) % _MEBIBYTES == 0:
        return f"{int(size[1]) // _MEBIBYTES}Gi"
    return value


def settings(template: Template) -> dict[str, str]:
    """The environment and the platform's settings together."""
    return environment(template) | platform(template)


def shown(name: str, value: str | None) -> str:
    """A value as output may show it."""
    if value is None:
        return "(not set)"
    return _SECRET_STORE if name in SECRET and not value.startswith("secret ") else value


def by_hand(template: Template) -> set[str]:
    """The settings that deploy/set.sh changed since the last release."""
    names = template.get("metadata", {}).get("annotations", {}).get(BY_HAND, "")
    return {name for name in names.split(",") if name}


def changed(template: Template, changes: dict[str, str | None]) -> Template:
    """A copy with other settings, and with their names recorded; ``None`` removes one."""
    new = copy.deepcopy(template)
    for name, value in changes.items():
        _WRITERS.get(name, _write_variable)(new, name, value)
    if changes:
        _annotations(new)[BY_HAND] = ",".join(sorted(by_hand(template) | changes.keys()))
    return new


def _write_variable(template: Template, name: str, value: str | None) -> None:
    container = _container(template)
    others = [item for item in container.get("env", []) if item["name"] != name]
    container["env"] = others if value is None else [*others, {"name": name, "value": value}]


def _write_limit(template: Template, name: str, value: str | None) -> None:
    limits = _container(template).setdefault("resources", {}).setdefault("limits", {})
    _put(limits, name, value)


def _write_scale(template: Template, name: str, value: str | None) -> None:
    _put(_annotations(template), _SCALES[name], value)


def _write_concurrency(template: Template, _name: str, value: str | None) -> None:
    _put(template["spec"], "containerConcurrency", None if value is None else int(value))


def _put(mapping: dict[str, Any], key: str, value: object) -> None:
    if value is None:
        mapping.pop(key, None)
    else:
        mapping[key] = value


_WRITERS: dict[str, Callable[[Template, str, str | None], None]] = {
    **dict.fromkeys(_LIMITS, _write_limit),
    **dict.fromkeys(_SCALES, _write_scale),
    _CONCURRENCY: _write_concurrency,
}


def require_platform_value(name: str, value: str) -> None:
    """Raises:
    ValueError: Cloud Run does not take this value for the platform's setting ``name``.
    """
    if name == "memory":
        size = _MEMORY.fullmatch(value)
        mebibytes = int(size[1]) * (_MEBIBYTES if size[2] == "Gi" else 1) if size else 0
        if not _SMALLEST_MEBIBYTES <= mebibytes <= _LARGEST_MEBIBYTES:
            raise ValueError(f"memory: expected 512Mi to 32Gi, for example 2Gi, not {value!r}")
    elif name == "cpu":
        if value not in _PROCESSORS:
            raise ValueError(f"cpu: expected one of {', '.join(_PROCESSORS)}, not {value!r}")
    else:
        smallest, largest = _WHOLE[name]
        number = int(value) if re.fullmatch(r"\d{1,9}", value) else -1
        if number < smallest or (largest is not None and number > largest):
            limit = f"from {smallest} to {largest}" if largest else f"of {smallest} or more"
            raise ValueError(f"{name}: expected a whole number {limit}, not {value!r}")
