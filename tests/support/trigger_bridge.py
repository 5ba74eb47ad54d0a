"""What stands between the emulator's triggers and an Eventarc receiver.

The emulator posts each event once, waits for the answer and never retries; Eventarc delivers in
the background. The bridge answers at once and hands events on from a thread for each trigger. It
also undoes two peculiarities: the body is base64 text of the protobuf bytes, and ``ce-source``
says ``projects/`` twice.
"""

import base64
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.patience import PATIENCE_SECONDS


@dataclass(frozen=True, slots=True)
class Delivery:
    """A CloudEvent in binary mode as production sends it: ``ce-*`` headers and raw bytes."""

    headers: dict[str, str]
    body: bytes


class _Line:
    """One trigger's events in order, delivered on a thread of its own."""

    def __init__(self, deliver: Callable[[Delivery], None]) -> None:
        self._deliver = deliver
        self._waiting: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, delivery: Delivery) -> None:
        self._waiting.put(delivery)

    def close(self) -> None:
        self._waiting.put(None)
        self._thread.join(PATIENCE_SECONDS)

    def _run(self) -> None:
        while (delivery := self._waiting.get()) is not None:
            self._deliver(delivery)


class TriggerBridge:
    """The HTTP server that the emulator takes for its functions emulator."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        bridge = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                bridge._receive(self.path, headers, body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.address = f"127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()

    def on(self, project: str, trigger_id: str, deliver: Callable[[Delivery], None]) -> None:
        self._lines[f"/functions/projects/{project}/triggers/{trigger_id}"] = _Line(deliver)

    def off(self, project: str) -> None:
        """Stop delivering a project's events; triggers themselves cannot be unregistered."""
        prefix = f"/functions/projects/{project}/"
        for path in [path for path in self._lines if path.startswith(prefix)]:
            self._lines.pop(path).close()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        for line in self._lines.values():
            line.close()

    def _receive(self, path: str, headers: dict[str, str], body: bytes) -> None:
        line = self._lines.get(path)
        if line is None:
            return
        kept = {
            name: value
            for name, value in headers.items()
            if name.startswith("ce-") or name == "content-type"
        }
        kept["ce-source"] = kept.get("ce-source", "").replace("projects/projects/", "projects/")
        line.put(Delivery(kept, base64.b64decode(body)))
