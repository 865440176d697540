"""The list of panels as a dashboard of Grafana: classic JSON, which every Grafana since 10 imports."""

from __future__ import annotations

import json
import string
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from tidegauge.export.panels import MARKS, ROWS, VARIABLES, Mark, Panel, Query, Row, State, Threshold, Variable

Json = dict[str, Any]

UID: Final = "tidegauge"
_COLUMNS: Final = 24
_SCHEMA: Final = 39
"""Of Grafana 10.4: newer ones bring it up to date as they load it."""
_SOURCE: Final[Mapping[str, str]] = {"type": "prometheus", "uid": "${datasource}"}
_PLUGINS: Final = {"state timeline": "state-timeline"}
_LETTERS: Final = string.ascii_uppercase


def dashboard(docs: str = "docs") -> Json:
    """Build the dashboard.

    Parameters
    ----------
    docs : str
        Where the docs are, to which it links: an address or a path.

    Examples
    --------
    >>> built = dashboard()
    >>> built["title"], [each["name"] for each in built["templating"]["list"]]
    ('tidegauge', ['datasource', 'stream', 'segment', 'window', 'score'])
    """
    return {
        "__inputs": [],
        "__elements": {},
        "__requires": [_required(kind) for kind in ("grafana", "prometheus", *_plugins())],
        "annotations": {"list": [_annotation(mark) for mark in MARKS]},
        "description": "How far embeddings have drifted from their reference, and which outcomes pay for it.",
        "editable": False,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "id": None,
        "links": [_link("Dashboard", f"{docs}/dashboard.md"), _link("Runbook", f"{docs}/runbook.md")],
        "panels": list(_laid_out(ROWS)),
        "refresh": "1m",
        "schemaVersion": _SCHEMA,
        "tags": ["tidegauge", "drift", "embeddings"],
        "templating": {"list": [_DATASOURCE, *(_variable(each) for each in VARIABLES)]},
        "time": {"from": "now-7d", "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "title": "tidegauge",
        "uid": UID,
        "version": 1,
        "weekStart": "",
    }


def dashboard_json(docs: str = "docs") -> str:
    """Write the dashboard as text, the same every time."""
    return json.dumps(dashboard(docs), indent=2, ensure_ascii=False) + "\n"


_DATASOURCE: Final[Json] = {
    "current": {},
    "hide": 0,
    "includeAll": False,
    "label": "Data source",
    "multi": False,
    "name": "datasource",
    "options": [],
    "query": "prometheus",
    "refresh": 1,
    "regex": "",
    "skipUrlSync": False,
    "type": "datasource",
}


def _plugins() -> list[str]:
    return sorted({_plugin(panel) for row in ROWS for panel in row.panels})


def _plugin(panel: Panel) -> str:
    return _PLUGINS.get(panel.kind, panel.kind)


def _required(name: str) -> Json:
    kinds = {"grafana": ("grafana", "Grafana", "10.4.0"), "prometheus": ("datasource", "Prometheus", "1.0.0")}
    kind, title, version = kinds.get(name, ("panel", name, ""))
    return {"type": kind, "id": name, "name": title, "version": version}


def _link(title: str, url: str) -> Json:
    return {
        "asDropdown": False,
        "icon": "doc",
        "includeVars": False,
        "keepTime": False,
        "tags": [],
        "targetBlank": True,
        "title": title,
        "tooltip": "",
        "type": "link",
        "url": url,
    }


def _annotation(mark: Mark) -> Json:
    return {
        "datasource": dict(_SOURCE),
        "enable": True,
        "expr": mark.expr,
        "hide": False,
        "iconColor": mark.colour,
        "name": mark.name,
        "step": "60s",
        "textFormat": mark.text,
        "titleFormat": mark.name,
    }


def _variable(variable: Variable) -> Json:
    query = f"label_values({variable.among}, {variable.label})"
    first = [variable.first] if variable.multi else variable.first
    return {
        "current": {"selected": True, "text": first, "value": first} if variable.first else {},
        "datasource": dict(_SOURCE),
        "definition": query,
        "hide": 0,
        "includeAll": False,
        "label": variable.title,
        "multi": variable.multi,
        "name": variable.name,
        "options": [],
        "query": {"query": query, "refId": f"variable-{variable.name}"},
        # Whenever the time range changes: streams and segments come and go.
        "refresh": 2,
        "regex": "",
        "skipUrlSync": False,
        "sort": 3,
        "type": "query",
    }


def _laid_out(rows: Iterable[Row]) -> Iterator[Json]:
    """Rows from top to bottom, their panels from left to right as far as the grid is wide."""
    y, number = 0, 1
    for row in rows:
        yield {
            "collapsed": False,
            "gridPos": {"h": 1, "w": _COLUMNS, "x": 0, "y": y},
            "id": number,
            "panels": [],
            "title": row.title,
            "type": "row",
        }
        x, y, number, height = 0, y + 1, number + 1, 0
        for panel in row.panels:
            if x + panel.width > _COLUMNS:
                x, y, height = 0, y + height, 0
            yield _panel(panel, number, {"h": panel.height, "w": panel.width, "x": x, "y": y})
            x, number, height = x + panel.width, number + 1, max(height, panel.height)
        y += height


def _panel(panel: Panel, number: int, place: Mapping[str, int]) -> Json:
    built: Json = {
        "datasource": dict(_SOURCE),
        "description": panel.description,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": list(_overrides(panel))},
        "gridPos": dict(place),
        "id": number,
        "options": _options(panel),
        "targets": [_target(panel, query, letter) for query, letter in zip(panel.queries, _LETTERS, strict=False)],
        "title": panel.title,
        "type": _plugin(panel),
    }
    if panel.kind == "table":
        built["transformations"] = _joined(panel)
    return built


def _target(panel: Panel, query: Query, letter: str) -> Json:
    table = panel.kind == "table"
    return {
        "datasource": dict(_SOURCE),
        "editorMode": "code",
        "expr": query.expr,
        "format": "table" if table else "time_series",
        "instant": table,
        "legendFormat": query.legend,
        "range": not table,
        "refId": letter,
    }


def _joined(panel: Panel) -> list[Json]:
    """One table of all answers, its columns named as the queries are."""
    heads = {f"Value #{letter}": query.legend for query, letter in zip(panel.queries, _LETTERS, strict=False)}
    return [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": {"Time": True}, "indexByName": {}, "renameByName": heads}},
    ]


def _defaults(panel: Panel) -> Json:
    drawn: dict[str, Json] = {"timeseries": _lines(panel), "state timeline": {"fillOpacity": 80, "lineWidth": 0}}
    steps = panel.thresholds or (Threshold(None, "green" if panel.kind == "state timeline" else "text"),)
    built: Json = {
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "mappings": _mappings(panel.states) if panel.kind != "table" else [],
        "thresholds": {"mode": "absolute", "steps": [{"color": each.colour, "value": each.above} for each in steps]},
        "unit": panel.unit,
    }
    return {**built, "custom": drawn[panel.kind]} if panel.kind in drawn else built


def _lines(panel: Panel) -> Json:
    return {
        "drawStyle": "line",
        "fillOpacity": 0,
        "lineInterpolation": "linear" if panel.pointed else "stepAfter",
        "lineWidth": 1,
        "pointSize": 5,
        "scaleDistribution": {"type": "log", "log": 10} if panel.logarithmic else {"type": "linear"},
        "showPoints": "always" if panel.pointed else "auto",
        "spanNulls": panel.pointed,
        "thresholdsStyle": {"mode": "line" if panel.thresholds else "off"},
    }


def _mappings(states: Mapping[int, State]) -> list[Json]:
    if not states:
        return []
    told = {
        str(number): {"color": state.colour, "index": index, "text": state.text}
        for index, (number, state) in enumerate(states.items())
    }
    return [{"type": "value", "options": told}]


def _overrides(panel: Panel) -> Iterator[Json]:
    """What a query has for itself: a column of a table its unit, a line also its axis."""
    for index, (query, letter) in enumerate(zip(panel.queries, _LETTERS, strict=False)):
        properties: list[Json] = [{"id": "unit", "value": query.unit}] if query.unit else []
        if panel.kind == "table":
            if panel.states and index == 0:
                properties += [
                    {"id": "mappings", "value": _mappings(panel.states)},
                    {"id": "custom.cellOptions", "value": {"type": "color-text"}},
                ]
            matcher = {"id": "byName", "options": query.legend}
        else:
            properties += [{"id": "custom.axisPlacement", "value": "right"}] if query.unit else []
            matcher = {"id": "byFrameRefID", "options": letter}
        if properties:
            yield {"matcher": matcher, "properties": properties}


def _options(panel: Panel) -> Json:
    legend = {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True}
    match panel.kind:
        case "stat":
            return {
                "colorMode": "background" if panel.states or panel.thresholds else "value",
                "graphMode": "none" if panel.states else "area",
                "justifyMode": "auto",
                "orientation": "auto",
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
                "showPercentChange": False,
                "textMode": "value_and_name" if "{{" in panel.queries[0].legend else "value",
                "wideLayout": True,
            }
        case "timeseries":
            return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
        case "state timeline":
            return {
                "alignValue": "left",
                "legend": legend,
                "mergeValues": True,
                "rowHeight": 0.9,
                "showValue": "auto" if panel.states else "never",
                "tooltip": {"mode": "single", "sort": "none"},
            }
        case "table":
            return {"cellHeight": "sm", "showHeader": True}
