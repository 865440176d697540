"""What the store and the desk both ask, each in one statement under a connection."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from tidegauge.errors import UsageError
from tidegauge.records import FollowedCluster, Part, StoredPart, StreamState, Window
from tidegauge.store import rows
from tidegauge.store.schema import clusters, events, parts, shares, streams, windows


def find_state(connection: sa.Connection, stream: str, *, lock: bool = False) -> StreamState:
    """Return the state of a stream, and hold its row where `lock`; ``UsageError`` names those that there are."""
    wanted = sa.select(streams).where(streams.c.stream == stream)
    row = connection.execute(wanted.with_for_update() if lock else wanted).first()
    if row is not None:
        return rows.state_of(row)
    known = connection.execute(sa.select(streams.c.stream).order_by(streams.c.stream).limit(20)).scalars().all()
    want = f"one of {', '.join(known)}" if known else "a stream that was begun"
    raise UsageError("stream", got=repr(stream), want=want)


def put_state(connection: sa.Connection, state: StreamState) -> None:
    """Write a stream's state over the present one."""
    connection.execute(sa.update(streams).where(streams.c.stream == state.stream).values(rows.state_values(state)))


def put_new(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> None:
    """Insert a row, unless one of its key is there."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert
    connection.execute(insert(table).values(dict(values)).on_conflict_do_nothing())


def put_events(connection: sa.Connection, values: list[rows.Values]) -> None:
    """Insert events."""
    if values:
        connection.execute(sa.insert(events), values)


def find_parts(connection: sa.Connection, stream: str, until: int | None = None) -> tuple[StoredPart, ...]:
    """Return parts of panes that end at ``until`` or earlier, in the order in which they landed."""
    wanted = sa.select(parts).where(parts.c.stream == stream).order_by(parts.c.id)
    if until is not None:
        wanted = wanted.where(parts.c.ends <= until)
    return tuple(rows.stored_part_of(row) for row in connection.execute(wanted))


def find_windows(
    connection: sa.Connection,
    stream: str,
    *,
    reference: str | None = None,
    length: int | None = None,
    since: int | None = None,
    until: int | None = None,
    segment: str | None = None,
    newest: int | None = None,
) -> tuple[Window, ...]:
    """Return windows by start, without their bytes."""
    order = (windows.c.start, windows.c.length, windows.c.segment, windows.c.reference)
    columns = [column for column in windows.c if column is not windows.c.data]
    wanted = _among(sa.select(*columns), stream, reference, length, since, until)
    if segment is not None:
        wanted = wanted.where(windows.c.segment == segment)
    if newest is None:
        return tuple(rows.window_of(row) for row in connection.execute(wanted.order_by(*order)))
    wanted = wanted.order_by(*(column.desc() for column in order)).limit(max(newest, 0))
    return tuple(rows.window_of(row) for row in connection.execute(wanted))[::-1]


def find_sketches(
    connection: sa.Connection, stream: str, *, reference: str, length: int, since: int | None, until: int | None
) -> tuple[Part, ...]:
    """Return the bytes of windows by start and segment."""
    wanted = _among(sa.select(windows), stream, reference, length, since, until).where(windows.c.data.is_not(None))
    ordered = wanted.order_by(windows.c.start, windows.c.segment)
    return tuple(rows.sketch_of(row) for row in connection.execute(ordered))


def find_clusters(connection: sa.Connection, stream: str, reference: str | None) -> tuple[FollowedCluster, ...]:
    """Return followed clusters, oldest first."""
    found = sa.select(clusters).where(clusters.c.stream == stream)
    history = sa.select(shares).where(shares.c.stream == stream)
    if reference is not None:
        found = found.where(clusters.c.reference == reference)
        history = history.where(shares.c.reference == reference)
    history = history.order_by(shares.c.reference, shares.c.name, shares.c.start, shares.c.length)
    by_cluster = {
        key: [rows.share_of(row) for row in group]
        for key, group in groupby(connection.execute(history), key=lambda row: (row.reference, row.name))
    }
    ordered = connection.execute(found.order_by(clusters.c.born, clusters.c.name, clusters.c.reference))
    return tuple(rows.cluster_of(row, by_cluster.get((row.reference, row.name), ())) for row in ordered)


def _among(
    wanted: sa.Select[Any], stream: str, reference: str | None, length: int | None, since: int | None, until: int | None
) -> sa.Select[Any]:
    wanted = wanted.where(windows.c.stream == stream)
    if reference is not None:
        wanted = wanted.where(windows.c.reference == reference)
    if length is not None:
        wanted = wanted.where(windows.c.length == length)
    if since is not None:
        wanted = wanted.where(windows.c.start >= since)
    if until is not None:
        wanted = wanted.where(windows.c.ends <= until)
    return wanted
