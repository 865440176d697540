"""The dashboard as Grafana reads it: its types, and the rules of Grafana's own dashboard-linter that bear on it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
from grafana_foundation_sdk.models import units

from tests.export import grafana_types
from tidegauge.export.grafana import dashboard, dashboard_json

BUILT = dashboard()
PANELS = [panel for panel in BUILT["panels"] if panel["type"] != "row"]
TARGETS = [(panel["title"], target) for panel in PANELS for target in panel["targets"]]
VARIABLES = {each["name"]: each for each in BUILT["templating"]["list"]}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {value for name, value in vars(units).items() if isinstance(value, str) and not name.startswith("_")}


def test_grafanas_types_know_all_of_it() -> None:
    assert grafana_types.faults(BUILT) == []


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("panels", 1, "options", "colorMode"), "loud", "BigValueColorMode"),
        (("panels", 1, "options", "colourMode"), "value", "no field of Options"),
        (("panels", 1, "targets", 0, "exprr"), "up", "no field of Dataquery"),
        (("panels", 1, "gridPos", "w"), "12", "want <class 'int'>"),
        (("panels", 1, "fieldConfig", "defaults", "unitt"), "s", "no field of FieldConfig"),
        (("panels", 9, "fieldConfig", "defaults", "custom", "drawStyle"), "wavy", "GraphDrawStyle"),
        (("templating", "list", 1, "refresh"), 9, "VariableRefresh"),
        (("annotations", "list", 0, "colour"), "red", "no field of AnnotationQuery"),
        (("title",), 7, "dashboard.title: got 7"),
        (("refesh",), "1m", "no field of Dashboard"),
    ],
)
def test_what_the_types_do_not_know_is_found(path: tuple[Any, ...], value: Any, said: str) -> None:
    broken = at = dashboard()
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    [fault] = grafana_types.faults(broken)
    assert said in fault


def test_it_is_the_same_every_time_and_holds_no_place_of_its_own() -> None:
    assert dashboard_json() == dashboard_json()
    assert json.loads(dashboard_json()) == BUILT
    assert BUILT["id"] is None
    assert BUILT["uid"] == "tidegauge"


def test_it_asks_for_nothing_when_it_is_imported() -> None:
    """The source is chosen by a variable: the same file serves for import and for provisioning."""
    assert BUILT["__inputs"] == []
    assert {"grafana", "prometheus", "stat", "timeseries", "table", "state-timeline"} == {
        each["id"] for each in BUILT["__requires"]
    }


def test_links_lead_to_the_docs_that_were_named() -> None:
    assert [each["url"] for each in dashboard("https://docs.example.org")["links"]] == [
        "https://docs.example.org/dashboard.md",
        "https://docs.example.org/runbook.md",
    ]


def test_panels_lie_side_by_side_within_the_grid() -> None:
    places = [panel["gridPos"] for panel in BUILT["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
    assert len({panel["id"] for panel in BUILT["panels"]}) == len(BUILT["panels"])


def test_every_panel_of_the_list_is_there_with_its_rows() -> None:
    from tidegauge.export.panels import ROWS

    wanted = [title for row in ROWS for title in (row.title, *(panel.title for panel in row.panels))]
    assert [panel["title"] for panel in BUILT["panels"]] == wanted


# Rules of dashboard-linter, by their names there


def test_template_datasource_rule() -> None:
    source = VARIABLES["datasource"]
    assert (source["type"], source["query"], source["label"]) == ("datasource", "prometheus", "Data source")
    assert next(iter(VARIABLES)) == "datasource"


def test_template_on_time_change_reload_rule() -> None:
    assert {each["refresh"] for each in VARIABLES.values() if each["type"] == "query"} == {2}


def test_template_label_promql_rule() -> None:
    for each in VARIABLES.values():
        if each["type"] == "query":
            assert re.fullmatch(r"label_values\(tidegauge_\w+(\{[^{}]+\})?, \w+\)", each["definition"])
            assert each["query"]["query"] == each["definition"]
            assert each["datasource"] == SOURCE


def test_uneditable_dashboard_rule() -> None:
    assert BUILT["editable"] is False


def test_panel_datasource_rule() -> None:
    assert all(panel["datasource"] == SOURCE for panel in PANELS)
    assert all(target["datasource"] == SOURCE for _, target in TARGETS)
    assert all(each["datasource"] == SOURCE for each in BUILT["annotations"]["list"])


def test_panel_title_description_rule() -> None:
    assert all(panel["title"] and panel["description"] for panel in PANELS)


def test_panel_units_rule() -> None:
    assert "percentunit" in UNITS
    for panel in PANELS:
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        for override in panel["fieldConfig"]["overrides"]:
            told = [each["value"] for each in override["properties"] if each["id"] == "unit"]
            assert set(told) <= UNITS, panel["title"]


def test_panel_no_targets_rule() -> None:
    assert all(panel["targets"] for panel in PANELS)
    for panel in PANELS:
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters)


def rates(expr: str) -> Iterator[tuple[str, str]]:
    yield from re.findall(r"\b(rate|irate|increase|delta)\([^\[\]]*\[([^\]]*)\]", expr)


def test_target_rate_interval_rule() -> None:
    """A rate is of ``$__rate_interval``; what is counted over all that is shown is of ``$__range``."""
    wanted = {"rate": "$__rate_interval", "increase": "$__range"}
    found = [(title, *pair) for title, target in TARGETS for pair in rates(target["expr"])]
    assert len(found) > 10
    assert all(wanted[function] == span for _, function, span in found)


def test_target_counter_agg_rule() -> None:
    for title, target in TARGETS:
        for counter in re.finditer(r"\b\w+_(total|bucket)\b", target["expr"]):
            before = target["expr"][: counter.start()]
            assert before.endswith(("rate(", "increase(")), title


def test_variables_that_are_used_exist_and_those_that_exist_are_used() -> None:
    text = json.dumps([*PANELS, *BUILT["annotations"]["list"], *BUILT["templating"]["list"]])
    used = set(re.findall(r"\$\{?([a-z]+)\}?", text))
    assert used == set(VARIABLES)


def test_several_segments_are_matched_as_a_pattern() -> None:
    multi = [name for name, each in VARIABLES.items() if each.get("multi")]
    assert multi == ["segment"]
    for title, target in TARGETS:
        assert not re.search(r'[^~]="\$segment"', target["expr"]), title
