"""The life of an alarm through a recorder: opened, told, answered, resolved; and what calibration learns from."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tests.run.conftest import Clock
from tidegauge import Reference
from tidegauge.errors import UsageError
from tidegauge.gate import admit
from tidegauge.records import Alarm, Annotation, PaneKey
from tidegauge.run import Recorder
from tidegauge.run.alarms import Lookout, condition
from tidegauge.run.annotate import judge
from tidegauge.run.answer import acknowledge, find, let_go, resolve, snooze, wake
from tidegauge.run.baseline import rebaseline
from tidegauge.run.calibrate import calibrate
from tidegauge.run.promise import promises
from tidegauge.run.watch import note, note_silence, silence
from tidegauge.spec import Alarms, AlarmSettings, Spec, StreamSpec
from tidegauge.store import open_store

WIDTH, HOUR, START = 8, 3600, 1_700_006_400
CENTRES = np.random.default_rng(1).standard_normal((6, WIDTH)) * 3
PAGER = Alarms(endpoints={"pager": {"url": "http://127.0.0.1:9/drift"}})


def draw(rng: np.random.Generator, n: int, new: float = 0.0) -> np.ndarray:
    """Rows of five clusters, and a share of a sixth."""
    of = rng.integers(5, size=n)
    of[rng.random(n) < new] = 5
    return (CENTRES[of] + rng.standard_normal((n, WIDTH))).astype(np.float32)


@pytest.fixture(scope="module")
def normal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("normal") / "normal.tg"
    rows = draw(np.random.default_rng(2), 1500)
    Reference.fit(rows, profile="small", exchangeable=True, model_id="m1").save(path)
    return path


@dataclass
class Stream:
    """A recorder whose clock goes with its hours."""

    recorder: Recorder
    clock: Clock
    rng: np.random.Generator
    hour: int = 0

    def pane(self, n: int = 60, new: float = 0.0, **columns: object) -> None:
        """One hour of rows, which closes the one before."""
        begin = START + self.hour * HOUR
        times = begin + np.sort(self.rng.random(n)) * HOUR * 0.99
        times[0] = begin
        x = draw(self.rng, n, new)
        ids = [f"h{self.hour}-{i}" for i in range(n)]
        model = str(columns.pop("model_id", ""))
        if columns.pop("broken", False):
            x[1 : n // 2] = np.nan
        batch = admit(x, ids=ids, times=times, strict_times=False, **columns)
        self.clock.now = begin + HOUR
        self.recorder.observe(batch, name=f"h{self.hour}", model_id=model)
        self.recorder.settle()
        self.hour += 1

    def panes(self, count: int, **settings: object) -> None:
        for _ in range(count):
            self.pane(**settings)

    @property
    def store(self):
        return self.recorder.store

    def alarms(self, kind: str = "drift"):
        return [alarm for alarm in self.store.alarms("queries") if alarm.kind == kind]

    def told(self) -> list[tuple[str, str]]:
        return [(message.alarm, message.change) for message in self.store.messages()]

    def calibrated(self) -> dict[str, int]:
        state = self.store.state("queries")
        return {each.segment: each.panes for each in self.store.calibrated("queries", reference=state.reference)}

    def calibrate(self, **where: object):
        return calibrate(self.store, self.recorder.lookout, self.recorder.monitor(), at=self.clock.now, **where)


@pytest.fixture
def stream(normal: Path, tmp_path: Path):
    made: list[Recorder] = []

    def make(alarms: Alarms = PAGER, streams: int = 1, **settings: object) -> Stream:
        clock = Clock(float(START))
        spec = StreamSpec(
            name="queries",
            reference=normal,
            model_id="m1",
            pane="1h",
            windows=(),
            lateness=0,
            samples={"uniform": 64, "novel": 32},
            **{"quality": {"silence": "6h"}, **settings},
        )
        store = open_store(f"sqlite:///{tmp_path / 'gauge.db'}")
        made.append(Recorder(store, spec, alarms=alarms, streams=streams, clock=clock))
        return Stream(made[-1], clock, np.random.default_rng(3))

    yield make
    for recorder in made:
        recorder.close()


def drifted(make, **settings: object) -> Stream:
    """A stream with an alarm that lasts."""
    stream = make(**settings)
    stream.panes(12)
    stream.panes(3, new=0.5)
    return stream


def test_an_alarm_opens_in_the_pane_that_changed_lasts_and_resolves_after_quiet_ones(stream) -> None:
    it = stream()
    it.panes(30)
    assert it.alarms() == []
    it.panes(4, new=0.5)
    [alarm] = it.alarms()
    assert (alarm.state, alarm.severity, alarm.segment) == ("open", "critical", "")
    assert (alarm.onset, alarm.opened) == (START + 30 * HOUR, START + 31 * HOUR)
    assert alarm.provisional  # there is no history yet
    assert alarm.drift > 10
    assert alarm.value >= alarm.threshold
    assert alarm.title.startswith("New: new cluster 1, ")
    assert f"threshold {alarm.threshold:.1f}" in alarm.reasons[0]
    new = {example.id for example in alarm.examples}
    assert len(new) >= 3
    assert {int(each.split("-")[0][1:]) for each in new} <= {30, 31, 32, 33}
    it.panes(8)
    [after] = it.alarms()
    assert (after.id, after.state, after.opened) == (alarm.id, "resolved", alarm.opened)
    assert after.resolved > after.updated >= START + 34 * HOUR
    changes = [change for _, change in it.told()]
    assert (changes[0], changes[-1]) == ("opened", "resolved")
    assert set(changes[1:-1]) <= {"updated"}
    body = json.loads(it.store.messages()[0].body)
    assert (body["schema"], body["change"], body["alarm"]["id"]) == ("tidegauge.alarm/1", "opened", alarm.id)


def test_a_stream_that_raises_none_keeps_no_tally(stream) -> None:
    it = drifted(stream, alarm={"enabled": False})
    state = it.store.state("queries")
    assert it.store.alarms() == ()
    assert it.store.tallies("queries", reference=state.reference, length=HOUR, segment="") == ()


def test_too_small_an_effect_is_not_worth_an_alarm(stream) -> None:
    assert drifted(stream, alarm={"min_effect": 90}).alarms() == []


def test_the_same_panes_in_another_process_go_on_with_the_same_alarm(stream, normal: Path) -> None:
    it = drifted(stream)
    [alarm] = it.alarms()
    with Recorder(it.store, it.recorder.spec, alarms=PAGER, clock=it.clock) as again:
        replace(it, recorder=again).panes(2, new=0.5)
        assert [each.id for each in it.alarms()] == [alarm.id]
        assert it.alarms()[0].updated > alarm.updated


def test_a_restful_alarm_wakes_with_a_pane_or_without(stream) -> None:
    it = drifted(stream)
    [alarm] = it.alarms()
    told = len(it.told())
    snooze(it.store, alarm.id[:6], PAGER, until=it.clock.now + 2.5 * HOUR, by="Ada", why="seen", at=it.clock.now)
    it.panes(2, new=0.5)
    [resting] = it.alarms()
    assert (resting.state, resting.by, resting.why) == ("snoozed", "Ada", "seen")
    assert it.told()[told:] == [(alarm.id, "snoozed")]
    it.pane(new=0.5)
    [awake] = it.alarms()
    assert (awake.state, awake.snoozed_until) == ("open", None)
    assert it.told()[told:] == [(alarm.id, "snoozed"), (alarm.id, "updated")]
    for _ in range(2):  # nothing else of it changes meanwhile, and each waking is told
        snooze(it.store, alarm.id, PAGER, until=it.clock.now + 60, at=it.clock.now)
        assert wake(it.store, PAGER, at=it.clock.now) == 0
        it.clock.now += 60
        assert wake(it.store, PAGER, at=it.clock.now) == 1
        assert it.alarms()[0].state == "open"
    assert [change for _, change in it.told()[told + 2 :]] == ["snoozed", "updated"] * 2
    assert len({message.key for message in it.store.messages()}) == len(it.told())


def test_what_is_acknowledged_stays_so_and_resolves(stream) -> None:
    it = drifted(stream)
    [alarm] = it.alarms()
    acknowledge(it.store, alarm.id, PAGER, by="Ada", at=it.clock.now)
    it.pane(new=0.5)
    assert it.alarms()[0].state == "acknowledged"
    it.panes(8)
    assert (it.alarms()[0].state, it.alarms()[0].by) == ("resolved", "")
    with pytest.raises(UsageError, match="got one that is resolved, want one that lasts"):
        acknowledge(it.store, alarm.id, PAGER, at=it.clock.now)


def test_resolved_by_hand_the_detector_begins_anew(stream) -> None:
    it = drifted(stream)
    it.pane()  # the last pane of the change closes
    [alarm] = it.alarms()
    over = resolve(it.store, alarm.id, PAGER, by="Ada", why="a test", at=it.clock.now)
    assert (over.state, over.resolved) == ("resolved", it.store.state("queries").settled)
    it.panes(2)
    assert [each.id for each in it.alarms() if each.lasts] == []
    it.panes(2, new=0.5)
    first, second = it.alarms()
    assert first.id == alarm.id
    assert second.lasts
    assert second.onset >= first.resolved


def test_ids_by_their_first_digits(stream) -> None:
    it = drifted(stream)
    [alarm] = it.alarms()
    # An id that is also the beginning of another one's is meant itself.
    with it.store.leading("queries") as desk:
        desk.raise_alarm(replace(alarm, id=alarm.id[:4]))
    assert find(it.store, alarm.id[:4]).id == alarm.id[:4]
    assert acknowledge(it.store, alarm.id[:4], PAGER, at=1.0).id == alarm.id[:4]
    assert find(it.store, alarm.id).state == "open"
    with pytest.raises(UsageError, match="want the id of one alarm"):
        find(it.store, alarm.id[:3])
    with pytest.raises(UsageError, match="got 'zz', want the id of an alarm"):
        find(it.store, "zz")


def test_another_reference_resolves_what_lasts_and_says_why(stream, tmp_path: Path) -> None:
    it = drifted(stream)
    [alarm] = it.alarms()
    told = len(it.told())
    other = Reference.fit(draw(it.rng, 600, 0.5), profile="small", exchangeable=True, model_id="m1")
    assert rebaseline(it.store, it.recorder.spec, other, at=it.clock.now, by="Ada", why="it stays", alarms=PAGER)
    [over] = it.alarms()
    assert (over.state, over.by) == ("resolved", "Ada")
    assert over.why == f"Reference {other.hash[:12]} came into force: it stays"
    assert over.resolved >= alarm.updated
    assert it.told()[told:] == [(alarm.id, "resolved")]
    it.panes(4, new=0.5)
    assert [each.id for each in it.alarms()] == [alarm.id]


def test_alarms_of_before_do_not_blind_a_stream_that_is_cut_otherwise(stream) -> None:
    """Their ends are in seconds, which no number of rows comes near."""
    it = drifted(stream)
    rows = it.recorder.spec.model_copy(
        update={"pane": StreamSpec(name="x", pane="60 rows").pane, "windows": (), "lateness": 0}
    )
    reference = Reference.load(rows.reference)
    rebaseline(it.store, rows, reference, at=it.clock.now, alarms=PAGER)
    with Recorder(it.store, rows, alarms=Alarms(budget="1 in 500 panes"), clock=it.clock) as again:
        for i in range(24):
            again.observe(draw(it.rng, 60) + (0.0 if i < 8 else 0.35), name=f"r{i}")
            again.settle()
        lasting = [each for each in again.store.alarms("queries") if each.lasts]
        assert [each.kind for each in lasting] == ["drift"]
        assert lasting[0].panes > 1


def test_a_model_that_changed_needs_no_budget(stream) -> None:
    it = stream()
    it.panes(3)
    it.panes(2, model_id="m2")
    it.panes(2)
    [alarm] = it.alarms("model changed")
    assert (alarm.state, alarm.severity) == ("resolved", "critical")
    assert alarm.title == "60 rows were set aside, as the embedding model had changed."
    assert it.alarms() == []
    assert [change for _, change in it.told()] == ["opened", "resolved"]


def test_rows_that_cannot_be_used_are_an_alarm_until_panes_are_calm(stream) -> None:
    it = stream(alarm={"calm": 2})
    it.panes(3)
    it.panes(2, broken=True)
    [alarm] = it.alarms("data quality")
    assert (alarm.state, alarm.severity, alarm.opened) == ("open", "warning", START + 4 * HOUR)
    it.panes(2)
    assert it.alarms("data quality")[0].lasts
    it.pane()
    assert it.alarms("data quality")[0].state == "resolved"


def test_each_silence_is_an_alarm_that_ends_with_the_next_row(stream) -> None:
    """Two of them, in the same pane by their last rows: each has an id of its own, and is told."""
    it = stream()
    stop = threading.Event()
    it.panes(2)
    for _ in range(2):
        it.clock.now += 7 * HOUR
        note_silence(it.recorder, stop, lambda _: None)
        note_silence(it.recorder, stop, lambda _: None)
        assert [alarm.state for alarm in it.alarms("silence")][-1] == "open"
        last = it.store.state("queries").watermark
        it.recorder.observe(draw(it.rng, 5), times=np.full(5, last + 60), model_id="m1")
        it.clock.now = last + 61
        it.recorder._latest = 0.0  # the recorder's time never goes back by itself
        assert silence(it.recorder) is None
        note_silence(it.recorder, stop, lambda _: None)
        assert not any(alarm.lasts for alarm in it.alarms("silence"))
    first, second = it.alarms("silence")
    assert first.id != second.id
    assert all(alarm.resolved >= alarm.opened > alarm.onset for alarm in (first, second))
    assert [change for _, change in it.told()] == ["opened", "resolved"] * 2


def test_a_silence_that_a_person_let_rest_wakes_though_no_pane_comes(stream) -> None:
    it = stream()
    it.panes(2)
    it.clock.now += 7 * HOUR
    note(it.store, [silence(it.recorder)], threading.Event(), lambda _: None, it.recorder)
    [alarm] = it.alarms("silence")
    snooze(it.store, alarm.id, PAGER, until=it.clock.now + 60, at=it.clock.now)
    assert wake(it.store, PAGER, at=it.clock.now + 61) == 1
    assert it.alarms("silence")[0].state == "open"


def test_a_budget_is_shared_by_streams_and_segments() -> None:
    day = Lookout(StreamSpec(name="q", pane="1h"), Alarms(budget="1 in 90d"))
    assert day.panes_promised("", 0, None) == 90 * 24
    assert Lookout(day.spec, day.settings, 3).panes_promised("", 0, None) == 3 * 90 * 24
    shares = [1 / day.panes_promised(segment, 4, None) for segment in ("", "a", "b", "c", "d")]
    assert sum(shares) == pytest.approx(1 / (90 * 24))
    rows = Lookout(StreamSpec(name="q", pane="100 rows", windows=()), Alarms(budget="2 in 30d"))
    assert rows.panes_promised("", 0, None) is None
    assert rows.panes_promised("", 0, 1 / 3600) == 15 * 24
    panes = Lookout(rows.spec, Alarms(budget="1 in 5000 panes"))
    assert panes.panes_promised("", 0, None) == 5000


def known_of(learned) -> dict[str, int]:
    """What was left out by what is known of it: which panes stand out besides, their noise decides."""
    return {why: panes for why, panes in learned.left_out.items() if why != "stood out"}


def test_calibration_learns_from_the_history_without_what_was_not_normal(stream) -> None:
    """Of traffic that is by day three times that of the night, so that few panes are like the first."""
    it = stream(alarm={"calm": 2})
    for hour in range(134):
        it.pane(n=90 if hour % 12 < 6 else 30)
        if hour == 20:
            assert it.calibrated() == {"": 0}
    learned = it.calibrated()[""]
    assert 128 <= learned < 150
    it.panes(4, new=0.5)
    it.panes(9)
    [alarm] = it.alarms()
    assert alarm.state == "resolved"
    [before] = it.calibrate()
    assert before.anew
    known, total = known_of(before), before.used + sum(before.left_out.values())
    assert known == {"alarm": (alarm.updated - alarm.onset) // HOUR}
    assert before.between_weeks is None
    judge(it.store, alarm.id, "noise", at=it.clock.now)
    [noise] = it.calibrate()
    assert known_of(noise) == {}
    assert noise.used + sum(noise.left_out.values()) == total
    kept = judge(it.store, alarm.id, "real", "a launch", by="Ada", at=it.clock.now)
    assert [each.kind for each in it.store.annotations("queries")] == ["real"]
    assert (kept.since, kept.until, kept.alarm) == (alarm.onset, alarm.updated, alarm.id)
    span = (START + 10 * HOUR, START + 20 * HOUR)
    it.store.annotate(Annotation("", "holiday", *span))
    it.store.annotate(Annotation("queries", "deploy", *span))
    [marked] = it.calibrate()
    assert known_of(marked) == {"real": known["alarm"], "holiday": 10}
    [promise] = promises(it.store, it.recorder.lookout, it.store.state("queries"))
    assert (promise.panes, promise.learned, promise.firm) == (90 * 24, marked.used, False)
    assert promise.achieved.low < promise.achieved.panes < promise.achieved.high
    assert promise.achieved.panes == pytest.approx(90 * 24, rel=0.01)
    assert promise.missing == pytest.approx(90 * 24 - promise.known)


def test_a_segment_raises_alarms_of_its_own_once_it_has_a_history(stream) -> None:
    it = stream(columns={"segment": "locale"})
    it.panes(3, n=40, segments=["de", "en"] * 20)
    assert it.calibrated() == {"": 0}
    known = promises(it.store, it.recorder.lookout, it.store.state("queries"))
    assert [(each.segment, each.panes, each.learned) for each in known] == [
        ("", 2 * 90 * 24, 0),
        ("de", 4 * 90 * 24, None),
        ("en", 4 * 90 * 24, None),
    ]
    it.panes(129, n=40, segments=["de", "en"] * 20)
    assert set(it.calibrated()) == {"", "de", "en"}
    for _ in range(3):
        begin, n = START + it.hour * HOUR, 40
        x = draw(it.rng, n)
        x[::2] = draw(it.rng, n // 2, 0.8)
        it.clock.now = begin + HOUR
        times = begin + np.linspace(0, 0.99 * HOUR, n)
        batch = admit(x, times=times, segments=["de", "en"] * 20, ids=[f"s{it.hour}-{i}" for i in range(n)])
        it.recorder.observe(batch, name=f"h{it.hour}", model_id="m1")
        it.recorder.settle()
        it.hour += 1
    assert {alarm.segment for alarm in it.alarms()} == {"", "de"}
    of = next(alarm for alarm in it.alarms() if alarm.segment == "de")
    assert {int(example.id.split("-")[1]) % 2 for example in of.examples} <= {0}


def of_segment(it: Stream, last: int) -> Alarm:
    """Put down an alarm of a segment that spoke in an hour as the last."""
    key = PaneKey("queries", it.store.state("queries").reference, HOUR, START + last * HOUR, "de")
    alarm = condition(key, "drift", "It moved.", key.start, it.clock.now)
    with it.store.leading("queries") as desk:
        desk.raise_alarm(alarm)
    return alarm


@pytest.mark.parametrize(("calm", "patience"), [(2, 4), (6, 6)])
def test_the_alarm_of_a_segment_that_no_longer_comes_is_resolved(stream, calm: int, patience: int) -> None:
    """After as many panes of the stream as would be calm, four at least; panes in which nothing came do not count."""
    it = stream(columns={"segment": "locale"}, alarm={"calm": calm})
    both = {"n": 40, "segments": ["de", "en"] * 20}
    it.panes(3, **both)
    alarm = of_segment(it, 0)
    it.panes(2, **both)  # it comes, and is not judged yet, as it has no history
    for _ in range(patience):
        assert it.alarms()[0].lasts
        it.pane(n=40, segments=["en"] * 40)
        it.hour += 10
    it.pane(n=40, segments=["en"] * 38 + ["de"] * 2)
    [after] = it.alarms()
    assert (after.id, after.state, after.resolved) == (alarm.id, "resolved", START + (it.hour - 11) * HOUR)
    assert after.why == "No vectors of the segment, or too few to be judged, since 2023-11-15 05:00 UTC"
    assert it.told() == [(alarm.id, "resolved")]
    assert after.why in json.loads(it.store.messages()[0].body)["text"]


def test_a_segment_of_which_too_little_comes_is_as_one_that_does_not_come(stream) -> None:
    it = stream(columns={"segment": "locale"})
    it.panes(2, n=40, segments=["de", "en"] * 20)
    of_segment(it, 0)
    it.panes(6, n=40, segments=["en"] * 35 + ["de"] * 5)
    assert it.alarms()[0].state == "resolved"


def test_what_nobody_looks_after_any_more_is_resolved_and_told(stream) -> None:
    it = drifted(stream)
    [drift] = it.alarms()
    segment = of_segment(it, 12)
    told, spec = len(it.told()), it.recorder.spec

    def resolved(**settings: object) -> list[tuple[str, str]]:
        streams = {"queries": spec.model_copy(update={"alarm": AlarmSettings(**settings)})} if settings else {}
        return [(each.id, each.why) for each in let_go(it.store, Spec(alarms=PAGER, streams=streams), at=it.clock.now)]

    assert resolved(enabled=True) == []
    assert resolved(segments=False) == [(segment.id, "The alarms of segments were switched off")]
    with it.store.leading("queries"):
        assert resolved(enabled=False) == []  # another is at it: the next time
    assert resolved(enabled=False) == [(drift.id, "The alarms of the stream were switched off")]
    assert it.told()[told:] == [(segment.id, "resolved"), (drift.id, "resolved")]
    assert {each.resolved for each in it.alarms()} == {it.store.state("queries").settled}
    of_segment(it, 13)
    assert [why for _, why in resolved()] == ["The stream is no longer in the settings"]
    assert it.store.alarms(lasting=True) == ()


def test_a_history_that_is_too_short_changes_nothing(stream) -> None:
    it = stream()
    it.panes(5)
    [short] = it.calibrate()
    assert (short.used, short.anew, it.calibrated()) == (4, False, {"": 0})
    off = Lookout(StreamSpec(name="queries", alarm={"enabled": False}), PAGER)
    with pytest.raises(UsageError, match="got alarms switched off"):
        calibrate(it.store, off, it.recorder.monitor(), at=0.0)


def test_messages_that_arrived_long_ago_are_let_go(stream) -> None:
    it = drifted(stream)
    [first, *others] = it.store.messages()
    it.store.sent(first.id, at=it.clock.now - 91 * 86_400)
    for each in others:
        it.store.sent(each.id, at=it.clock.now)
    it.pane()
    assert first.id not in {message.id for message in it.store.messages()}
    assert {each.id for each in others} <= {message.id for message in it.store.messages()}
