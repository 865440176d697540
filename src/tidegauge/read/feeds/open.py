"""From the name of a source to its feed."""

from __future__ import annotations

from tidegauge.contracts import Feed
from tidegauge.errors import UsageError
from tidegauge.read.feeds.folder import SETTLE_SECONDS, FolderFeed
from tidegauge.read.feeds.sql import SqlFeed
from tidegauge.read.feeds.stdin import StdinFeed
from tidegauge.records import Columns


def open_feed(
    source: str, columns: Columns, *, table: str = "", key: str = "", name: str = "", settle: float = SETTLE_SECONDS
) -> Feed:
    """Open a source that grows.

    Parameters
    ----------
    source : str
        A file, a folder or a pattern (see `FolderFeed`), ``-`` for standard input (see `StdinFeed`), or the address of
        a database, as SQLAlchemy writes it (see `SqlFeed`).
    columns : Columns
        Which columns hold what; a row without a usable time is set aside.
    table, key : str
        Of a database: the table, and the column that rises with every new row.
    name : str
        Of standard input and of a database: what its position is kept under.
    settle : float
        Of files: seconds without a change after which one is taken to be written no more; 0 where none is.

    Raises
    ------
    UsageError
        Where a table and key are given for what is no database, or missing for one.
    DataError
        Where the source is not there, or is not what it is called.

    Examples
    --------
    >>> import tempfile, numpy
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     numpy.save(f"{folder}/a.npy", numpy.ones((3, 2)))
    ...     feed = open_feed(folder, Columns())
    ...     [(given.batch.rows, given.position.rows) for given in feed.deliveries([], 2)]
    [(2, 2), (1, 3)]
    """
    if "://" in source:
        return SqlFeed(source, table, key, columns, name=name)
    if table or key:
        hint = "Only a database has tables and keys"
        raise UsageError(source, got=f"table {table!r} and key {key!r}", want="neither", hint=hint)
    return StdinFeed(columns, name) if source == "-" else FolderFeed(source, columns, settle=settle)
