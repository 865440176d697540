"""Random lives of a stream, lived by the store and by the model side by side."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np

from tests.store.model import Model, dump, plain
from tidegauge.records import (
    ALL,
    Baseline,
    ClusterShare,
    Drift,
    Event,
    Example,
    FollowedCluster,
    Landing,
    PaneKey,
    Part,
    Position,
    Score,
    StreamState,
    Window,
)

HARD = "naïve \x00 \ud83d \\ \" ' % 窗 \n"
"""A text that databases choke on."""
SEGMENTS = ("de", "fr", "窗口", "o'brien; --", "100%")
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
        rng.choices((_land, _settle, _rebase, _merge, _expire, _note, _follow, _forget), (12, 3, 1, 2, 1, 1, 2, 1))[0](
            rng, store, model
        )
        if step % every == 0 or step == steps:
            found, wanted = dump(store, stream), model.dump()
            for name, value in wanted.items():
                assert found[name] == value, name
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
    )


def window(rng: random.Random, state: StreamState, length: int = 10) -> Window:
    """A closed window, with every figure that JSON does not know."""

    def number() -> float:
        return rng.choice((float("inf"), float("-inf"), -0.0, 5e-324, rng.gauss(0, 1), 1e300, 3.0))

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
