"""The history of a stream from the command line: windows, spans, clusters and events."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from tests.cli.place import HOUR, MONDAY, Place, rows
from tidegauge.records import ClusterShare, Event, Example, FollowedCluster


@pytest.fixture
def filled(place: Place) -> Place:
    place.fill()
    place.fine("watch", "--once")
    return place


def starts(out: str) -> list[str]:
    return [line.split(" ")[1] for line in out.splitlines()]


def test_windows_of_one_length(filled: Place) -> None:
    out = filled.fine("history", "queries")
    assert [line.split("  ")[:4] for line in out.splitlines()] == [
        ["2024-01-01 00:00 UTC", "2h", "queries", "240 rows"],
        ["2024-01-01 02:00 UTC", "2h", "queries", "240 rows"],
    ]
    assert starts(filled.fine("history", "queries", "--window", "1h")) == ["00:00", "01:00", "02:00", "03:00"]
    german = filled.fine("history", "queries", "--window", "1h", "--segment", "de").splitlines()
    assert [line.split("  ")[2:4] for line in german] == [["queries/de", "60 rows"]] * 4


@pytest.mark.parametrize(
    ("span", "want"),
    [
        (("--since", "2h"), ["02:00", "03:00"]),  # back from 04:05, widened to whole windows
        (("--since", "2024-01-01T02:00"), ["02:00", "03:00"]),
        (("--since", "2024-01-01T03:30+01:00"), ["02:00", "03:00"]),
        (("--until", "2024-01-01T02:00"), ["00:00", "01:00"]),
        (("--until", "2024-01-01T01:30"), ["00:00", "01:00"]),
        (("--since", "2024-01-01T01:00", "--until", "1h"), ["01:00", "02:00", "03:00"]),
        (("--since", "2025-01-01"), []),
    ],
)
def test_spans(filled: Place, span: tuple[str, ...], want: list[str]) -> None:
    out = filled.fine("history", "queries", "--window", "1h", *span)
    assert starts(out) == want if want else out == "no windows\n"


def test_sliding_windows_are_sums_of_panes(filled: Place) -> None:
    told = json.loads(filled.fine("history", "queries", "--window", "3h", "--every", "1h", "--format", "json"))
    assert [(each["start"][11:13], each["rows"], each["length"]) for each in told["windows"]] == [
        ("22", 120, "3h"),
        ("23", 240, "3h"),
        ("00", 360, "3h"),
        ("01", 360, "3h"),
    ]
    drifts = [each["drift"]["value"] for each in told["windows"]]
    assert drifts[1] < drifts[2] < drifts[3]
    one = json.loads(filled.fine("history", "queries", "--window", "2h", "--every", "2h", "--format", "json"))
    kept = json.loads(filled.fine("history", "queries", "--window", "2h", "--format", "json"))
    assert [each["p"] for each in one["windows"]] == [each["p"] for each in kept["windows"]]
    assert [each["scores"] for each in one["windows"]] == [each["scores"] for each in kept["windows"]]


def test_csv(filled: Place) -> None:
    table = list(csv.DictReader(io.StringIO(filled.fine("history", "queries", "--format", "csv", "--window", "1h"))))
    assert [row["rows"] for row in table] == ["120"] * 4
    assert [row["state"] for row in table][2:] == ["drift"] * 2
    assert float(table[3]["low"]) < float(table[3]["drift"]) < float(table[3]["high"])


def test_no_cell_of_csv_is_a_formula(place: Place) -> None:
    place.put("in/a.parquet", rows(120, MONDAY, 2, name="a", locales=("=1+1",)))
    place.fine("watch", "--once")
    table = list(csv.DictReader(io.StringIO(
        place.fine("history", "queries", "--format", "csv", "--window", "1h", "--segment", "=1+1")
    )))  # fmt: skip
    assert [row["segment"] for row in table] == ["'=1+1"]


def test_rows_in_place_of_times(place: Place) -> None:
    place.fine("observe", "counted", place.put("a.parquet", rows(450, MONDAY, 1, name="a")))
    out = place.fine("history", "counted", "--window", "100 rows")
    assert [line.split("  ")[0] for line in out.splitlines()] == ["row 1", "row 101", "row 201", "row 301"]
    since = place.fine("history", "counted", "--window", "100 rows", "--since", "201", "--until", "300")
    assert [line.split("  ")[0] for line in since.splitlines()] == ["row 201"]
    back = place.fine("history", "counted", "--window", "100 rows", "--since", "150 rows")
    assert [line.split("  ")[0] for line in back.splitlines()] == ["row 301"]
    slid = place.fine("history", "counted", "--window", "200 rows", "--every", "100 rows")
    assert [line.split("  ")[:4:3] for line in slid.splitlines()] == [
        ["row 1", "200 rows"],
        ["row 101", "200 rows"],
        ["row 201", "200 rows"],
    ]


def keep(place: Place, stream: str) -> None:
    store = place.store()
    state = store.state(stream)
    shares = tuple(ClusterShare(MONDAY + i * HOUR, HOUR, i * 5, 100) for i in range(4))
    cluster = FollowedCluster(
        stream,
        state.reference,
        "c1",
        MONDAY + 2 * HOUR,
        None,
        np.zeros(6, np.float32),
        1.0,
        0.01,
        0.001,
        examples=(Example("a-1", "how do I\x1b[31m pay"),),
        shares=shares,
    )
    with store.leading(stream) as desk:
        assert desk is not None
        desk.follow(cluster)
        desk.note(Event(stream, "cluster born", MONDAY + 2 * HOUR, "A new cluster, c1."))
    store.close()


def test_clusters_and_events(filled: Place) -> None:
    before = len(json.loads(filled.fine("history", "queries", "--clusters", "--format", "json"))["clusters"])
    keep(filled, "queries")
    out = filled.fine("history", "queries", "--clusters", "--events")
    assert "  c1: born 2024-01-01 02:00 UTC, there still\n" in out
    assert "    share  ▁▃▆█  15.0 % at last, 15.0 % at most, 1.0 % before\n" in out
    assert '    "how do I pay"\n' in out
    assert "2024-01-01 02:00 UTC  queries  cluster born: A new cluster, c1.\n" in out
    told = json.loads(filled.fine("history", "queries", "--clusters", "--events", "--format", "json"))
    assert len(told["clusters"]) == before + 1
    mine = next(each for each in told["clusters"] if each["name"] == "c1" and each["born"].endswith("02:00:00Z"))
    assert mine["shares"][3] == {"start": "2024-01-01T03:00:00Z", "inside": 15, "sampled": 100}
    assert mine["gone"] is None
    assert "rebaseline" in {each["kind"] for each in told["events"]}
    early = filled.fine("history", "queries", "--clusters", "--until", "2024-01-01T02:00")
    assert "c1" not in early


def test_where_the_reference_changes_is_shown(filled: Place) -> None:
    from tests.cli.place import reference

    other = reference(1)
    other.save(filled.folder / "other.tg")
    filled.fine("rebaseline", "queries", "other.tg")
    filled.fine("observe", "queries", filled.put("d.parquet", rows(300, MONDAY + 5 * HOUR, 3, name="d")))
    out = filled.fine("history", "queries").splitlines()
    assert out[2] == f"-- from here on under reference {other.hash[:12]}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("queries", "--window", "3h"), "--window: got '3h', want one of 1h, 2h. With --every, windows may be of any"),
        (("queries", "--window", "soon"), "--window: got 'soon', want a span such as '1h'"),
        (("queries", "--window", "90m", "--every", "1h"), "--window: got 90m, want a whole multiple of the pane, 1h"),
        (("queries", "--every", "10m"), "--every: got 10m, want a whole multiple of the pane, 1h"),
        (("queries", "--every", "1h", "--since", "2000-01-01"), "--every: got 210,"),
        (("queries", "--since", "yesterday"), "--since: got 'yesterday', want a span such as '7d', or a date such as"),
        (("queries", "--since", "100 rows"), "--since: got '100 rows', want a span such as '7d', or a date such as"),
        (("queries", "--since", "1h", "--until", "2h"), "--since: got '1h', which is not before '2h',"),
        (("queries", "--segment", "fr"), "--segment: got 'fr', want one of de, en"),
        (("queries", "--format", "csv", "--events"), "--format csv: got --clusters or --events, want windows alone."),
        (("documents",), "stream documents: got nothing of it in "),
        (("other",), "stream: got 'other', want one of the settings' streams: queries, counted, documents"),
    ],
)
def test_what_cannot_be_shown(filled: Place, arguments: tuple[str, ...], message: str) -> None:
    assert filled.refused("history", *arguments).startswith(message)


def test_without_a_store(place: Place) -> None:
    said = place.refused("history", "queries")
    assert said.endswith(
        "tidegauge.db: got no store there, want a store. 'tidegauge watch', 'observe' and 'backfill' make it"
    )
    assert not (place.folder / "tidegauge.db").exists()
