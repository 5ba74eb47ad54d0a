"""Release Firestore security rules, without ever replacing another app's.

usage: rules.py PROJECT [--database=NAME] [--own] FILE

A release replaces the whole ruleset of a database, so it is made only where that loses nothing: in
a database that is ours (``--own``) or whose present rules were released by this script, which it
knows by the marker in their first line. Anywhere else the blocks to merge by hand are printed, and
the exit code is 3, unless they have been merged already. Any other failure is a sentence on stderr
and the exit code 1. One line is printed when the rules were changed, nothing when they were right.
There is no gcloud command for this; the Firebase Rules API is called with gcloud's access token.
Standard library only.
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


class RulesError(Exception):
    """What went wrong and what to do about it, in a sentence or two."""


class RulesApi:
    """The three resources that matter: a release points to a ruleset, a ruleset has sources."""

    def __init__(self, project: str, database: str, token: str, base: str) -> None:
        self._project = project
        self._parent = f"{base}/projects/{project}"
        self._token = token
        suffix = "" if database == "(default)" else f"/{database}"
        self._release = f"projects/{project}/releases/cloud.firestore{suffix}"
        self._base = base

    def released(self) -> str | None:
        """The rules in force, or ``None`` when none were ever released.

        Raises:
            RulesError: the API refused or did not answer.
        """
        release = self._call("GET", f"{self._base}/{self._release}", absent_is_none=True)
        if release is None:
            return None
        ruleset = self._call("GET", f"{self._base}/{release['rulesetName']}")
        assert ruleset is not None
        return "\n".join(file["content"] for file in ruleset["source"]["files"])

    def release(self, content: str, *, first: bool) -> None:
        """Put ``content`` in force; it is compiled by the API before anything changes.

        Raises:
            RulesError: the API refused or did not answer.
        """
        source = {"files": [{"name": "firestore.rules", "content": content}]}
        ruleset = self._call("POST", f"{self._parent}/rulesets", {"source": source})
        assert ruleset is not None
        release = {"name": self._release, "rulesetName": ruleset["name"]}
        if first:
            self._call("POST", f"{self._parent}/releases", release)
        else:
            self._call("PATCH", f"{self._base}/{self._release}", {"release": release})

    def _call(
        self,
        method: str,
        url: str,
        body: dict[str, Any] | None = None,
        *,
        absent_is_none: bool = False,
    ) -> dict[str, Any] | None:
        request = urllib.request.Request(
            url,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
                # A person's token belongs to no project; without this the API answers 403.
                "X-Goog-User-Project": self._project,
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                content: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 404 and absent_is_none:
                return None
            raise RulesError(_sentence(error, self._project)) from error
        except (OSError, ValueError) as error:
            raise RulesError(
                f"The Firebase Rules API gave no answer ({error}): check the network, try again."
            ) from error
        return content


def _sentence(error: urllib.error.HTTPError, project: str) -> str:
    """An HTTP error of the API with its own message, and what to do."""
    text = error.read().decode(errors="replace")
    try:
        detail = json.loads(text)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        detail = text.strip() or error.reason
    advice = {
        400: "correct the rules.",
        401: "sign in (gcloud auth login), then try again.",
        403: "sign in with an account that may use the project (Owner, or Firebase Rules Admin and "
        f"Service Usage Consumer), and check that firebaserules.googleapis.com is enabled in "
        f"{project}.",
        404: f"check that the project {project} and its database exist.",
    }.get(error.code, "try again in a minute.")
    first_line = " ".join(str(detail).split())[:300]
    return f"The Firebase Rules API answered HTTP {error.code} ({first_line}): {advice}"


def blocks(rules: str) -> str:
    """The inside of ``match /databases/{database}/documents``.

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


def merged_already(present: str, rules: str) -> bool:
    """Whether the blocks are part of the rules in force, however these are indented."""
    return " ".join(blocks(rules).split()) in " ".join(present.split())


def publish(api: RulesApi, rules: str, *, own: bool) -> bool:
    """Release the rules if that replaces no other app's; whether they are in force now.

    Raises:
        RulesError: the API refused or did not answer.
    """
    present = api.released()
    wanted = f"{MARKER}\n{rules}"
    if present == wanted:
        return True
    if not own and (present is None or not present.startswith(MARKER)):
        return present is not None and merged_already(present, rules)
    api.release(wanted, first=present is None)
    print("changed security rules")
    return True


def access_token() -> str:
    """The token of the account that is signed in to gcloud.

    Raises:
        RulesError: gcloud is not installed, or has no account.
    """
    command = ["gcloud", "auth", "print-access-token"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise RulesError("gcloud is not on the PATH: install the Cloud SDK.") from error
    except subprocess.CalledProcessError as error:
        reason = " ".join(error.stderr.split())[:300]
        raise RulesError(
            f"gcloud gives no access token ({reason}): sign in (gcloud auth login), then try again."
        ) from error
    return done.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("project")
    parser.add_argument("file", type=Path)
    parser.add_argument("--database", default="(default)")
    parser.add_argument("--own", action="store_true", help="this database serves nothing else")
    arguments = parser.parse_args()
    rules = arguments.file.read_text()
    try:
        api = RulesApi(arguments.project, arguments.database, access_token(), API)
        in_force = publish(api, rules, own=arguments.own)
    except RulesError as error:
        sys.exit(f"ERROR: {error}")
    if not in_force:
        print("This database has rules of another app, or none that this script released.")
        print("Merge these blocks into them (or pass --own if nothing else uses it):\n")
        print(blocks(rules))
        sys.exit(MERGE_BY_HAND)


if __name__ == "__main__":
    main()
