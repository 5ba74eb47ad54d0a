"""The panels as a dashboard of Cloud Monitoring, in the form of its API's version 1."""

from typing import Any

from deploy.dashboards.layout import flow
from deploy.dashboards.panels import SECTIONS, Kind, LeftOut, Panel, Series

#: The most that a mosaic may have: a panel takes twice the blocks that it takes in Grafana.
COLUMNS = 48
_BLOCKS = 2
_HEADER_HEIGHT = 4


def dashboard() -> dict[str, Any]:
    """What ``gcloud monitoring dashboards create --config-from-file`` reads.

    A widget has no description: a panel's is in the section's header.
    """
    tiles: list[dict[str, Any]] = []
    top = 0
    for section in SECTIONS:
        shown = [panel for panel in section.panels if not isinstance(panel.cloud, LeftOut)]
        header = {
            "title": section.title,
            "sectionHeader": {"subtitle": " ".join(_described(panel) for panel in shown)},
        }
        tiles.append(_tile((0, top), (COLUMNS, _HEADER_HEIGHT), header))
        sizes = [(panel.width * _BLOCKS, panel.height * _BLOCKS) for panel in shown]
        places, top = flow(sizes, COLUMNS, top + _HEADER_HEIGHT)
        tiles += [
            _tile(place, size, _chart(panel))
            for panel, place, size in zip(shown, places, sizes, strict=True)
        ]
    return {
        "displayName": "Backtests",
        "labels": {"dashboard": "backtest-fleet"},
        "mosaicLayout": {"columns": COLUMNS, "tiles": tiles},
    }


def _described(panel: Panel) -> str:
    lacks = f" Not here: {panel.cloud_lacks}." if panel.cloud_lacks else ""
    return f"{panel.title}: {panel.description}{lacks}"


def _tile(place: tuple[int, int], size: tuple[int, int], widget: dict[str, Any]) -> dict[str, Any]:
    return {
        "xPos": place[0],
        "yPos": place[1],
        "width": size[0],
        "height": size[1],
        "widget": widget,
    }


def _chart(panel: Panel) -> dict[str, Any]:
    assert not isinstance(panel.cloud, LeftOut)
    plot = "STACKED_AREA" if panel.kind is Kind.STACKED else "LINE"
    return {
        "title": panel.title,
        "xyChart": {
            "dataSets": [
                {
                    "timeSeriesQuery": {
                        "timeSeriesFilter": {
                            "filter": f'{series.resource} AND metric.type = "{series.metric}"',
                            "aggregation": _aggregation(series),
                        }
                    },
                    "plotType": plot,
                    "legendTemplate": series.legend,
                    "minAlignmentPeriod": f"{series.seconds}s",
                }
                for series in panel.cloud
            ],
            "yAxis": {"scale": "LINEAR"},
        },
    }


def _aggregation(series: Series) -> dict[str, Any]:
    found: dict[str, Any] = {
        "alignmentPeriod": f"{series.seconds}s",
        "perSeriesAligner": series.aligner,
        "crossSeriesReducer": series.reducer,
    }
    if series.group_by:
        found["groupByFields"] = list(series.group_by)
    return found
