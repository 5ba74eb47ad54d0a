"""Stop a release that would undo something of what serves.

usage: compare.py --service NAME --template FILE --new FILE [--change-store KIND] SERVING

SERVING holds what ``gcloud run revisions describe --format=json`` printed of the revision that
serves, NEW the manifest that is to be deployed, or in the same form the revision that is to serve.
TEMPLATE is the file that the manifest was made of. Ends with 1, and with sentences on standard
error, when the release would

- put the jobs into another store, unless KIND (postgresql or firestore) is the new one's kind;
- drop a setting that the serving revision has;
- give another value to a setting that deploy/set.sh changed since the last release.

Other changed settings are printed, old and new. Standard library only: this runs in the deploy
pipeline.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.revision import (
    PLATFORM,
    SQL_INSTANCES,
    Template,
    by_hand,
    environment,
    settings,
    shown,
)

SETTINGS_FILE = "deploy/settings.env"
POSTGRESQL, FIRESTORE = "postgresql", "firestore"


@dataclass(frozen=True)
class Store:
    """Where jobs are: a kind of store, and which one of it."""

    kind: str
    place: str

    def __str__(self) -> str:
        return f"{self.kind} ({self.place})" if self.place else self.kind


def store_of(template: Template) -> Store:
    """The store of a revision. A place is only told where it can hold no password."""
    address = environment(template).get("STORE", "")
    if address.startswith("secret "):
        annotations = template.get("metadata", {}).get("annotations", {})
        return Store(POSTGRESQL, annotations.get(SQL_INSTANCES, address))
    kind, _, place = address.partition("://")
    return Store(kind.partition("+")[0], place if kind == FIRESTORE else "")


def _where(name: str, service: str, template: str) -> str:
    """Where a release takes a setting from."""
    text = Path(template).read_text()
    if name == "max-instances" and "${MAX_WORKERS}" in text:
        return f"MAX_WORKERS in {SETTINGS_FILE}"
    if name == "FIREBASE_PROJECT" and f"${{{name}}}" in text:
        return f"{name} in {SETTINGS_FILE}"
    if name in PLATFORM or f"- name: {name}\n" in text:
        return f"{name} of {service} in {template}"
    return f"{name} in {SETTINGS_FILE}"


def objections(
    old: Template, new: Template, *, service: str, template: str, change_store: str = ""
) -> list[str]:
    """What speaks against the release, in sentences; nothing when it undoes nothing."""
    found = []
    store, next_store = store_of(old), store_of(new)
    if store != next_store and change_store != next_store.kind:
        found.append(
            f"{service} has its jobs in {store}, and this release would put them into "
            f"{next_store}: jobs and results would be in two places. If that is intended, release "
            f"with CHANGE_STORE={next_store.kind}; otherwise give the release the store of the "
            "serving revision (DATABASE or SQL_INSTANCE)."
        )
    before, after, changed = settings(old), settings(new), by_hand(old)
    found.extend(
        f"{service} has the setting {name}, and this release would drop it: put it into "
        f"{SETTINGS_FILE}, or remove it with deploy/set.sh {service} {name}-"
        for name in sorted(environment(old).keys() - after.keys() - changed)
    )
    for name in sorted(changed):
        if before.get(name) == after.get(name):
            continue
        target = f"{name}-" if name not in after else f"{name}={shown(name, after[name])}"
        found.append(
            f"{name} of {service} was changed with deploy/set.sh to "
            f"{shown(name, before.get(name))}, and this release has "
            f"{shown(name, after.get(name))}: change {_where(name, service, template)}, or take "
            f"the release's value with deploy/set.sh {service} {target}"
        )
    return found


def differences(old: Template, new: Template) -> list[str]:
    """Every setting that the release changes, as ``NAME: old -> new``.

    What the platform adds by itself, and a manifest does not name, is not one.
    """
    after = settings(new)
    before = {
        name: value
        for name, value in settings(old).items()
        if name in after or name not in PLATFORM
    }
    return [
        f"{name}: {shown(name, before.get(name))} -> {shown(name, after.get(name))}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--service", required=True)
    parser.add_argument("--template", required=True)
    parser.add_argument("--new", type=Path, required=True)
    parser.add_argument("--change-store", default="")
    parser.add_argument("serving", type=Path)
    arguments = parser.parse_args()
    old = json.loads(arguments.serving.read_text())
    new = json.loads(arguments.new.read_text())
    new = new["spec"].get("template", new)
    against = objections(
        old,
        new,
        service=arguments.service,
        template=arguments.template,
        change_store=arguments.change_store,
    )
    if against:
        sys.exit("\n".join([*against, f"{arguments.service} was not released."]))
    for line in differences(old, new):
        print(f"{arguments.service}: {line}")


if __name__ == "__main__":
    main()
