"""Ready series: kept by pane, read again, and never a reason to stop."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tests.run.conftest import ROWS
from tidegauge.errors import DataError
from tidegauge.read.series import SeriesError, SeriesPoint
from tidegauge.records import ALL
from tidegauge.run import series as series_module
from tidegauge.run.series import ReadySeries, summed
from tidegauge.run.watch import watch
from tidegauge.spec import StreamSpec

NOW = 1000.0
SETTINGS = {"windows": ["2m", "4m"], "outcomes": {"success": {"source": "success.csv", "denominator": "asked"}}}


def write(place, rows, header="time,success,asked"):
    """A series beside the settings."""
    path = place.folder / "success.csv"
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def settings(path, **more):
    outcome = {"source": str(path), "denominator": "asked", **more}
    return {"windows": ["2m", "4m"], "outcomes": {"success": outcome}}


def found(store, length=60, **where):
    measured = store.measured("queries", length=length, outcome="success", **where)
    return {(each.key.start, each.key.segment): (each.numerator, each.denominator) for each in measured}


def test_points_are_summed_by_pane_and_window(place):
    path = write(place, [(t, 1, 2) for t in range(0, 1000, 20)])
    with place.recorder(**settings(path)) as recorder:
        assert ReadySeries(recorder.store, recorder.spec).read(NOW) == ()
        assert found(recorder.store) == {(start, ALL): (3, 6) for start in range(0, 960, 60)}
        assert found(recorder.store, 120) == {(start, ALL): (6, 12) for start in range(0, 960, 120)}
        assert found(recorder.store, 240) == {(start, ALL): (12, 24) for start in range(0, 960, 240)}
        assert found(recorder.store, reference="whatever") == found(recorder.store)


def test_reading_again_replaces_and_does_not_add(place):
    path = write(place, [(t, 1, 2) for t in range(0, 600, 60)])
    with place.recorder(**settings(path)) as recorder:
        series = ReadySeries(recorder.store, recorder.spec)
        series.read(600.0)
        first = found(recorder.store), found(recorder.store, 240)
        for again in (series, ReadySeries(recorder.store, recorder.spec)):
            again.read(600.0, since=0)
            assert (found(recorder.store), found(recorder.store, 240)) == first
        write(place, [(t, 2, 2) for t in range(0, 660, 60)])
        series.read(660.0)
        assert set(found(recorder.store).values()) == {(2, 2)}
        assert found(recorder.store, 240) == {(0, ALL): (8, 8), (240, ALL): (8, 8)}
        assert len(found(recorder.store)) == 11


def test_segments_add_up_to_all_rows(place):
    path = write(place, [(10, 1, 4, "de"), (20, 2, 4, "fr"), (30, 4, 8, "")], "time,success,asked,locale")
    with place.recorder(**settings(path, segment="locale")) as recorder:
        ReadySeries(recorder.store, recorder.spec).read(NOW)
        assert found(recorder.store) == {
            (0, "de"): (1, 4),
            (0, "fr"): (2, 4),
            (0, "none"): (4, 8),
            (0, ALL): (7, 16),
        }


def test_segments_beyond_the_cap_are_others():
    spec = StreamSpec(name="queries", pane="1m", segments=2, **settings("a.csv"))
    points = [SeriesPoint(0.0, 1.0, 1.0, f"s{i}") for i in range(5)]
    sums = summed(points, spec, "success", NOW).sums
    assert sums == {(0, "s0"): (1, 1), (0, "s1"): (1, 1), (0, "other"): (3, 3), (0, ALL): (5, 5)}


def test_what_is_out_of_its_unit_or_of_the_future_is_counted():
    spec = StreamSpec(name="queries", pane="1m", **settings("a.csv"))
    given = [(0, 1, 2), (60, 3, 2), (120, -1, 2), (180, 1, -2), (5000, 1, 2), (240, 0, 0)]
    read = summed([SeriesPoint(*map(float, each)) for each in given], spec, "success", NOW)
    assert read.sums == {(0, ALL): (1, 2)}
    assert {fault.reason: fault.count for fault in read.faults} == {
        "above its denominator": 1,
        "below 0": 1,
        "with a negative denominator": 1,
        "of the future": 1,
    }


def test_too_many_points_are_refused(monkeypatch):
    monkeypatch.setattr(series_module, "MOST_POINTS", 3)
    spec = StreamSpec(name="queries", pane="1m", **settings("a.csv"))
    with pytest.raises(DataError, match="more than 3 points"):
        summed((SeriesPoint(0.0, 1.0, 1.0) for _ in range(4)), spec, "success", NOW)


class Moody:
    """A source that is down when it is told to be."""

    def __init__(self) -> None:
        self.down = True
        self.asked: list[tuple[float, float]] = []

    def points(self, since, until):
        self.asked.append((since, until))
        yield SeriesPoint(60.0, 1.0, 2.0)
        if self.down:
            raise SeriesError("Prometheus at host", got="no answer", want="one", transient=True)

    def faults(self):
        return ()


def test_a_source_that_is_down_is_told_once_and_read_again(place, monkeypatch):
    source = Moody()
    monkeypatch.setattr(series_module, "open_series", lambda spec, name: source)
    with place.recorder(**settings("a.csv")) as recorder:
        series = ReadySeries(recorder.store, recorder.spec)
        [event] = series.read(NOW)
        assert event.kind == "source"
        assert "Outcome success: could not be read: Prometheus at host: got no answer" in event.text
        assert series.read(NOW) == ()
        assert found(recorder.store) == {}
        source.down = False
        assert series.read(NOW) == ()
        assert found(recorder.store) == {(60, ALL): (1, 2)}
        source.down = True
        assert len(series.read(NOW + 60)) == 1
        assert [each.text for each in recorder.store.events("queries")].count(event.text) == 2
        assert found(recorder.store) == {(60, ALL): (1, 2)}


def test_points_that_are_no_numbers_are_told_once(place):
    path = write(place, [(0, 1, 2), (60, "nan", 2), (120, "", 2), (180, "x", 2)])
    with place.recorder(**settings(path)) as recorder:
        series = ReadySeries(recorder.store, recorder.spec)
        told = series.read(NOW)
        assert len(told) == 2
        assert all("Outcome success: points were left out: " in event.text for event in told)
        assert series.read(NOW + 60) == ()
        assert found(recorder.store) == {(0, ALL): (1, 2)}


class Nothing:
    """A feed without rows."""

    source, ended = "nothing", True

    def deliveries(self, kept, size):
        return iter(())

    def faults(self):
        return ()

    def mark(self):
        return ""


def test_watching_reads_them_and_a_missing_file_does_not_stop_it(place):
    place.clock.now = NOW
    told = []
    with place.recorder(**settings(place.folder / "success.csv")) as recorder:
        watch(recorder, Nothing(), threading.Event(), told.append, poll=1, once=True)
        assert "could not be read" in told[0].events[0].text
        write(place, [(0, 1, 2)])
        watch(recorder, Nothing(), threading.Event(), told.append, poll=1, once=True)
        assert found(recorder.store) == {(0, ALL): (1, 2)}


def test_what_the_rows_say_does_not_mix_with_a_series(place):
    place.clock.now = NOW
    path = write(place, [(0, 1, 2)])
    with place.recorder(**settings(path)) as recorder:
        ReadySeries(recorder.store, recorder.spec).read(NOW)
        recorder.observe(ROWS[:60], times=np.arange(60), outcomes={"success": np.ones(60)})
        recorder.settle(whole=True)
        assert found(recorder.store) == {(0, ALL): (1, 2)}
