"""A database that is only read: its address without the password, its tables, and rows of queries."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegauge.errors import DataError, UsageError

if TYPE_CHECKING:
    import sqlalchemy as sa

SqlRow = tuple[Any, ...]


class Database:
    """A database by its address, as SQLAlchemy writes it; connections last for one query.

    Raises `UsageError` where the address cannot be used, and `DataError` where it is that of a file that is not there.

    Examples
    --------
    >>> Database("postgresql://tide:secret@db.local/app?sslmode=require").shown
    'postgresql://tide@db.local/app'
    """

    def __init__(self, url: str) -> None:
        import sqlalchemy as sa
        from sqlalchemy.exc import ArgumentError
        from sqlalchemy.pool import NullPool

        try:
            address = sa.make_url(url)
            # Neither the password nor the driver tells one database from another.
            backend = address.get_backend_name()
            plain = sa.URL.create(backend, address.username, None, address.host, address.port, address.database)
            self.shown = plain.render_as_string()
            driver = "postgresql+psycopg" if address.drivername in ("postgresql", "postgres") else address.drivername
            self._engine = sa.create_engine(address.set(drivername=driver), poolclass=NullPool)
        except (ArgumentError, ImportError, ValueError) as error:
            want = "an address that SQLAlchemy can use, such as postgresql://user:password@host/database"
            raise UsageError("database", got=_reason(error), want=want) from None
        self._password = str(address.password or "")
        file = address.database or ""
        in_file = backend == "sqlite" and file not in ("", ":memory:") and "uri" not in address.query
        if in_file and not Path(file).exists():  # SQLite would make an empty one
            raise DataError(self.shown, got="no such file", want="a database")

    def table(self, name: str) -> sa.Table:
        """Look up a table or view, with its schema before a dot if it has one; `DataError` where it is not there."""
        import sqlalchemy as sa
        from sqlalchemy.exc import SAWarning

        what = f"{self.shown}, table {name}"
        with self._failing(what), self._engine.connect() as connection, warnings.catch_warnings():
            # Types that it does not know, such as those of vectors.
            warnings.simplefilter("ignore", SAWarning)
            inspector = sa.inspect(connection)
            schema, table = None, name
            if "." in name and not inspector.has_table(name):
                schema, _, table = name.rpartition(".")
            if not inspector.has_table(table, schema):
                known = ", ".join([*inspector.get_table_names(schema), *inspector.get_view_names(schema)][:12])
                raise DataError(what, got="no such table", want=f"one of {known}" if known else "a table")
            return sa.Table(table, sa.MetaData(), schema=schema, autoload_with=connection, resolve_fks=False)

    def rows(self, query: sa.Select[Any], what: str) -> list[SqlRow]:
        """Return the rows of a query; `DataError` where the database does not answer."""
        with self._failing(what), self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(query)]

    @contextmanager
    def _failing(self, what: str) -> Generator[None]:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            got = _reason(getattr(error, "orig", None) or error)
            got = got.replace(self._password, "***") if self._password else got
            raise DataError(what, got=got, want="a database that answers") from None


def _reason(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")[:200] or type(error).__name__
