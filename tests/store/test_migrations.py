"""The revisions make the tables that the code knows, and an older store comes along with all it has."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import tidegauge.store
from tests.store.model import dump, plain
from tests.store.sequences import annotation, calibrated, cluster, landing, measured, place, tally
from tests.store.test_alarms import an_alarm
from tests.store.test_store import window_with_score
from tidegauge.errors import StoreError
from tidegauge.records import Baseline, Event, Message
from tidegauge.store import SqlStore, open_store
from tidegauge.store.address import parse
from tidegauge.store.database import Database, connect, migrate
from tidegauge.store.schema import REVISIONS, VERSION_TABLE, metadata


def differences(database: Database) -> list[object]:
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        return list(compare_metadata(context, metadata))


def test_the_revisions_make_the_tables_that_the_code_knows(store: SqlStore) -> None:
    assert differences(store.database) == []


def test_the_code_knows_every_revision_that_the_package_holds() -> None:
    folder = Path(tidegauge.store.__file__).parent / "migrations"
    script = ScriptDirectory(str(folder))
    assert tuple(step.revision for step in reversed(list(script.walk_revisions()))) == REVISIONS
    assert script.get_heads() == [REVISIONS[-1]]


LATE = {"outcomes", "rows"}
NEW = {
    "0001": {"clusters", "shares", "tallies", "calibrations", "alarms", "annotations", "outbox", *LATE},
    "0002": {"tallies", "calibrations", "alarms", "annotations", "outbox", *LATE},
    "0003": LATE,
}


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_a_store_of_an_older_revision_comes_along_with_its_data(
    tmp_path: Path, opened: Callable[..., SqlStore], revision: str
) -> None:
    path, rng = str(tmp_path / "old.db"), random.Random(4)
    database = connect(parse(path))
    migrate(database, revision)
    with database.reading() as connection:
        tables = set(sa.inspect(connection).get_table_names())
    assert set(metadata.tables) - tables == {f"tidegauge_{name}" for name in NEW[revision]}
    old = SqlStore(database)
    old.register("queries", "stream")
    for number in range(10):
        given = replace(landing(rng, old.state("queries"), f"b{number}"), places=())
        assert old.land(given) == "landed"
    followed = []
    with old.leading("queries") as desk:
        assert desk is not None
        desk.rebase(Baseline("queries", "ref", 1.0, "ann", "why"), b"reference")
        desk.keep(window_with_score(rng), b"data")
        desk.note(Event("queries", "silence", 1.0, "said", 2.0))
        if "clusters" not in NEW[revision]:
            followed.append(cluster(rng, desk.state))
            desk.follow(followed[0])
    kept = {
        "state": old.state("queries"),
        "baselines": old.baselines("queries"),
        "references": {"ref": old.reference("ref")},
        "positions": old.positions("queries"),
        "parts": tuple(stored.part for stored in old.parts("queries")),
        "events": old.events("queries"),
        "clusters": {(each.reference, each.name): plain(each) for each in followed},
    }
    windows = old.windows("queries")
    old.close()

    store = opened("old.db")
    assert differences(store.database) == []
    found = dump(store, "queries")
    assert {name: found[name] for name in kept} == kept
    assert store.windows("queries") == windows
    new = {"tallies": {}, "calibrated": {}, "alarms": (), "annotations": (), "measured": {}, "places": {}}
    assert {name: found[name] for name in new} == new
    assert store.messages() == ()
    with store.leading("queries") as desk:
        assert desk is not None
        born = cluster(rng, desk.state)
        desk.follow(born)
        desk.tally([tally(rng, desk.state)])
        desk.calibrate(calibrated(rng, desk.state))
        desk.raise_alarm(an_alarm(1, 10))
        desk.measure([measured(rng, desk.state)])
        desk.send([Message("pager", "key", "{}", 1.0, "a1", "opened")])
    store.annotate(annotation(rng, "queries"))
    known = place(rng, store.state("queries"), "q1")
    late = landing(rng, store.state("queries"), "late")
    assert store.land(replace(late, parts=(), places=(known,), position=None)) == "landed"
    assert plain(born) in [plain(each) for each in store.clusters("queries")]
    assert all(dump(store, "queries").values())
    assert len(store.messages()) == 1


@pytest.mark.parametrize(
    ("revision", "last"), [("0001", "shares"), ("0002", "outbox"), ("0001", "outbox"), ("0003", "rows")]
)
def test_a_migration_that_fails_leaves_the_old_schema(tmp_path: Path, revision: str, last: str) -> None:
    path = tmp_path / "old.db"
    database = connect(parse(str(path)))
    migrate(database, revision)
    database.engine.dispose()
    with closing(sqlite3.connect(path)) as hand, hand:
        hand.execute(f"CREATE TABLE tidegauge_{last} (mine TEXT)")  # so that a revision's last table cannot be made
    for _ in range(2):
        with pytest.raises(StoreError, match="already exists"):
            open_store(str(path))
    with closing(sqlite3.connect(path)) as hand:
        assert hand.execute("SELECT version_num FROM tidegauge_version").fetchall() == [(revision,)]
        names = {name for (name,) in hand.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert not {f"tidegauge_{name}" for name in NEW[revision] - {last}} & names


def test_a_sqlite_store_is_as_careful_as_it_says(store: SqlStore) -> None:
    with store.database.reading() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout")
        }
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1, "busy_timeout": 30_000}
    assert found == wanted
