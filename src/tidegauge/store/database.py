"""A database behind an address: its connections, its transactions, its schema."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event, exc

from tidegauge.errors import ArtefactError, DataError, StoreError, UsageError
from tidegauge.store.address import Address, check_file, masked
from tidegauge.store.failure import first_line, is_busy, named
from tidegauge.store.rows import MAX_BYTES
from tidegauge.store.schema import REVISIONS, VERSION_TABLE, metadata

PATIENCE = 30.0
"""Seconds that a transaction waits for a lock."""
_BEGIN = "tidegauge_begin"
_PATIENCE = "tidegauge_patience"
_MIGRATIONS = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class Database:
    """An engine with the two kinds of transactions, which name the store where they fail."""

    engine: sa.Engine
    address: Address
    patience: float

    @property
    def name(self) -> str:
        """The address for people."""
        return self.address.name

    @property
    def postgres(self) -> bool:
        """Whether a server keeps it, not a file."""
        return self.address.postgres

    @contextmanager
    def reading(self) -> Generator[sa.Connection]:
        """Hold one consistent view, which neither waits for writers nor makes them wait."""
        with self._connection() as connection:
            if self.postgres:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self) -> Generator[sa.Connection]:
        """Hold a transaction that may write; it is undone where an error passes."""
        with self._connection("BEGIN IMMEDIATE") as connection, connection.begin():
            self._limit_waiting(connection)
            yield connection

    @contextmanager
    def trying(self, patience: float) -> Generator[sa.Connection | None]:
        """Hold a transaction that may write, or None where SQLite's one lock is not had within `patience` seconds."""
        with self._connection("BEGIN IMMEDIATE", patience) as connection:
            try:
                transaction = connection.begin()
            except StoreError as error:
                if not is_busy(error.__cause__):
                    raise
                transaction = None
            if transaction is None:
                yield None
                return
            with transaction:
                self._limit_waiting(connection)
                yield connection

    def scrub(self) -> None:
        """Rewrite a SQLite file without what was deleted, and empty its log."""
        if self.postgres:
            return
        with self.plain() as connection:
            connection.exec_driver_sql("VACUUM")
            busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
        if busy:
            hint = "What was deleted may still stand in the file: try again when nobody reads"
            raise StoreError(
                self.name, got="a store that others are reading", want="it alone", hint=hint, transient=True
            )

    @contextmanager
    def plain(self) -> Generator[sa.Connection]:
        """Hold a connection to SQLite without a transaction."""
        with self._connection(None) as connection:
            yield connection

    def size(self) -> int:
        """Return the bytes that it takes."""
        if self.postgres:
            with self.reading() as connection:
                sizes = (sa.func.pg_total_relation_size(table.name) for table in metadata.sorted_tables)
                return sum(connection.execute(sa.select(size)).scalar_one() for size in sizes)
        path = self.address.url.database or ""
        return sum(Path(path + end).stat().st_size for end in ("", "-wal", "-shm") if Path(path + end).exists())

    @contextmanager
    def _connection(self, begin: str | None = "BEGIN", patience: float | None = None) -> Generator[sa.Connection]:
        try:
            connection = self.engine.connect()
        except exc.TimeoutError as error:
            hint = "Try again, with fewer threads"
            raise StoreError(self.name, got="no free connection", want="one", hint=hint, transient=True) from error
        with connection:
            patience = self.patience if patience is None else patience
            yield connection.execution_options(**{_BEGIN: begin, _PATIENCE: patience})

    def _limit_waiting(self, connection: sa.Connection) -> None:
        if self.postgres:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(1000 * self.patience)}")


def connect(address: Address, patience: float = PATIENCE) -> Database:
    """Reach a database, without looking at what is in it.

    Raises
    ------
    DataError
        Where it cannot be reached.
    UsageError
        Where the driver for PostgreSQL is not installed.
    """
    if not address.postgres:
        check_file(Path(address.url.database or ""))
        engine = sa.create_engine(address.url, hide_parameters=True, connect_args={"timeout": patience})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        engine = _connect_postgres(address)

    def name(context: sa.ExceptionContext) -> StoreError | None:
        # A lost connection that a pool notices by itself is its own business.
        lost = context.is_disconnect
        return None if context.is_pre_ping else named(address.name, context.original_exception, lost=lost)

    event.listen(engine, "handle_error", name, retval=True)
    return Database(engine, address, patience)


def migrate(database: Database, target: str = REVISIONS[-1]) -> None:
    """Make the tables, or bring older ones to `target`.

    Raises
    ------
    ArtefactError
        Where a newer tidegauge made them.
    DataError
        Where a SQLite file belongs to another program.
    """
    with database.reading() as connection:
        if _revision(connection, database.name) == target:
            return
    if not database.postgres:
        _keep_log(database)
    with database.writing() as connection:
        if database.postgres:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_key("migrate"))))
        found = _revision(connection, database.name)
        if found is None and not database.postgres and sa.inspect(connection).get_table_names():
            raise DataError(database.name, got="a database of another program", want="a store of tidegauge")
        if found != target:
            _upgrade(connection, found, target)


def lock_key(name: str) -> int:
    """Return the number by which PostgreSQL knows a lock: the same in every process.

    Examples
    --------
    >>> lock_key("queries")
    50808766325793088
    """
    return int.from_bytes(sha256(f"tidegauge {name}".encode()).digest()[:8], "big", signed=True)


def _connect_postgres(address: Address) -> sa.Engine:
    told = {"connect_timeout": 10, "application_name": "tidegauge"}
    arguments = {key: value for key, value in told.items() if key not in address.url.query}
    try:
        engine = sa.create_engine(address.url, hide_parameters=True, pool_pre_ping=True, connect_args=arguments)
    except ModuleNotFoundError as error:
        hint = 'Install it: pip install "tidegauge[postgres]"'
        raise UsageError(address.name, got="no driver for PostgreSQL", want="psycopg 3", hint=hint) from error
    try:
        engine.connect().close()
    except exc.DBAPIError as error:
        got = masked(first_line(error.orig or error), address.url)
        raise DataError(address.name, got=got, want="a PostgreSQL that lets us in") from None
    return engine


def _revision(connection: sa.Connection, name: str) -> str | None:
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    if found is not None and found not in REVISIONS:
        hint = "A newer tidegauge made it: use that one"
        raise ArtefactError(name, got=f"schema {found}", want=f"schema {REVISIONS[-1]} or older", hint=hint)
    return found


def _upgrade(connection: sa.Connection, found: str | None, target: str) -> None:
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(_MIGRATIONS))
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    with Operations.context(context):
        for step in reversed(list(script.iterate_revisions(target, found or "base"))):
            step.module.upgrade()
            context.stamp(script, step.revision)


def _keep_log(database: Database) -> None:
    """Set the write-ahead log, which lasts. SQLite does not wait for others here, so that we do."""
    until = time.monotonic() + database.patience
    while True:
        try:
            with database.plain() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            return
        except StoreError as error:
            if not error.transient or time.monotonic() > until:
                raise
            time.sleep(0.02)


def _prepare_sqlite(driver: sqlite3.Connection, _record: object) -> None:
    driver.isolation_level = None  # transactions are begun in _begin_sqlite, not by the driver
    # A blob over the bound is refused before it is read; its row needs a little more.
    driver.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BYTES + (1 << 20))
    # The log is cut back after a large transaction, to 64 MB.
    log = "journal_size_limit = 67108864"
    for pragma in ("synchronous = FULL", "foreign_keys = ON", "secure_delete = ON", "trusted_schema = OFF", log):
        driver.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    if _PATIENCE in options:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {round(1000 * options[_PATIENCE])}")
    begin = options.get(_BEGIN, "BEGIN")
    if begin is not None:
        connection.exec_driver_sql(begin)
