"""Messages that wait to be sent, each for one sender at a time, and those of one alarm in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from tidegauge.records import Message
from tidegauge.store import queries, rows
from tidegauge.store.schema import outbox


def put_messages(connection: sa.Connection, stream: str, messages: Sequence[Message]) -> None:
    """Insert messages in their order, each unless one of its endpoint and key is there."""
    for values in [rows.message_values(stream, message) for message in messages]:
        queries.put_new(connection, outbox, values)


def is_due(connection: sa.Connection, now: float) -> bool:
    """Whether there is a message to claim."""
    return connection.execute(_due(now).limit(1)).first() is not None


def claim_messages(connection: sa.Connection, now: float, until: float, most: int) -> tuple[Message, ...]:
    """Return messages that are due, oldest first, and put them off until a moment.

    Of one alarm and endpoint, only the oldest that has not arrived may be had: who is told that an alarm is resolved
    was told before that it opened.
    """
    # SQLite has one writer anyway, and leaves the lock out; in PostgreSQL a row that another claims is passed over.
    wanted = _due(now).limit(max(most, 0)).with_for_update(skip_locked=True, of=outbox)
    found = [replace(rows.message_of(row), due=until) for row in connection.execute(wanted)]
    if found:
        put_off = sa.update(outbox).where(outbox.c.id == sa.bindparam("message")).values(due=until)
        connection.execute(put_off, [{"message": message.id} for message in found])
    return tuple(found)


def find_messages(connection: sa.Connection, *, waiting: bool, newest: int | None) -> tuple[Message, ...]:
    """Return messages, oldest first."""
    wanted = sa.select(outbox).order_by(outbox.c.id.desc())
    if waiting:
        wanted = wanted.where(outbox.c.delivered.is_(None))
    if newest is not None:
        wanted = wanted.limit(max(newest, 0))
    return tuple(rows.message_of(row) for row in connection.execute(wanted))[::-1]


def _due(now: float) -> sa.Select[Any]:
    earlier = outbox.alias("earlier")
    waits = sa.exists().where(
        earlier.c.endpoint == outbox.c.endpoint,
        earlier.c.alarm == outbox.c.alarm,
        earlier.c.delivered.is_(None),
        earlier.c.id < outbox.c.id,
    )
    return sa.select(outbox).where(outbox.c.delivered.is_(None), outbox.c.due <= now, ~waits).order_by(outbox.c.id)
