"""From the outbox to the endpoints: everything arrives, sooner or later, and perhaps twice."""

from __future__ import annotations

import threading
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Final

from tidegauge.contracts import Clock, Store
from tidegauge.deliver.payload import alerts, prolonged
from tidegauge.deliver.post import Answer, post
from tidegauge.records import Message
from tidegauge.spec import Alarms, Endpoint, length_text
from tidegauge.spec.length import Unit

FIRST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 3600.0
_SPARE: Final = 30
_ALERTS_AT_ONCE: Final = 50


def deliver(store: Store, settings: Alarms, *, clock: Clock, stop: threading.Event, tell: Callable[[str], None]) -> int:
    """Try every message that is due, once.

    A message that does not arrive is tried again, longer and longer apart up to an hour, for ever; others of the same
    endpoint wait with it where the endpoint is down. One that arrives while the store cannot keep that it did is sent
    again, under the same key.

    Parameters
    ----------
    store : Store
    settings : Alarms
    clock : Clock
    stop : threading.Event
        Looked at between messages.
    tell : callable
        Hears, in words, of what fails, when it is new, and of what arrives after all.

    Returns
    -------
    int : how many arrived.

    Raises
    ------
    StoreError
        Where the store cannot be read or written; what was claimed is due again in a minute or so.
    """
    # None is claimed for less than a try may take, so that nobody else takes it meanwhile.
    lease = max((endpoint.timeout for endpoint in settings.endpoints.values()), default=0) + _SPARE
    down: dict[str, tuple[float, str]] = {}
    tried: set[int] = set()
    arrived = 0
    while not stop.is_set():
        claimed = store.claim(clock(), lease, 1)
        if not claimed or claimed[0].id in tried:
            break
        [message] = claimed
        tried.add(message.id)
        if message.endpoint in down:
            due, fault = down[message.endpoint]
            store.failed(message.id, due=due, fault=fault)
            continue
        answer = _try(settings.endpoints.get(message.endpoint), message, settings, clock())
        if not answer.fault:
            store.sent(message.id, at=clock())
            arrived += 1
            if message.fault:
                tell(f"endpoint {message.endpoint}: a message arrived at try {message.tries + 1}")
            continue
        wait = pause(answer, message)
        due = clock() + wait
        store.failed(message.id, due=due, fault=answer.fault)
        if answer.down:
            down[message.endpoint] = due, answer.fault
        if answer.fault != message.fault:
            tell(f"endpoint {message.endpoint}: {answer.fault}; next try in {length_text(round(wait))}")
    return arrived


def drop(store: Store, settings: Alarms, *, tell: Callable[[str], None]) -> None:
    """Forget what waits for endpoints that are no longer in the settings, and say how much it was."""
    gone = Counter[str]()
    for message in store.messages(waiting=True):
        if message.endpoint not in settings.endpoints:
            store.dropped(message.id)
            gone[message.endpoint] += 1
    for name, count in gone.items():
        said = "1 message" if count == 1 else f"{count:,} messages"
        were = "was" if count == 1 else "were"
        tell(f"{said} for {name}, which is no longer in the settings, {were} dropped")


def repeat(store: Store, settings: Alarms, *, clock: Clock, stop: threading.Event, tell: Callable[[str], None]) -> int:
    """Post every alarm that lasts to each Alertmanager that wants it; return how many.

    To be called every ``settings.repeat`` seconds. It is no news and so passes the outbox by; a fault is told, and made
    good by the next call. An alarm that somebody resolves at this very moment may be posted once more, and is over when
    it is not repeated.
    """
    told = 0
    wanting = {name: each for name, each in settings.endpoints.items() if each.kind == "alertmanager"}
    if not wanting:
        return told
    units: dict[str, Unit] = {
        state.stream: "rows" if state.kind == "snapshot" or "row" in state.pane else "seconds"
        for state in store.streams()
    }
    lasting = store.alarms(lasting=True)
    for name, endpoint in wanting.items():
        wanted = [each for each in lasting if endpoint.wants(each.kind, each.severity)]
        for first in range(0, len(wanted), _ALERTS_AT_ONCE):
            if stop.is_set():
                return told
            some = wanted[first : first + _ALERTS_AT_ONCE]
            answer = post(endpoint, alerts(some, settings, now=clock(), units=units), now=clock())
            if answer.fault:
                tell(f"endpoint {name}: {answer.fault}; lasting alarms are posted again in due course")
                break
            told += len(some)
    return told


def pause(answer: Answer, message: Message) -> float:
    """Seconds until a message that did not arrive is tried again.

    They double with each try, and vary by a half, always alike for the same message and try; what the endpoint asks for
    is granted, up to an hour; what only people can mend is tried about once an hour.

    Examples
    --------
    >>> message = Message("pager", "0123456789ab:opened:600", "{}", 0.0, "0123456789ab", "opened")
    >>> 2.5 <= pause(Answer("HTTP 503", down=True), message) <= 5
    True
    >>> pause(Answer("HTTP 429", after=90, down=True), message)
    90
    """
    share = zlib.crc32(f"{message.endpoint} {message.key} {message.tries}".encode()) / 2**32
    longest = LONGEST_PAUSE if answer.for_people else min(FIRST_PAUSE * 2 ** min(message.tries, 20), LONGEST_PAUSE)
    return max(longest * (0.5 + share / 2), min(answer.after, LONGEST_PAUSE))


def _try(endpoint: Endpoint | None, message: Message, settings: Alarms, now: float) -> Answer:
    if endpoint is None:
        return Answer("no such endpoint in the settings", for_people=True)
    body = prolonged(message, settings, now=now) if endpoint.kind == "alertmanager" else message.body
    return post(endpoint, body, key=message.key, now=now)
