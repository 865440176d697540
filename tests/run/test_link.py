"""What ties outcomes to drift, over stores of known truth."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.run.measured import (
    AFFECTED,
    COUNT,
    HARM,
    HOUR,
    LAG,
    ROWS,
    SPIKES,
    UNAFFECTED,
    alarm,
    batch,
    drifts,
    fill,
    hour,
    opened,
    reference,
)
from tidegauge.errors import UsageError
from tidegauge.monitor import Monitor
from tidegauge.records import ALL, Annotation, Drift, Example, FollowedCluster, Link, Measured, PaneKey, Window
from tidegauge.run.change import cells_of
from tidegauge.run.link import Linked, NoWindows, best_length, event_columns, link, onsets_of
from tidegauge.store import SqlStore


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[SqlStore, Monitor]]:
    store, monitor = opened(tmp_path)
    with closing(store):
        yield store, monitor


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Linked:
    """The whole history; its last alarm lasts, and a fifth of the rows since then is new."""
    store, monitor = opened(tmp_path_factory.mktemp("lasting"))
    with closing(store):
        fill(store, monitor, lasting=True, new=0.2)
        return link(store, monitor)


def of(linked: Linked, name: str, segment: str = ALL) -> Link:
    [found] = [each for each in linked.links if (each.outcome.name, each.segment) == (name, segment)]
    return found


def test_the_outcome_that_follows_is_found_with_its_lag_and_the_other_is_not(lasting: Linked) -> None:
    linked = lasting
    assert np.array_equal(linked.drift[ALL], drifts(COUNT, SPIKES, 0))
    assert (linked.length, linked.since, linked.until, len(linked.starts)) == (HOUR, hour(0), hour(COUNT), COUNT)
    follows, other = of(linked, AFFECTED), of(linked, UNAFFECTED)
    assert (follows.state, follows.lag, follows.panes) == ("associated", LAG, COUNT)
    assert follows.slope == pytest.approx(HARM, rel=0.25)
    assert follows.low < HARM < follows.high
    assert follows.q < 0.01
    assert other.state == "not associated"
    assert linked.harmed
    assert linked.known


def test_the_change_lies_in_the_new_cluster_of_the_alarm_that_lasts(lasting: Linked) -> None:
    changed = lasting.changed
    assert (changed.before, changed.after, changed.drifted) == (None, (hour(SPIKES[-1]), hour(COUNT)), True)
    first, second = changed.decompositions
    assert [each.outcome.name for each in changed.decompositions] == [AFFECTED, UNAFFECTED]
    assert first.change == pytest.approx(first.mix.change + first.within.change + first.new.change, abs=1e-12)
    assert first.new.change == pytest.approx(0.2 * (0.1 - 0.9), abs=0.03)
    worst = first.groups[0]
    assert worst.kind == "new"
    assert worst.share_after == pytest.approx(0.2, abs=0.03)
    assert all(example.text.startswith("gift card") for example in worst.examples)
    assert worst.examples
    assert second.low < 0 < second.high


def test_the_study_looks_around_the_alarms_that_nobody_called_noise(place: tuple[SqlStore, Monitor]) -> None:
    store, monitor = place
    fill(store, monitor)
    every = link(store, monitor)
    [found] = [each for each in every.studies if each.outcome.name == AFFECTED]
    assert (found.state, found.events) == ("effect", len(SPIKES))
    assert found.low < found.effect < found.high < 0
    store.annotate(Annotation("queries", "noise", hour(33), hour(34), alarm=every.alarms[0].id))
    fewer = link(store, monitor)
    assert len(fewer.alarms) == len(SPIKES) - 1
    assert fewer.studies[0].events == len(SPIKES) - 1


def test_an_outcome_that_nothing_follows_harms_nobody(place: tuple[SqlStore, Monitor]) -> None:
    store, monitor = place
    fill(store, monitor, harm=0.0)
    linked = link(store, monitor)
    assert {each.state for each in linked.links} == {"not associated"}
    assert not linked.harmed


def test_segments_are_asked_at_once_and_share_the_false_discoveries(place: tuple[SqlStore, Monitor]) -> None:
    store, monitor = place
    fill(store, monitor, segments=("de", "en"))
    linked = link(store, monitor)
    assert [(each.segment, each.outcome.name) for each in linked.links] == [
        (segment, name) for segment in (ALL, "de", "en") for name in (AFFECTED, UNAFFECTED)
    ]
    p = np.array([each.p for each in linked.links])
    order = np.argsort(p)
    expected = np.minimum.accumulate((p[order] * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1]
    assert np.array([each.q for each in linked.links])[order] == pytest.approx(np.minimum(expected, 1))
    alone = link(store, monitor, segment="de")
    assert {each.segment for each in (*alone.links, *alone.courses)} == {"de"}
    assert of(alone, AFFECTED, "de").lag == LAG
    assert alone.changed.before == (hour(0), alone.changed.after[0])


def test_one_outcome_alone(place: tuple[SqlStore, Monitor]) -> None:
    store, monitor = place
    fill(store, monitor)
    linked = link(store, monitor, outcomes=[UNAFFECTED])
    assert [each.outcome.name for each in linked.links] == [UNAFFECTED]
    assert [each.outcome.name for each in linked.changed.decompositions] == [UNAFFECTED]
    with pytest.raises(UsageError, match="got 'clicks', want one of success, answered"):
        link(store, monitor, outcomes=["clicks"])


def test_fewer_than_sixty_windows_are_not_enough_and_the_decomposition_still_speaks(
    place: tuple[SqlStore, Monitor],
) -> None:
    store, monitor = place
    fill(store, monitor, 48, spikes=(40,), lasting=True, new=0.2)
    linked = link(store, monitor)
    assert {each.state for each in linked.links} == {"not enough history"}
    assert "not enough history for an association" in of(linked, AFFECTED).reasons[0]
    assert linked.changed.decompositions[0].new.change < -0.1
    assert linked.studies[0].state in ("anecdote", "not enough history")
    assert linked.harmed


def test_nothing_kept_is_said(place: tuple[SqlStore, Monitor]) -> None:
    with pytest.raises(NoWindows, match="no window under the reference in force"):
        link(*place)


def test_no_outcome_in_the_settings_is_said(tmp_path: Path) -> None:
    store, monitor = opened(tmp_path, outcomes={})
    with closing(store), pytest.raises(UsageError, match=r"\[streams.queries.outcomes.NAME\]"):
        link(store, monitor)


def test_holes_stay_holes(place: tuple[SqlStore, Monitor]) -> None:
    store, monitor = place
    fill(store, monitor)
    with sqlite3.connect(store.database.engine.url.database or "") as database:
        database.execute("DELETE FROM tidegauge_windows WHERE start = ?", (hour(50),))
        database.execute("DELETE FROM tidegauge_outcomes WHERE start = ?", (hour(60),))
    database.close()
    linked = link(store, monitor)
    assert np.flatnonzero(np.isnan(linked.drift[ALL])).tolist() == [50]
    assert np.flatnonzero(np.isnan(linked.courses[0].rates)).tolist() == [60]
    assert of(linked, AFFECTED).panes == COUNT - 2
    assert of(linked, AFFECTED).lag == LAG


def test_windows_of_another_model_are_no_drift(place: tuple[SqlStore, Monitor]) -> None:
    store, monitor = place
    fill(store, monitor)
    key = PaneKey("queries", monitor.reference.hash, HOUR, hour(50))
    with store.leading("queries") as desk:
        assert desk is not None
        desk.keep(Window(key, ROWS, "model changed", drift=Drift(90.0, 80.0, 99.0, 1.0)), None)
    assert np.isnan(link(store, monitor).drift[ALL][50])


def test_ready_series_are_linked_as_what_is_measured(tmp_path: Path) -> None:
    series = {"csat": {"source": "csat.csv", "unit": "number", "harmful": "falls"}}
    store, monitor = opened(tmp_path, outcomes=series)
    with closing(store):
        drift = fill(store, monitor)
        rng = np.random.default_rng(3)
        with store.leading("queries") as desk:
            assert desk is not None
            for at in range(COUNT):
                value = 4.0 - 0.02 * (drift[at - 1] if at else 0) + rng.normal(0, 0.05)
                desk.measure([Measured(PaneKey("queries", "", HOUR, hour(at)), "csat", value, 1.0)])
        linked = link(store, monitor)
    [found] = linked.links
    assert (found.outcome.name, found.state, found.lag) == ("csat", "associated", 1)
    assert found.slope == pytest.approx(-0.02, rel=0.2)
    assert linked.changed.decompositions == ()


def test_the_same_store_gives_the_same_answer_and_nothing_is_written(place: tuple[SqlStore, Monitor]) -> None:
    store, monitor = place
    fill(store, monitor, lasting=True, new=0.2)
    path = store.database.engine.url.database or ""
    with closing(sqlite3.connect(path)) as database:
        before = list(database.iterdump())
    first, again = link(store, monitor), link(store, monitor)
    assert (first.links, first.studies, first.changed, first.found) == (
        again.links,
        again.studies,
        again.changed,
        again.found,
    )
    with closing(sqlite3.connect(path)) as database:
        assert list(database.iterdump()) == before


@pytest.mark.parametrize("known", [(), (UNAFFECTED,)])
def test_an_outcome_that_the_reference_does_not_know_is_held_against_the_time_before(
    place: tuple[SqlStore, Monitor], monkeypatch: pytest.MonkeyPatch, known: tuple[str, ...]
) -> None:
    store, monitor = place
    fill(store, monitor, 80, spikes=(68,), lasting=True, new=0.2, sketched=40)
    born = FollowedCluster(
        "queries",
        monitor.reference.hash,
        "new cluster 1",
        hour(68),
        None,
        np.full(4, 9, np.float32),
        1.0,
        0.0,
        0.001,
        examples=(Example("7", "gift card"),),
    )
    with store.leading("queries") as desk:
        assert desk is not None
        desk.follow(born)
    base = monitor.reference.base
    monkeypatch.setattr(base, "outcomes", {name: each for name, each in base.outcomes.items() if name in known})
    changed = link(store, monitor).changed
    assert changed.before == (None if known else (hour(0), hour(68)))
    first, second = changed.decompositions
    assert first.before == pytest.approx(0.9, abs=0.02)
    assert first.new.change == pytest.approx(-0.16, abs=0.03)
    assert (first.groups[0].group, first.groups[0].examples) == ("new cluster 1", born.examples)
    assert ("reference does not know" in first.note) == bool(known)
    assert "reference does not know" not in second.note


def test_without_a_time_before_nothing_is_decomposed(
    place: tuple[SqlStore, Monitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, monitor = place
    fill(store, monitor, 80, spikes=(60,), lasting=True, new=0.2, sketched=20)
    monkeypatch.setattr(monitor.reference.base, "outcomes", {})
    assert link(store, monitor).changed.decompositions == ()


def test_length_is_the_shortest_that_shows_a_week(tmp_path: Path) -> None:
    store, monitor = opened(tmp_path, windows=["2h", "1d"])
    with closing(store):

        def keep(length: int, count: int) -> None:
            with store.leading("queries") as desk:
                assert desk is not None
                for at in range(count):
                    key = PaneKey("queries", monitor.reference.hash, length, hour(0) + at * length)
                    desk.keep(Window(key, ROWS, "no drift", drift=Drift(0.0, -1.0, 1.0, 1.0)), None)

        asked = (store, monitor.spec, monitor.reference.hash, None, None, ALL)
        keep(HOUR, 50)
        keep(2 * HOUR, 25)
        assert best_length(*asked) == HOUR
        keep(HOUR, 80)
        assert best_length(*asked) == HOUR
        keep(2 * HOUR, 90)
        assert best_length(*asked) == 2 * HOUR
        keep(HOUR, 24 * 7)
        assert best_length(*asked) == HOUR


def test_onsets_are_windows_and_two_in_one_are_one(place: tuple[SqlStore, Monitor]) -> None:
    _, monitor = place
    starts = np.array([hour(at) for at in range(10)])
    one = alarm(monitor, 1, 3, lasting=False, count=10)
    near = replace(one, id="2", onset=hour(3.5), updated=hour(4), resolved=hour(4))
    early = replace(one, id="3", onset=hour(-5), updated=hour(1), resolved=hour(1))
    onsets, alarmed = onsets_of([one, near, early], starts, HOUR)
    assert onsets.tolist() == [3]
    assert np.flatnonzero(alarmed).tolist() == [0, 3, 4, 5, 6, 7]


def test_events_are_those_that_change_things() -> None:
    starts = np.arange(0, 600, 60)
    kinds = ("deploy", "incident", "real", "noise", "note", "campaign")
    marked = [Annotation("q", kind, 130, 130) for kind in kinds]
    always = Annotation("q", "holiday", 0, 600)
    columns = event_columns([*marked, always], starts, 60)
    assert columns.shape == (10, 3)
    assert (columns.sum(0) == 1).all()
    assert (columns[2] == 1).all()


def test_cells_of_a_followed_cluster_are_those_that_it_fills(place: tuple[SqlStore, Monitor]) -> None:
    _, monitor = place
    sketch = reference().sketch(batch(600, seed=5, new=0.3))
    ball = FollowedCluster(
        "queries", monitor.reference.hash, "new cluster 1", 0, None, np.full(4, 9, np.float32), 1.0, 0.0, 0.001
    )
    elsewhere = replace(ball, name="new cluster 2", centre=np.full(4, -30, np.float32))
    found = cells_of(monitor, sketch, [ball, elsewhere])
    fine = len(reference().basis.fine)
    assert list(found) == ["new cluster 1"]
    mask = found["new cluster 1"]
    assert mask.shape == (2 * fine,)
    basis = reference().basis
    place_of = np.concatenate([basis.fine, basis.fine + len(basis.centres)])
    rows = sketch.sums["cells"][place_of]
    assert rows[mask].sum() == pytest.approx(0.3 * 600, rel=0.2)
