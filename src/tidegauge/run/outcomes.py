"""Outcomes that come late, by the ids of their rows: added to what is kept of the rows' panes and windows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from tidegauge.contracts import Desk, Store
from tidegauge.errors import ArtefactError, UsageError
from tidegauge.gate import LateOutcomes, admit_outcomes
from tidegauge.records import ALL, NONE, OF_OUTCOME, Event, Measured, PaneKey, Part, RowPlace, StoredPart
from tidegauge.run.lead import waited_for
from tidegauge.sketch.hashing import text_hash, unit_interval
from tidegauge.sketch.outcomes import add_outcomes
from tidegauge.sketch.sketch import Sketch
from tidegauge.spec import StreamSpec

PANES = 64
"""Panes whose outcomes are added in one transaction, so that others wait for a moment only."""
ROWS = 16_384
"""Rows whose outcomes are added in one transaction."""


@dataclass
class Added:
    """What became of outcomes: added, come before (``repeated``), or set aside by reason.

    ``first`` says where the first of each reason stands; ``panes`` are the panes that outcomes were added to.
    """

    added: int = 0
    repeated: int = 0
    aside: Counter[str] = field(default_factory=Counter[str])
    first: dict[str, str] = field(default_factory=dict[str, str])
    panes: int = 0

    def note(self, reason: str, at: str, count: int = 1) -> None:
        """Count outcomes that are set aside."""
        self.aside[reason] += count
        self.first.setdefault(reason, at)

    def __iadd__(self, other: Added) -> Added:
        """Count what became of more."""
        self.added += other.added
        self.repeated += other.repeated
        self.panes += other.panes
        for reason, count in other.aside.items():
            self.note(reason, other.first[reason], count)
        return self


class _Given(NamedTuple):
    """One outcome of one row, and where it stands."""

    name: str
    numerator: float
    denominator: float
    at: str


class _Entry(NamedTuple):
    """One outcome of one row, and where the row was counted."""

    place: RowPlace
    given: _Given


def late(
    store: Store,
    spec: StreamSpec,
    ids: Any,
    outcomes: Mapping[str, Any],
    *,
    times: Any = None,
    at: float,
    source: str = "array",
    first_row: int = 0,
) -> Added:
    """Add outcomes to the panes and windows that their rows were counted in, closed ones too.

    An outcome of a row counts once, however often it is given, and no alarm is judged anew. Whatever happens, of the
    outcomes of one transaction all are added or none, and all may be given again.

    Parameters
    ----------
    store : Store
    spec : StreamSpec
        Says which outcomes come late.
    ids : column of n values
        The rows' own ids.
    outcomes : mapping of name to column
        Each (n,) numbers or booleans, (n, 2) numerators and denominators, or a ``tidegauge.gate.Ratio``; a missing
        value is none.
    times : column of n values, optional
        When each came about: one from the future is set aside.
    at : float
        Epoch seconds by the clock.
    source, first_row : str and int
        Where they came from, for messages.

    Returns
    -------
    Added
        Reasons are ``unknown`` (no row of this id in the time that is kept), ``not sketched`` (the work budget left
        the row out), ``expired`` (too late, or its windows have had their time), ``future``, ``no id``, ``damaged``, or
        begin with the outcome's name, where it is out of its unit.

    Raises
    ------
    UsageError
        Where an outcome is not one that comes late.
    StoreError
        Where another process leads the stream for long; then trying again helps, and adds nothing twice.
    """
    _check(spec, outcomes)
    read = admit_outcomes(ids, outcomes, units=spec.units, times=times, source=source, first_row=first_row)
    total = Added()
    for reason, count in read.unfit.items():
        total.note(reason.removeprefix(OF_OUTCOME), read.first_unfit[reason], count)
    given = _given(read, total, at + spec.future)
    places = store.places(spec.name, list(given))
    for row_id in (each for each in given if each not in places):
        reason = _missing(spec, row_id)
        for each in given[row_id]:
            total.note(reason, each.at)
    for some in _pieces(sorted(places.values(), key=lambda place: (place.key, place.id))):
        with waited_for(store, spec.name) as desk:
            total += _add(desk, spec, {place.id: given[place.id] for place in some}, at)
    return total


def _check(spec: StreamSpec, outcomes: Iterable[str]) -> None:
    comes_late = [name for name, each in spec.outcomes.items() if each.late is not None]
    for name in outcomes:
        if name not in comes_late:
            want = f"one that comes late: {', '.join(comes_late)}" if comes_late else "one that comes late"
            hint = f"Set streams.{spec.name}.outcomes.{name}.late, such as '7d'"
            raise UsageError(f"outcome {name}", got="one that does not come late", want=want, hint=hint)


def _given(read: LateOutcomes, total: Added, latest: float) -> dict[str, list[_Given]]:
    """Outcomes by the id of their row; those that can be of none are counted."""
    found: defaultdict[str, list[_Given]] = defaultdict(list)
    ids, future = read.ids.tolist(), (read.times > latest).tolist()
    for name, values in read.outcomes.items():
        there = np.flatnonzero(values.any(axis=1))
        for row, (numerator, denominator) in zip(there.tolist(), values[there].tolist(), strict=True):
            where = read.place.row(row)
            if not ids[row]:
                total.note("no id", where)
            elif future[row]:
                total.note("future", where)
            else:
                found[str(ids[row])].append(_Given(name, numerator, denominator, f"{where}, id {ids[row]}"))
    return found


def _missing(spec: StreamSpec, row_id: str) -> str:
    """Why nothing is known of a row: which ones the work budget leaves out is known by their hash."""
    left_out = spec.share < 1 and unit_interval(text_hash(np.array([row_id])))[0] >= spec.share
    return "not sketched" if left_out else "unknown"


def _pieces(known: Sequence[RowPlace]) -> Iterator[list[RowPlace]]:
    """Rows in the order of their panes, a few panes at a time."""
    piece: list[RowPlace] = []
    panes = 0
    for _, rows in groupby(known, key=lambda place: place.key):
        some = list(rows)
        if piece and (panes == PANES or len(piece) + len(some) > ROWS):
            yield piece
            piece, panes = [], 0
        piece, panes = piece + some, panes + 1
    if piece:
        yield piece


def _add(desk: Desk, spec: StreamSpec, given: Mapping[str, Sequence[_Given]], at: float) -> Added:
    told, kept = Added(), _Kept(desk)
    now = at if desk.state.watermark is None else desk.state.watermark
    places = desk.places(list(given))
    by_pane: defaultdict[PaneKey, list[_Entry]] = defaultdict(list)
    for row_id, some in given.items():
        place = places.get(row_id)
        for each in some:
            if place is None:  # forgotten, or expired, a moment ago
                told.note("unknown", each.at)
            elif each.name in place.came:
                told.repeated += 1
            elif place.at < now - (spec.outcomes[each.name].late or 0):
                told.note("expired", each.at)
            else:
                place = replace(place, came=(*place.came, each.name))
                by_pane[place.key].append(_Entry(place, each))
    came: dict[str, RowPlace] = {}
    for key, entries in by_pane.items():
        reason = kept.add(key, entries)
        if reason:
            for entry in entries:
                told.note(reason, entry.given.at)
        else:
            told.added, told.panes = told.added + len(entries), told.panes + 1
            came |= {entry.place.id: entry.place for entry in entries}
    kept.write()
    desk.came(list(came.values()))
    return told


class _Kept:
    """Sketches that are kept of panes and windows: each is read once, and written once where it was added to."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._windows: dict[str, Sketch | None] = {}
        self._measured: defaultdict[tuple[PaneKey, str], tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
        self._open: defaultdict[PaneKey, list[StoredPart]] = defaultdict(list)
        for stored in desk.parts():
            self._open[stored.part.key].append(stored)

    def add(self, key: PaneKey, entries: Sequence[_Entry]) -> str:
        """Add outcomes of rows of a pane; or say why they cannot be, and add nothing."""
        held = self._desk.holding(key)
        if key in self._open and not any(part.key.length == key.length for _, part in held):
            return self._to_open(key, entries)
        return self._to_closed(key, held, entries)

    def write(self) -> None:
        """Write what was added to closed windows."""
        for handle, sketch in self._windows.items():
            if sketch is not None:
                self._desk.rewrite(handle, sketch.to_bytes())
        sums = [Measured(key, name, *sums) for (key, name), sums in self._measured.items()]
        self._desk.measure(sums, add=True)

    def _to_open(self, key: PaneKey, entries: Sequence[_Entry]) -> str:
        """Add to the sum of an open pane's parts: as if the outcomes had come beside their rows."""
        read: list[tuple[int, Sketch]] = []
        for stored in self._open[key]:
            try:
                read.append((stored.id, Sketch.from_bytes(stored.part.data)))
            except ArtefactError:
                continue  # settling names it, and counts its rows as lost
        if not read:
            return "damaged"
        total = read[0][1]
        for _, sketch in read[1:]:
            total += sketch
        _add_to(total, entries)
        self._desk.drop([number for number, _ in read])
        self._desk.put(Part(key, total.seen, total.to_bytes()))
        return ""

    def _to_closed(self, key: PaneKey, held: Sequence[tuple[str, Part]], entries: Sequence[_Entry]) -> str:
        added = False
        for (length, start), some in groupby(held, key=lambda each: (each[1].key.length, each[1].key.start)):
            by_segment = {part.key.segment: (handle, part) for handle, part in some}
            # Rows without a segment are of NONE once a window has segments with names.
            segment = next((each for each in (key.segment, NONE) if by_segment.get(each, ("",))[0]), None)
            sketch = None if segment is None else self._window(*by_segment[segment])
            if segment is None or sketch is None:
                continue
            _add_to(sketch, entries)
            for each in dict.fromkeys((segment, ALL)):
                self._sum(replace(key, length=length, start=start, segment=each), entries)
            added = True
        return "" if added else "damaged" if held else "expired"

    def _window(self, handle: str, part: Part) -> Sketch | None:
        if handle not in self._windows:
            try:
                self._windows[handle] = Sketch.from_bytes(part.data, f"a window of {part.key.stream}")
            except ArtefactError as error:
                key = part.key
                lost = f"Outcomes of a window of {part.rows:,} rows are lost: its bytes are damaged ({error})."
                self._desk.note(Event(key.stream, "corrupt", float(key.start), lost, float(key.end)))
                self._windows[handle] = None
        return self._windows[handle]

    def _sum(self, key: PaneKey, entries: Sequence[_Entry]) -> None:
        for _, given in entries:
            numerator, denominator = self._measured[key, given.name]
            self._measured[key, given.name] = numerator + given.numerator, denominator + given.denominator


def _add_to(sketch: Sketch, entries: Sequence[_Entry]) -> None:
    by_name: defaultdict[str, list[_Entry]] = defaultdict(list)
    for entry in entries:
        by_name[entry.given.name].append(entry)
    for name, some in by_name.items():
        ids = [entry.place.id for entry in some]
        cells = np.array([entry.place.cells for entry in some], np.int64)
        values = np.array([(entry.given.numerator, entry.given.denominator) for entry in some])
        add_outcomes(sketch, name, ids, cells, values)
