"""deploy/rules.py against a small stand-in for the Firebase Rules API on loopback."""

import json
import threading
import urllib.error
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy.rules import MARKER, MERGE_BY_HAND, RulesApi, blocks, main, publish

ROOT = Path(__file__).resolve().parents[2]
RULES = (ROOT / "firestore.rules").read_text()
FOREIGN = "rules_version = '2';\nservice cloud.firestore { /* somebody else's app */ }"
DEFAULT = "projects/p/releases/cloud.firestore"


class FirebaseRules:
    """Releases and rulesets in memory; refuses rules that hold the word ``broken``."""

    def __init__(self) -> None:
        self.releases: dict[str, str] = {}
        self.rulesets: dict[str, str] = {}
        self.authorization: set[str | None] = set()
        api = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else {}
                api.authorization.add(self.headers.get("Authorization"))
                code, content = api.handle(self.command, self.path.removeprefix("/v1/"), body)
                text = json.dumps(content).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PATCH = answer  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}/v1"

    def put_in_force(self, name: str, content: str) -> None:
        ruleset = f"projects/p/rulesets/{len(self.rulesets)}"
        self.rulesets[ruleset] = content
        self.releases[name] = ruleset

    def in_force(self, name: str = DEFAULT) -> str:
        return self.rulesets[self.releases[name]]

    def handle(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if method == "POST" and path == "projects/p/rulesets":
            content = body["source"]["files"][0]["content"]
            if "broken" in content:
                return 400, {"error": "does not compile"}
            name = f"projects/p/rulesets/{len(self.rulesets)}"
            self.rulesets[name] = content
            return 200, {"name": name}
        if method == "POST" and path == "projects/p/releases":
            if body["name"] in self.releases:
                return 409, {"error": "exists"}
            self.releases[body["name"]] = body["rulesetName"]
            return 200, body
        if method == "PATCH" and path in self.releases:
            self.releases[path] = body["release"]["rulesetName"]
            return 200, body["release"]
        if method == "GET" and path in self.releases:
            return 200, {"name": path, "rulesetName": self.releases[path]}
        if method == "GET" and path in self.rulesets:
            file = {"name": "firestore.rules", "content": self.rulesets[path]}
            return 200, {"name": path, "source": {"files": [file]}}
        return 404, {"error": "not found"}


@pytest.fixture
def firebase() -> Iterator[FirebaseRules]:
    service = FirebaseRules()
    thread = threading.Thread(target=service.server.serve_forever, daemon=True)
    thread.start()
    yield service
    service.server.shutdown()
    service.server.server_close()
    thread.join()


def api(firebase: FirebaseRules, database: str = "(default)") -> RulesApi:
    return RulesApi("p", database, "a-token", firebase.base)


def test_our_own_new_database_gets_the_rules(firebase: FirebaseRules) -> None:
    assert publish(api(firebase), RULES, own=True)

    assert firebase.in_force() == f"{MARKER}\n{RULES}"
    assert firebase.authorization == {"Bearer a-token"}


def test_a_named_database_has_a_release_of_its_own(firebase: FirebaseRules) -> None:
    firebase.put_in_force(DEFAULT, FOREIGN)

    assert publish(api(firebase, "backtests"), RULES, own=True)

    assert firebase.in_force(f"{DEFAULT}/backtests").endswith(RULES)
    assert firebase.in_force() == FOREIGN


def test_what_we_released_is_replaced_without_being_told(firebase: FirebaseRules) -> None:
    firebase.put_in_force(DEFAULT, f"{MARKER}\nold rules")

    assert publish(api(firebase), RULES, own=False)

    assert firebase.in_force().endswith(RULES)


def test_rules_of_somebody_else_stay(firebase: FirebaseRules) -> None:
    firebase.put_in_force(DEFAULT, FOREIGN)

    assert not publish(api(firebase), RULES, own=False)

    assert firebase.in_force() == FOREIGN
    assert len(firebase.rulesets) == 1


def test_a_marker_elsewhere_than_in_the_first_line_is_not_ours(firebase: FirebaseRules) -> None:
    merged = f"{FOREIGN}\n{MARKER}\n"
    firebase.put_in_force(DEFAULT, merged)

    assert not publish(api(firebase), RULES, own=False)
    assert firebase.in_force() == merged


def test_a_database_that_is_not_ours_and_has_no_rules_is_left_alone(
    firebase: FirebaseRules,
) -> None:
    assert not publish(api(firebase), RULES, own=False)
    assert firebase.releases == {}


def test_the_same_rules_are_not_released_twice(firebase: FirebaseRules) -> None:
    publish(api(firebase), RULES, own=True)
    publish(api(firebase), RULES, own=True)

    assert len(firebase.rulesets) == 1


def test_rules_that_do_not_compile_change_nothing(firebase: FirebaseRules) -> None:
    firebase.put_in_force(DEFAULT, f"{MARKER}\nold rules")

    with pytest.raises(urllib.error.HTTPError, match="400"):
        publish(api(firebase), "broken", own=True)

    assert firebase.in_force().endswith("old rules")


def test_the_blocks_to_merge_are_the_inside_of_the_documents_block() -> None:
    inside = blocks(RULES)

    assert "match /backtestJobs/{jobId}" in inside
    assert "match /backtestBundles/{bundleId}" in inside
    assert "service cloud.firestore" not in inside
    assert inside.count("{") == inside.count("}")


@pytest.mark.parametrize(
    "text", ["service cloud.firestore {}", "match /databases/{database}/documents { {"]
)
def test_a_file_without_the_block_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="rules"):
        blocks(text)


def test_the_command_prints_what_to_merge_and_says_so_by_its_exit_code(
    firebase: FirebaseRules, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    firebase.put_in_force(DEFAULT, FOREIGN)
    rules = str(ROOT / "firestore.rules")
    monkeypatch.setattr("sys.argv", ["rules.py", "p", rules])
    monkeypatch.setattr("deploy.rules.access_token", lambda: "a-token")
    monkeypatch.setattr("deploy.rules.API", firebase.base)

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == MERGE_BY_HAND
    assert "match /backtestJobs/{jobId}" in capsys.readouterr().out
