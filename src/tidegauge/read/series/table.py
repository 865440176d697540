"""A ready series of a product metric in a table: of a file, or of a database."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from tidegauge.errors import DataError, UsageError
from tidegauge.gate.values import as_text
from tidegauge.read.faults import Fault, Faults
from tidegauge.read.feeds.database import Database
from tidegauge.read.plain import Block, blocks, numbers, seconds
from tidegauge.read.series.point import SeriesPoint
from tidegauge.records import NONE

MOST_ROWS: Final = 1_000_000
"""Rows that are read of a table of a database at once."""


class TableSeries:
    r"""A ready series in a CSV, Parquet or JSON lines file, a folder or pattern of them, or a table of a database.

    Parameters
    ----------
    source : str
        A path, or the address of a database, as SQLAlchemy writes it; its password is never shown.
    time, numerator : str
        Columns: the start of what a row is of, as a timestamp, ISO 8601 text or epoch seconds (UTC where no zone is
        said), and what was counted in it.
    denominator, segment : str
        Columns that may be left out: the denominator is then 1 a row, and the rows are of all segments.
    table : str
        Of a database: the table or view, with its schema before a dot if it has one.

    Raises
    ------
    UsageError
        Where a column has no name, a table is named for a file or none for a database, or the address is wrong.
    DataError
        Where the source cannot be reached, or has no such table or column.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "success.csv")
    ...     _ = file.write_text("time,good,asked\n1970-01-02,5,9\n1970-01-03,,8\n")
    ...     series = TableSeries(str(file), time="time", numerator="good", denominator="asked")
    ...     list(series.points(0, 1e9)), [fault.reason for fault in series.faults()]
    ([SeriesPoint(at=86400.0, numerator=5.0, denominator=9.0, segment='')], ['no numerator'])
    """

    def __init__(
        self, source: str, *, time: str, numerator: str, denominator: str = "", segment: str = "", table: str = ""
    ) -> None:
        if not time or not numerator:
            raise UsageError(
                "series", got=f"time {time!r} and numerator {numerator!r}", want="the names of two columns"
            )
        self._time, self._numerator, self._denominator, self._segment = time, numerator, denominator, segment
        self._names = list(dict.fromkeys(each for each in (time, numerator, denominator, segment) if each))
        self._faults = Faults()
        self._table: _Table | None = None
        if "://" in source:
            self._table = _Table(source, table, self._names, time)
            self.source = self._table.source
        elif table:
            raise UsageError(source, got=f"table {table!r}", want="none", hint="Only a database has tables")
        else:
            self.source = source
            next(blocks(source, self._names, Faults(), size=1), None)  # so that faults of the file show early

    def points(self, since: float, until: float) -> Iterator[SeriesPoint]:
        """Yield the points of rows from `since` on and before `until`, epoch seconds, in the order of the table.

        A row that cannot be used is left out and counted (see `faults`). Rows of one time are not added up.

        Raises
        ------
        DataError
            Where the source cannot be read any more, or is a database that gives more than a million rows.
        """
        self._faults = Faults()
        table = self._table
        given = table.blocks(since, until) if table else blocks(self.source, self._names, self._faults)
        return self._points(given, since, until)

    def faults(self) -> tuple[Fault, ...]:
        """Return what the last call of `points` left out so far, the first by its row.

        Reasons are ``malformed`` (another number of fields, no JSON object), ``time`` (none, or none that can be read),
        and, of rows in the span, ``no numerator``, ``no denominator``, ``not a number`` (text) and ``infinite``.
        """
        return self._faults.listed()

    def _points(self, given: Iterator[Block], since: float, until: float) -> Iterator[SeriesPoint]:
        for block in given:
            times = seconds(block.columns[self._time], block.source)
            above, odd = numbers(block.columns[self._numerator])
            below, odd_below = np.ones(block.rows), np.zeros(block.rows, np.bool_)
            if self._denominator:
                below, odd_below = numbers(block.columns[self._denominator])
            segments = block.columns[self._segment] if self._segment else None
            for i in range(block.rows):
                if math.isnan(times[i]):
                    self._faults.note("time", block.at(i))
                elif since <= times[i] < until:
                    reason = _reason(above[i], below[i], bool(odd[i] or odd_below[i]))
                    if reason:
                        self._faults.note(reason, block.at(i))
                        continue
                    segment = (as_text(segments[i]).strip() or NONE) if segments is not None else ""
                    yield SeriesPoint(float(times[i]), float(above[i]), float(below[i]), segment)


class _Table:
    """A table of a database, read whole or where its time column tells time, by spans."""

    def __init__(self, url: str, table: str, names: Sequence[str], time: str) -> None:
        if not table:
            raise UsageError("database", got="no table", want="the name of a table")
        self._database = Database(url)
        self.source = f"{self._database.shown}, table {table}"
        self._table = self._database.table(table)
        self._names, self._time = names, time
        for name in names:
            if name not in self._table.c:
                known = ", ".join(self._table.c.keys())
                raise DataError(self.source, got=f"no column {name}", want=f"one of {known}")

    def blocks(self, since: float, until: float) -> Iterator[Block]:
        """All rows of the span, as the driver gives them, in the order of time."""
        import sqlalchemy as sa

        # As the driver gives them: a type that was told wrongly would spoil the values.
        def raw(name: str) -> sa.ColumnElement[Any]:
            return sa.type_coerce(self._table.c[name], sa.types.NullType())

        time = self._table.c[self._time]
        query = sa.select(*(raw(name).label(None) for name in self._names)).order_by(time).limit(MOST_ROWS + 1)
        span = self._span(since, until)
        if span is not None:
            query = query.where(sa.or_(time.is_(None), sa.and_(time >= span[0], time < span[1])))
        rows = self._database.rows(query, self.source)
        if len(rows) > MOST_ROWS:
            hint = "Ask for a shorter span, or make a view of the rows that count"
            raise DataError(self.source, got=f"more than {MOST_ROWS} rows", want="fewer", hint=hint)
        if rows:
            columns = {name: [row[i] for row in rows] for i, name in enumerate(self._names)}
            yield Block(self.source, 0, columns, named=self._time)

    def _span(self, since: float, until: float) -> tuple[Any, Any] | None:
        """The span as the column writes times; None where it may hold what it is not declared to."""
        import sqlalchemy as sa

        kind = self._table.c[self._time].type
        if self._database.shown.startswith("sqlite"):
            return None
        if isinstance(kind, sa.Integer | sa.Numeric):
            return since, until
        if isinstance(kind, sa.DateTime):
            zone = UTC if kind.timezone else None
            try:
                begin, end = (datetime.fromtimestamp(each, UTC).replace(tzinfo=zone) for each in (since, until))
            except (OverflowError, ValueError, OSError):
                return None
            return begin, end
        return None


def _reason(above: float, below: float, odd: bool) -> str:
    """Why a row gives no point; empty where it gives one."""
    if odd:
        return "not a number"
    if math.isnan(above):
        return "no numerator"
    if math.isnan(below):
        return "no denominator"
    return "" if math.isfinite(above) and math.isfinite(below) else "infinite"
