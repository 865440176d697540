"""Settings of outcomes: three ways in, and what does not go together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tidegauge.records import Outcome, OutcomeColumns
from tidegauge.spec import SpecError, StreamSpec, load_spec

IDS = {"id": "id"}
READY = {"source": "prometheus+http://host:9090", "numerator": "sum(x)"}


def test_all_ways_are_declared_and_only_those_beside_are_read() -> None:
    stream = StreamSpec(
        name="queries",
        columns={"id": "id", "outcomes": ["success", "spend"]},
        outcomes={
            "success": {"late": "7d"},
            "clicked": {"column": "clicks", "denominator": "shown", "harmful": "rises", "unit": "count"},
            "solved": {"late": "30d"},
            "escalated": READY,
        },
    )
    assert stream.declared == (
        Outcome("success"),
        Outcome("clicked", "rises", "count"),
        Outcome("solved"),
        Outcome("escalated"),
        Outcome("spend", "falls", "number"),
    )
    assert stream.sides.measures == (
        OutcomeColumns("clicked", "clicks", "shown", "count"),
        OutcomeColumns("success", "success", None, "share"),
        OutcomeColumns("spend", "spend"),
    )
    assert stream.sides.outcomes == ("clicks", "shown", "success", "spend")
    assert stream.late == 30 * 86_400
    assert StreamSpec(name="plain").late == 0


@pytest.mark.parametrize(
    ("settings", "where", "want"),
    [
        ({"outcomes": {"a": {"late": "7d"}}}, "outcomes.a.late", "have no ids"),
        ({"kind": "snapshot", "columns": IDS, "outcomes": {"a": {"late": "7d"}}}, "outcomes.a.late", "snapshot"),
        ({"kind": "snapshot", "outcomes": {"a": READY}}, "outcomes.a.source", "no panes of time"),
        ({"pane": "100 rows", "outcomes": {"a": READY}}, "outcomes.a.source", "no panes of time"),
        ({"outcomes": {"a": {"numerator": "n"}}}, "outcomes.a.numerator", "ready series"),
        ({"outcomes": {"a": {"source": "a.csv", "late": "7d"}}}, "outcomes.a.late", "source"),
        ({"outcomes": {"a": {"source": "a.csv", "column": "x"}}}, "outcomes.a.column", "source"),
        ({"outcomes": {"a": {"source": "sqlite:///a.db"}}}, "outcomes.a.table", "a table"),
        ({"outcomes": {"a": {"source": "a.csv", "table": "t"}}}, "outcomes.a.table", "nothing"),
        ({"outcomes": {"a": {"source": "a.csv", "token": "env:T"}}}, "outcomes.a.token", "no Prometheus"),
        ({"outcomes": {"a": {"source": "prometheus+http://host"}}}, "outcomes.a.numerator", "PromQL"),
        ({"outcomes": {"a": {"source": "prometheus+http://", "numerator": "x"}}}, "outcomes.a.source", "HOST"),
        ({"outcomes": {"a\tb": {}}}, "outcomes.'a\\tb'", "control character"),
        ({"outcomes": {"a": {"harmfull": "rises"}}}, "outcomes.a.harmfull", "'harmful', the nearest"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused(tmp_path: Path, settings: dict[str, Any], where: str, want: str) -> None:
    import yaml

    file = tmp_path / "tidegauge.yaml"
    file.write_text(yaml.safe_dump({"streams": {"queries": settings}}))
    with pytest.raises(SpecError) as caught:
        load_spec(file, {})
    assert f"streams.queries.{where}" in str(caught.value)
    assert want in str(caught.value)


def test_a_token_is_never_said(tmp_path: Path) -> None:
    file = tmp_path / "tidegauge.toml"
    ready = '[streams.q.outcomes.a]\nsource = "prometheus+http://host"\nnumerator = "x"\ntoken = '
    file.write_text(ready + '"hunter2"')
    with pytest.raises(SpecError) as caught:
        load_spec(file, {})
    assert "hunter2" not in str(caught.value)
    file.write_text(ready + '"file:token"')
    assert load_spec(file, {}).streams["q"].outcomes["a"].token == f"file:{tmp_path}/token"


def test_the_environment_names_an_outcome_whatever_its_case(tmp_path: Path) -> None:
    file = tmp_path / "tidegauge.toml"
    file.write_text('[streams.web-q]\ncolumns = {id = "id"}\n[streams.web-q.outcomes.Solved-It]\nlate = "1d"')
    spec = load_spec(file, {"TIDEGAUGE_STREAMS__WEB_Q__OUTCOMES__SOLVED_IT__LATE": "9d"})
    assert spec.streams["web-q"].late == 9 * 86_400
    with pytest.raises(SpecError, match="one of the file's outcomes: Solved-It"):
        load_spec(file, {"TIDEGAUGE_STREAMS__WEB_Q__OUTCOMES__OTHER__LATE": "9d"})


def test_a_path_is_beside_the_file(tmp_path: Path) -> None:
    file = tmp_path / "tidegauge.toml"
    file.write_text(
        '[streams.q.outcomes.a]\nsource = "a.csv"\n[streams.q.outcomes.b]\nsource = "sqlite:///b.db"\ntable = "t"'
    )
    outcomes = load_spec(file, {}).streams["q"].outcomes
    assert outcomes["a"].source == f"{tmp_path}/a.csv"
    assert outcomes["b"].source == f"sqlite:///{tmp_path}/b.db"
