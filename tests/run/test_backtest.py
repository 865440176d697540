"""What budgets would have done, over tallies of known truth."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.alarm.replay import replay
from tests.run.tallied import HOUR, MONDAY, Incident, fill, opened, reference, tallier
from tidegauge.alarm.policy import Terms
from tidegauge.errors import UsageError
from tidegauge.records import Annotation, PaneKey, Window
from tidegauge.run.alarms import Lookout
from tidegauge.run.backtest import Backtest, TooShort, around, backtest
from tidegauge.spec import Alarms
from tidegauge.spec.alarms import Budget

BUDGET = Budget.parse("1 in 400 panes")
INCIDENT = Incident(340, 350)


def hour(place: float) -> int:
    return int(MONDAY + place * HOUR)


def tried(folder: Path, count: int, *incidents: Incident, since: int | None = None, **given: object) -> Backtest:
    store, monitor = opened(folder)
    with closing(store):
        fill(store, monitor, count, *incidents)
        return backtest(
            store,
            monitor,
            Alarms(budget=BUDGET),
            since=None if since is None else hour(since),
            **given,  # type: ignore[arg-type]
        )


def test_an_incident_is_one_alarm_under_every_budget(tmp_path: Path) -> None:
    b = tried(tmp_path, 400, INCIDENT, since=300)
    assert [str(each.budget) for each in b.tried] == ["1 in 400 panes", "1 in 133 panes", "1 in 1200 panes"]
    for each in b.tried:
        [alarm] = [raised.alarm for raised in each.raised if raised.alarm.score == "novelty"]
        assert hour(340) < alarm.opened <= hour(342)
        assert hour(339) <= alarm.onset <= hour(341)
        assert alarm.resolved is not None
        assert hour(350) < alarm.resolved <= hour(370)
        assert alarm.threshold == each.thresholds[0] <= alarm.value
        assert [raised.rarity > 1000 for raised in each.raised if raised.alarm == alarm] == [True]
        assert alarm.title == "Rows far from everything known changed."
    asked, looser, stricter = (each.thresholds[0] for each in b.tried)
    assert looser < asked < stricter


def test_panes_before_the_span_teach_and_it_is_gone_through_as_it_came(tmp_path: Path) -> None:
    b = tried(tmp_path, 400, INCIDENT, since=200)
    assert (b.learned, b.known, b.folds, b.unmarked) == ("before", 200, (hour(200),), 0)
    store, monitor = opened(tmp_path)
    with closing(store):
        every = store.tallies("queries", reference=monitor.reference.hash, length=HOUR, segment="")
    lookout = Lookout(monitor.spec, Alarms(budget=BUDGET))
    calibration = lookout.learned(every[:200], tallier())
    for each in b.tried:
        assert each.thresholds == (calibration.threshold(each.promise),)
        plainly = replay(every[200:], calibration, Terms(each.thresholds[0]))
        assert [raised.alarm.id for raised in each.raised] == [alarm.id for alarm in plainly]
        assert [raised.alarm.resolved for raised in each.raised] == [alarm.resolved for alarm in plainly]


def test_where_little_lies_before_the_span_its_parts_are_judged_by_the_others(tmp_path: Path) -> None:
    b = tried(tmp_path, 400, INCIDENT)
    assert (b.learned, len(b.folds), len(b.starts)) == ("cross-fitted", 8, 400)
    assert b.unmarked >= 10
    assert b.known == 400 - b.unmarked - 50
    assert len({threshold for each in b.tried for threshold in each.thresholds}) == 24


def test_an_incident_that_nobody_marked_teaches_nothing(tmp_path: Path) -> None:
    for folder in ("calm", "shaken"):
        (tmp_path / folder).mkdir()
    two = (Incident(100, 120, 30), Incident(250, 262, 8))
    calm, shaken = tried(tmp_path / "calm", 400), tried(tmp_path / "shaken", 400, *two)
    highest = [max(each.tried[0].thresholds) for each in (calm, shaken)]
    assert calm.unmarked <= 5
    assert 32 <= shaken.unmarked <= 80
    assert highest[1] < 1.2 * highest[0]
    found = [raised.alarm.onset for raised in shaken.tried[0].raised if raised.alarm.value > 7]
    assert [round((each - MONDAY) / HOUR) for each in found] == pytest.approx([100, 250], abs=2)


def test_expected_is_the_share_of_the_budget_in_the_panes_that_were_judged(tmp_path: Path) -> None:
    b = tried(tmp_path, 400, since=200, budgets=[Budget.parse("2 in 100 panes"), Budget.parse("1 in 5d")], streams=3)
    assert [each.promise for each in b.tried] == [150.0, 360.0]
    assert [each.expected for each in b.tried] == [200 / 150, 200 / 360]
    assert b.shared
    assert [each.firm for each in b.tried] == [True, False]
    for each in b.tried:
        assert each.achieved.low < each.achieved.panes < each.achieved.high


def test_unchanged_traffic_raises_about_as_many_as_expected(tmp_path: Path) -> None:
    b = tried(tmp_path, 2000, since=1000, budgets=[Budget.parse("1 in 100 panes")])
    assert b.tried[0].expected == 10
    assert 3 <= len(b.tried[0].raised) <= 22
    rare = sorted(raised.rarity for raised in b.tried[0].raised)
    assert rare[0] >= 99.99
    assert rare[len(rare) // 2] < 1000


def test_small_effects_are_left_out(tmp_path: Path) -> None:
    every = tried(tmp_path, 400, INCIDENT, since=300)
    none = tried(tmp_path, 400, INCIDENT, since=300, min_effect=99.0)
    assert every.tried[0].raised
    assert not any(each.raised for each in none.tried)
    assert none.min_effect == 99.0


def test_what_people_marked_and_what_is_on_record_stands_beside_an_alarm(tmp_path: Path) -> None:
    store, monitor = opened(tmp_path)
    with closing(store):
        fill(store, monitor, 400, INCIDENT)
        store.annotate(Annotation("queries", "deploy", hour(339), hour(341), "new catalogue"))
        store.annotate(Annotation("", "note", hour(310), hour(311), "elsewhere"))
        store.annotate(Annotation("queries", "note", hour(10), hour(11), "before"))
        settings = Alarms(budget=BUDGET)
        first = backtest(store, monitor, settings, since=hour(300)).tried[0].raised[0].alarm
        kept = replace(first, id="0123456789ab", opened=hour(345), onset=hour(344), at=0.0)
        with store.leading("queries") as desk:
            assert desk is not None
            desk.raise_alarm(kept)
        b = backtest(store, monitor, settings, since=hour(300))
    assert [note.text for note in b.annotations] == ["elsewhere", "new catalogue"]
    assert [each.id for each in b.recorded] == ["0123456789ab"]
    [raised] = [each for each in b.tried[0].raised if each.alarm.id == first.id]
    assert [note.text for note in raised.annotations] == ["new catalogue"]
    assert raised.recorded == ("0123456789ab",)


def test_gaps_say_why(tmp_path: Path) -> None:
    store, monitor = opened(tmp_path)
    with closing(store):
        fill(store, monitor, 400, without={320, 321, 330})
        with store.leading("queries") as desk:
            assert desk is not None
            key = PaneKey("queries", monitor.reference.hash, HOUR, hour(330))
            desk.keep(Window(key, 50, "data quality", ("half of the rows repeat",)), None)
        b = backtest(store, monitor, Alarms(budget=BUDGET), since=hour(300), until=hour(390))
    assert [(each.since, each.until, each.why) for each in b.gaps] == [
        (hour(320), hour(322), "no rows"),
        (hour(330), hour(331), "data quality"),
    ]
    assert (len(b.starts), b.since, b.until, b.latest, b.whole) == (87, hour(300), hour(390), False, True)


def test_what_moved_is_read_from_the_sketches_that_are_kept(tmp_path: Path) -> None:
    store, monitor = opened(tmp_path)
    rng = np.random.default_rng(3)
    with closing(store):
        fill(store, monitor, 400, INCIDENT)
        with store.leading("queries") as desk:
            assert desk is not None
            for place in range(338, 352):
                rows = rng.standard_normal((80, 4))
                rows[:30] = rows[:30] * 0.1 + 9
                sketch = reference().sketch(rows)
                key = PaneKey("queries", monitor.reference.hash, HOUR, hour(place))
                desk.keep(Window(key, 80, "drift"), sketch.to_bytes())
        b = backtest(store, monitor, Alarms(budget=BUDGET), since=hour(300))
    [alarm] = [each.alarm for each in b.tried[0].raised if each.alarm.score == "novelty"]
    assert alarm.title.startswith("New: ")
    assert len(alarm.reasons) > 2
    assert all("New: " not in each.alarm.title for each in b.tried[1].raised)


def test_nothing_is_written(tmp_path: Path) -> None:
    store, monitor = opened(tmp_path)
    with closing(store):
        fill(store, monitor, 400, INCIDENT)
    with sqlite3.connect(tmp_path / "gauge.db") as database:
        before = list(database.iterdump())
    database.close()
    store, monitor = opened(tmp_path)
    with closing(store):
        backtest(store, monitor, Alarms(budget=BUDGET))
    with sqlite3.connect(tmp_path / "gauge.db") as database:
        assert list(database.iterdump()) == before
    database.close()


def test_one_segment(tmp_path: Path) -> None:
    store, monitor = opened(tmp_path)
    with closing(store):
        fill(store, monitor, 400)
        fill(store, monitor, 400, INCIDENT, segment="de", seed=1)
        settings = Alarms(budget=BUDGET)
        whole, part = (backtest(store, monitor, settings, since=hour(300), segment=each) for each in ("", "de"))
    assert not [each for each in whole.tried[0].raised if each.alarm.value > 8]
    [loud] = [each.alarm for each in part.tried[0].raised if each.alarm.value > 8]
    assert (part.segment, loud.segment) == ("de", "de")


def test_panes_of_rows(tmp_path: Path) -> None:
    store, monitor = opened(tmp_path, pane="100 rows")
    with closing(store):
        fill(store, monitor, 400, INCIDENT, times=False)
        b = backtest(store, monitor, Alarms(budget=BUDGET), since=30_000)
        with pytest.raises(UsageError, match="'1 in 90d' for panes of rows without event times, want panes"):
            backtest(store, monitor, Alarms(), since=30_000)
    [alarm] = [each.alarm for each in b.tried[0].raised if each.alarm.value > 8]
    assert alarm.opened in (34_100, 34_200)
    assert (b.since, b.until) == (30_000, 40_000)


def test_panes_of_rows_with_times_take_a_budget_in_time(tmp_path: Path) -> None:
    store, monitor = opened(tmp_path, pane="100 rows")
    with closing(store):
        fill(store, monitor, 400, INCIDENT)
        b = backtest(store, monitor, Alarms(budget="1 in 10d"), since=30_000)
    assert b.tried[0].promise == pytest.approx(240)


@pytest.mark.parametrize(
    ("count", "since", "message"),
    [
        (0, None, "got 0 panes of history in which all was well, want at least 128"),
        (37, None, "got 37 panes of history in which all was well, want at least 128. They come with time"),
        (140, None, "got 122 panes of history beside those that are judged, want at least 128"),
        (200, 900, "got no pane in this span"),
    ],
)
def test_too_short_a_history(tmp_path: Path, count: int, since: int | None, message: str) -> None:
    with pytest.raises(TooShort, match=message):
        tried(tmp_path, count, since=since)


def test_a_stream_whose_alarms_are_off_says_so(tmp_path: Path) -> None:
    store, monitor = opened(tmp_path, alarm={"enabled": False})
    with closing(store), pytest.raises(TooShort, match="switched off"):
        backtest(store, monitor, Alarms())


def test_budgets_around_the_shortest_stay_apart() -> None:
    assert [str(each) for each in around(Budget.parse("3 in 1 pane"))] == ["3 in 1 panes", "3 in 3 panes"]
