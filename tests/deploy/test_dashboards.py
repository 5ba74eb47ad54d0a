"""deploy/dashboards: one list of panels, and both dashboards that are made of it."""

import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from deploy.dashboards import cloud_monitoring
from deploy.dashboards.generate import FILES, text
from deploy.dashboards.layout import flow
from deploy.dashboards.panels import SECTIONS, LeftOut, Panel, Series
from tests.support.cloud_filters import matches
from tests.support.cloud_logs import POOL, service
from tests.support.cloud_sdk import ask_sdk, command_problems

ROOT = Path(__file__).resolve().parents[2]
CLOUD = ROOT / "deploy" / "dashboards" / "fleet.json"
PANELS = [panel for section in SECTIONS for panel in section.panels]
SERIES = [one for panel in PANELS if not isinstance(panel.cloud, LeftOut) for one in panel.cloud]
LOGGED = "logging.googleapis.com/user/"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_files_are_what_the_panels_make(file: Path) -> None:
    remedy = "run python3 -m deploy.dashboards.generate"

    assert file.read_text() == text(FILES[file]()), remedy


def test_the_installer_finds_the_clouds() -> None:
    assert [file for file in FILES if file.parent == CLOUD.parent] == [CLOUD]
    assert list(CLOUD.parent.glob("*.json")) == [CLOUD]
    board = json.loads(CLOUD.read_text())
    assert (board["displayName"], board["labels"]) == ("Backtests", {"dashboard": "backtest-fleet"})


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_a_panel_is_shown_or_it_is_said_why_not(panel: Panel) -> None:
    sides = (panel.prometheus, panel.cloud)

    assert any(not isinstance(side, LeftOut) for side in sides)
    for side in sides:
        assert len(side.reason) > 20 if isinstance(side, LeftOut) else side
    assert not (panel.cloud_lacks and isinstance(panel.cloud, LeftOut))


class TestCloudMonitoring:
    def test_the_sdk_decodes_every_field(self, tmp_path: Path) -> None:
        wrong = []
        for number, (right, slip) in enumerate(
            [('"xyChart"', '"xyGraph"'), ("REDUCE_MEAN", "REDUCE_AVERAGE")]
        ):
            wrong.append(tmp_path / f"{number}.json")
            wrong[-1].write_text(CLOUD.read_text().replace(right, slip))

        answers = ask_sdk(tmp_path, {"dashboards": [str(file) for file in (CLOUD, *wrong)]})

        good, field, reducer = answers["dashboards"]
        assert good == ""
        assert "xyGraph" in field
        assert "crossSeriesReducer" in reducer

    def test_gcloud_takes_the_file(self, tmp_path: Path) -> None:
        create = ["monitoring", "dashboards", "create", f"--config-from-file={CLOUD}"]

        assert command_problems(tmp_path, [[*create, "--project=my-project"]]) == []

    def test_tiles_stand_beside_each_other(self) -> None:
        mosaic = json.loads(CLOUD.read_text())["mosaicLayout"]
        taken: set[tuple[int, int]] = set()
        for tile in mosaic["tiles"]:
            across = range(tile["xPos"], tile["xPos"] + tile["width"])
            down = range(tile["yPos"], tile["yPos"] + tile["height"])
            assert across.stop <= mosaic["columns"] == cloud_monitoring.COLUMNS
            cells = set(product(across, down))
            assert not cells & taken, tile["widget"]["title"]
            taken |= cells

    @pytest.mark.parametrize("series", SERIES, ids=lambda one: f"{one.metric}, {one.legend}")
    def test_each_series_asks_its_metric_for_what_it_has(self, series: Series) -> None:
        if not series.metric.startswith(LOGGED):
            assert series.metric.startswith(("run.googleapis.com/", "pubsub.googleapis.com/"))
            return
        file = ROOT / "deploy" / "metrics" / f"{series.metric.removeprefix(LOGGED)}.json"
        descriptor = json.loads(file.read_text())["metricDescriptor"]

        if descriptor["valueType"] == "DISTRIBUTION":
            assert series.aligner == "ALIGN_DELTA"
            assert re.fullmatch("REDUCE_(MEAN|PERCENTILE_[0-9]{2})", series.reducer)
        else:
            assert series.aligner in ("ALIGN_DELTA", "ALIGN_RATE")
            assert series.reducer == "REDUCE_SUM"
        labels = {f"metric.labels.{label['key']}" for label in descriptor.get("labels", ())}
        assert set(series.group_by) <= labels
        assert set(re.findall(r"\$\{([\w.]+)\}", series.legend)) == set(series.group_by)

    def test_services_and_pools_are_shown(self) -> None:
        for resource in (POOL, service("backtest-worker"), service("backtest-control")):
            shown = {
                found
                for text in filters(json.loads(CLOUD.read_text()))
                for found in re.findall(r'metric\.type = "([^"]+)"', text)
                if matches(text, {"resource": resource, "metric": {"type": found}})
            }
            of_logs = {one.metric for one in SERIES if one.metric.startswith(LOGGED)}
            assert (
                of_logs
                | {
                    "run.googleapis.com/container/instance_count",
                    "run.googleapis.com/container/memory/utilizations",
                }
                <= shown
            )


def filters(board: dict[str, Any]) -> list[str]:
    return [
        one["timeSeriesQuery"]["timeSeriesFilter"]["filter"]
        for tile in board["mosaicLayout"]["tiles"]
        for one in tile["widget"].get("xyChart", {}).get("dataSets", ())
    ]


def test_panels_flow_into_rows_as_high_as_their_highest() -> None:
    places, below = flow([(4, 2), (6, 3), (6, 1)], columns=12, top=10)

    assert places == [(0, 10), (4, 10), (0, 13)]
    assert below == 14
