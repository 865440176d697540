"""The store: records and opaque bytes in a database."""

from __future__ import annotations

import time
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from tidegauge.contracts import Clock
from tidegauge.errors import UsageError
from tidegauge.records import (
    Alarm,
    Annotation,
    Baseline,
    Calibrated,
    Event,
    FollowedCluster,
    Landed,
    Landing,
    Measured,
    Message,
    Part,
    Position,
    RowPlace,
    StoredPart,
    StreamKind,
    StreamState,
    Tally,
    Window,
)
from tidegauge.store import queries, rows
from tidegauge.store.address import parse
from tidegauge.store.database import PATIENCE, Database, connect, lock_key, migrate
from tidegauge.store.desk import SqlDesk
from tidegauge.store.outbox import claim_messages, find_messages, is_due
from tidegauge.store.schema import (
    annotations,
    baselines,
    batches,
    events,
    outbox,
    parts,
    places,
    positions,
    references,
    streams,
)

LEADER_PATIENCE = 2.0
"""Seconds that a would-be leader waits for SQLite's one lock, which a landing holds too, for a moment."""


def open_store(url: str, *, patience: float = PATIENCE, clock: Clock = time.time) -> SqlStore:
    """Open a store, and make it or bring it up to date where that is needed.

    Parameters
    ----------
    url : str
        A path, ``sqlite:///path``, or ``postgresql://user:password@host/database``.
    patience : float
        Seconds to wait for others who hold the store locked.
    clock : Clock
        What tells the time of landing of batches that have no event time.

    Raises
    ------
    UsageError
        For an address that is none, or where the driver for PostgreSQL is missing.
    DataError
        Where nothing can be opened or made there.
    ArtefactError
        Where a newer tidegauge made it.
    StoreError
        Where it is locked or damaged.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = open_store(f"{folder}/drift.db")
    ...     store.register("queries", "stream").version
    ...     store.close()
    0
    """
    database = connect(parse(url), patience)
    try:
        migrate(database)
    except BaseException:
        database.engine.dispose()
        raise
    return SqlStore(database, clock)


class SqlStore:
    """A `tidegauge.contracts.Store` in SQLite or PostgreSQL; threads may share it. `open_store` opens one."""

    def __init__(self, database: Database, clock: Clock = time.time) -> None:
        self.database, self._clock, self._closed = database, clock, False

    @property
    def name(self) -> str:
        """Where it is, in words that may be shown: without a password."""
        return self.database.name

    def register(self, stream: str, kind: StreamKind) -> StreamState:
        """Return the state of a stream, which is made where it is not there yet.

        Raises
        ------
        UsageError
            Where the stream is there and of the other kind.
        """
        values = rows.state_values(StreamState(stream, kind))
        with self._writing() as connection:
            queries.put_new(connection, streams, values)
            state = queries.find_state(connection, stream)
        if state.kind != kind:
            raise UsageError(f"stream {stream}", got=f"kind {kind}", want=f"{state.kind}, as it was begun")
        return state

    def state(self, stream: str) -> StreamState:
        """Return the state of a stream; ``UsageError`` names those that there are."""
        with self._reading() as connection:
            return queries.find_state(connection, stream)

    def streams(self) -> tuple[StreamState, ...]:
        """Return the state of every stream, by name."""
        return tuple(rows.state_of(row) for row in self._all(sa.select(streams).order_by(streams.c.stream)))

    def land(self, landing: Landing) -> Landed:
        """Keep a landing whole (``landed``), or nothing of it: its batch is there (``repeated``), the state moved on
        (``stale``), or another reader of its source is ahead (``overtaken``).

        Raises
        ------
        UsageError
            For a stream that was not begun, or a landing that cannot be kept.
        StoreError
            Where the database could not keep it; then nothing of it is kept.
        """
        rows.check_landing(landing)
        digests = [rows.digest(name) for name in (landing.batch, *landing.joined)]
        latest = self._clock() if landing.watermark is None else rows.moment("watermark", landing.watermark)
        kept_parts = [rows.part_values(part) for part in landing.parts]
        kept_events = [rows.event_values(event) for event in landing.events]
        kept_places = rows.places_values(landing.places)
        with self._writing() as connection:
            state = queries.find_state(connection, landing.stream, lock=True)
            if queries.find_batches(connection, landing.stream, digests):
                return "repeated"
            if _is_stale(landing, state):
                return "stale"
            if _is_overtaken(connection, landing):
                return "overtaken"
            known = [{"stream": landing.stream, "digest": digest, "latest": latest} for digest in digests]
            connection.execute(sa.insert(batches), known)
            if kept_parts:
                connection.execute(sa.insert(parts), kept_parts)
            queries.put_events(connection, kept_events)
            queries.put_all_new(connection, places, kept_places)
            if landing.position is not None:
                values = rows.position_values(landing.stream, landing.position)
                queries.put_new(connection, positions, values)
                key = {"stream": values["stream"], "digest": values["digest"]}
                connection.execute(sa.update(positions).where(*_same(positions, key)).values(values))
            queries.put_state(connection, _after(landing, state))
        return "landed"

    def landed(self, stream: str, names: Collection[str]) -> frozenset[str]:
        """Return those of these batches that landed, and are still remembered."""
        by_digest = {rows.digest(name): name for name in names}
        with self._reading() as connection:
            found = queries.find_batches(connection, stream, list(by_digest))
        return frozenset(by_digest[digest] for digest in found)

    @contextmanager
    def leading(self, stream: str) -> Generator[SqlDesk | None]:
        """Hold what only one may do for a stream at a time, in one transaction; None where another holds it.

        Landings of the stream wait meanwhile (on SQLite those of all streams), so that it is kept short; to land from
        within, in the same thread, would wait for oneself.
        """
        if self._closed:
            raise self._is_closed()
        patience = min(LEADER_PATIENCE, self.database.patience)
        with self.database.trying(patience) as connection:
            if connection is None or (self.database.postgres and not _is_leader(connection, stream)):
                yield None
            else:
                yield SqlDesk(connection, queries.find_state(connection, stream, lock=True))

    def reference(self, reference: str) -> bytes:
        """Return the bytes of a reference by its hash."""
        wanted = sa.select(references.c.data).where(references.c.reference == reference)
        found = self._all(wanted)
        if not found:
            raise UsageError("reference", got=reference or "none", want="one that this store keeps")
        return bytes(found[0].data)

    def baselines(self, stream: str) -> tuple[Baseline, ...]:
        """Return the references that were in force, oldest first."""
        wanted = sa.select(baselines).where(baselines.c.stream == stream).order_by(baselines.c.id)
        return tuple(rows.baseline_of(row) for row in self._all(wanted))

    def positions(self, stream: str) -> tuple[Position, ...]:
        """Return how far each source was read, by source."""
        found = self._all(sa.select(positions).where(positions.c.stream == stream))
        return tuple(sorted((rows.position_of(row) for row in found), key=lambda position: position.source))

    def parts(self, stream: str) -> tuple[StoredPart, ...]:
        """Return the parts of panes that are still open, in the order in which they landed."""
        with self._reading() as connection:
            return queries.find_parts(connection, stream)

    def windows(
        self,
        stream: str,
        *,
        length: int | None = None,
        since: int | None = None,
        until: int | None = None,
        segment: str | None = None,
        newest: int | None = None,
    ) -> tuple[Window, ...]:
        """Return closed windows by start: those that begin at ``since`` or later and end at ``until`` or earlier."""
        with self._reading() as connection:
            return queries.find_windows(
                connection, stream, length=length, since=since, until=until, segment=segment, newest=newest
            )

    def sketches(
        self, stream: str, *, reference: str, length: int, since: int | None = None, until: int | None = None
    ) -> tuple[Part, ...]:
        """Return the bytes of closed windows, of all segments."""
        with self._reading() as connection:
            return queries.find_sketches(
                connection, stream, reference=reference, length=length, since=since, until=until
            )

    def events(self, stream: str, *, since: float | None = None, newest: int | None = None) -> tuple[Event, ...]:
        """Return what happened, oldest first: what began, or still lasted, at ``since`` or later."""
        wanted = sa.select(events).where(events.c.stream == stream)
        if since is not None:
            wanted = wanted.where(sa.func.coalesce(events.c.until, events.c.at) >= since)
        wanted = wanted.order_by(events.c.at.desc(), events.c.id.desc())
        if newest is not None:
            wanted = wanted.limit(max(newest, 0))
        return tuple(rows.event_of(row) for row in self._all(wanted))[::-1]

    def clusters(self, stream: str, *, reference: str | None = None) -> tuple[FollowedCluster, ...]:
        """Return the clusters that were followed, oldest first."""
        with self._reading() as connection:
            return queries.find_clusters(connection, stream, reference)

    def tallies(
        self,
        stream: str,
        *,
        reference: str,
        length: int,
        segment: str,
        since: int | None = None,
        until: int | None = None,
        newest: int | None = None,
    ) -> tuple[Tally, ...]:
        """Return tallies of panes by start: those that begin at ``since`` or later and end at ``until`` or earlier."""
        with self._reading() as connection:
            return queries.find_tallies(
                connection,
                stream,
                reference=reference,
                length=length,
                segment=segment,
                since=since,
                until=until,
                newest=newest,
            )

    def calibrated(self, stream: str, *, reference: str) -> tuple[Calibrated, ...]:
        """Return how each segment of a stream varies by itself, by segment."""
        with self._reading() as connection:
            return queries.find_calibrated(connection, stream, reference)

    def measured(
        self,
        stream: str,
        *,
        reference: str | None = None,
        length: int,
        outcome: str | None = None,
        segment: str | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> tuple[Measured, ...]:
        """Return what outcomes were in closed panes or windows of a length, by start, then by outcome and segment.

        Those that begin at ``since`` or later and end at ``until`` or earlier. Ready series are under no reference
        (``""``), and come with any.
        """
        with self._reading() as connection:
            return queries.find_measured(
                connection,
                stream,
                reference=reference,
                length=length,
                outcome=outcome,
                segment=segment,
                since=since,
                until=until,
            )

    def places(self, stream: str, ids: Collection[str]) -> Mapping[str, RowPlace]:
        """Return where rows of these ids were counted, by id, as far as that is kept."""
        with self._reading() as connection:
            return queries.find_places(connection, stream, ids)

    def alarms(
        self, stream: str | None = None, *, lasting: bool = False, since: int | None = None, newest: int | None = None
    ) -> tuple[Alarm, ...]:
        """Return alarms by opening, of one stream or all: those that last, or that spoke at ``since`` or later.

        Those of all streams come by the clock at their opening, as panes of some may be of seconds and of others of
        rows.
        """
        with self._reading() as connection:
            return queries.find_alarms(connection, stream, lasting=lasting, since=since, newest=newest)

    def annotate(self, annotation: Annotation) -> Annotation:
        """Keep an annotation, new or in place of the one of its ``id``; return it with its id.

        Raises
        ------
        UsageError
            For a stream that was not begun, an id that is not there, or a span that ends before it begins.
        """
        values = rows.annotation_values(annotation)
        with self._writing() as connection:
            if annotation.stream:
                queries.find_state(connection, annotation.stream)
            if not annotation.id:
                made = connection.execute(sa.insert(annotations).values(values).returning(annotations.c.id))
                return replace(annotation, id=made.scalar_one())
            same = annotations.c.id == annotation.id
            if not connection.execute(sa.update(annotations).where(same).values(values)).rowcount:
                raise _no_annotation(annotation.id)
        return annotation

    def unannotate(self, annotation: int) -> None:
        """Delete an annotation; ``UsageError`` where there is none of this id."""
        with self._writing() as connection:
            same = annotations.c.id == rows.whole("annotation", annotation)
            if not connection.execute(sa.delete(annotations).where(same)).rowcount:
                raise _no_annotation(annotation)

    def annotations(
        self, stream: str | None = None, *, since: int | None = None, until: int | None = None
    ) -> tuple[Annotation, ...]:
        """Return annotations that touch the span from ``since`` to ``until``, by time, those for all streams among
        them; all where no stream is given.
        """
        with self._reading() as connection:
            return queries.find_annotations(connection, stream, since=since, until=until)

    def claim(self, now: float, lease: float, most: int) -> tuple[Message, ...]:
        """Return messages that are due, oldest first, and put them off by ``lease`` seconds, so that no other sender
        takes them meanwhile.

        Of one alarm and endpoint only the oldest that has not arrived is given, so that they arrive in order. A sender
        that dies lets go of its messages when the lease ends: a message may arrive twice, with the same key.
        """
        now, until = rows.moment("now", now), rows.moment("lease", now + lease)
        # Senders ask often, mostly in vain: that must not take SQLite's one lock from a leader.
        with self._reading() as connection:
            if not is_due(connection, now):
                return ()
        with self._writing() as connection:
            return claim_messages(connection, now, until, most)

    def sent(self, message: int, *, at: float) -> None:
        """Keep that a message arrived, which counts as a try; one that had arrived, or is not there, is no error."""
        arrived = {"delivered": rows.moment("delivered", at), "tries": outbox.c.tries + 1, "fault": ""}
        with self._writing() as connection:
            connection.execute(sa.update(outbox).where(*_waits(message)).values(arrived))

    def failed(self, message: int, *, due: float, fault: str) -> None:
        """Keep that a try failed, and when to try next; one that another sender brought, or is not there, is no
        error.
        """
        again = {"due": rows.moment("due", due), "tries": outbox.c.tries + 1, "fault": fault}
        with self._writing() as connection:
            connection.execute(sa.update(outbox).where(*_waits(message)).values(again))

    def dropped(self, message: int) -> None:
        """Forget a message that waits; one that arrived is kept, and one that is not there is no error."""
        with self._writing() as connection:
            connection.execute(sa.delete(outbox).where(*_waits(message)))

    def hasten(self, now: float) -> None:
        """Let what failed and waits for its next try be due now; what a sender tries at the moment may come twice."""
        failed = (outbox.c.delivered.is_(None), outbox.c.fault != "", outbox.c.due > now)
        with self._writing() as connection:
            connection.execute(sa.update(outbox).where(*failed).values(due=rows.moment("now", now)))

    def messages(self, *, waiting: bool = False, newest: int | None = None) -> tuple[Message, ...]:
        """Return messages, oldest first; those that have not arrived yet, or all that are kept."""
        with self._reading() as connection:
            return find_messages(connection, waiting=waiting, newest=newest)

    def scrub(self) -> None:
        """Leave no deleted byte in a SQLite file or its log; a PostgreSQL server does this itself (``VACUUM``).

        Raises
        ------
        StoreError
            Where others read meanwhile, so that deleted bytes may still be there; trying again helps.
        """
        if self._closed:
            raise self._is_closed()
        self.database.scrub()

    def size(self) -> int:
        """Return the bytes that the store takes."""
        if self._closed:
            raise self._is_closed()
        return self.database.size()

    def close(self) -> None:
        """Let go of the store."""
        self._closed = True
        self.database.engine.dispose()

    def _all(self, wanted: sa.Select[Any]) -> list[sa.Row[Any]]:
        with self._reading() as connection:
            return list(connection.execute(wanted))

    @contextmanager
    def _reading(self) -> Generator[sa.Connection]:
        if self._closed:
            raise self._is_closed()
        with self.database.reading() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Generator[sa.Connection]:
        if self._closed:
            raise self._is_closed()
        with self.database.writing() as connection:
            yield connection

    def _is_closed(self) -> UsageError:
        return UsageError(self.name, got="a closed store", want="an open one")


def _same(table: sa.Table, key: dict[str, Any]) -> tuple[sa.ColumnElement[bool], ...]:
    return tuple(table.c[column] == value for column, value in key.items())


def _waits(message: int) -> tuple[sa.ColumnElement[bool], ...]:
    return outbox.c.id == rows.whole("message", message), outbox.c.delivered.is_(None)


def _no_annotation(annotation: int) -> UsageError:
    return UsageError("annotation", got=f"id {annotation}", want="the id of one that is kept")


def _is_leader(connection: sa.Connection, stream: str) -> bool:
    return bool(connection.execute(sa.select(sa.func.pg_try_advisory_xact_lock(lock_key(stream)))).scalar_one())


def _is_stale(landing: Landing, state: StreamState) -> bool:
    if landing.version != state.version or landing.reference != state.reference:
        return True
    return state.settled is not None and any(part.key.end <= state.settled for part in landing.parts)


def _is_overtaken(connection: sa.Connection, landing: Landing) -> bool:
    position = landing.position
    if position is None or position.after is None:
        return False
    values = rows.position_values(landing.stream, position)
    key = {"stream": values["stream"], "digest": values["digest"]}
    kept = connection.execute(sa.select(positions.c.rows).where(*_same(positions, key))).scalar()
    return kept is not None and kept > position.after


def _after(landing: Landing, state: StreamState) -> StreamState:
    new = tuple(dict.fromkeys(segment for segment in landing.segments if segment not in state.segments))
    known = [moment for moment in (state.watermark, landing.watermark) if moment is not None]
    aside = dict(state.aside)
    for reason, count in landing.aside.items():
        aside[reason] = aside.get(reason, 0) + int(count)
    return replace(
        state,
        version=state.version + (1 if new or landing.serial else 0),
        watermark=max(known, default=None),
        seen=state.seen + landing.rows,
        segments=state.segments + new,
        aside=aside,
        model=state.model if landing.model is None else landing.model,
    )
