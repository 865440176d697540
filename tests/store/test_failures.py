"""What goes wrong outside becomes one sentence for a person, and leaves the store whole."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event

from tests.store.model import dump
from tests.store.sequences import live
from tests.store.test_store import plain
from tidegauge.errors import ArtefactError, DataError, StoreError, TidegaugeError, UsageError
from tidegauge.records import Baseline, Message, PaneKey, Part
from tidegauge.store import SqlStore, open_store
from tidegauge.store import rows as limits


def refused(kind: type[TidegaugeError], address: str) -> TidegaugeError:
    with pytest.raises(kind) as caught:
        open_store(address, patience=0.1)
    assert caught.value.got
    assert caught.value.want
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_path_and_a_url_open_the_same_store(tmp_path: Path, opened: Callable[..., SqlStore]) -> None:
    opened().register("queries", "stream")
    for address in (str(tmp_path / "drift.db"), f"sqlite:///{tmp_path}/drift.db"):
        store = open_store(address)
        assert store.state("queries").kind == "stream"
        store.close()


@pytest.mark.parametrize("name", ["a b.db", "100%.db", "what?.db", "file:x.db", "naïve 窗.db", "'quoted'.db"])
def test_a_store_has_any_name_that_a_file_may_have(tmp_path: Path, opened: Callable[..., SqlStore], name: str) -> None:
    opened(name).register("queries", "stream")
    assert (tmp_path / name).is_file()


@pytest.mark.parametrize(
    "address",
    ["", ":memory:", "sqlite://", "sqlite:///x.db?mode=ro", "sqlite://host/x.db", "mysql://h/d", "http://x", "a\0b"],
)
def test_an_address_that_is_none(address: str) -> None:
    assert "postgresql://user@host/database" in refused(UsageError, address).want


def test_a_place_where_no_store_can_be(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but a text that is longer than its header")
    assert refused(DataError, str(tmp_path)).got == "a folder"
    missing = refused(DataError, str(tmp_path / "no" / "drift.db"))
    assert (missing.got, missing.hint) == ("a folder that is not there", f"Make the folder {tmp_path / 'no'} first")
    assert refused(DataError, str(text)).got == "a file that is no SQLite database"
    assert refused(DataError, str(text / "drift.db")).got == "Not a directory"
    assert refused(DataError, os.devnull).got == "no regular file"
    assert text.read_text().startswith("not a database")


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE invoices (id INTEGER)")
    before = path.read_bytes()
    assert refused(DataError, str(path)).got == "a database of another program"
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("invoices",)]
    assert len(path.read_bytes()) == len(before)


def test_no_permission() -> None:
    with tempfile.TemporaryDirectory() as folder:
        kept, closed, place = (Path(folder, name) for name in ("kept.db", "closed.db", "place"))
        for path in (kept, closed):
            open_store(str(path)).close()
        place.mkdir()
        for path, mode in ((Path(folder), 0o755), (kept, 0o444), (closed, 0o000), (place, 0o555)):
            path.chmod(mode)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            assert refused(DataError, str(kept)).got == "no permission to write it"
            assert refused(DataError, str(closed)).got == "no permission to read it"
            assert refused(DataError, str(place / "new.db")).got == "no permission to write into its folder"
        finally:
            os.seteuid(user)
            place.chmod(0o755)


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path, opened: Callable[..., SqlStore]) -> None:
    opened().close()
    with closing(sqlite3.connect(tmp_path / "drift.db")) as newer, newer:
        newer.execute("UPDATE tidegauge_version SET version_num = '0009'")
    error = refused(ArtefactError, str(tmp_path / "drift.db"))
    assert (error.got, error.want) == ("schema 0009", "schema 0004 or older")


def damage(path: Path, first: int, last: int) -> None:
    data = bytearray(path.read_bytes())
    data[first:last] = b"\xa5" * (last - first)
    path.write_bytes(data)


def test_a_corrupt_file_is_named(tmp_path: Path, opened: Callable[..., SqlStore]) -> None:
    path = tmp_path / "drift.db"
    store = opened()
    live(store, "queries", 3, 30, every=30)
    store.scrub()
    store.close()
    whole = path.read_bytes()
    damage(path, 100, 4096)
    assert "damaged" in refused(StoreError, str(path)).got
    path.write_bytes(whole)
    damage(path, 4096, len(whole))
    with pytest.raises(TidegaugeError) as caught:
        dump(opened(), "queries")
    assert not getattr(caught.value, "transient", False)
    assert "\n" not in str(caught.value)


def test_a_store_cut_short_is_named(tmp_path: Path, opened: Callable[..., SqlStore]) -> None:
    path = tmp_path / "drift.db"
    store = opened()
    live(store, "queries", 3, 30, every=30)
    store.scrub()
    store.close()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(TidegaugeError):
        dump(opened(), "queries")


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("windows", "said", "{}"),
        ("windows", "said", '{"reasons":'),
        ("windows", "said", "[" * 100_000),
        ("windows", "said", '{"reasons": 3, "drift": [], "p": {}, "scores": [1]}'),
        ("streams", "aside", "[]"),
        ("streams", "segments", "7"),
        ("events", "said", '"'),
        ("clusters", "said", '{"square": "a lot"}'),
        ("clusters", "centre", b"123"),
        ("tallies", "data", b"12345"),
        ("tallies", "data", bytes(4 * limits.MAX_NUMBERS + 4)),
        ("alarms", "said", "{}"),
        ("alarms", "said", '{"reasons":'),
        ("annotations", "said", '"'),
        ("rows", "came", "{}"),
        ("rows", "cells", b"12345"),
    ],
)
def test_a_record_of_another_shape_is_damaged(
    tmp_path: Path, opened: Callable[..., SqlStore], table: str, column: str, value: object
) -> None:
    live(opened(), "queries", 4, 95, every=95)
    with closing(sqlite3.connect(tmp_path / "drift.db")) as hand, hand:
        assert hand.execute(f"UPDATE tidegauge_{table} SET {column} = ?", (value,)).rowcount > 0
    with pytest.raises(ArtefactError, match="damaged"):
        dump(opened(), "queries")


def test_a_damaged_message_is_named(tmp_path: Path, opened: Callable[..., SqlStore]) -> None:
    opened().register("queries", "stream")
    with opened().leading("queries") as desk:
        assert desk is not None
        desk.send([Message("pager", "key", "{}", 0.0, "a1", "opened")])
    with closing(sqlite3.connect(tmp_path / "drift.db")) as hand, hand:
        hand.execute("UPDATE tidegauge_outbox SET body = '\"'")
    for ask in (opened().messages, lambda: opened().claim(1.0, 1.0, 1)):
        with pytest.raises(ArtefactError, match="damaged"):
            ask()


def test_a_blob_over_the_bound_is_not_read(
    opened: Callable[..., SqlStore], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened().register("queries", "stream")
    store = opened()
    store.land(replace(plain("queries", "b"), parts=(Part(PaneKey("queries", "", 10, 0), 1, bytes(3 << 20)),)))
    monkeypatch.setattr("tidegauge.store.database.MAX_BYTES", 1 << 20)
    with pytest.raises(StoreError, match="more bytes than the database takes"):
        opened().parts("queries")
    assert limits.MAX_BYTES == 1 << 28


def test_a_full_disk_is_named_undone_and_got_over(store: SqlStore) -> None:
    store.register("queries", "stream")
    store.land(plain("queries", "first"))
    before, room = dump(store, "queries"), 60

    def limit(connection: object) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {room}")  # type: ignore[attr-defined]

    event.listen(store.database.engine, "begin", limit)
    parts = tuple(Part(PaneKey("queries", "", 10, start), 1, bytes(40_000)) for start in range(8))
    large = replace(plain("queries", "large"), parts=parts)
    for _ in range(2):
        with pytest.raises(StoreError, match="full disk") as caught:
            store.land(large)
        assert caught.value.transient
        assert dump(store, "queries") == before

    def settle() -> None:
        with store.leading("queries") as desk:
            assert desk is not None
            desk.rebase(Baseline("queries", "ref", 1.0), b"reference")
            for part in parts:
                desk.put(part)

    with pytest.raises(StoreError, match="full disk"):
        settle()
    assert dump(store, "queries") == before
    assert store.land(plain("queries", "small")) == "landed"
    room = 6000
    assert store.land(large) == "landed"
    assert len(store.parts("queries")) == 10


HOLDER = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_store_that_another_process_holds_is_said_to_be_locked(
    tmp_path: Path, opened: Callable[..., SqlStore]
) -> None:
    opened().register("queries", "stream")
    store = opened(patience=0.1)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "drift.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match="locked") as caught:
            store.land(plain("queries", "b"))
        assert caught.value.transient
        with store.leading("queries") as desk:
            assert desk is None
        assert store.state("queries").seen == 0
    finally:
        holder.communicate("")
    assert store.land(plain("queries", "b")) == "landed"


def test_several_processes_may_begin_the_same_store(tmp_path: Path) -> None:
    begin = "import sys; from tidegauge.store import open_store; open_store(sys.argv[1]).register('queries', 'stream')"
    path = str(tmp_path / "drift.db")
    started = [
        subprocess.Popen([sys.executable, "-c", begin, path], stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for process in started:
        assert process.communicate()[1] == ""
        assert process.returncode == 0
    store = open_store(path)
    assert [state.stream for state in store.streams()] == ["queries"]
    store.close()


SECRET = "s3:c/r%40t"


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://tide:{SECRET}@127.0.0.1:1/drift",
        f"postgres://tide:{SECRET}@127.0.0.1:1/drift?connect_timeout=1",
        f"postgresql://127.0.0.1:1/drift?user=tide&password={SECRET}",
        f"postgresql://tide:{SECRET}@127.0.0.1:port/drift",
        f"mysql://tide:{SECRET}@127.0.0.1/drift",
    ],
)
def test_a_server_that_is_not_there_is_said_without_its_password(address: str) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises((DataError, UsageError)) as caught:
        open_store(address)
    for secret in (SECRET, "s3:c/r@t", "s3%3Ac%2Fr%40t"):
        assert secret not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    error = refused(UsageError, "postgresql://tide@127.0.0.1:1/drift")
    assert error.hint == 'Install it: pip install "tidegauge[postgres]"'
