"""What the store and the desk both ask, each in one statement under a connection."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from tidegauge.errors import UsageError
from tidegauge.records import (
    Alarm,
    Annotation,
    Calibrated,
    FollowedCluster,
    Measured,
    Part,
    RowPlace,
    StoredPart,
    StreamState,
    Tally,
    Window,
)
from tidegauge.store import rows
from tidegauge.store.schema import (
    alarms,
    annotations,
    batches,
    calibrations,
    clusters,
    events,
    outcomes,
    parts,
    places,
    shares,
    streams,
    tallies,
    windows,
)


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
    connection.execute(_insert(connection, table).values(dict(values)).on_conflict_do_nothing())


def put_all_new(connection: sa.Connection, table: sa.Table, values: Sequence[rows.Values]) -> None:
    """Insert rows, except those of whose key one is there."""
    if values:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), values)


def put_over(connection: sa.Connection, table: sa.Table, values: Sequence[rows.Values]) -> None:
    """Insert rows, each in place of the one of its primary key."""
    if values:
        insert, key = _insert(connection, table), [column.name for column in table.primary_key]
        new = {column: insert.excluded[column] for column in values[0] if column not in key}
        connection.execute(insert.on_conflict_do_update(index_elements=key, set_=new), values)


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
    wanted = _among(windows, sa.select(*columns), stream, reference, length, since, until)
    if segment is not None:
        wanted = wanted.where(windows.c.segment == segment)
    return tuple(rows.window_of(row) for row in _newest(connection, wanted, order, newest))


def find_sketches(
    connection: sa.Connection, stream: str, *, reference: str, length: int, since: int | None, until: int | None
) -> tuple[Part, ...]:
    """Return the bytes of windows by start and segment."""
    wanted = _among(windows, sa.select(windows), stream, reference, length, since, until)
    ordered = wanted.where(windows.c.data.is_not(None)).order_by(windows.c.start, windows.c.segment)
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


def find_tallies(
    connection: sa.Connection,
    stream: str,
    *,
    reference: str,
    length: int,
    segment: str,
    since: int | None,
    until: int | None,
    newest: int | None,
) -> tuple[Tally, ...]:
    """Return tallies of a segment by start."""
    wanted = _among(tallies, sa.select(tallies), stream, reference, length, since, until)
    found = _newest(connection, wanted.where(tallies.c.segment == segment), (tallies.c.start,), newest)
    return tuple(rows.tally_of(row) for row in found)


def find_calibrated(connection: sa.Connection, stream: str, reference: str) -> tuple[Calibrated, ...]:
    """Return how each segment varies, by segment."""
    mine = (calibrations.c.stream == stream, calibrations.c.reference == reference)
    wanted = sa.select(calibrations).where(*mine).order_by(calibrations.c.segment)
    return tuple(rows.calibrated_of(row) for row in connection.execute(wanted))


def find_measured(
    connection: sa.Connection,
    stream: str,
    *,
    reference: str | None,
    length: int,
    outcome: str | None,
    segment: str | None,
    since: int | None,
    until: int | None,
) -> tuple[Measured, ...]:
    """Return what outcomes were, by start, outcome and segment; those of ready series whatever the reference."""
    wanted = _among(outcomes, sa.select(outcomes), stream, None, length, since, until)
    if reference is not None:
        wanted = wanted.where(outcomes.c.reference.in_((reference, "")))
    if outcome is not None:
        wanted = wanted.where(outcomes.c.outcome == outcome)
    if segment is not None:
        wanted = wanted.where(outcomes.c.segment == segment)
    found = [rows.measured_of(row) for row in connection.execute(wanted)]
    return tuple(sorted(found, key=lambda each: (each.key.start, each.outcome, each.key.segment, each.key.reference)))


def put_measured(connection: sa.Connection, values: Sequence[rows.Values], *, add: bool) -> None:
    """Insert what outcomes were, each in place of the one of its key, or added to it."""
    if not add:
        put_over(connection, outcomes, values)
    elif values:
        insert, key = _insert(connection, outcomes), [column.name for column in outcomes.primary_key]
        both = {name: outcomes.c[name] + insert.excluded[name] for name in ("numerator", "denominator")}
        connection.execute(insert.on_conflict_do_update(index_elements=key, set_=both), values)


def find_places(connection: sa.Connection, stream: str, ids: Collection[str]) -> dict[str, RowPlace]:
    """Return where rows were counted, by id."""
    by_digest = {rows.id_digest(each): each for each in ids}
    digests, found = list(by_digest), dict[str, RowPlace]()
    for some in batched(digests):
        wanted = sa.select(places).where(places.c.stream == stream, places.c.digest.in_(some))
        for row in connection.execute(wanted):
            row_id = by_digest[bytes(row.digest)]
            found[row_id] = rows.place_of(row, row_id)
    return found


def find_batches(connection: sa.Connection, stream: str, digests: Sequence[str]) -> set[str]:
    """Return those of these digests that are of batches which landed."""
    found = set[str]()
    for some in batched(digests):
        wanted = sa.select(batches.c.digest).where(batches.c.stream == stream, batches.c.digest.in_(some))
        found.update(connection.execute(wanted).scalars())
    return found


def batched(values: Sequence[Any], most: int = 500) -> list[Sequence[Any]]:
    """Return values in pieces that one statement may name."""
    return [values[first : first + most] for first in range(0, len(values), most)]


def find_alarms(
    connection: sa.Connection, stream: str | None, *, lasting: bool, since: int | None = None, newest: int | None = None
) -> tuple[Alarm, ...]:
    """Return alarms by opening: of one stream by its panes, of all streams by the clock, which they share."""
    wanted, order = sa.select(alarms), (alarms.c.at, alarms.c.opened, alarms.c.alarm)
    if stream is not None:
        wanted, order = wanted.where(alarms.c.stream == stream), (alarms.c.opened, alarms.c.at, alarms.c.alarm)
    if lasting:
        wanted = wanted.where(alarms.c.resolved.is_(None), alarms.c.state != "resolved")
    if since is not None:
        wanted = wanted.where(alarms.c.updated >= since)
    return tuple(rows.alarm_of(row) for row in _newest(connection, wanted, order, newest))


def find_annotations(
    connection: sa.Connection, stream: str | None, *, since: int | None = None, until: int | None = None
) -> tuple[Annotation, ...]:
    """Return annotations that touch a span, by time: those of a stream and of all, or every one."""
    wanted = sa.select(annotations)
    if stream is not None:
        wanted = wanted.where(annotations.c.stream.in_((stream, "")))
    if since is not None:
        wanted = wanted.where(annotations.c.until >= since)
    if until is not None:
        wanted = wanted.where(annotations.c.since <= until)
    ordered = wanted.order_by(annotations.c.since, annotations.c.until, annotations.c.id)
    return tuple(rows.annotation_of(row) for row in connection.execute(ordered))


def _insert(connection: sa.Connection, table: sa.Table) -> Any:
    """Return an insert that knows what to do where a row of its key is there."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert
    return insert(table)


def _newest(
    connection: sa.Connection, wanted: sa.Select[Any], order: Sequence[sa.Column[Any]], newest: int | None
) -> Sequence[sa.Row[Any]]:
    """Return rows in order, all or the last few."""
    if newest is None:
        return connection.execute(wanted.order_by(*order)).all()
    last = wanted.order_by(*(column.desc() for column in order)).limit(max(newest, 0))
    return connection.execute(last).all()[::-1]


def _among(
    table: sa.Table,
    wanted: sa.Select[Any],
    stream: str,
    reference: str | None,
    length: int | None,
    since: int | None,
    until: int | None,
) -> sa.Select[Any]:
    wanted = wanted.where(table.c.stream == stream)
    if reference is not None:
        wanted = wanted.where(table.c.reference == reference)
    if length is not None:
        wanted = wanted.where(table.c.length == length)
    if since is not None:
        wanted = wanted.where(table.c.start >= since)
    if until is not None:
        wanted = wanted.where(table.c.ends <= until)
    return wanted
