"""A small stand-in for the Firebase Rules API on loopback."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FOREIGN = "rules_version = '2';\nservice cloud.firestore { /* another app */ }"
QUOTA_PROJECT_IS_MISSING = {
    "error": {
        "code": 403,
        "message": "Your application has authenticated using end user credentials from the Google "
        "Cloud SDK or Google Cloud Shell which are not supported by the "
        "firebaserules.googleapis.com. We recommend configuring the billing/quota_project setting.",
        "status": "PERMISSION_DENIED",
    }
}


class FirebaseRules:
    """Releases and rulesets in memory; refuses rules that hold the word ``broken``.

    A call without X-Goog-User-Project gets a 403, as the real API answers to the token of a person.
    """

    def __init__(self, project: str = "p") -> None:
        self.project = project
        #: Answered instead of anything else, code and body.
        self.trouble: tuple[int, str] | None = None
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
                if self.headers.get("X-Goog-User-Project") != api.project:
                    code, text = 403, json.dumps(QUOTA_PROJECT_IS_MISSING).encode()
                elif api.trouble is not None:
                    code, text = api.trouble[0], api.trouble[1].encode()
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
        ruleset = f"projects/{self.project}/rulesets/{len(self.rulesets)}"
        self.rulesets[ruleset] = content
        self.releases[name] = ruleset

    def in_force(self, name: str = "") -> str:
        """The rules of a database; without a name those of the default one."""
        return self.rulesets[
            self.releases[f"projects/{self.project}/releases/cloud.firestore{name}"]
        ]

    def handle(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if method == "POST" and path == f"projects/{self.project}/rulesets":
            content = body["source"]["files"][0]["content"]
            if "broken" in content:
                return 400, {"error": "does not compile"}
            name = f"projects/{self.project}/rulesets/{len(self.rulesets)}"
            self.rulesets[name] = content
            return 200, {"name": name}
        if method == "POST" and path == f"projects/{self.project}/releases":
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


@contextmanager
def firebase_rules(project: str = "p") -> Iterator[FirebaseRules]:
    """The API, for as long as the block lasts."""
    service = FirebaseRules(project)
    thread = threading.Thread(target=service.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.server.shutdown()
        service.server.server_close()
        thread.join()
