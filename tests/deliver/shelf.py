"""The outbox of a store as a plain list, and a clock that goes when it is told to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tidegauge.records import Alarm, Message, StreamState


@dataclass
class Clock:
    now: float = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Shelf:
    """What delivery asks of a store."""

    kept: dict[int, Message] = field(default_factory=dict)
    lasting: tuple[Alarm, ...] = ()

    def put(self, *messages: Message) -> None:
        there = {(each.endpoint, each.key) for each in self.kept.values()}
        for message in messages:
            if (message.endpoint, message.key) not in there:
                self.kept[len(self.kept) + 1] = replace(message, id=len(self.kept) + 1)

    def claim(self, now: float, lease: float, most: int) -> tuple[Message, ...]:
        seen: set[tuple[str, str]] = set()
        found = []
        for each in self.messages(waiting=True):
            if (each.endpoint, each.alarm) not in seen and each.due <= now and len(found) < most:
                self.kept[each.id] = replace(each, due=now + lease)
                found.append(self.kept[each.id])
            seen.add((each.endpoint, each.alarm))
        return tuple(found)

    def sent(self, message: int, *, at: float) -> None:
        each = self.kept[message]
        self.kept[message] = replace(each, delivered=at, tries=each.tries + 1, fault="")

    def failed(self, message: int, *, due: float, fault: str) -> None:
        each = self.kept[message]
        self.kept[message] = replace(each, due=due, tries=each.tries + 1, fault=fault)

    def dropped(self, message: int) -> None:
        del self.kept[message]

    def messages(self, *, waiting: bool = False, newest: int | None = None) -> tuple[Message, ...]:
        return tuple(each for each in self.kept.values() if each.delivered is None or not waiting)

    def alarms(self, stream: str | None = None, *, lasting: bool = False) -> tuple[Alarm, ...]:
        return self.lasting

    def streams(self) -> tuple[StreamState, ...]:
        return (StreamState("queries", "stream", pane="5m"), StreamState("clicks", "stream", pane="100 rows"))
