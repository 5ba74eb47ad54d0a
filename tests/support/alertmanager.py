"""Alertmanager and amtool, as installed on this machine, and a webhook that remembers."""

import json
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import Server, free_port, missing


def program(*names: str) -> str:
    """The path of the first of these that is installed; skips where there is none."""
    for name in names:
        if found := shutil.which(name):
            return found
    missing(f"{names[0]} is not here: install Alertmanager (Debian: prometheus-alertmanager)")
    raise AssertionError


def check_config(file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("amtool"), "check-config", str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


class Alertmanager:
    """A server under ``config``, started as the compose file starts it."""

    def __init__(self, directory: Path, config: Path) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.server = Server(
            "Alertmanager",
            [
                # Debian's name of it, and its own.
                program("prometheus-alertmanager", "alertmanager"),
                f"--config.file={config}",
                f"--storage.path={directory / 'alertmanager'}",
                "--cluster.listen-address=",
                f"--web.listen-address={self.address}",
            ],
        )
        self.server.wait_until(self._is_ready)

    def _is_ready(self) -> bool:
        try:
            answer = httpx.get(f"http://{self.address}/-/ready", timeout=5, trust_env=False)
        except httpx.TransportError:
            return False
        return answer.status_code == 200


class Webhook:
    """Takes JSON by POST on loopback, in this process."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.paths: list[str] = []
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                webhook.paths.append(self.path)
                webhook.messages.append(json.loads(body))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/services/secret"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE_SECONDS)
