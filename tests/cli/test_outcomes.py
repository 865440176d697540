"""Outcomes from the command line: listed, late from files, and ready series."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.place import MONDAY, SETTINGS, Place, rows

OUTCOMES = """
[streams.queries.outcomes.success]
late = "7d"

[streams.queries.outcomes.clicked]
column = "clicks"
denominator = "shown"
late = "7d"

[streams.queries.outcomes.orders]
harmful = "rises"
unit = "count"
source = "orders.csv"
"""


@pytest.fixture
def landed(place: Place) -> Place:
    place.settings(SETTINGS.replace("[streams.counted]", OUTCOMES + "\n[streams.counted]"))
    day = place.put("day.parquet", rows(240, MONDAY, 3, name="a"))
    place.fine("observe", "queries", day)
    return place


def late_file(place: Place, name: str = "late.csv", n: int = 240) -> str:
    lines = [f"a-{i},{i % 2},{i % 3},4" for i in range(n)]
    (place.folder / name).write_text("\n".join(["id,success,clicks,shown", *lines]) + "\n")
    return name


def test_late_outcomes_of_a_file_are_added_once(landed: Place) -> None:
    said = landed.fine("outcomes", "queries", "--late", late_file(landed))
    assert said == "late.csv: 480 outcomes added, to 6 panes.\n"
    listed = landed.fine("outcomes", "queries").splitlines()
    assert listed[0] == (
        "success: harm where it falls; late, within 1w; 2 panes, the newest 50.0 % (40 / 80), 2024-01-01 01:00 UTC."
    )
    assert listed[1].startswith("clicked: harm where it falls; late, within 1w; 2 panes, the newest ")
    assert listed[2] == "orders: harm where it rises; a series from a file; no pane has it yet."
    again = landed.fine("outcomes", "queries", "--late", "late.csv")
    assert again == "late.csv: 0 outcomes added, to 0 panes; 480 had come before.\n"
    assert landed.fine("outcomes", "queries").splitlines() == listed


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_other_formats_and_columns(landed: Place, kind: str) -> None:
    table = pa.table({"query": [f"a-{i}" for i in range(10)], "success": np.ones(10), "at": np.full(10, MONDAY)})
    if kind == "parquet":
        pq.write_table(table, "late.parquet")
    else:
        (landed.folder / "late.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    line = ("outcomes", "queries", "--late", f"late.{kind}", "--id", "query", "--time", "at", "--outcome", "success")
    assert landed.fine(*line) == f"late.{kind}: 10 outcomes added, to 2 panes.\n"


def test_what_cannot_be_added_is_told(landed: Place) -> None:
    (landed.folder / "late.csv").write_text("id,success\na-1,1\na-2,7\nnobody,1\na-3,often\n,1\n")
    done = landed("outcomes", "queries", "--late", "late.csv", "--outcome", "success", "--format", "json")
    assert done.status == 0
    told = json.loads(done.out)
    assert told["late"]["added"] == 1
    assert told["late"]["aside"] == {
        "success above its denominator": 1,
        "unknown": 1,
        "not a number": 1,
        "no id": 1,
    }
    assert "1 set aside as unknown (first: late.csv, row 3, id nobody)" in done.err


def test_json_has_sums_and_rates(landed: Place) -> None:
    landed.fine("outcomes", "queries", "--late", late_file(landed))
    told = json.loads(landed.fine("outcomes", "queries", "--format", "json"))
    assert told["schema"] == "tidegauge.outcomes/1"
    assert told["outcomes"][0] == {
        "name": "success",
        "harmful": "falls",
        "unit": "share",
        "from": "late, within 1w",
        "panes": 2,
        "newest": {"start": "2024-01-01T01:00:00Z", "numerator": 40.0, "denominator": 80.0, "rate": 0.5},
    }
    assert told["outcomes"][2]["newest"] is None
    standing = json.loads(landed.fine("status", "--format", "json"))["streams"][0]
    assert standing["outcomes"]["success"]["denominator"] == 80
    assert "outcome     success 50.0 % (40 / 80), 2024-01-01 01:00 UTC" in landed.fine("status")


def test_a_ready_series_is_read(landed: Place) -> None:
    lines = [f"{MONDAY + 600 * i},{i}" for i in range(18)]
    (landed.folder / "orders.csv").write_text("\n".join(["time,orders", *lines]) + "\n")
    out = landed.fine("outcomes", "queries", "--read").splitlines()
    assert out[2] == (
        "orders: harm where it rises; a series from a file; 3 panes, the newest 14.5 (87 / 6), 2024-01-01 02:00 UTC."
    )
    (landed.folder / "orders.csv").unlink()
    done = landed("outcomes", "queries", "--read")
    assert done.status == 0
    assert "Outcome orders: could not be read" in done.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("queries", "--late", "late.csv", "--read"), "--late: got --read as well"),
        (("queries", "--since", "7d"), "--since: got no --read"),
        (("queries", "--id", "x"), "--id: got no --late"),
        (("queries", "--outcome", "x"), "one of the stream's outcomes: success, clicked, orders"),
        (("queries", "--late", "nowhere.csv"), "nowhere.csv"),
        (("queries", "--late", "late.csv", "--id", "key"), "no column key"),
        (("queries", "--late", "late.csv", "--outcome", "orders"), "no outcome that comes late"),
        (("counted", "--read"), "nothing of it"),
    ],
    ids=str,
)
def test_a_wrong_line_is_refused(landed: Place, line: tuple[str, ...], said: str) -> None:
    late_file(landed)
    assert said in landed.refused("outcomes", *line)


def test_check_tells_of_outcomes(landed: Place) -> None:
    (landed.folder / "orders.csv").write_text(f"time,orders\n{MONDAY},3\n")
    landed.put("in/a.parquet", rows(240, MONDAY, 3, name="a"))
    out = landed.fine("check")
    assert "  outcome success: late, within 1w, by 'tidegauge outcomes'\n" in out
    assert "0 points in the newest 12 panes" in out
    (landed.folder / "orders.csv").write_text("time,refunds\n")
    done = landed("check")
    assert done.status == 2
    assert "streams.queries.outcomes.orders.source" in done.err
    landed.settings(SETTINGS + '\n[streams.queries.outcomes.success]\ncolumn = "ok"\n')
    assert "no column ok" in landed("check").err


def test_a_prometheus_that_does_not_answer_is_told_by_check(place: Place) -> None:
    ready = 'source = "prometheus+http://me:pw@127.0.0.1:9"\nnumerator = "sum(x)"'
    place.settings(SETTINGS + f"\n[streams.queries.outcomes.success]\n{ready}\n")
    place.put("in/a.parquet", rows(240, MONDAY, 3, name="a"))
    done = place("check")
    assert done.status == 2
    assert "streams.queries.outcomes.success.source: Prometheus at 127.0.0.1:9" in done.err
    assert "pw" not in done.err


def test_columns_of_a_source_make_up_an_outcome(place: Place) -> None:
    settings = '[streams.queries.outcomes.clicked]\ncolumn = "clicks"\ndenominator = "shown"\n'
    place.settings(SETTINGS.replace("[streams.counted]", settings + "\n[streams.counted]"))
    table = rows(120, MONDAY, 2, name="a")
    clicks = np.arange(120) % 3
    shown = np.where(np.arange(120) == 7, np.nan, np.where(np.arange(120) == 8, 1.0, 2.0))
    table = table.append_column("clicks", pa.array(clicks)).append_column("shown", pa.array(shown, from_pandas=True))
    out = place.fine("observe", "queries", place.put("day.parquet", table))
    aside = "1 outcome clicked without a denominator, 1 outcome clicked above its denominator"
    assert out.splitlines()[-1] == f"queries: 120 rows landed; set aside: {aside}."
    [pane] = place.store().measured("queries", length=3600, segment="")
    kept = [i for i in range(60) if i not in (7, 8)]
    assert (pane.numerator, pane.denominator) == (clicks[kept].sum(), 2.0 * len(kept))
