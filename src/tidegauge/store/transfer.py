"""Streams from one store into another: an export is a SQLite store, and an import copies it back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from tidegauge.errors import MismatchError
from tidegauge.records import StreamState
from tidegauge.store import queries
from tidegauge.store.schema import (
    alarms,
    annotations,
    baselines,
    batches,
    calibrations,
    clusters,
    events,
    outbox,
    outcomes,
    parts,
    places,
    positions,
    references,
    shares,
    streams,
    tallies,
    windows,
)
from tidegauge.store.store import SqlStore

# What a stream has, and the order in which its rows are compared; what points at another comes after it.
_CONTENT: tuple[tuple[sa.Table, tuple[str, ...]], ...] = (
    (baselines, ("id",)),
    (batches, ("digest",)),
    (positions, ("digest",)),
    (parts, ("id",)),
    (windows, ("reference", "length", "start", "segment")),
    (events, ("id",)),
    (clusters, ("reference", "name")),
    (shares, ("reference", "name", "start", "length")),
    (tallies, ("reference", "length", "segment", "start")),
    (calibrations, ("reference", "segment")),
    (outcomes, ("reference", "length", "outcome", "segment", "start")),
    (places, ("digest",)),
    (alarms, ("alarm",)),
    (annotations, ("id",)),
)
_ROWS_AT_ONCE = 200
_BYTES_AT_ONCE = 1 << 23


def copy_store(source: SqlStore, target: SqlStore, streams: Sequence[str] | None = None) -> tuple[str, ...]:
    """Copy streams, with all that is kept of them, in one transaction; return those that were not there yet.

    A stream that the target has with the same content stays as it is, so that a repeated copy changes nothing.
    Annotations for all streams come along, each unless the target has it. Messages stay where they are, sent or
    waiting: nobody is told again of what a copy holds.

    Parameters
    ----------
    source, target : SqlStore
        The stores; the target gets all of the streams or, where anything fails, none.
    streams : sequence of str, optional
        Which; all of the source's where not given.

    Raises
    ------
    MismatchError
        Where the target has one of the streams with other content.

    Examples
    --------
    >>> import tempfile
    >>> from tidegauge.store import open_store
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store, export = open_store(f"{folder}/drift.db"), open_store(f"{folder}/export.db")
    ...     _ = store.register("queries", "stream")
    ...     copy_store(store, export), copy_store(store, export)
    ...     store.close(), export.close()
    (('queries',), ())
    (None, None)
    """
    names = [state.stream for state in source.streams()] if streams is None else list(dict.fromkeys(streams))
    copied: list[str] = []
    with source.database.reading() as read, target.database.writing() as write:
        for name in names:
            state = queries.find_state(read, name)
            if _is_there(write, state):
                if _digest(read, name) != _digest(write, name):
                    hint = "Copy into another store, or keep the one that is there"
                    raise MismatchError(
                        target.name, got=f"stream {name} with other content", want="the same, or none", hint=hint
                    )
                continue
            _copy(read, write, name, target.name)
            copied.append(name)
        _copy_shared(read, write)
    return tuple(copied)


def _is_there(connection: sa.Connection, state: StreamState) -> bool:
    """Whether the store has the stream with content; one that was only begun is made room for."""
    if connection.execute(sa.select(streams.c.stream).where(streams.c.stream == state.stream)).first() is None:
        return False
    there = queries.find_state(connection, state.stream, lock=True)
    begun = there == StreamState(state.stream, state.kind) != state
    held = (*_CONTENT, (outbox, ("id",)))
    if not begun or any(next(_rows(connection, table, key, state.stream), None) for table, key in held):
        return True
    connection.execute(sa.delete(streams).where(streams.c.stream == state.stream))
    return False


def _copy(read: sa.Connection, write: sa.Connection, stream: str, target: str) -> None:
    begun = read.execute(sa.select(streams).where(streams.c.stream == stream)).mappings().one()
    write.execute(sa.insert(streams), dict(begun))
    for reference in _references(read, stream):
        data = _bytes(read, reference)
        there = _bytes(write, reference)
        if there is not None and there != data:
            got, want = f"other bytes under the hash {reference}", "the same, or none"
            raise MismatchError(target, got=got, want=want, hint="A row may have been forgotten in one of them")
        if there is None:
            write.execute(sa.insert(references), {"reference": reference, "data": data})
    for table, key in _CONTENT:
        waiting: list[dict[str, Any]] = []
        weight = 0
        for values in _rows(read, table, key, stream):
            waiting.append(values)
            weight += len(values.get("data") or b"")
            if len(waiting) >= _ROWS_AT_ONCE or weight > _BYTES_AT_ONCE:
                write.execute(sa.insert(table), waiting)
                waiting, weight = [], 0
        if waiting:
            write.execute(sa.insert(table), waiting)


def _copy_shared(read: sa.Connection, write: sa.Connection) -> None:
    """Copy annotations for all streams that are not there yet."""
    there = list(_rows(write, annotations, ("id",), ""))
    missing = [values for values in _rows(read, annotations, ("id",), "") if values not in there]
    if missing:
        write.execute(sa.insert(annotations), missing)


def _digest(connection: sa.Connection, stream: str) -> str:
    """Return a digest of all that is kept of a stream, whatever numbers its rows have."""
    said = sha256()
    row = connection.execute(sa.select(streams).where(streams.c.stream == stream)).one()
    said.update(repr(tuple(row)).encode("utf-8", "surrogatepass"))
    for reference in _references(connection, stream):
        said.update(sha256(_bytes(connection, reference) or b"").digest())
    for table, key in _CONTENT:
        said.update(table.name.encode())
        for values in _rows(connection, table, key, stream):
            plain = {name: sha256(each).digest() if isinstance(each, bytes) else each for name, each in values.items()}
            said.update(repr(sorted(plain.items())).encode("utf-8", "surrogatepass"))
    return said.hexdigest()


def _rows(connection: sa.Connection, table: sa.Table, key: tuple[str, ...], stream: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a stream as values without the number that only this store gives them, a few in memory."""
    wanted = sa.select(table).where(table.c.stream == stream).order_by(*(table.c[column] for column in key))
    # Blobs are many and large: the database hands them out one by one.
    with connection.execute(wanted.execution_options(yield_per=20)) as found:
        for row in found.mappings():
            yield {str(name): value for name, value in row.items() if name != "id"}


def _references(connection: sa.Connection, stream: str) -> list[str]:
    wanted = sa.select(baselines.c.reference).where(baselines.c.stream == stream).distinct()
    return list(connection.execute(wanted.order_by(baselines.c.reference)).scalars())


def _bytes(connection: sa.Connection, reference: str) -> bytes | None:
    found = connection.execute(sa.select(references.c.data).where(references.c.reference == reference)).scalar()
    return None if found is None else bytes(found)
