"""A real Chromium, driven through chromedriver in its own protocol (W3C WebDriver)."""

import base64
import json
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import Server, free_port, missing

#: How the protocol marks an element in JSON.
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"

#: Nothing but this machine can be reached, and no profile but an empty one is used.
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


class Browser:
    """One window. ``stop`` ends it and takes its profile away."""

    def __init__(self) -> None:
        programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
        if None in programs:
            missing("no browser was found (Debian packages: chromium chromium-driver)")
        chromium, driver = map(str, programs)
        port = free_port()
        self._profile = tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
        self._server = Server("chromedriver", [driver, f"--port={port}"])
        self._http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS + 30, trust_env=False
        )
        self._server.wait_until(self._answers)
        self._session = f"/session/{self._begin(chromium)}"
        bound = int(PATIENCE_SECONDS * 1000)
        self._call("POST", "/timeouts", {"script": bound, "implicit": bound})

    def goto(self, url: str) -> None:
        """Load a page; what the windows before it logged is forgotten."""
        self.logged()
        self._call("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script in the page returns."""
        return self._call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait_for(self, condition: str, *arguments: Any) -> Any:
        """Return the value of a JavaScript expression once it is true; the page itself waits."""
        script = (
            "const done = arguments[arguments.length - 1];"
            f"const look = () => {{ const found = ({condition});"
            "found ? done(found) : setTimeout(look, 20); }; look();"
        )
        body = {"script": script, "args": list(arguments)}
        return self._call("POST", "/execute/async", body)

    def text(self, selector: str) -> str:
        """What a person reads in an element."""
        element = self._find(selector)
        return str(self._call("GET", f"/element/{element}/text"))

    def click(self, selector: str) -> None:
        self._call("POST", f"/element/{self._find(selector)}/click", {})

    def write(self, selector: str, text: str) -> None:
        """Put text into a field in place of what is there."""
        element = self._find(selector)
        self._call("POST", f"/element/{element}/clear", {})
        self._call("POST", f"/element/{element}/value", {"text": text})

    def switch_to_new_window(self) -> None:
        """Go to the window that was opened from this one, as soon as it is there."""
        here = self._call("GET", "/window")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (others := [window for window in self.windows() if window != here]):
            assert time.monotonic() < deadline, "no window was opened"
            time.sleep(0.02)
        self.switch(others[0])

    def windows(self) -> list[str]:
        return list(self._call("GET", "/window/handles"))

    def switch(self, window: str) -> None:
        self._call("POST", "/window", {"handle": window})

    def close_window(self) -> None:
        self._call("DELETE", "/window")

    def resize(self, width: int, height: int) -> None:
        """The page's own size in CSS pixels."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.devtools("Emulation.setDeviceMetricsOverride", **metrics)

    def prefer(self, scheme: str) -> None:
        """``light`` or ``dark``."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.devtools("Emulation.setEmulatedMedia", features=[feature])

    def screenshot(self) -> bytes:
        """PNG of what is in the window."""
        return base64.b64decode(self._call("GET", "/screenshot"))

    def printed(self) -> bytes:
        """PDF."""
        return base64.b64decode(self._call("POST", "/print", {}))

    def logged(self) -> list[str]:
        """What the console says since the last call: scripts' errors, refusals by a policy."""
        entries = self._call("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries]

    def requested(self) -> list[str]:
        """Addresses that were asked for since the last call."""
        entries = self._call("POST", "/se/log", {"type": "performance"})
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def devtools(self, command: str, **parameters: Any) -> Any:
        """A command of Chromium's own protocol."""
        return self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def stop(self) -> None:
        try:
            self._call("DELETE", "")
        finally:
            self._http.close()
            self._server.stop()
            self._profile.cleanup()

    def _begin(self, chromium: str) -> str:
        options = {
            "binary": chromium,
            "args": [*_FLAGS, f"--user-data-dir={Path(self._profile.name) / 'profile'}"],
        }
        capabilities = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        body = {"capabilities": {"alwaysMatch": capabilities}}
        return str(self._value(self._http.post("/session", json=body))["sessionId"])

    def _find(self, selector: str) -> str:
        body = {"using": "css selector", "value": selector}
        return str(self._call("POST", "/element", body)[_ELEMENT])

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return self._value(self._http.request(method, f"{self._session}{path}", json=body))

    def _value(self, answer: httpx.Response) -> Any:
        value = answer.json()["value"]
        if answer.status_code != 200:
            raise AssertionError(f"{value['error']}: {value['message'].splitlines()[0]}")
        return value

    def _answers(self) -> bool:
        try:
            return bool(self._http.get("/status").json()["value"]["ready"])
        except httpx.TransportError:
            return False
