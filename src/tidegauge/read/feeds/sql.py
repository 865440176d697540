"""A table of a database that rows are added to, read by a key that rises."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np

from tidegauge.contracts import Delivery
from tidegauge.errors import DataError, UsageError
from tidegauge.read.csv import lists_fast, parse_vector
from tidegauge.read.feeds.database import Database, SqlRow
from tidegauge.read.feeds.mark import digest
from tidegauge.read.feeds.rows import admit_rows
from tidegauge.read.prefetch import prefetched
from tidegauge.read.table import Frame, Kind, Layout, resolve, side_names
from tidegauge.records import Columns, Position

SAMPLE_ROWS: Final = 200
"""Rows by which the columns are told."""

KEYS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "int": int,
    "float": float,
    "str": str,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "Decimal": Decimal,
    "UUID": UUID,
}
"""Types that a key can have, and what makes one of the text or number that was kept."""

PLAIN: Final = (int, float, str)


class SqlFeed:
    """The rows of a table or view, in the order of a key that is unique and rises with every new row.

    Rows are read whose key is greater than that of the last one kept: what is added, or becomes visible, below it later
    is not found, nor are rows without a key, and what changes or is deleted afterwards changes nothing. Vectors are
    lists as text (``[1,2,3]``, as JSON and pgvector write them), arrays of floats, or little-endian float32 bytes.

    Parameters
    ----------
    url : str
        The address of the database, as SQLAlchemy writes it; its password is never shown or kept.
    table, key : str
        The table, with its schema before a dot if it has one, and the column that rises.
    columns : Columns
        Which columns hold what; a row without a usable time is set aside.
    name : str
        What positions and ids are named by, in place of the address and table.

    Raises
    ------
    UsageError
        Where the address cannot be used, or no table or key is given.
    DataError
        Where the database cannot be reached, or has no such table or column.

    Examples
    --------
    >>> import sqlite3, tempfile
    >>> from contextlib import closing
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with closing(sqlite3.connect(f"{folder}/app.db")) as database:
    ...         _ = database.execute("create table queries (id integer primary key, emb text)")
    ...         _ = database.execute("insert into queries values (7, '[0.5, 1]'), (9, '[2, 3]')")
    ...         database.commit()
    ...     feed = SqlFeed(f"sqlite:///{folder}/app.db", "queries", "id", Columns())
    ...     [(given.batch.x.tolist(), given.position.mark) for given in feed.deliveries([], 1)]
    [([[0.5, 1.0]], '{"type": "int", "key": 7, "width": 2}'), ([[2.0, 3.0]], '{"type": "int", "key": 9, "width": 2}')]
    """

    ended = False

    def __init__(self, url: str, table: str, key: str, columns: Columns, *, name: str = "") -> None:
        if not table or not key:
            want = "the name of a table, and of a column of it that rises with every new row"
            raise UsageError("database", got=f"table {table!r} and key {key!r}", want=want)
        self._columns, self._key = replace(columns, strict_times=False), key
        self._database = Database(url)
        self._what = f"{self._database.shown}, table {table}"
        self.source = name or f"{self._database.shown}#{table}"
        self._table = self._database.table(table)
        if key not in self._table.c:
            raise DataError(self._what, got=f"no column {key}", want=f"one of {', '.join(self._table.c.keys())}")
        self._faults: list[str] = []
        self._lost = False
        self._told: SqlRows | None = None

    def deliveries(self, kept: Sequence[Position], size: int) -> Iterator[Delivery]:
        """Yield batches of at most `size` rows behind the key kept last, until there are no more for now.

        Raises `DataError` where two rows have the same key, or the columns cannot be told.
        """
        if size < 1:
            raise UsageError("size", got=str(size), want="at least 1 row")
        position = next((position for position in kept if position.source == self.source), Position(self.source, 0))
        return prefetched(self._deliveries(position.rows, _Last.read(position), size))

    def faults(self) -> tuple[str, ...]:
        """Return why the database could not be read, once for each time that it was lost."""
        named, self._faults = tuple(self._faults), []
        return named

    def mark(self) -> str:
        """Return nothing: a table does not tell whether it changed."""
        return ""

    def _deliveries(self, given: int, last: _Last, size: int) -> Iterator[Delivery]:
        told = self._told = self._told or self._tell()
        while told:
            # One row more than is taken tells whether there are others, and whether the next one has the same key.
            rows = self._fetched(told.layout.names, last.key, size + 1)
            if not rows:
                return
            self._check_keys(rows)
            block = rows[:size]
            batch = admit_rows(
                told, block, first_row=given, width=last.width or None, place=lambda row: f"{self._key} {row[0]}"
            )
            first, given = given + 1, given + len(block)
            last = _Last(block[-1][0], last.width or (batch.width if batch.rows else 0))
            content = digest(repr((block[0][0], last.key)).encode())
            position = Position(self.source, given, last.text(), after=first - 1)
            yield Delivery(f"{self.source}:{first}-{given}:{content}", batch, position)
            if len(rows) <= size:
                return

    def _tell(self) -> SqlRows | None:
        """Tell the columns by the first rows; None while there are none."""
        names = list(self._table.c.keys())
        sample = self._fetched(names, None, SAMPLE_ROWS)
        if not sample:
            return None
        kinds: dict[str, Kind] = {
            name: _kind([row[1 + i] for row in sample], named=name == self._columns.vector)
            for i, name in enumerate(names)
            if name != self._key or name in side_names(self._columns)
        }
        return SqlRows(self.source, resolve(kinds, self._columns, self._what))

    def _fetched(self, names: Sequence[str], after: Any, limit: int) -> list[SqlRow]:
        """The key and these columns of the rows behind a key; none, and a fault, where the database is lost."""
        import sqlalchemy as sa

        # As the driver gives them: a type that was told wrongly, such as that of a vector, would spoil the values.
        def raw(name: str) -> sa.ColumnElement[Any]:
            return sa.type_coerce(self._table.c[name], sa.types.NullType())

        key = raw(self._key)
        query = sa.select(key.label(None), *(raw(name).label(None) for name in names))
        query = query.where(key.is_not(None) if after is None else key > sa.bindparam("after", after))
        try:
            rows = self._database.rows(query.order_by(self._table.c[self._key]).limit(limit), self._what)
        except DataError as fault:
            if not self._lost:
                self._faults.append(str(fault))
            self._lost = True
            return []
        self._lost = False
        return rows

    def _check_keys(self, rows: Sequence[SqlRow]) -> None:
        for before, row in pairwise(rows):
            if before[0] == row[0]:
                want = f"every {self._key} once, as rows are told apart by it"
                raise DataError(self._what, got=f"several rows of {self._key} {row[0]}", want=want)


@dataclass(frozen=True, slots=True)
class SqlRows:
    """How rows of a query, the key first, become columns."""

    source: str
    layout: Layout

    def frame(self, block: Sequence[SqlRow]) -> Frame:
        """Rows as columns; `DataError` where a vector cannot be read."""
        columns = {name: [row[1 + i] for row in block] for i, name in enumerate(self.layout.names)}
        if not self.layout.packed:
            return columns
        name = self.layout.vector[0]
        return {**columns, name: _vectors(columns[name], f"{self.source}, column {name}")}


class _Last(NamedTuple):
    """The key of the last row that was read, and the width of its vectors."""

    key: Any = None
    width: int = 0

    @classmethod
    def read(cls, position: Position) -> _Last:
        if not position.mark:
            return cls()
        try:
            kept = json.loads(position.mark)
            return cls(KEYS[kept["type"]](kept["key"]), int(kept["width"]))
        except (ValueError, TypeError, KeyError, ArithmeticError):
            got, want = f"the position {position.mark[:40]!r}", "one that was kept for a table"
            raise DataError(position.source, got=got, want=want) from None

    def text(self) -> str:
        kind = type(self.key).__name__
        if kind not in KEYS:
            raise DataError("key", got=f"type {kind}", want=f"one of {', '.join(KEYS)}")
        key = self.key if isinstance(self.key, PLAIN) else str(self.key)
        return json.dumps({"type": kind, "key": key, "width": self.width})


def _kind(values: Sequence[Any], *, named: bool) -> Kind:
    """The kind of a column by its first value; bytes are a vector only where they are said to be one."""
    first = next((value for value in values if value is not None), None)
    if first is None:
        return "empty"
    if isinstance(first, bytes | memoryview):
        return "list" if named else "bits"
    if isinstance(first, str):
        return "list" if named or first.lstrip().startswith("[") else "other"
    if isinstance(first, list | tuple):
        return "list"
    return "number" if isinstance(first, int | float | Decimal) and not isinstance(first, bool) else "other"


def _vectors(values: list[Any], what: str) -> Any:
    import pyarrow as pa

    if all(value is None or isinstance(value, str) for value in values):
        lists = lists_fast(pa.chunked_array([pa.array(values, pa.string())]))
        if lists is not None:
            return lists
    return [_vector(value, what) for value in values]


def _vector(value: Any, what: str) -> Any:
    try:
        if isinstance(value, str):
            return parse_vector(value)
        return np.frombuffer(value, "<f4") if isinstance(value, bytes | memoryview) else value
    except ValueError:
        got = f"{len(value)} bytes" if not isinstance(value, str) else repr(value[:60])
        raise DataError(what, got=got, want="a list of numbers, or float32 bytes") from None
