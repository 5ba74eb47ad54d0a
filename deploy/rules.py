"""Release Firestore security rules, without ever replacing somebody else's.

usage: rules.py PROJECT [--database=NAME] [--own] FILE

A release replaces the whole ruleset of a database, so it is made only where that loses nothing: in
a database that is ours (``--own``) or whose present rules were released by this script, which it
knows by the marker in their first line. Anywhere else the blocks to merge by hand are printed, and
the exit code is 3. There is no gcloud command for this; the Firebase Rules API is called with
gcloud's access token. Standard library only.
"""

import argparse
import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

API = "https://firebaserules.googleapis.com/v1"
MARKER = "// Released by backtest-worker (deploy/rules.py); edit firestore.rules there."
MERGE_BY_HAND = 3


class RulesApi:
    """The three resources that matter: a release points to a ruleset, a ruleset has sources."""

    def __init__(self, project: str, database: str, token: str, base: str) -> None:
        self._parent = f"{base}/projects/{project}"
        self._token = token
        suffix = "" if database == "(default)" else f"/{database}"
        self._release = f"projects/{project}/releases/cloud.firestore{suffix}"
        self._base = base

    def released(self) -> str | None:
        """The rules in force, or ``None`` when none were ever released."""
        try:
            release = self._call("GET", f"{self._base}/{self._release}")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise
        ruleset = self._call("GET", f"{self._base}/{release['rulesetName']}")
        return "\n".join(file["content"] for file in ruleset["source"]["files"])

    def release(self, content: str, *, first: bool) -> None:
        """Put ``content`` in force; it is compiled by the API before anything changes."""
        source = {"files": [{"name": "firestore.rules", "content": content}]}
        ruleset = self._call("POST", f"{self._parent}/rulesets", {"source": source})
        release = {"name": self._release, "rulesetName": ruleset["name"]}
        if first:
            self._call("POST", f"{self._parent}/releases", release)
        else:
            self._call("PATCH", f"{self._base}/{self._release}", {"release": release})

    def _call(self, method: str, url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(
            url,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            content: dict[str, Any] = json.load(answer)
        return content


def blocks(rules: str) -> str:
    """What stands inside ``match /databases/{database}/documents``.

    Raises:
        ValueError: there is no such block, or its braces do not match.
    """
    head = "match /databases/{database}/documents {"
    start = rules.find(head)
    if start < 0:
        raise ValueError(f"no {head!r} in the rules")
    start += len(head)
    depth = 1
    for position in range(start, len(rules)):
        depth += {"{": 1, "}": -1}.get(rules[position], 0)
        if depth == 0:
            return rules[start:position].strip("\n").rstrip()
    raise ValueError("unbalanced braces in the rules")


def publish(api: RulesApi, rules: str, *, own: bool) -> bool:
    """Release the rules if that replaces nobody else's; whether it was done."""
    present = api.released()
    wanted = f"{MARKER}\n{rules}"
    if present == wanted:
        print("The rules are in force already.")
        return True
    if not own and (present is None or not present.startswith(MARKER)):
        return False
    api.release(wanted, first=present is None)
    print("The rules are in force.")
    return True


def access_token() -> str:
    """The token of whoever is signed in to gcloud."""
    command = ["gcloud", "auth", "print-access-token"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("project")
    parser.add_argument("file", type=Path)
    parser.add_argument("--database", default="(default)")
    parser.add_argument("--own", action="store_true", help="this database serves nothing else")
    arguments = parser.parse_args()
    rules = arguments.file.read_text()
    api = RulesApi(arguments.project, arguments.database, access_token(), API)
    if not publish(api, rules, own=arguments.own):
        print("This database has rules of somebody else's app, or none that this script released.")
        print("Merge these blocks into them (or pass --own if nothing else uses it):\n")
        print(blocks(rules))
        sys.exit(MERGE_BY_HAND)


if __name__ == "__main__":
    main()
