"""The list of panels: complete, readable, and asking for nothing that is not exported."""

from __future__ import annotations

from typing import get_args

import pytest

from tests.export import promql
from tidegauge.export.panels import ROWS, VARIABLES, VERDICTS, Panel
from tidegauge.records import WindowState

KNOWN = promql.known()
PANELS = [panel for row in ROWS for panel in row.panels]
NOT_SHOWN = {
    # Said by a lag or by another panel already.
    "tidegauge_last_event_timestamp_seconds",
    # For whoever reads metrics without a server that looks at links by itself.
    "tidegauge_link_pending",
}
"""What is exported, and asked for by no panel and no rule."""


@pytest.mark.parametrize(("where", "expr"), promql.queries().items(), ids=list(promql.queries()))
def test_every_query_names_metrics_and_labels_that_are_exported(where: str, expr: str) -> None:
    assert list(promql.named(expr)), where
    assert promql.faults(expr, KNOWN) == []


def test_a_metric_that_is_dropped_is_missed() -> None:
    every = promql.queries().values()
    for gone in promql.exported():
        if gone in NOT_SHOWN or gone.endswith(("_created", "_sum", "_count")):
            continue
        fewer = {name: labels for name, labels in KNOWN.items() if name != gone}
        assert [expr for expr in every if promql.faults(expr, fewer)], f"nothing asks for {gone}"


def test_a_label_that_is_dropped_is_missed() -> None:
    fewer = {**KNOWN, "tidegauge_drift": frozenset({"stream", "window"})}
    assert promql.faults('max(tidegauge_drift{stream="a",segment="all"})', fewer) == [
        "tidegauge_drift has no label segment"
    ]
    assert promql.faults("max by (score) (tidegauge_drift)", fewer) == ["nothing has a label score"]


def test_what_is_not_shown_is_exported_and_not_shown() -> None:
    asked = {metric for expr in promql.queries().values() for metric, _ in promql.named(expr)}
    assert set(promql.exported()) >= NOT_SHOWN
    assert NOT_SHOWN.isdisjoint(asked)


def test_rows_are_those_that_one_looks_for() -> None:
    assert [row.title for row in ROWS] == [
        "Verdict",
        "Drift and scores against their thresholds",
        "Drift and outcomes on one time axis",
        "New clusters",
        "Coverage",
        "Data quality",
        "Calibration",
        "The service",
    ]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_every_panel_says_what_it_is(panel: Panel) -> None:
    assert panel.title
    assert panel.unit
    assert panel.description.endswith(".")
    assert panel.queries
    assert all(query.legend for query in panel.queries)
    assert 1 <= panel.width <= 24
    assert panel.height >= 4
    # The first threshold is below all values, the others rise.
    steps = [each.above for each in panel.thresholds]
    assert not steps or steps[0] is None
    assert steps[1:] == sorted(step for step in steps[1:] if step is not None)


def test_titles_differ() -> None:
    assert len({panel.title for panel in PANELS}) == len(PANELS)


def test_drift_and_outcomes_stand_in_one_panel_with_an_axis_each() -> None:
    [panel] = [each for each in PANELS if each.title == "Drift and outcomes"]
    drift, outcome = panel.queries
    assert panel.width == 24
    assert "tidegauge_drift{" in drift.expr
    assert not drift.unit
    assert "tidegauge_outcome_numerator_total{" in outcome.expr
    assert outcome.unit


def test_every_state_of_a_window_has_a_number() -> None:
    assert {state.text for state in VERDICTS.values()} == set(get_args(WindowState))


def test_a_legend_names_labels_that_its_query_keeps() -> None:
    for panel in PANELS:
        for query in panel.queries:
            kept = promql.grouped(query.expr)
            assert {part.partition("}}")[0] for part in query.legend.split("{{")[1:]} <= kept, panel.title


def test_replicas_are_never_added_up() -> None:
    """What the store says comes once from each replica: outermost is max, avg or min, or a sum of such."""
    own = {name for name in promql.exported() if name not in promql.FAMILIES}
    for where, expr in promql.queries().items():
        if where.startswith("variable") or any(metric in own for metric, _ in promql.named(expr)):
            continue
        if {metric for metric, _ in promql.named(expr)} & {"tidegauge_build_info", "tidegauge_folded_series_total"}:
            continue  # of the process
        assert "sum" not in expr or "max by" in expr, where


def test_variables_are_asked_of_what_there_is() -> None:
    for variable in VARIABLES:
        [(metric, _)] = promql.named(variable.among)
        assert variable.label in KNOWN[metric]
