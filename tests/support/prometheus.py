"""Prometheus and promtool, as installed on this machine."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import Server, free_port, missing


def program(name: str) -> str:
    """The path of ``prometheus`` or ``promtool``; skips where there is none."""
    found = shutil.which(name)
    if found is None:
        missing(f"{name} is not here: install Prometheus (Debian: prometheus)")
        raise AssertionError
    return found


def promtool(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("promtool"), *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


class Prometheus:
    """A server that scrapes ``targets`` (job → addresses) every second under ``rules``, and sends
    alerts to ``alertmanagers``.
    """

    def __init__(
        self,
        directory: Path,
        rules: Path,
        targets: Mapping[str, Sequence[str]],
        alertmanagers: Sequence[str] = (),
    ) -> None:
        port = free_port()
        config = directory / "prometheus.yml"
        jobs = "".join(
            f"  - job_name: {job}\n    static_configs:\n      - targets: {list(addresses)}\n"
            for job, addresses in targets.items()
        )
        config.write_text(
            "global: {scrape_interval: 1s, evaluation_interval: 1s, scrape_timeout: 1s}\n"
            f"rule_files: ['{rules}']\nscrape_configs:\n{jobs}"
            "alerting:\n  alertmanagers:\n    - static_configs:\n"
            f"        - targets: {list(alertmanagers)}\n"
        )
        self._url = f"http://127.0.0.1:{port}"
        self.server = Server(
            "Prometheus",
            [
                program("prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
        )
        self.server.wait_until(self._is_ready)

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and values of an instant query."""
        answer = self._get("query", query=expression)
        assert answer["status"] == "success", answer
        return [(item["metric"], float(item["value"][1])) for item in answer["data"]["result"]]

    def targets(self) -> dict[str, str]:
        """The health of each scraped address."""
        active = self._get("targets")["data"]["activeTargets"]
        return {target["labels"]["instance"]: target["health"] for target in active}

    def rules(self) -> dict[str, str]:
        """The health of each rule by its name: ``ok`` once it was evaluated without an error."""
        groups = self._get("rules")["data"]["groups"]
        return {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}

    def stop(self) -> None:
        self.server.stop()

    def _get(self, path: str, **parameters: str) -> Any:
        url = f"{self._url}/api/v1/{path}"
        return httpx.get(url, params=parameters, timeout=PATIENCE_SECONDS, trust_env=False).json()

    def _is_ready(self) -> bool:
        try:
            answer = httpx.get(f"{self._url}/-/ready", timeout=5, trust_env=False)
        except httpx.TransportError:
            return False
        return answer.status_code == 200
