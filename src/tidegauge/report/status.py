"""Where every stream stands, as lines for people and as an object for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tidegauge.contracts import Store
from tidegauge.errors import UsageError
from tidegauge.records import ALL, Alarm, Baseline, Event, Measured, Position, StreamState, Window
from tidegauge.report.alarms import alarm_line
from tidegauge.report.formats import clean
from tidegauge.report.promise import promise_json, promise_line, segments_lines
from tidegauge.report.windows import (
    Unit,
    content_line,
    end_said,
    iso,
    length_said,
    place_json,
    rate_said,
    start_said,
    unit_of,
    window_json,
)
from tidegauge.run.alarms import lookout_of
from tidegauge.run.baseline import as_kept, check_pane
from tidegauge.run.promise import Promise, promises
from tidegauge.run.snapshot import REPLACING
from tidegauge.run.watch import silent
from tidegauge.spec import Budget, Spec, StreamSpec
from tidegauge.window.moment import moment

SCHEMA = "tidegauge.status/1"
_SOURCES = 5


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a stream stands, by the settings and by the store, either of which may not know it."""

    name: str
    settings: StreamSpec | None
    state: StreamState | None = None
    baseline: Baseline | None = None
    age: float | None = None
    open_parts: int = 0
    silence: Event | None = None
    windows: tuple[Window, ...] = ()
    positions: tuple[Position, ...] = ()
    refused: str = ""
    promises: tuple[Promise, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    budget: Budget | None = None
    measured: tuple[Measured, ...] = ()

    @property
    def unit(self) -> Unit:
        """What its windows are counted in."""
        if self.settings is None:
            return "snapshot" if self.state is not None and self.state.kind == "snapshot" else "seconds"
        return unit_of(self.settings)


def standings(store: Store, spec: Spec, now: float) -> list[Standing]:
    """Where every stream stands that the settings or the store know."""
    states = {state.stream: state for state in store.streams()}
    names = dict.fromkeys((*spec.streams, *states))
    return [standing(store, spec, name, states.get(name), now) for name in names]


def standing(store: Store, spec: Spec, name: str, state: StreamState | None, now: float) -> Standing:
    """Where a stream stands; ``state`` is None where nothing was recorded of it yet."""
    stream = spec.streams.get(name)
    if state is None:
        return Standing(name, stream)
    wanted = stream
    stream = None if stream is None else as_kept(stream, state)
    baselines = store.baselines(name)
    return Standing(
        name,
        stream,
        state,
        baselines[-1] if baselines else None,
        None if state.watermark is None else max(0.0, now - state.watermark),
        len(store.parts(name)),
        None if stream is None else silent(stream, state.watermark, now),
        _last_windows(store, name, stream),
        tuple(position for position in store.positions(name) if position.source != REPLACING),
        _refused(wanted, state),
        () if stream is None else tuple(promises(store, lookout_of(spec, stream), state)),
        store.alarms(name, lasting=True),
        spec.alarms.budget,
        _measured(store, stream, state),
    )


def _last_windows(store: Store, name: str, stream: StreamSpec | None) -> tuple[Window, ...]:
    """The last window of each length, shortest first."""
    if stream is None:
        return store.windows(name, segment=ALL, newest=1)
    lengths = (0,) if stream.kind == "snapshot" else (stream.pane.length, *stream.windows)
    return tuple(each for length in lengths for each in store.windows(name, length=length, segment=ALL, newest=1))


def _measured(store: Store, stream: StreamSpec | None, state: StreamState) -> tuple[Measured, ...]:
    """What outcomes were in the newest pane that has each."""
    if stream is None or stream.kind == "snapshot":
        return ()
    kept = store.measured(state.stream, reference=state.reference, length=stream.pane.length, segment=ALL)
    return tuple({each.outcome: each for each in kept}.values())


def _refused(stream: StreamSpec | None, state: StreamState) -> str:
    """Why the settings do not fit what is kept; empty where they do."""
    try:
        if stream is not None:
            check_pane(stream, state)
    except UsageError as error:
        return f"{error.got}. {error.hint}"
    return ""


def to_dict(standings: Sequence[Standing], store: str, size: int) -> dict[str, Any]:
    """All of it as an object: of streams, and of the store that keeps them."""
    told = {"name": store, "bytes": size}
    return {"schema": SCHEMA, "store": told, "streams": [stream_json(each) for each in standings]}


def stream_json(at: Standing) -> dict[str, Any]:
    """Where a stream stands, as an object."""
    known = {"stream": at.name, "in_settings": at.settings is not None, "recorded": at.state is not None}
    state, baseline, unit = at.state, at.baseline, at.unit
    if state is None:
        return known
    reference = None
    if baseline is not None:
        since = iso(baseline.at)
        reference = {"hash": baseline.reference, "since": since, "by": baseline.by, "why": baseline.why}
    return known | {
        "kind": state.kind,
        "pane": state.pane or None,
        "refused": at.refused or None,
        "reference": reference,
        "rows": state.seen,
        "aside": dict(state.aside),
        "newest_row": None if state.watermark is None else iso(state.watermark),
        "age_seconds": at.age,
        "settled_until": None if state.settled is None else place_json(state.settled, unit),
        "open_parts": at.open_parts,
        "segments": list(state.segments),
        "model": state.model or None,
        "silence": None if at.silence is None else at.silence.text,
        "windows": [window_json(window, unit) for window in at.windows],
        "outcomes": {
            each.outcome: {
                "start": place_json(each.key.start, unit),
                "numerator": each.numerator,
                "denominator": each.denominator,
            }
            for each in at.measured
        },
        "alarms": _alarms_json(at),
        "sources": [{"source": position.source, "rows": position.rows} for position in at.positions],
    }


def _alarms_json(at: Standing) -> dict[str, Any]:
    return {
        "budget": None if at.budget is None else str(at.budget),
        "promises": [promise_json(each) for each in at.promises],
        "lasting": [
            {"id": each.id, "state": each.state, "kind": each.kind, "severity": each.severity, "segment": each.segment}
            for each in at.alarms
        ],
    }


def lines(at: Standing, now: float) -> Iterator[str]:
    """Say where a stream stands."""
    yield f"{at.name}: {_about(at.settings)}"
    if at.state is None:
        yield "  nothing was recorded yet"
        return
    for label, said in (*_said_of_rows(at, at.state), *_said_of_alarms(at, now), *_said_of_windows(at)):
        yield f"  {label:<10}  {said}"


def _about(stream: StreamSpec | None) -> str:
    if stream is None:
        return "not in the settings"
    return "a snapshot" if stream.kind == "snapshot" else f"panes of {stream.pane}"


def _said_of_rows(at: Standing, state: StreamState) -> Iterator[tuple[str, str]]:
    if at.baseline is None:
        yield "reference", f"none: 'tidegauge rebaseline {at.name} FILE' gives one"
    else:
        by = f" by {clean(at.baseline.by, 40)}" if at.baseline.by else ""
        why = f": {clean(at.baseline.why, 100)}" if at.baseline.why else ""
        yield "reference", f"{at.baseline.reference[:12]} since {moment(at.baseline.at)} UTC{by}{why}"
    aside = ", ".join(f"{count:,} {reason}" for reason, count in state.aside.items())
    yield "rows", f"{state.seen:,} landed" + (f"; set aside: {aside}" if aside else "")
    if at.age is not None:
        yield "newest row", f"{moment(state.watermark)} UTC, {ago(at.age)}"
    if state.kind == "stream":
        until = "nothing yet" if state.settled is None else f"until {end_said(state.settled, at.unit)}"
        yield "settled", f"{until}; {at.open_parts:,} part{'s' * (at.open_parts != 1)} open"
    if at.refused:
        yield "refused", at.refused
    if state.segments:
        yield "segments", ", ".join(clean(segment, 40) for segment in state.segments)
    if state.model:
        yield "model", f"changed: {clean(state.model, 200)}"
    if at.silence is not None:
        yield "silence", at.silence.text


def _said_of_alarms(at: Standing, now: float) -> Iterator[tuple[str, str]]:
    if at.promises and at.budget is not None:
        yield "alarms", promise_line(at.promises[0], at.budget)
        yield from (("", line) for line in segments_lines(at.promises))
    for alarm in at.alarms:
        yield "alarm", alarm_line(alarm, at.unit, now)


def _said_of_windows(at: Standing) -> Iterator[tuple[str, str]]:
    for window in at.windows:
        yield length_said(window.key.length, at.unit), content_line(window, at.unit)
    units = {} if at.settings is None else at.settings.units
    for each in at.measured:
        said = rate_said(each, units.get(each.outcome, "number"))
        yield "outcome", f"{clean(each.outcome, 40)} {said}, {start_said(each.key.start, at.unit)}"
    for position in at.positions[-_SOURCES:]:
        yield "source", f"{clean(position.source, 100)}: {position.rows:,} rows read"
    if len(at.positions) > _SOURCES:
        yield "", f"and {len(at.positions) - _SOURCES:,} sources more"


def ago(seconds: float) -> str:
    """Say how long ago something was.

    Examples
    --------
    >>> ago(12), ago(200), ago(7300), ago(200_000)
    ('12 s ago', '3 min ago', '2 h ago', '2 days ago')
    """
    for size, name in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {name} ago"
    return f"{seconds:.0f} s ago"
