"""What only the leader of a stream does, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import sqlalchemy as sa

from tidegauge.errors import UsageError
from tidegauge.records import (
    ALL,
    NONE,
    Alarm,
    Annotation,
    Baseline,
    Calibrated,
    Event,
    FollowedCluster,
    Measured,
    Message,
    PaneKey,
    Part,
    RowPlace,
    StoredPart,
    StreamState,
    Tally,
    Window,
)
from tidegauge.store import queries, rows
from tidegauge.store.outbox import put_messages
from tidegauge.store.schema import (
    alarms,
    baselines,
    batches,
    calibrations,
    clusters,
    outbox,
    outcomes,
    parts,
    places,
    references,
    shares,
    tallies,
    windows,
)


class SqlDesk:
    """The desk of a stream; `SqlStore.leading` gives it, and it is of no use after."""

    def __init__(self, connection: sa.Connection, state: StreamState) -> None:
        self._connection, self._state = connection, state

    @property
    def state(self) -> StreamState:
        """The stream as this transaction sees it."""
        return self._state

    def parts(self, until: int | None = None) -> tuple[StoredPart, ...]:
        """Return parts of panes that end at ``until`` or earlier, or all, in the order in which they landed."""
        return queries.find_parts(self._connection, self._state.stream, until)

    def drop(self, parts: Sequence[int]) -> None:
        """Forget these parts: they were merged, or are of no use. One that is not there is no error."""
        for some in queries.batched([int(part) for part in parts]):
            mine = (_PARTS.c.stream == self._state.stream, _PARTS.c.id.in_(some))
            self._connection.execute(sa.delete(_PARTS).where(*mine))

    def put(self, part: Part) -> None:
        """Add a part, such as the sum of those dropped."""
        rows.same_stream(self._state.stream, part.key.stream)
        self._connection.execute(sa.insert(_PARTS), rows.part_values(part))

    def keep(self, window: Window, data: bytes | None) -> None:
        """Keep a closed window, in place of one of the same key; ``data`` is None for the sum of segments."""
        rows.same_stream(self._state.stream, window.key.stream)
        values = rows.window_values(window, data)
        key = ("stream", "reference", "length", "start", "segment")
        self._connection.execute(sa.delete(windows).where(*(windows.c[each] == values[each] for each in key)))
        self._connection.execute(sa.insert(windows), values)

    def windows(self, *, length: int, since: int, until: int) -> tuple[Window, ...]:
        """Return closed windows under the reference in force."""
        stream, reference = self._state.stream, self._state.reference
        return queries.find_windows(
            self._connection, stream, reference=reference, length=length, since=since, until=until
        )

    def sketches(self, *, length: int, since: int, until: int) -> tuple[Part, ...]:
        """Return the bytes of closed windows under the reference in force."""
        stream, reference = self._state.stream, self._state.reference
        return queries.find_sketches(
            self._connection, stream, reference=reference, length=length, since=since, until=until
        )

    def update(self, state: StreamState) -> None:
        """Keep the stream's state in place of the present one.

        Raises
        ------
        UsageError
            Where its version is not beyond the present one, or its stream or kind is another.
        """
        rows.same_stream(self._state.stream, state.stream)
        if state.kind != self._state.kind:
            raise UsageError("state", got=f"kind {state.kind}", want=f"kind {self._state.kind}")
        if state.version <= self._state.version:
            raise UsageError("state", got=f"version {state.version}", want=f"one beyond {self._state.version}")
        queries.put_state(self._connection, state)
        self._state = state

    def expire(self, length: int, before: int) -> int:
        """Delete windows of this length that ended at or before a moment; return how many."""
        old = (windows.c.stream == self._state.stream, windows.c.length == length, windows.c.ends <= before)
        return self._connection.execute(sa.delete(windows).where(*old)).rowcount

    def expire_batches(self, before: float) -> int:
        """Forget the ids of batches whose latest event time (time of landing, if none) lies before a moment."""
        old = (batches.c.stream == self._state.stream, batches.c.latest < before)
        return self._connection.execute(sa.delete(batches).where(*old)).rowcount

    def note(self, event: Event) -> None:
        """Keep an event."""
        rows.same_stream(self._state.stream, event.stream)
        queries.put_events(self._connection, [rows.event_values(event)])

    def follow(self, cluster: FollowedCluster) -> None:
        """Keep a followed cluster, in place of the one of this name and reference."""
        rows.same_stream(self._state.stream, cluster.stream)
        values = rows.cluster_values(cluster)
        queries.put_new(self._connection, clusters, values)
        self._connection.execute(sa.update(clusters).where(*_of(clusters, cluster)).values(values))
        # A history grows by a window at a time: only what changed is written.
        wanted = {(share.start, share.length): share for share in cluster.shares}
        kept = {
            (row.start, row.length): rows.share_of(row)
            for row in self._connection.execute(sa.select(shares).where(*_of(shares, cluster)))
        }
        for start, length in (key for key, share in kept.items() if wanted.get(key) != share):
            gone = (*_of(shares, cluster), shares.c.start == start, shares.c.length == length)
            self._connection.execute(sa.delete(shares).where(*gone))
        new = [rows.share_values(cluster, share) for key, share in wanted.items() if kept.get(key) != share]
        if new:
            self._connection.execute(sa.insert(shares), new)

    def clusters(self) -> tuple[FollowedCluster, ...]:
        """Return the clusters followed under the reference in force."""
        return queries.find_clusters(self._connection, self._state.stream, self._state.reference)

    def tally(self, tallies: Sequence[Tally]) -> None:
        """Keep tallies, in place of those of the same keys."""
        for tally in tallies:
            rows.same_stream(self._state.stream, tally.key.stream)
        queries.put_over(self._connection, _TALLIES, [rows.tally_values(tally) for tally in tallies])

    def tallies(
        self,
        *,
        length: int,
        segment: str,
        since: int | None = None,
        until: int | None = None,
        newest: int | None = None,
    ) -> tuple[Tally, ...]:
        """Return tallies under the reference in force, by start."""
        stream, reference = self._state.stream, self._state.reference
        return queries.find_tallies(
            self._connection,
            stream,
            reference=reference,
            length=length,
            segment=segment,
            since=since,
            until=until,
            newest=newest,
        )

    def expire_tallies(self, length: int, before: int) -> int:
        """Delete tallies of this length that ended at or before a moment; return how many."""
        old = (_TALLIES.c.stream == self._state.stream, _TALLIES.c.length == length, _TALLIES.c.ends <= before)
        return self._connection.execute(sa.delete(_TALLIES).where(*old)).rowcount

    def measure(self, measured: Sequence[Measured], *, add: bool = False) -> None:
        """Keep what outcomes were, in place of what is kept of the same keys; added to it where ``add``."""
        for each in measured:
            rows.same_stream(self._state.stream, each.key.stream)
        queries.put_measured(self._connection, [rows.measured_values(each) for each in measured], add=add)

    def measured(
        self,
        *,
        reference: str | None = None,
        length: int,
        outcome: str | None = None,
        segment: str | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> tuple[Measured, ...]:
        """Return what outcomes were, as of ``SqlStore.measured``."""
        return queries.find_measured(
            self._connection,
            self._state.stream,
            reference=reference,
            length=length,
            outcome=outcome,
            segment=segment,
            since=since,
            until=until,
        )

    def expire_measured(self, length: int, before: int) -> int:
        """Delete what outcomes were in windows of this length that ended at or before a moment; return how many."""
        old = (outcomes.c.stream == self._state.stream, outcomes.c.length == length, outcomes.c.ends <= before)
        return self._connection.execute(sa.delete(outcomes).where(*old)).rowcount

    def places(self, ids: Collection[str]) -> Mapping[str, RowPlace]:
        """Return where rows of these ids were counted, by id, as far as that is kept."""
        return queries.find_places(self._connection, self._state.stream, ids)

    def came(self, places: Sequence[RowPlace]) -> None:
        """Keep which outcomes have come of rows; one that is not there is no error."""
        mine = (_PLACES.c.stream == sa.bindparam("of_stream"), _PLACES.c.digest == sa.bindparam("of_digest"))
        values = [
            {"of_stream": self._state.stream, "of_digest": rows.id_digest(each.id), "came": rows.dumps(each.came)}
            for each in places
        ]
        if values:
            self._connection.execute(sa.update(_PLACES).where(*mine), values)

    def expire_places(self, before: float) -> int:
        """Forget where rows were counted whose event time lies before a moment; return how many."""
        old = (_PLACES.c.stream == self._state.stream, _PLACES.c.at < before)
        return self._connection.execute(sa.delete(_PLACES).where(*old)).rowcount

    def forget_places(self, ids: Collection[str]) -> int:
        """Forget where the rows of these ids were counted; return how many."""
        gone = 0
        for some in queries.batched([rows.id_digest(each) for each in ids]):
            mine = (_PLACES.c.stream == self._state.stream, _PLACES.c.digest.in_(some))
            gone += self._connection.execute(sa.delete(_PLACES).where(*mine)).rowcount
        return gone

    def holding(self, key: PaneKey) -> tuple[tuple[str, Part], ...]:
        """Return the closed windows, under the pane's reference, that hold a pane: of its segment, of rows without
        one, and of all; each with the handle of its bytes, both empty where it is the sum of segments.
        """
        rows.same_stream(self._state.stream, key.stream)
        wanted = sa.select(windows).where(
            windows.c.stream == key.stream,
            windows.c.reference == key.reference,
            windows.c.length >= key.length,
            windows.c.start <= key.start,
            windows.c.ends >= key.end,
            windows.c.segment.in_((key.segment, ALL, NONE)),
        )
        ordered = wanted.order_by(windows.c.length, windows.c.start, windows.c.segment)
        return tuple(
            ("" if row.data is None else f"{_HANDLES[windows.name]}:{row.id}", rows.sketch_of(row))
            for row in self._connection.execute(ordered)
        )

    def calibrate(self, calibrated: Calibrated) -> None:
        """Keep how a segment varies, in place of what was kept of it under this reference."""
        rows.same_stream(self._state.stream, calibrated.stream)
        queries.put_over(self._connection, calibrations, [rows.calibrated_values(calibrated)])

    def calibrated(self) -> tuple[Calibrated, ...]:
        """Return how each segment varies under the reference in force, by segment."""
        return queries.find_calibrated(self._connection, self._state.stream, self._state.reference)

    def alarms(self, *, lasting: bool = False) -> tuple[Alarm, ...]:
        """Return the stream's alarms, by opening."""
        return queries.find_alarms(self._connection, self._state.stream, lasting=lasting)

    def raise_alarm(self, alarm: Alarm) -> None:
        """Keep an alarm, in place of the one of its id.

        Raises
        ------
        UsageError
            Where it is of another stream, or its id is taken by an alarm of one.
        """
        rows.same_stream(self._state.stream, alarm.stream)
        values = rows.alarm_values(alarm)
        owner = self._connection.execute(sa.select(_ALARMS.c.stream).where(_ALARMS.c.alarm == alarm.id)).scalar()
        if owner not in (None, self._state.stream):
            raise UsageError(f"alarm {alarm.id}", got=f"stream {alarm.stream!r}", want=f"{owner!r}, whose id it is")
        queries.put_over(self._connection, _ALARMS, [values])

    def annotations(self) -> tuple[Annotation, ...]:
        """Return the annotations of the stream, and those for all streams, by time."""
        return queries.find_annotations(self._connection, self._state.stream)

    def send(self, messages: Sequence[Message]) -> None:
        """Put messages into the outbox, in this order; one whose endpoint and key are there is not put twice."""
        put_messages(self._connection, self._state.stream, messages)

    def expire_messages(self, before: float) -> int:
        """Delete the stream's messages that arrived before a moment by the clock; return how many."""
        old = (outbox.c.stream == self._state.stream, outbox.c.delivered < before)
        return self._connection.execute(sa.delete(outbox).where(*old)).rowcount

    def rebase(self, baseline: Baseline, data: bytes) -> None:
        """Put a reference in force, which moves the version on; settling and the open panes are the caller's business.

        Bytes that are kept already under its hash stay as they are: something in them may have been forgotten.
        """
        rows.same_stream(self._state.stream, baseline.stream)
        values = rows.baseline_values(baseline)
        put = {"reference": baseline.reference, "data": rows.piece("reference", data)}
        queries.put_new(self._connection, references, put)
        self._connection.execute(sa.insert(baselines), values)
        self.update(replace(self._state, reference=baseline.reference, version=self._state.version + 1))

    def blobs(self) -> Iterator[tuple[str, bytes]]:
        """Yield every block of bytes kept for the stream, with a handle: parts, windows and references.

        One at a time is in memory, and each may be rewritten when it comes.
        """
        for table in (_PARTS, windows):
            wanted = sa.select(table.c.id).where(table.c.stream == self._state.stream, table.c.data.is_not(None))
            for number in self._connection.execute(wanted.order_by(table.c.id)).scalars().all():
                data = self._connection.execute(sa.select(table.c.data).where(table.c.id == number)).scalar_one()
                yield f"{_HANDLES[table.name]}:{number}", bytes(data)
        for reference in self._references():
            found = sa.select(references.c.data).where(references.c.reference == reference)
            yield f"reference:{reference}", bytes(self._connection.execute(found).scalar_one())

    def rewrite(self, handle: str, data: bytes) -> None:
        """Put other bytes in place of those of a handle; a reference's are those of all streams that have it."""
        kind, _, key = handle.partition(":")
        table = next((table for table in (_PARTS, windows) if _HANDLES[table.name] == kind), None)
        if table is not None and key.isdecimal():
            where = (table.c.stream == self._state.stream, table.c.id == int(key), table.c.data.is_not(None))
        elif kind == "reference" and key in self._references():
            table, where = references, (references.c.reference == key,)
        else:
            table, where = _PARTS, (sa.false(),)
        changed = self._connection.execute(sa.update(table).where(*where).values(data=rows.piece(kind, data)))
        if not changed.rowcount:
            raise UsageError("handle", got=repr(handle), want="one that blobs() gave")

    def _references(self) -> list[str]:
        wanted = sa.select(baselines.c.reference).where(baselines.c.stream == self._state.stream).distinct()
        return list(self._connection.execute(wanted.order_by(baselines.c.reference)).scalars())


# Methods of the desk have these names.
_PARTS, _TALLIES, _ALARMS, _PLACES = parts, tallies, alarms, places
_HANDLES = {parts.name: "part", windows.name: "window"}


def _of(table: sa.Table, cluster: FollowedCluster) -> tuple[sa.ColumnElement[bool], ...]:
    key = {"stream": cluster.stream, "reference": cluster.reference, "name": cluster.name}
    return tuple(table.c[column] == value for column, value in key.items())
