"""The panels as Grafana's dashboard."""

from typing import Any

from deploy.dashboards.layout import flow
from deploy.dashboards.panels import SECTIONS, Kind, LeftOut, Line, Panel

COLUMNS = 24
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_HEADER_HEIGHT = 1


def dashboard() -> dict[str, Any]:
    """What a Grafana that provisions dashboards from files reads."""
    panels: list[dict[str, Any]] = []
    top = 0
    for section in SECTIONS:
        shown = [panel for panel in section.panels if not isinstance(panel.prometheus, LeftOut)]
        panels.append(_row(section.title, top, len(panels) + 1))
        places, top = flow(
            [(one.width, one.height) for one in shown], COLUMNS, top + _HEADER_HEIGHT
        )
        for panel, (x, y) in zip(shown, places, strict=True):
            place = {"h": panel.height, "w": panel.width, "x": x, "y": y}
            panels.append(_panel(panel, place, len(panels) + 1))
    return {
        "uid": "backtest-fleet",
        "title": "Backtests",
        "tags": ["backtest"],
        "editable": True,
        "schemaVersion": 39,
        "version": 1,
        "timezone": "utc",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Data source",
                    "type": "datasource",
                    "query": "prometheus",
                    "hide": 0,
                    "current": {},
                }
            ]
        },
        "annotations": {"list": []},
        "links": [],
        "panels": panels,
    }


def _row(title: str, top: int, number: int) -> dict[str, Any]:
    return {
        "id": number,
        "type": "row",
        "title": title,
        "collapsed": False,
        "gridPos": {"h": _HEADER_HEIGHT, "w": COLUMNS, "x": 0, "y": top},
        "panels": [],
    }


def _panel(panel: Panel, place: dict[str, int], number: int) -> dict[str, Any]:
    assert not isinstance(panel.prometheus, LeftOut)
    look = _stat(panel) if panel.kind is Kind.STAT else _chart(panel)
    return {
        "id": number,
        "type": "stat" if panel.kind is Kind.STAT else "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "gridPos": place,
        "targets": [_target(line, place) for place, line in enumerate(panel.prometheus)],
        **look,
    }


def _target(line: Line, place: int) -> dict[str, Any]:
    return {
        "datasource": _SOURCE,
        "expr": line.expression,
        "legendFormat": line.legend,
        "refId": chr(ord("A") + place),
        "editorMode": "code",
        "range": True,
    }


def _stat(panel: Panel) -> dict[str, Any]:
    words = {str(value): {"text": word} for value, word in panel.words}
    return {
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "mappings": [{"type": "value", "options": words}] if words else [],
                "thresholds": {
                    "mode": "absolute",
                    "steps": [{"color": step.colour, "value": step.value} for step in panel.steps],
                },
            },
            "overrides": [],
        },
        "options": {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "value",
            "graphMode": "area",
        },
    }


def _chart(panel: Panel) -> dict[str, Any]:
    stacked = panel.kind is Kind.STACKED
    return {
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "custom": {
                    "drawStyle": "line",
                    "fillOpacity": 20 if stacked else 0,
                    "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
                },
            },
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi"},
        },
    }
