"""A slow and obvious store: dictionaries and lists, copied before anything is tried."""

from __future__ import annotations

import copy
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tidegauge.errors import UsageError
from tidegauge.records import ALL, Alarm, Annotation, FollowedCluster, Landing, Message, Part, StreamState, Tally

Tables = dict[str, Any]

IDS = ("q1", "q2", "", "窗", "a\x00b", "\ud83d", "q" * 500)
"""What rows are called."""
SEGMENTS = ("de", "fr", "窗口", "o'brien; --", "100%")


class Model:
    """What the store must do, for one stream."""

    def __init__(self, stream: str, clock: float) -> None:
        self.clock = clock
        self.state = StreamState(stream, "stream")
        self.batches: dict[str, float] = {}
        self.positions: dict[str, Any] = {}
        self.parts: list[Part] = []
        self.windows: dict[Any, Any] = {}
        self.events: list[Any] = []
        self.references: dict[str, bytes] = {}
        self.baselines: list[Any] = []
        self.clusters: dict[Any, FollowedCluster] = {}
        self.tallies: dict[Any, Tally] = {}
        self.calibrated: dict[Any, Any] = {}
        self.measured: dict[Any, Any] = {}
        self.places: dict[str, Any] = {}
        self.alarms: dict[str, Alarm] = {}
        self.annotations: dict[int, Annotation] = {}
        self.outbox = Outbox()

    def land(self, landing: Landing) -> str:
        state = self.state
        if landing.batch in self.batches:
            return "repeated"
        if (landing.version, landing.reference) != (state.version, state.reference):
            return "stale"
        for part in landing.parts:
            if state.settled is not None and part.key.start + part.key.length <= state.settled:
                return "stale"
        if landing.position is not None and landing.position.after is not None:
            kept = self.positions.get(landing.position.source)
            if kept is not None and kept.rows > landing.position.after:
                return "overtaken"
        self.batches[landing.batch] = self.clock if landing.watermark is None else landing.watermark
        self.parts += landing.parts
        self.events += landing.events
        for place in landing.places:
            self.places.setdefault(place.id, place)
        if landing.position is not None:
            self.positions[landing.position.source] = landing.position
        moved = landing.serial
        segments = list(state.segments)
        for segment in landing.segments:
            if segment not in segments:
                segments.append(segment)
                moved = True
        aside = dict(state.aside)
        for reason in landing.aside:
            aside[reason] = aside.get(reason, 0) + landing.aside[reason]
        watermark = state.watermark
        if landing.watermark is not None and (watermark is None or landing.watermark > watermark):
            watermark = landing.watermark
        self.state = replace(
            state,
            version=state.version + moved,
            watermark=watermark,
            seen=state.seen + landing.rows,
            segments=tuple(segments),
            aside=aside,
            model=state.model if landing.model is None else landing.model,
        )
        return "landed"

    @contextmanager
    def leading(self) -> Generator[ModelDesk]:
        before = copy.deepcopy(self.__dict__)
        try:
            yield ModelDesk(self)
        except BaseException:
            self.__dict__ = before
            raise

    def dump(self) -> Tables:
        return {
            "state": self.state,
            "baselines": tuple(self.baselines),
            "references": {each.reference: self.references[each.reference] for each in self.baselines},
            "positions": tuple(self.positions[source] for source in sorted(self.positions)),
            "parts": tuple(self.parts),
            "windows": {key: (window, data) for key, (window, data) in self.windows.items()},
            "events": tuple(sorted(self.events, key=lambda event: event.at)),
            "clusters": {key: plain(cluster) for key, cluster in self.clusters.items()},
            "tallies": {key: plain_tally(tally) for key, tally in self.tallies.items()},
            "calibrated": dict(self.calibrated),
            "measured": {key: self.measured[key] for key in sorted(self.measured)},
            "places": {row_id: self.places[row_id] for row_id in sorted(self.places)},
            "alarms": tuple(sorted(self.alarms.values(), key=lambda each: (each.opened, each.at, each.id))),
            "annotations": tuple(
                replace(self.annotations[number], id=0)
                for number in sorted(self.annotations, key=lambda n: (self.annotations[n].since, n))
            ),
        }


class ModelDesk:
    """The same for the desk. Parts are told apart by their place, which a desk keeps while it is open."""

    def __init__(self, model: Model) -> None:
        self.model = model

    @property
    def state(self) -> StreamState:
        return self.model.state

    def parts(self, until: int | None = None) -> list[Part]:
        return [part for part in self.model.parts if until is None or part.key.end <= until]

    def drop(self, parts: list[Part]) -> None:
        gone = {id(part) for part in parts}
        self.model.parts = [part for part in self.model.parts if id(part) not in gone]

    def put(self, part: Part) -> None:
        self.model.parts.append(part)

    def keep(self, window: Any, data: bytes | None) -> None:
        self.model.windows[window.key] = (window, data)

    def windows(self, *, length: int, since: int, until: int) -> tuple[Any, ...]:
        return tuple(window for window, _ in self._closed(length, since, until))

    def sketches(self, *, length: int, since: int, until: int) -> tuple[Part, ...]:
        closed = self._closed(length, since, until)
        return tuple(Part(window.key, window.rows, data) for window, data in closed if data is not None)

    def _closed(self, length: int, since: int, until: int) -> list[Any]:
        found = [
            (window, data)
            for key, (window, data) in self.model.windows.items()
            if key.reference == self.state.reference
            and key.length == length
            and key.start >= since
            and key.start + length <= until
        ]
        return sorted(found, key=lambda each: (each[0].key.start, each[0].key.segment))

    def update(self, state: StreamState) -> None:
        if state.version <= self.state.version:
            raise UsageError("state", got="an old version", want="a new one")
        self.model.state = state

    def expire(self, length: int, before: int) -> int:
        old = [key for key in self.model.windows if key.length == length and key.start + length <= before]
        for key in old:
            del self.model.windows[key]
        return len(old)

    def expire_batches(self, before: float) -> int:
        old = [batch for batch, latest in self.model.batches.items() if latest < before]
        for batch in old:
            del self.model.batches[batch]
        return len(old)

    def note(self, event: Any) -> None:
        self.model.events.append(event)

    def follow(self, cluster: FollowedCluster) -> None:
        self.model.clusters[cluster.reference, cluster.name] = cluster

    def clusters(self) -> list[Any]:
        found = [c for (reference, _), c in self.model.clusters.items() if reference == self.state.reference]
        return [plain(cluster) for cluster in sorted(found, key=lambda cluster: (cluster.born, cluster.name))]

    def tally(self, tallies: list[Tally]) -> None:
        for tally in tallies:
            self.model.tallies[tally.key] = tally

    def tallies(self, *, length: int, segment: str, since: Any, until: Any, newest: Any) -> list[Any]:
        found = []
        for key in sorted(self.model.tallies, key=lambda key: key.start):
            if (key.reference, key.length, key.segment) != (self.state.reference, length, segment):
                continue
            if (since is None or key.start >= since) and (until is None or key.start + length <= until):
                found.append(plain_tally(self.model.tallies[key]))
        return found if newest is None else found[max(len(found) - newest, 0) :]

    def expire_tallies(self, length: int, before: int) -> int:
        old = [key for key in self.model.tallies if key.length == length and key.start + length <= before]
        for key in old:
            del self.model.tallies[key]
        return len(old)

    def calibrate(self, calibrated: Any) -> None:
        self.model.calibrated[calibrated.reference, calibrated.segment] = calibrated

    def calibrated(self) -> tuple[Any, ...]:
        return tuple(
            self.model.calibrated[key] for key in sorted(self.model.calibrated) if key[0] == self.state.reference
        )

    def measure(self, measured: list[Any], *, add: bool) -> None:
        for each in measured:
            key = (each.key, each.outcome)
            before = self.model.measured.get(key)
            above = each.numerator + (before.numerator if add and before is not None else 0)
            below = each.denominator + (before.denominator if add and before is not None else 0)
            self.model.measured[key] = replace(each, numerator=above, denominator=below)

    def measured(self, *, reference: Any, length: int, outcome: Any, segment: Any, since: Any, until: Any) -> list[Any]:
        found = []
        for key, name in sorted(self.model.measured, key=lambda k: (k[0].start, k[1], k[0].segment, k[0].reference)):
            right = [
                reference is None or key.reference in (reference, ""),
                key.length == length,
                outcome in (None, name),
                segment in (None, key.segment),
                since is None or key.start >= since,
                until is None or key.end <= until,
            ]
            if all(right):
                found.append(self.model.measured[key, name])
        return found

    def expire_measured(self, length: int, before: int) -> int:
        old = [key for key in self.model.measured if key[0].length == length and key[0].end <= before]
        for key in old:
            del self.model.measured[key]
        return len(old)

    def places(self, ids: list[str]) -> dict[str, Any]:
        return {row_id: self.model.places[row_id] for row_id in ids if row_id in self.model.places}

    def came(self, places: list[Any]) -> None:
        for place in places:
            if place.id in self.model.places:
                self.model.places[place.id] = replace(self.model.places[place.id], came=place.came)

    def expire_places(self, before: float) -> int:
        return self.forget_places([row_id for row_id, place in self.model.places.items() if place.at < before])

    def forget_places(self, ids: list[str]) -> int:
        return sum(self.model.places.pop(row_id, None) is not None for row_id in ids)

    def holding(self, key: Any) -> list[Any]:
        found = [
            Part(window.key, window.rows, data or b"")
            for other, (window, data) in self.model.windows.items()
            if (other.stream, other.reference) == (key.stream, key.reference)
            and other.length >= key.length
            and other.start <= key.start
            and other.start + other.length >= key.start + key.length
            and other.segment in (key.segment, ALL, "none")
        ]
        return sorted(found, key=lambda part: (part.key.length, part.key.start, part.key.segment))

    def raise_alarm(self, alarm: Alarm) -> None:
        self.model.alarms[alarm.id] = alarm

    def alarms(self, *, lasting: bool = False) -> tuple[Alarm, ...]:
        found = [each for each in self.model.alarms.values() if not lasting or each.lasts]
        return tuple(sorted(found, key=lambda each: (each.opened, each.at, each.id)))

    def send(self, messages: list[Message]) -> None:
        self.model.outbox.send(messages)

    def expire_messages(self, before: float) -> int:
        return self.model.outbox.expire(before)

    def rebase(self, baseline: Any, data: bytes) -> None:
        self.model.references.setdefault(baseline.reference, data)
        self.model.baselines.append(baseline)
        self.model.state = replace(self.state, reference=baseline.reference, version=self.state.version + 1)

    def rewrite(self, change: Any) -> None:
        self.model.parts = [replace(part, data=change(part.data)) for part in self.model.parts]
        for key, (window, data) in self.model.windows.items():
            self.model.windows[key] = (window, None if data is None else change(data))
        self.model.references = {key: change(data) for key, data in self.model.references.items()}


class Outbox:
    """Messages in a list that is read from its beginning."""

    def __init__(self) -> None:
        self.kept: list[Message] = []

    def send(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if all((message.endpoint, message.key) != (each.endpoint, each.key) for each in self.kept):
                self.kept.append(message)

    def claim(self, now: float, lease: float, most: int) -> list[Message]:
        claimed, blocked = list[Message](), set[tuple[str, str]]()
        for place, each in enumerate(self.kept):
            if each.delivered is not None:
                continue
            if each.due <= now and (each.endpoint, each.alarm) not in blocked and len(claimed) < most:
                self.kept[place] = replace(each, due=now + lease)
                claimed.append(self.kept[place])
            blocked.add((each.endpoint, each.alarm))
        return claimed

    def tried(self, message: int, **after: Any) -> None:
        for place, each in enumerate(self.kept):
            if each.id == message and each.delivered is None:
                self.kept[place] = replace(each, tries=each.tries + 1, **after)

    def expire(self, before: float) -> int:
        kept = [each for each in self.kept if each.delivered is None or each.delivered >= before]
        gone, self.kept = len(self.kept) - len(kept), kept
        return gone


def plain(cluster: FollowedCluster) -> tuple[Any, ...]:
    """A cluster as a value that compares."""
    return (
        cluster.stream,
        cluster.reference,
        cluster.name,
        cluster.born,
        cluster.gone,
        cluster.centre.dtype.str,
        tuple(cluster.centre.tolist()),
        repr((cluster.square, cluster.before, cluster.p)),
        cluster.absent,
        cluster.examples,
        cluster.shares,
    )


def plain_tally(tally: Tally) -> tuple[Any, ...]:
    """A tally as a value that compares."""
    return (tally.key, tally.rows, tally.moment, tally.values.dtype.str, tally.values.tobytes())


def dump(store: Any, stream: str) -> Tables:
    """What a store says of a stream, through every method that reads, but for messages, which no copy takes along."""
    baselines = store.baselines(stream)
    windows = store.windows(stream)
    kinds = {(window.key.reference, window.key.length) for window in windows}
    bytes_of = {
        part.key: part.data
        for reference, length in kinds
        for part in store.sketches(stream, reference=reference, length=length)
    }
    known = ("", *dict.fromkeys(baseline.reference for baseline in baselines))
    tallies = [
        tally
        for reference in known
        for segment in (*SEGMENTS, ALL)
        for tally in store.tallies(stream, reference=reference, length=10, segment=segment)
    ]
    calibrated = [each for reference in known for each in store.calibrated(stream, reference=reference)]
    return {
        "state": store.state(stream),
        "baselines": baselines,
        "references": {each.reference: store.reference(each.reference) for each in baselines},
        "positions": store.positions(stream),
        "parts": tuple(stored.part for stored in store.parts(stream)),
        "windows": {window.key: (window, bytes_of.get(window.key)) for window in windows},
        "events": store.events(stream),
        "clusters": {(c.reference, c.name): plain(c) for c in store.clusters(stream)},
        "tallies": {tally.key: plain_tally(tally) for tally in tallies},
        "calibrated": {(each.reference, each.segment): each for each in calibrated},
        "measured": {
            (each.key, each.outcome): each
            for each in sorted(
                (each for length in (10, 20) for each in store.measured(stream, length=length)),
                key=lambda each: (each.key, each.outcome),
            )
        },
        "places": dict(sorted(store.places(stream, IDS).items())),
        "alarms": store.alarms(stream),
        "annotations": tuple(replace(each, id=0) for each in store.annotations(stream) if each.stream == stream),
    }
