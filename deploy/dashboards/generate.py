"""Write the dashboards' files: ``python3 -m deploy.dashboards.generate`` in the project's root."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from deploy.dashboards import cloud_monitoring, grafana

_DEPLOY = Path(__file__).resolve().parents[1]

#: Each file and what it holds. deploy/alerts.sh installs every JSON file of this folder.
FILES: Mapping[Path, Callable[[], dict[str, Any]]] = {
    _DEPLOY / "grafana" / "backtests.json": grafana.dashboard,
    _DEPLOY / "dashboards" / "fleet.json": cloud_monitoring.dashboard,
}


def text(dashboard: Mapping[str, Any]) -> str:
    return json.dumps(dashboard, indent=2) + "\n"


if __name__ == "__main__":
    for file, dashboard in FILES.items():
        file.write_text(text(dashboard()))
