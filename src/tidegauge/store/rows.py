"""Records to rows of tables and back. JSON, never pickle; figures that JSON lacks (NaN, infinities) are written as
words. What cannot be kept is refused here, before any transaction begins.
"""

from __future__ import annotations

import json
import math
import struct
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from hashlib import sha256
from typing import Any, TypeVar

import numpy as np
import sqlalchemy as sa

from tidegauge.errors import ArtefactError, UsageError
from tidegauge.records import (
    Alarm,
    Annotation,
    Baseline,
    Calibrated,
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
    StoredPart,
    StreamState,
    Tally,
    Window,
)

MAX_BYTES = 1 << 28
"""Most bytes kept in one piece: what both databases move without trouble, and far more than a sketch takes."""
MAX_NUMBERS = 1 << 16
"""Most numbers of a tally, which has a few hundred."""
MAX_BODY = 1 << 20
"""Most bytes of a message: far more than a receiver takes."""
_MAX_NAME = 200
_MAX_WHOLE = 1 << 62
_CONTROL = ("Cc", "Cs", "Zl", "Zp")

Values = dict[str, Any]
_T = TypeVar("_T")


def name(what: str, value: str, *, empty: bool = False) -> str:
    r"""Return a name that may be kept.

    Raises
    ------
    UsageError
        Where it is empty, longer than 200 characters, or holds control characters.

    Examples
    --------
    >>> name("stream", "queries")
    'queries'
    >>> name("stream", "a\nb")
    Traceback (most recent call last):
    tidegauge.errors.UsageError: stream: got 'a\nb', want a name without control characters
    """
    if not value and not empty:
        raise UsageError(what, got="nothing", want="a name")
    if len(value) > _MAX_NAME:
        raise UsageError(what, got=f"{value[:20]!r}... of {len(value)} characters", want=f"at most {_MAX_NAME}")
    if any(unicodedata.category(character) in _CONTROL for character in value):
        raise UsageError(what, got=repr(value), want="a name without control characters")
    return value


def whole(what: str, value: int) -> int:
    """Return a whole number that both databases hold."""
    number = int(value)
    if not -_MAX_WHOLE < number < _MAX_WHOLE:
        raise UsageError(what, got=str(value), want="a number below 2^62")
    return number


def moment(what: str, value: float) -> float:
    """Return a finite number of seconds."""
    number = float(value)
    if not math.isfinite(number):
        raise UsageError(what, got=str(value), want="a moment")
    return number


def piece(what: str, data: bytes, most: int = MAX_BYTES) -> bytes:
    """Return bytes that are not too many."""
    if len(data) > most:
        raise UsageError(what, got=f"{len(data):,} bytes", want=f"at most {most:,}")
    return data


def digest(text: str) -> str:
    """Return the key under which a long text, such as a path, is found.

    Examples
    --------
    >>> digest("a.parquet")[:8]
    'cb8eb0d4'
    """
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def same_stream(stream: str, other: str) -> None:
    """Refuse a record of another stream."""
    if stream != other:
        raise UsageError("record", got=f"stream {other!r}", want=f"stream {stream!r}")


# Streams


def state_values(state: StreamState) -> Values:
    """Return the row of a stream's state."""
    return {
        "stream": name("stream", state.stream),
        "kind": state.kind,
        "reference": name("reference", state.reference, empty=True),
        "version": whole("version", state.version),
        "watermark": None if state.watermark is None else moment("watermark", state.watermark),
        "seen": whole("rows", state.seen),
        "settled": None if state.settled is None else whole("settled", state.settled),
        "segments": dumps([name("segment", segment) for segment in state.segments]),
        "aside": dumps(state.aside),
        "generation": whole("generation", state.generation),
        "model": state.model,
        "pane": name("pane", state.pane, empty=True),
    }


def state_of(row: sa.Row[Any]) -> StreamState:
    """Return the state that a row holds."""
    return StreamState(
        stream=row.stream,
        kind=row.kind,
        reference=row.reference,
        version=row.version,
        watermark=row.watermark,
        seen=row.seen,
        settled=row.settled,
        segments=tuple(loads(row.segments, list)),
        aside=loads(row.aside, dict),
        generation=row.generation,
        model=row.model,
        pane=row.pane,
    )


def check_landing(landing: Landing) -> None:
    """Refuse a landing that cannot be kept or that contradicts itself."""
    name("stream", landing.stream)
    names = (landing.batch, *landing.joined)
    if not all(names) or len(set(names)) < len(names):
        raise UsageError("batch", got="no id, or one twice", want="an id of its own")
    for segment in landing.segments:
        name("segment", segment)
    for part in landing.parts:
        same_stream(landing.stream, part.key.stream)
        if part.key.reference != landing.reference:
            raise UsageError("part", got=f"reference {part.key.reference!r}", want=f"reference {landing.reference!r}")
    for event in landing.events:
        same_stream(landing.stream, event.stream)
    for place in landing.places:
        same_stream(landing.stream, place.key.stream)


# Panes


def part_values(part: Part) -> Values:
    """Return the row of a part."""
    data = piece("part", part.data)
    return {**_key_values(part.key), "rows": whole("rows", part.rows), "removed": bool(part.removed), "data": data}


def part_of(row: sa.Row[Any]) -> Part:
    """Return the part that a row holds."""
    return Part(_key_of(row), row.rows, bytes(row.data), row.removed)


def stored_part_of(row: sa.Row[Any]) -> StoredPart:
    """Return the part that a row holds, with its id."""
    return StoredPart(row.id, part_of(row))


def sketch_of(row: sa.Row[Any]) -> Part:
    """Return the bytes that the row of a window holds; none where it is the sum of segments."""
    return Part(_key_of(row), row.rows, bytes(row.data or b""))


def window_values(window: Window, data: bytes | None) -> Values:
    """Return the row of a window."""
    said = {
        "reasons": window.reasons,
        "drift": window.drift,
        "p": window.p,
        "scores": window.scores,
        "aside": window.aside,
        "duplicates": window.duplicates,
        "first_time": window.first_time,
        "last_time": window.last_time,
    }
    return {
        **_key_values(window.key),
        "rows": whole("rows", window.rows),
        "state": window.state,
        "said": dumps(said),
        "data": None if data is None else piece("window", data),
    }


def window_of(row: sa.Row[Any]) -> Window:
    """Return the window that a row holds."""

    def read(said: dict[str, Any]) -> Window:
        return Window(
            key=_key_of(row),
            rows=row.rows,
            state=row.state,
            reasons=tuple(said["reasons"]),
            drift=None if said["drift"] is None else _record(Drift, said["drift"]),
            p=_maybe(said["p"]),
            scores=tuple(_record(Score, score) for score in said["scores"]),
            aside=said["aside"],
            duplicates=said["duplicates"],
            first_time=_maybe(said["first_time"]),
            last_time=_maybe(said["last_time"]),
        )

    return _reading(read, loads(row.said, dict))


def _key_values(key: PaneKey) -> Values:
    return {
        "stream": name("stream", key.stream),
        "reference": name("reference", key.reference, empty=True),
        "length": whole("length", key.length),
        "start": whole("start", key.start),
        "ends": whole("end", key.end),
        "segment": name("segment", key.segment, empty=True),
    }


def _key_of(row: sa.Row[Any]) -> PaneKey:
    return PaneKey(row.stream, row.reference, row.length, row.start, row.segment)


# What happened


def baseline_values(baseline: Baseline) -> Values:
    """Return the row of a baseline."""
    return {
        "stream": name("stream", baseline.stream),
        "reference": name("reference", baseline.reference),
        "at": moment("baseline", baseline.at),
        "who": baseline.by,
        "why": baseline.why,
    }


def baseline_of(row: sa.Row[Any]) -> Baseline:
    """Return the baseline that a row holds."""
    return Baseline(row.stream, row.reference, row.at, row.who, row.why)


def position_values(stream: str, position: Position) -> Values:
    """Return the row of a position."""
    return {
        "stream": stream,
        "digest": digest(position.source),
        "source": position.source,
        "rows": whole("rows", position.rows),
        "mark": position.mark,
    }


def position_of(row: sa.Row[Any]) -> Position:
    """Return the position that a row holds."""
    return Position(row.source, row.rows, row.mark)


def event_values(event: Event) -> Values:
    """Return the row of an event."""
    return {
        "stream": name("stream", event.stream),
        "kind": event.kind,
        "at": moment("event", event.at),
        "until": None if event.until is None else moment("event", event.until),
        "said": event.text,
    }


def event_of(row: sa.Row[Any]) -> Event:
    """Return the event that a row holds."""
    return Event(row.stream, row.kind, row.at, row.said, row.until)


# Clusters


def cluster_values(cluster: FollowedCluster) -> Values:
    """Return the row of a followed cluster, without its shares."""
    said = {"square": cluster.square, "before": cluster.before, "p": cluster.p, "examples": cluster.examples}
    return {
        "stream": name("stream", cluster.stream),
        "reference": name("reference", cluster.reference),
        "name": name("cluster", cluster.name),
        "born": whole("born", cluster.born),
        "gone": None if cluster.gone is None else whole("gone", cluster.gone),
        "absent": whole("absent", cluster.absent),
        "said": dumps(said),
        "centre": piece("centre", np.asarray(cluster.centre, "<f4").tobytes()),
    }


def share_values(cluster: FollowedCluster, share: ClusterShare) -> Values:
    """Return the row of a cluster's share of one window."""
    return {
        "stream": cluster.stream,
        "reference": cluster.reference,
        "name": cluster.name,
        "start": whole("start", share.start),
        "length": whole("length", share.length),
        "inside": whole("rows", share.inside),
        "sampled": whole("rows", share.sampled),
    }


def share_of(row: sa.Row[Any]) -> ClusterShare:
    """Return the share that a row holds."""
    return ClusterShare(row.start, row.length, row.inside, row.sampled)


def cluster_of(row: sa.Row[Any], shares: Sequence[ClusterShare]) -> FollowedCluster:
    """Return the followed cluster that a row holds."""

    def read(said: dict[str, Any]) -> FollowedCluster:
        return FollowedCluster(
            stream=row.stream,
            reference=row.reference,
            name=row.name,
            born=row.born,
            gone=row.gone,
            centre=np.frombuffer(row.centre, "<f4").astype(np.float32),
            square=float(said["square"]),
            before=float(said["before"]),
            p=float(said["p"]),
            absent=row.absent,
            examples=tuple(_record(Example, example) for example in said["examples"]),
            shares=tuple(shares),
        )

    return _reading(read, loads(row.said, dict))


# Outcomes


def measured_values(measured: Measured) -> Values:
    """Return the row of what an outcome was."""
    return {
        **_key_values(measured.key),
        "outcome": name("outcome", measured.outcome),
        "numerator": _finite("numerator", measured.numerator),
        "denominator": _finite("denominator", measured.denominator),
    }


def measured_of(row: sa.Row[Any]) -> Measured:
    """Return what an outcome was, as a row holds it."""
    return Measured(_key_of(row), row.outcome, row.numerator, row.denominator)


def id_digest(row_id: str) -> bytes:
    """Return the key under which a row's own id is found: 128 bits, which two ids in practice never share."""
    return sha256(row_id.encode("utf-8", "surrogatepass")).digest()[:16]


def places_values(places: Iterable[RowPlace]) -> list[Values]:
    """Return the rows of where rows were counted: many, of few panes, with few sets of outcomes that came."""
    keys: dict[PaneKey, Values] = {}
    known: dict[tuple[str, ...], str] = {}
    found: list[Values] = []
    for place in places:
        if place.key not in keys:
            key = _key_values(place.key)
            keys[place.key] = {name: value for name, value in key.items() if name != "ends"}
        if place.came not in known:
            known[place.came] = dumps(place.came)
        own = {"digest": id_digest(place.id), "at": moment("row", place.at), "came": known[place.came]}
        cells = struct.pack(f"<{len(place.cells)}i", *place.cells)
        found.append({**keys[place.key], **own, "cells": cells})
    return found


def place_of(row: sa.Row[Any], row_id: str) -> RowPlace:
    """Return where a row was counted, as a row of the table holds it."""
    data = bytes(row.cells)
    if len(data) % 4:
        raise _damaged()
    cells = struct.unpack(f"<{len(data) // 4}i", data)
    return RowPlace(row_id, _key_of(row), cells, row.at, tuple(loads(row.came, list)))


def _finite(what: str, value: float) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise UsageError(what, got=str(value), want="a finite number")
    return number


# Alarms


def tally_values(tally: Tally) -> Values:
    """Return the row of a tally.

    Raises
    ------
    UsageError
        Where its values are no row of numbers, or more than 65,536.
    """
    values = np.asarray(tally.values, "<f4")
    if values.ndim != 1 or values.size > MAX_NUMBERS:
        raise UsageError("tally", got=f"shape {values.shape}", want=f"one row of at most {MAX_NUMBERS:,} numbers")
    return {
        **_key_values(tally.key),
        "rows": whole("rows", tally.rows),
        "moment": None if tally.moment is None else moment("tally", tally.moment),
        "data": values.tobytes(),
    }


def tally_of(row: sa.Row[Any]) -> Tally:
    """Return the tally that a row holds."""
    data = bytes(row.data)
    if len(data) % 4 or len(data) > 4 * MAX_NUMBERS:
        raise _damaged()
    return Tally(_key_of(row), row.rows, row.moment, np.frombuffer(data, "<f4").astype(np.float32))


def calibrated_values(calibrated: Calibrated) -> Values:
    """Return the row of how a segment varies."""
    return {
        "stream": name("stream", calibrated.stream),
        "reference": name("reference", calibrated.reference, empty=True),
        "segment": name("segment", calibrated.segment, empty=True),
        "length": whole("length", calibrated.length),
        "at": moment("calibration", calibrated.at),
        "panes": whole("panes", calibrated.panes),
        "since": whole("since", calibrated.since),
        "until": whole("until", calibrated.until),
        "data": piece("calibration", calibrated.data),
    }


def calibrated_of(row: sa.Row[Any]) -> Calibrated:
    """Return how a segment varies, as a row holds it."""
    return Calibrated(
        stream=row.stream,
        segment=row.segment,
        reference=row.reference,
        length=row.length,
        at=row.at,
        panes=row.panes,
        since=row.since,
        until=row.until,
        data=bytes(row.data),
    )


def alarm_values(alarm: Alarm) -> Values:
    """Return the row of an alarm."""
    return {
        "alarm": name("alarm", alarm.id),
        "stream": name("stream", alarm.stream),
        "state": alarm.state,
        "kind": alarm.kind,
        "at": moment("alarm", alarm.at),
        "opened": whole("opened", alarm.opened),
        "updated": whole("updated", alarm.updated),
        "resolved": None if alarm.resolved is None else whole("resolved", alarm.resolved),
        "said": dumps({each: getattr(alarm, each) for each in _SAID_OF_ALARM}),
    }


def alarm_of(row: sa.Row[Any]) -> Alarm:
    """Return the alarm that a row holds."""

    def read(said: dict[str, Any]) -> Alarm:
        given = {**said, "id": row.alarm, **{each: getattr(row, each) for each in _ASKED_OF_ALARM}}
        given |= {each: _maybe(said[each]) for each in ("drift", "snoozed_until")}
        given["reasons"] = tuple(said["reasons"])
        given["examples"] = tuple(_record(Example, example) for example in said["examples"])
        return _record(Alarm, given)

    return _reading(read, loads(row.said, dict))


def annotation_values(annotation: Annotation) -> Values:
    """Return the row of an annotation, without its id.

    Raises
    ------
    UsageError
        Where it ends before it begins, or cannot be kept.
    """
    since, until = whole("since", annotation.since), whole("until", annotation.until)
    if until < since:
        raise UsageError("annotation", got=f"until {until}, before since {since}", want="an end that is not before")
    return {
        "stream": name("stream", annotation.stream, empty=True),
        "kind": annotation.kind,
        "since": since,
        "until": until,
        "said": annotation.text,
        "who": annotation.by,
        "at": moment("annotation", annotation.at),
        "alarm": name("alarm", annotation.alarm, empty=True),
    }


def annotation_of(row: sa.Row[Any]) -> Annotation:
    """Return the annotation that a row holds."""
    return Annotation(row.stream, row.kind, row.since, row.until, row.said, row.who, row.at, row.alarm, row.id)


def message_values(stream: str, message: Message) -> Values:
    """Return the row of a message, without its id."""
    piece("message", message.body.encode("utf-8", "surrogatepass"), MAX_BODY)
    return {
        "stream": stream,
        "endpoint": name("endpoint", message.endpoint),
        "digest": digest(message.key),
        "key": message.key,
        "alarm": name("alarm", message.alarm),
        "change": message.change,
        "body": message.body,
        "due": moment("due", message.due),
        "tries": whole("tries", message.tries),
        "fault": message.fault,
        "delivered": None if message.delivered is None else moment("delivered", message.delivered),
    }


def message_of(row: sa.Row[Any]) -> Message:
    """Return the message that a row holds."""
    return Message(
        endpoint=row.endpoint,
        key=row.key,
        body=row.body,
        due=row.due,
        alarm=row.alarm,
        change=row.change,
        tries=row.tries,
        fault=row.fault,
        delivered=row.delivered,
        id=row.id,
    )


# What queries ask for has columns; all else is said in JSON.
_ASKED_OF_ALARM = ("stream", "state", "kind", "at", "opened", "updated", "resolved")
_SAID_OF_ALARM = tuple(each.name for each in fields(Alarm) if each.name not in ("id", *_ASKED_OF_ALARM))


# JSON


def dumps(value: object) -> str:
    r"""Return strict JSON that any text column takes.

    Examples
    --------
    >>> dumps({"z": float("nan"), "text": "über\x00"})
    '{"z":"nan","text":"über\\u0000"}'
    """
    text = json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def loads(text: str, kind: type[_T]) -> _T:
    """Return what JSON holds.

    Raises
    ------
    ArtefactError
        Where it is no JSON, or of another kind.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, kind):
        raise _damaged()
    return value


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(each) for each in value]
    return value


def _record(kind: type[_T], given: dict[str, Any]) -> _T:
    known = {field.name: field.type for field in fields(kind) if field.name in given}  # pyright: ignore[reportArgumentType]
    return kind(**{key: float(given[key]) if of == "float" else given[key] for key, of in known.items()})


def _maybe(value: Any) -> float | None:
    return None if value is None else float(value)


def _reading(read: Callable[[dict[str, Any]], _T], said: dict[str, Any]) -> _T:
    try:
        return read(said)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged() from error


def _damaged() -> ArtefactError:
    return ArtefactError("store", got="a damaged record", want="one that tidegauge wrote", hint="Restore a copy")
