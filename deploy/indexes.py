"""Print the gcloud commands that make the indexes which firestore.indexes.json declares.

usage: indexes.py FILE --project=PROJECT [--database=NAME] [--composite=JSON] [--fields=JSON]

One command a line, after the name of what it makes and a tab, quoted for a shell. JSON is what
``gcloud firestore indexes composite list`` and ``… fields list`` printed with ``--format=json``:
indexes and exemptions that are there already are left out.
"""

import argparse
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Index(NamedTuple):
    """A composite index by what it is; Firestore gives it a name that says nothing."""

    group: str
    scope: str
    #: Pairs of path and direction.
    fields: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        paths = (path if order == "ASCENDING" else f"{path} desc" for path, order in self.fields)
        return f"index {self.group} ({', '.join(paths)})"


def _index(group: str, entry: dict[str, Any]) -> Index:
    fields = [(field["fieldPath"], field.get("order", "")) for field in entry["fields"]]
    # Firestore ends every index with the document's name.
    while fields[-1][0] == "__name__":
        fields.pop()
    return Index(group, entry["queryScope"], tuple(fields))


def _place(name: str) -> tuple[str, str]:
    """Collection group and last part of ``…/collectionGroups/GROUP/fields|indexes/LAST``."""
    _, _, place = name.partition("/collectionGroups/")
    group, _, last = place.split("/", 2)
    return group, last.strip("`")


def present_indexes(composite: Any) -> set[Index]:
    """The indexes that are there or being built."""
    return {_index(_place(entry["name"])[0], entry) for entry in composite or []}


def present_exemptions(fields: Any) -> set[tuple[str, str]]:
    """Collection group and path of each field that has no index of its own."""
    return {
        _place(field["name"])
        for field in fields or []
        if not field.get("indexConfig", {}).get("indexes")
        and not field.get("indexConfig", {}).get("usesAncestorConfig")
    }


def index_commands(
    declared: dict[str, Any],
    *,
    project: str,
    database: str,
    composite: Any = None,
    fields: Any = None,
) -> Iterator[tuple[str, list[str]]]:
    """What to make and how, the exemptions last: they are what an empty database can wait for.

    Raises:
        ValueError: the file asks for something that no command here can do.
    """
    place = [f"--database={database}", f"--project={project}"]
    there = present_indexes(composite)
    for entry in declared["indexes"]:
        index = _index(entry["collectionGroup"], entry)
        if index in there:
            continue
        yield (
            str(index),
            [
                *("gcloud", "firestore", "indexes", "composite", "create", "--async"),
                f"--collection-group={index.group}",
                f"--query-scope={index.scope.lower().replace('_', '-')}",
                *(
                    f"--field-config=field-path={path},order={order.lower()}"
                    for path, order in index.fields
                ),
                *place,
            ],
        )
    exempt = present_exemptions(fields)
    for override in declared["fieldOverrides"]:
        group, path = override["collectionGroup"], override["fieldPath"]
        if override["indexes"]:
            raise ValueError(f"{path}: only exemptions are supported")
        if (group, path) in exempt:
            continue
        yield (
            f"exemption of {group}.{path} from indexing",
            [
                *("gcloud", "firestore", "indexes", "fields", "update", path),
                f"--collection-group={group}",
                "--disable-indexes",
                "--async",
                *place,
            ],
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--project", required=True)
    parser.add_argument("--database", default="(default)")
    parser.add_argument("--composite", type=Path)
    parser.add_argument("--fields", type=Path)
    arguments = parser.parse_args()
    composite, fields = (
        json.loads(file.read_text()) if file else None
        for file in (arguments.composite, arguments.fields)
    )
    for what, command in index_commands(
        json.loads(arguments.file.read_text()),
        project=arguments.project,
        database=arguments.database,
        composite=composite,
        fields=fields,
    ):
        print(f"{what}\t{shlex.join(command)}")


if __name__ == "__main__":
    main()
