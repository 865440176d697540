"""Which metrics and labels a query names, and which there are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tidegauge.export.collector import Collector
from tidegauge.export.families import FAMILIES
from tidegauge.export.panels import MARKS, ROWS, VARIABLES
from tidegauge.export.rules import ALERTS, RECORDED
from tidegauge.server.gauges import Gauges
from tidegauge.spec import Spec

METRIC = re.compile(r"(?<![\w:])((?:\w+:)?tidegauge_\w+(?::\w+)*|up)(?![\w:])(?:\{([^}]*)\})?")
_LABEL = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
_BY = re.compile(r"\b(?:by|on) \(([^)]*)\)")

Known = Mapping[str, frozenset[str]]


def named(expr: str) -> Iterator[tuple[str, set[str]]]:
    """Each metric that a query names, with the labels by which it is chosen."""
    for metric, chosen in METRIC.findall(expr):
        yield metric, set(_LABEL.findall(chosen))


def grouped(expr: str) -> set[str]:
    """Labels that a query keeps."""
    return {label.strip() for labels in _BY.findall(expr) for label in labels.split(",")}


def faults(expr: str, known: Known) -> list[str]:
    """What a query asks for that is not there."""
    found: list[str] = []
    there: set[str] = set()
    for metric, labels in named(expr):
        if metric not in known:
            found.append(f"no metric {metric}")
            continue
        there |= known[metric]
        found += [f"{metric} has no label {label}" for label in sorted(labels - known[metric])]
    if any(metric in known for metric, _ in named(expr)):
        found += [f"nothing has a label {label}" for label in sorted(grouped(expr) - there)]
    return found


def exported() -> dict[str, frozenset[str]]:
    """The labels of every metric that Prometheus finds at /metrics, or makes of it."""
    told = {name for metric in Collector(_nowhere(), Spec()).describe() for name in _names(metric)}
    known = {family.name: frozenset(family.labels) for family in FAMILIES.values() if family.name in told}
    gauges = Gauges({"queries": lambda: 0})
    gauges.seen("/metrics", "GET", 200, 0.1)
    gauges.refused("queries", "full")
    gauges.landed(1, 0.1)
    for metric in gauges.registry.collect():
        for sample in metric.samples:
            known[sample.name] = frozenset(sample.labels)
    return known


def known() -> dict[str, frozenset[str]]:
    """What is exported, what rules record of it, and what Prometheus itself knows."""
    recorded = {rule.name: frozenset(grouped(rule.expr)) for rule in RECORDED}
    return {**exported(), **recorded, "up": frozenset({"job", "instance"})}


def queries() -> dict[str, str]:
    """Every query of the dashboard and the rules, by where it stands."""
    panels = {
        f"{row.title}, {panel.title}, {query.legend}": query.expr
        for row in ROWS
        for panel in row.panels
        for query in panel.queries
    }
    return {
        **panels,
        **{f"mark {mark.name}": mark.expr for mark in MARKS},
        **{f"variable {each.name}": each.among for each in VARIABLES},
        **{f"rule {rule.name}": rule.expr for rule in (*RECORDED, *ALERTS)},
    }


def _names(metric: Any) -> tuple[str, ...]:
    return (metric.name, f"{metric.name}_total", f"{metric.name}_info")


def _nowhere() -> Any:
    """To say which metrics there are, no store is asked."""
    return None
