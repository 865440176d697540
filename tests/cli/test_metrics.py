"""Metrics from the command line."""

from __future__ import annotations

import sys

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.cli.place import Place


@pytest.fixture
def watched(place: Place) -> Place:
    place.fill()
    place.fine("watch", "--once")
    return place


def test_they_are_printed(watched: Place) -> None:
    lines = watched.fine("metrics").splitlines()
    assert 'tidegauge_rows_total{stream="queries"} 490.0' in lines
    assert 'tidegauge_rows_total{stream="counted"} 0.0' in lines
    assert 'tidegauge_window_rows{segment="de",stream="queries",window="2h"} 120.0' in lines
    assert 'tidegauge_window_state{segment="all",state="drift",stream="queries",window="2h"} 1.0' in lines


def test_they_are_printed_as_openmetrics(watched: Place) -> None:
    out = watched.fine("metrics", "--openmetrics")
    assert out.endswith("# EOF\n")
    assert len(list(text_string_to_metric_families(out))) > 20
    assert "another way out" in watched.refused("metrics", "--openmetrics", "--textfile", "x.prom")


def test_they_are_written(watched: Place) -> None:
    assert watched.fine("metrics", "--textfile", "tidegauge.prom") == ""
    written = (watched.folder / "tidegauge.prom").read_text()
    assert 'tidegauge_rows_total{stream="queries"} 490.0\n' in written
    assert "ends in .prom" in watched.refused("metrics", "--textfile", "tidegauge.txt")


def test_nobody_takes_them(watched: Place) -> None:
    assert "http://127.0.0.1:9: got the connection was refused" in watched.refused("metrics", "--push", "127.0.0.1:9")


def test_what_could_not_be_read_is_said(watched: Place) -> None:
    import sqlalchemy as sa

    store = watched.store()
    with store.database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE tidegauge_windows SET said = '{'"))
    store.close()
    done = watched("metrics")
    assert done.status == 0
    assert 'tidegauge_stream_readable{stream="queries"} 0.0' in done.out.splitlines()
    assert done.err.startswith("tidegauge: stream queries could not be read whole: ")
    assert done.err.count("\n") == 1


def test_without_the_extra(watched: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    assert watched.refused("metrics").endswith("pip install 'tidegauge[server]'")


def test_without_a_store_there_are_none(place: Place) -> None:
    assert "no store there" in place.refused("metrics")
    assert not (place.folder / "tidegauge.db").exists()
