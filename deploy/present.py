"""Compare what a deployment needs with what is present, as gcloud printed it.

usage: present.py differences NAME WANTED FILE   how the resource NAME differs from WANTED
       present.py store FILE                     what a service keeps its jobs in: an instance of
                                                 Cloud SQL, "firestore", or nothing if it is missing

FILE holds JSON that gcloud printed: one resource, a list of them, or ``null`` where there is none.
WANTED is JSON, or a file of it after ``@``. ``differences`` prints one line: nothing when the
resource has every field that WANTED has, ``missing`` when there is no such resource. Standard
library only.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SQL_ANNOTATION = "run.googleapis.com/cloudsql-instances"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)s")
#: Longer values are not repeated in a line about a change.
_SHORT = 60


def differences(wanted: Any, found: Any, path: str = "") -> Iterator[str]:
    """The fields of ``wanted`` that ``found`` does not have, as ``path: found -> wanted``.

    Fields that only ``found`` has do not count: services add their own. A field that is missing
    equals its type's empty value, which Google's APIs leave out of their answers. The order of a
    list does not count.
    """
    if isinstance(wanted, dict) and isinstance(found, dict | None):
        for name, value in wanted.items():
            yield from differences(value, (found or {}).get(name), f"{path}.{name}".lstrip("."))
    elif isinstance(wanted, list) and isinstance(found, list):
        if not _same_lists(wanted, found):
            yield path
    elif not _same(wanted, found):
        shown = f"{path}: {json.dumps(found)} -> {json.dumps(wanted)}"
        yield shown if len(shown) <= len(path) + _SHORT else path


def _same_lists(wanted: list[Any], found: list[Any]) -> bool:
    left = list(found)
    for item in wanted:
        equal = (place for place, other in enumerate(left) if not [*differences(item, other)])
        place = next(equal, None)
        if place is None:
            return False
        del left[place]
    return not left


def _same(wanted: Any, found: Any) -> bool:
    if found is None:
        return not wanted
    return bool(_canonical(wanted) == _canonical(found))


def _canonical(value: Any) -> Any:
    """One spelling of a value: 64-bit numbers come as strings, durations with or without places."""
    if isinstance(value, str):
        duration = _DURATION.fullmatch(value)
        if duration:
            return float(duration[1])
        if value.lower() in ("true", "false"):
            return value.lower() == "true"
        return float(value) if value.isdecimal() else value
    return value


def named(resources: Any, name: str) -> Any:
    """The resource whose name, or its last part, is exactly ``name``; ``None`` without one."""
    if isinstance(resources, dict):
        return resources
    for resource in resources or []:
        if resource["name"] == name or resource["name"].rpartition("/")[2] == name:
            return resource
    return None


def store(service: Any) -> str:
    """The Cloud SQL instance of a Cloud Run service, ``firestore``, or an empty string."""
    if not service:
        return ""
    annotations = service["spec"]["template"].get("metadata", {}).get("annotations", {})
    return str(annotations.get(SQL_ANNOTATION) or "firestore")


def _read(text: str) -> Any:
    return json.loads(Path(text[1:]).read_text() if text.startswith("@") else text)


def main() -> None:
    match sys.argv[1:]:
        case ["differences", name, wanted, file]:
            found = named(_read(f"@{file}"), name)
            lines = differences(_read(wanted), found)
            print("; ".join(lines) if found is not None else "missing")
        case ["store", file]:
            print(store(_read(f"@{file}")))
        case _:
            sys.exit((__doc__ or "").partition("\n\n")[2].partition("\n\nFILE")[0])


if __name__ == "__main__":
    main()
