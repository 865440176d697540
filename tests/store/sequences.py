"""Random lives of a stream, lived by the store and by the model side by side."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any, get_args

import numpy as np

from tests.store.model import IDS, SEGMENTS, Model, Outbox, dump, plain, plain_tally
from tidegauge.records import (
    ALL,
    Alarm,
    AlarmKind,
    AlarmState,
    Annotation,
    AnnotationKind,
    Baseline,
    Calibrated,
    Change,
    ClusterShare,
    Drift,
    Event,
    Example,
    FollowedCluster,
    Landing,
    Measured,
    Message,
    PaneKey,
    Part,
    Position,
    RowPlace,
    Score,
    StreamState,
    Tally,
    Window,
)

HARD = "naïve \x00 \ud83d \\ \" ' % 窗 \n"
"""A text that databases choke on."""
STATES = ("no drift", "drift", "insufficient data", "data quality", "model changed")


PANES = ("", "5m", "1000 rows")


class Undone(Exception):
    """Raised inside a transaction to undo it."""


CLOCK = 77.0
"""What the stores' clocks say."""


def live(store: Any, stream: str, seed: int, steps: int, every: int = 1) -> Model:
    """Do `steps` random things with both, and compare all that they say after `every` few; return the model."""
    rng = random.Random(seed)
    model = Model(stream, CLOCK)
    assert store.register(stream, "stream") == model.state
    for step in range(1, steps + 1):
        steps_of = (
            _land,
            _settle,
            _rebase,
            _merge,
            _expire,
            _note,
            _follow,
            _forget,
            _tally,
            _raise,
            _annotate,
            _measure,
        )
        rng.choices(steps_of, (12, 3, 1, 2, 1, 1, 2, 1, 3, 3, 2, 4))[0](rng, store, model)
        if step % every == 0 or step == steps:
            found, wanted = dump(store, stream), model.dump()
            for name, value in wanted.items():
                assert found[name] == value, name
            mine = [each for each in store.messages() if each.alarm.startswith(_initial(stream))]
            assert [replace(each, id=0) for each in mine] == model.outbox.kept
    return model


def landing(rng: random.Random, state: StreamState, batch: str) -> Landing:
    """A landing that fits the state."""
    start = rng.randrange(0, 40) * 10
    segments = tuple(rng.sample(SEGMENTS, rng.choice((0, 0, 0, 1, 2))))
    keys = {PaneKey(state.stream, state.reference, 10, start + 10 * rng.randrange(2), s) for s in (*segments, ALL)}
    parts = tuple(Part(key, rng.randrange(1, 50), rng.randbytes(rng.randrange(60))) for key in sorted(keys))
    said = Event(state.stream, "source", rng.uniform(0, 400), rng.choice((HARD, "late file")), None)
    return Landing(
        stream=state.stream,
        batch=batch,
        reference=state.reference,
        version=state.version,
        parts=parts,
        rows=sum(part.rows for part in parts),
        aside={reason: rng.randrange(5) for reason in rng.sample(("nan", "late", "future"), rng.randrange(3))},
        watermark=rng.choice((None, rng.uniform(0, 400))),
        segments=segments,
        position=rng.choice(
            (
                None,
                Position(
                    rng.choice(("a.csv", HARD)),
                    rng.randrange(1000),
                    rng.choice(("", HARD)),
                    rng.choice((None, rng.randrange(1000))),
                ),
            )
        ),
        events=rng.choice(((), (said,))),
        model=rng.choice((None, "", "canary 3 moved by 0.2")),
        serial=rng.random() < 0.1,
        places=tuple(place(rng, state, row_id) for row_id in rng.choices(IDS, k=rng.randrange(4))),
    )


def window(rng: random.Random, state: StreamState, length: int = 10) -> Window:
    """A closed window, with every figure that JSON does not know."""

    def number() -> float:
        return _number(rng)

    score = Score("mmd", "MMD", "all dimensions", *(number() for _ in range(6)), "sd", number(), True, HARD, "")
    key = PaneKey(state.stream, state.reference, length, rng.randrange(40) * 10, rng.choice((*SEGMENTS, ALL)))
    return Window(
        key=key,
        rows=rng.randrange(1000),
        state=rng.choice(STATES),  # type: ignore[arg-type]
        reasons=rng.choice(((), ("few rows", HARD))),
        drift=rng.choice((None, Drift(number(), number(), number(), number()))),
        p=rng.choice((None, number())),
        scores=(score,) * rng.randrange(3),
        aside=rng.choice(({}, {"nan": 3})),
        duplicates=rng.randrange(5),
        first_time=rng.choice((None, number())),
        last_time=rng.choice((None, number())),
    )


def cluster(rng: random.Random, state: StreamState) -> FollowedCluster:
    """A cluster with a history."""
    starts = sorted(rng.sample(range(30), rng.randrange(6)))
    return FollowedCluster(
        stream=state.stream,
        reference=state.reference or "none yet",
        name=rng.choice(("kettle", "窗", "it's")),
        born=rng.randrange(100),
        gone=rng.choice((None, 300)),
        centre=np.array([rng.gauss(0, 1) for _ in range(4)], np.float32),
        square=rng.choice((0.25, float("inf"))),
        before=rng.random(),
        p=rng.choice((0.01, float("nan"))),
        absent=rng.randrange(3),
        examples=rng.choice(((), (Example("id 7", HARD), Example("id 8")))),
        shares=tuple(ClusterShare(start, 10, rng.randrange(9), 9) for start in starts),
    )


def tally(rng: random.Random, state: StreamState, size: int = 7) -> Tally:
    """A tally of a pane."""
    key = PaneKey(state.stream, state.reference, 10, rng.randrange(40) * 10, rng.choice((*SEGMENTS, ALL)))
    values = np.array([_number(rng) % 1e30 for _ in range(size)], np.float32)
    return Tally(key, rng.randrange(1000), rng.choice((None, rng.uniform(0, 400))), values)


def calibrated(rng: random.Random, state: StreamState) -> Calibrated:
    """How a segment varies."""
    data = rng.randbytes(rng.randrange(60))
    segment = rng.choice((*SEGMENTS, ALL))
    return Calibrated(state.stream, segment, state.reference, 10, rng.uniform(0, 400), 9, 10, rng.randrange(100), data)


def place(rng: random.Random, state: StreamState, row_id: str) -> RowPlace:
    """Where a row was counted."""
    key = PaneKey(state.stream, state.reference, 10, rng.randrange(40) * 10, rng.choice((*SEGMENTS, ALL)))
    cells = tuple(rng.randrange(300) for _ in range(rng.randrange(4)))
    return RowPlace(row_id, key, cells, rng.uniform(0, 400), rng.choice(((), ("success",), ("窗", HARD))))


def measured(rng: random.Random, state: StreamState) -> Measured:
    """What an outcome was."""
    reference, segment = rng.choice((state.reference, "")), rng.choice((*SEGMENTS, ALL))
    key = PaneKey(state.stream, reference, rng.choice((10, 10, 20)), rng.randrange(40) * 10, segment)
    return Measured(
        key, rng.choice(("success", "窗 %")), rng.choice((0.0, -2.5, 1e9, 7.0)), rng.choice((0.0, 3.0, 0.5))
    )


def alarm(rng: random.Random, stream: str, number: int) -> Alarm:
    """An alarm of the id that the number stands for."""
    opened = rng.randrange(40) * 10
    state = rng.choice(get_args(AlarmState))
    return Alarm(
        id=_initial(stream) + f"{number:x}",
        stream=stream,
        segment=rng.choice((*SEGMENTS, ALL)),
        reference=rng.choice(("", "ref")),
        kind=rng.choice(get_args(AlarmKind)),
        state=state,
        severity=rng.choice(("warning", "critical")),
        opened=opened,
        onset=opened - rng.randrange(30),
        updated=opened + rng.randrange(30),
        at=rng.uniform(0, 400),
        title=HARD,
        resolved=opened + 40 if state == "resolved" else None,
        score=rng.choice(("", "novelty")),
        panes=rng.randrange(9),
        value=_number(rng),
        threshold=_number(rng),
        drift=rng.choice((None, _number(rng))),
        calm=rng.randrange(4),
        reasons=rng.choice(((), ("more of it", HARD))),
        examples=rng.choice(((), (Example("id 7", HARD), Example(HARD)))),
        by=rng.choice(("", HARD)),
        why=rng.choice(("", HARD)),
        snoozed_until=rng.choice((None, rng.uniform(0, 400))),
        report=rng.choice(("", "https://gauge.example.org/report")),
    )


def annotation(rng: random.Random, stream: str) -> Annotation:
    """What a person knows of a time."""
    since = rng.randrange(400)
    kind = rng.choice(get_args(AnnotationKind))
    said = rng.choice(("", HARD)), rng.choice(("", HARD))
    return Annotation(
        stream, kind, since, since + rng.choice((0, 30)), *said, rng.uniform(0, 400), rng.choice(("", "a1"))
    )


def message(rng: random.Random, alarm: str, key: str) -> Message:
    """A message that tells of an alarm."""
    endpoint, change = rng.choice(("pager", "窗", "it's")), rng.choice(get_args(Change))
    body = rng.choice(('{"it": "is"}', HARD))
    return Message(endpoint, key, body, rng.uniform(0, 400), alarm, change, rng.randrange(3), rng.choice(("", HARD)))


def _number(rng: random.Random) -> float:
    """Figures that JSON does not know among others."""
    return rng.choice((float("inf"), float("-inf"), -0.0, 5e-324, rng.gauss(0, 1), 1e300, 3.0))


def _initial(stream: str) -> str:
    """What the ids of a stream's alarms begin with: no two streams have one in common."""
    return sha256(stream.encode()).hexdigest()[:11]


def _land(rng: random.Random, store: Any, model: Model) -> None:
    state = model.state
    batch = f"batch {rng.randrange(200)} {HARD}"
    given = landing(rng, state, batch)
    if rng.random() < 0.1:
        given = replace(given, version=state.version + rng.choice((-1, 1)))
    if rng.random() < 0.05:
        parts = tuple(replace(part, key=replace(part.key, reference="another")) for part in given.parts)
        given = replace(given, reference="another", parts=parts)
    assert store.land(given) == model.land(given)


def _both(rng: random.Random, store: Any, model: Model, work: Any) -> None:
    """Do the same at both desks; now and then an error passes, and both must be as before."""
    fails = rng.random() < 0.2
    try:
        with store.leading(model.state.stream) as desk, model.leading() as wanted:
            assert desk is not None
            work(desk, wanted)
            assert desk.state == wanted.state
            if fails:
                raise Undone
    except Undone:
        pass


def _settle(rng: random.Random, store: Any, model: Model) -> None:
    until = (model.state.settled or 0) + rng.randrange(4) * 10

    def work(desk: Any, wanted: Any) -> None:
        found, due = desk.parts(until), wanted.parts(until)
        assert [each.part for each in found] == due
        desk.drop([each.id for each in found])
        wanted.drop(due)
        for _ in range(rng.randrange(3)):
            closed, data = window(rng, wanted.state), rng.choice((None, rng.randbytes(30)))
            desk.keep(closed, data)
            wanted.keep(closed, data)
        state = replace(wanted.state, version=wanted.state.version + 1, settled=until, pane=rng.choice(PANES))
        desk.update(state)
        wanted.update(state)
        span = {"length": 10, "since": rng.randrange(0, 200), "until": rng.randrange(100, 500)}
        assert desk.windows(**span) == wanted.windows(**span)
        assert desk.sketches(**span) == wanted.sketches(**span)

    _both(rng, store, model, work)


def _merge(rng: random.Random, store: Any, model: Model) -> None:
    def work(desk: Any, wanted: Any) -> None:
        found, there = desk.parts(), wanted.parts()
        chosen = [place for place in range(len(there)) if rng.random() < 0.5]
        if chosen:
            joined = b"".join(there[place].data for place in chosen)[:200]
            total = replace(there[chosen[0]], data=joined, removed=rng.random() < 0.5)
            desk.drop([found[place].id for place in chosen])
            wanted.drop([there[place] for place in chosen])
            desk.put(total)
            wanted.put(total)
        assert [each.part for each in desk.parts()] == wanted.parts()

    _both(rng, store, model, work)


def _rebase(rng: random.Random, store: Any, model: Model) -> None:
    baseline = Baseline(model.state.stream, f"hash{rng.randrange(3)}-{model.state.stream}", 12.5, "ann", HARD)
    data = rng.randbytes(100)

    def work(desk: Any, wanted: Any) -> None:
        desk.rebase(baseline, data)
        wanted.rebase(baseline, data)

    _both(rng, store, model, work)


def _expire(rng: random.Random, store: Any, model: Model) -> None:
    before = rng.randrange(300)

    def work(desk: Any, wanted: Any) -> None:
        assert desk.expire(10, before) == wanted.expire(10, before)
        assert desk.expire_batches(before) == wanted.expire_batches(before)
        assert desk.expire_tallies(10, before // 3) == wanted.expire_tallies(10, before // 3)
        assert desk.expire_messages(before) == wanted.expire_messages(before)

    _both(rng, store, model, work)


def _note(rng: random.Random, store: Any, model: Model) -> None:
    event = Event(model.state.stream, "silence", rng.uniform(0, 400), HARD, rng.choice((None, 500.5)))

    def work(desk: Any, wanted: Any) -> None:
        desk.note(event)
        wanted.note(event)

    _both(rng, store, model, work)


def _follow(rng: random.Random, store: Any, model: Model) -> None:
    given = cluster(rng, model.state)

    def work(desk: Any, wanted: Any) -> None:
        desk.follow(given)
        wanted.follow(given)
        assert [plain(each) for each in desk.clusters()] == wanted.clusters()

    _both(rng, store, model, work)


def _forget(rng: random.Random, store: Any, model: Model) -> None:
    def change(data: bytes) -> bytes:
        return data[::-1] + b"x"

    def work(desk: Any, wanted: Any) -> None:
        for handle, data in desk.blobs():
            desk.rewrite(handle, change(data))
        wanted.rewrite(change)

    _both(rng, store, model, work)


def _tally(rng: random.Random, store: Any, model: Model) -> None:
    given = [tally(rng, model.state) for _ in range(rng.randrange(12))]
    span = {
        "length": 10,
        "segment": rng.choice((*SEGMENTS, ALL)),
        "since": rng.choice((None, rng.randrange(200))),
        "until": rng.choice((None, rng.randrange(200, 400))),
        "newest": rng.choice((None, rng.randrange(4))),
    }
    known = calibrated(rng, model.state)

    def work(desk: Any, wanted: Any) -> None:
        desk.tally(given)
        wanted.tally(given)
        assert [plain_tally(each) for each in desk.tallies(**span)] == wanted.tallies(**span)
        desk.calibrate(known)
        wanted.calibrate(known)
        assert desk.calibrated() == wanted.calibrated()

    _both(rng, store, model, work)


def _measure(rng: random.Random, store: Any, model: Model) -> None:
    given = [measured(rng, model.state) for _ in range(rng.randrange(6))]
    add, before, forgotten = rng.random() < 0.5, rng.randrange(150), rng.sample(IDS, rng.randrange(2))
    span = {
        "reference": rng.choice((None, "", model.state.reference)),
        "length": 10,
        "outcome": rng.choice((None, "success")),
        "segment": rng.choice((None, ALL, "de")),
        "since": rng.choice((None, rng.randrange(200))),
        "until": rng.choice((None, rng.randrange(200, 400))),
    }
    pane = window(rng, model.state).key

    def work(desk: Any, wanted: Any) -> None:
        desk.measure(given, add=add)
        wanted.measure(given, add=add)
        assert list(desk.measured(**span)) == wanted.measured(**span)
        held = desk.holding(pane)
        assert [part for _, part in held] == wanted.holding(pane)
        assert all(bool(part.data) <= bool(handle) for handle, part in held)
        there = desk.places(IDS)
        assert there == wanted.places(IDS)
        new = [replace(each, came=(*each.came, "clicked")) for each in list(there.values())[:2]]
        for each in (desk, wanted):
            each.came([*new, place(rng, model.state, "nobody")])
        if rng.random() < 0.3:
            assert desk.expire_measured(10, before) == wanted.expire_measured(10, before)
            assert desk.expire_places(before) == wanted.expire_places(before)
        assert desk.forget_places(forgotten) == wanted.forget_places(forgotten)

    _both(rng, store, model, work)


def _raise(rng: random.Random, store: Any, model: Model) -> None:
    stream = model.state.stream
    given = [alarm(rng, stream, number) for number in rng.sample(range(6), rng.randrange(3))]
    told = [message(rng, each.id, rng.choice(("the first", HARD, f"{each.state} {each.updated}"))) for each in given]
    if rng.random() < 0.3:
        told = [replace(each, delivered=rng.uniform(0, 400)) for each in told]

    def work(desk: Any, wanted: Any) -> None:
        for each in given:
            desk.raise_alarm(each)
            wanted.raise_alarm(each)
        for lasting in (False, True):
            assert desk.alarms(lasting=lasting) == wanted.alarms(lasting=lasting)
        mine = [replace(each, key=f"{each.key} of {stream}") for each in told]
        desk.send(mine)
        wanted.send(mine)

    _both(rng, store, model, work)


def _annotate(rng: random.Random, store: Any, model: Model) -> None:
    given, there = annotation(rng, model.state.stream), sorted(model.annotations)
    if there and rng.random() < 0.3:
        given = replace(given, id=rng.choice(there))
    kept = store.annotate(given)
    assert kept == replace(given, id=given.id or kept.id)
    assert kept.id > 0
    assert (kept.id in there) == bool(given.id)
    model.annotations[kept.id] = kept
    if there and rng.random() < 0.2:
        gone = rng.choice(there)
        store.unannotate(gone)
        del model.annotations[gone]


def deliver(store: Any, seed: int, steps: int) -> int:
    """Send, claim and try at random, as the list of messages does; return how many arrived."""
    rng, now, model = random.Random(seed), 0.0, Outbox()
    store.register("queries", "stream")
    for step in range(steps):
        now += rng.choice((0.0, 1.0, 5.0))
        what = rng.choice(("send", "claim", "claim", "sent", "sent", "failed", "expire"))
        some = rng.choice(model.kept).id if model.kept else 1
        if what == "claim":
            most, lease = rng.randrange(5), rng.choice((3.0, 10.0))
            assert list(store.claim(now, lease, most)) == model.claim(now, lease, most)
        elif what == "sent":
            store.sent(some, at=now)
            model.tried(some, delivered=now, fault="")
        elif what == "failed":
            store.failed(some, due=now + 2, fault=HARD)
            model.tried(some, due=now + 2, fault=HARD)
        else:
            new = [_due(rng, now, step * 3 + n) for n in range(rng.randrange(1, 4))] if what == "send" else []
            with store.leading("queries") as desk:
                desk.send(new)
                gone = desk.expire_messages(now - 20) if what == "expire" else 0
            assert gone == (model.expire(now - 20) if what == "expire" else 0)
            model.send(new)
            found = zip(model.kept, store.messages(), strict=True)
            model.kept = [replace(each, id=there.id) for each, there in found]
        assert list(store.messages()) == model.kept
        assert list(store.messages(waiting=True, newest=3)) == [m for m in model.kept if m.delivered is None][-3:]
    return sum(each.delivered is not None for each in model.kept)


def _due(rng: random.Random, now: float, number: int) -> Message:
    key = f"key {rng.choice((number, number - 3))}"
    return replace(message(rng, rng.choice(("a1", "a2", HARD[:5])), key), due=now + rng.choice((0, 0, 4)))


def race(opened: Callable[[], Any], senders: int = 4, alarms: int = 6) -> None:
    """Let several senders claim and send while the leader writes more: each message arrives once, in order."""
    first = opened()
    first.register("queries", "stream")
    stages: tuple[Change, ...] = ("opened", "updated", "resolved")
    endpoints = ("pager", "chat")
    total = len(stages) * len(endpoints) * alarms
    arrived: list[Message] = []
    failed: list[BaseException] = []

    def write(own: Any) -> None:
        waiting = [(stage, number) for stage in stages for number in range(alarms)]
        while waiting and not failed:
            with own.leading("queries") as desk:
                if desk is not None:
                    stage, number = waiting.pop(0)
                    desk.send([Message(e, f"{number} {stage}", "{}", 0.0, f"a{number}", stage) for e in endpoints])

    def send(own: Any) -> None:
        while len(arrived) < total and not failed:
            for each in own.claim(1.0, 1000.0, 3):
                arrived.append(each)
                own.sent(each.id, at=1.0)

    def run(work: Callable[[Any], None], own: Any) -> None:
        try:
            work(own)
        except BaseException as error:
            failed.append(error)

    stores = [first if number % 2 else opened() for number in range(senders)]
    threads = [threading.Thread(target=run, args=(send, own)) for own in stores]
    threads.append(threading.Thread(target=run, args=(write, first)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len({each.id for each in arrived}) == len(arrived) == total
    for endpoint in endpoints:
        for number in range(alarms):
            told = [each.change for each in arrived if (each.endpoint, each.alarm) == (endpoint, f"a{number}")]
            assert told == list(stages)
    assert first.messages(waiting=True) == ()
