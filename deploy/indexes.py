"""Print the gcloud commands that make the indexes which firestore.indexes.json declares.

usage: indexes.py FILE --project=PROJECT [--database=NAME]

One command a line, quoted for a shell. Making an index that is there already fails with
ALREADY_EXISTS, which the caller takes for success; turning a field's indexes off is idempotent.
"""

import argparse
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def index_commands(declared: dict[str, Any], *, project: str, database: str) -> Iterator[list[str]]:
    """Argument lists, the exemptions last: they are what an empty database can wait for.

    Raises:
        ValueError: the file asks for something that no command here can do.
    """
    place = [f"--database={database}", f"--project={project}"]
    for index in declared["indexes"]:
        fields = [
            f"--field-config=field-path={field['fieldPath']},order={field['order'].lower()}"
            for field in index["fields"]
        ]
        yield [
            *("gcloud", "firestore", "indexes", "composite", "create", "--async"),
            f"--collection-group={index['collectionGroup']}",
            f"--query-scope={index['queryScope'].lower().replace('_', '-')}",
            *fields,
            *place,
        ]
    for override in declared["fieldOverrides"]:
        if override["indexes"]:
            raise ValueError(f"{override['fieldPath']}: only exemptions are supported")
        yield [
            *("gcloud", "firestore", "indexes", "fields", "update", override["fieldPath"]),
            f"--collection-group={override['collectionGroup']}",
            "--disable-indexes",
            "--async",
            *place,
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--project", required=True)
    parser.add_argument("--database", default="(default)")
    arguments = parser.parse_args()
    declared = json.loads(arguments.file.read_text())
    commands = index_commands(declared, project=arguments.project, database=arguments.database)
    for command in commands:
        print(shlex.join(command))


if __name__ == "__main__":
    main()
