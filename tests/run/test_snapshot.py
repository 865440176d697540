"""Snapshots: replaced whole, added to and removed from; half a replacement is never in force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.run.conftest import ROWS
from tidegauge.errors import UsageError
from tidegauge.gate import admit
from tidegauge.records import Alarm, Example, Message
from tidegauge.run.forget import forget
from tidegauge.run.history import span
from tidegauge.run.lead import leading
from tidegauge.run.snapshot import replace_whole, replaced_by

DOCUMENTS = {"name": "documents", "kind": "snapshot", "pane": None, "lateness": None}


@pytest.fixture
def documents(place):
    settings = {"name": "documents", "kind": "snapshot"}

    def make():
        from tests.run.conftest import REFERENCE
        from tidegauge.run import Recorder
        from tidegauge.spec import StreamSpec
        from tidegauge.store import open_store

        path = place.folder / "normal.tg"
        REFERENCE.save(path)
        return Recorder(open_store(place.url), StreamSpec(**settings, reference=path), clock=place.clock)

    return make


def batch(low, high):
    return admit(ROWS[low:high], ids=[f"d{i}" for i in range(low, high)], texts=[f"text {i}" for i in range(low, high)])


def content(recorder):
    return span(recorder.store, recorder.monitor(), 0, 0)


def test_what_is_added_and_removed_is_what_is_there(documents):
    with documents() as recorder:
        recorder.observe(batch(0, 500), name="a")
        recorder.observe(batch(100, 300), name="b", removed=True)
        (window,) = recorder.settle()
        assert (window.rows, window.state, window.key.length) == (300, "no drift", 0)
        assert content(recorder).seen == 300


def test_a_replacement_is_in_force_when_it_is_whole(documents):
    with documents() as recorder:
        recorder.observe(batch(0, 500), name="a")
        (window,) = replace_whole(recorder, [batch(1000, 1100), batch(1100, 1200)], name="monday")
        assert (window.rows, replaced_by(recorder)) == (200, "monday")
        assert set(content(recorder).uniform.ids) == {f"d{i}" for i in range(1000, 1200)}
        recorder.observe(batch(0, 50), name="after")
        assert content(recorder).seen == 250
        assert [event.kind for event in recorder.store.events("documents")][-1] == "replaced"


def interrupted():
    yield batch(1000, 1100)
    raise KeyboardInterrupt


@pytest.mark.parametrize("again", ["monday", "tuesday"])
def test_half_a_replacement_changes_nothing_and_is_dropped(documents, again):
    with documents() as recorder:
        recorder.observe(batch(0, 500), name="a")
        with pytest.raises(KeyboardInterrupt):
            replace_whole(recorder, interrupted(), name="monday")
        assert (content(recorder).seen, replaced_by(recorder)) == (500, None)
        with pytest.raises(KeyboardInterrupt):
            replace_whole(recorder, interrupted(), name="tuesday")
    with documents() as recorder:
        replace_whole(recorder, [batch(1000, 1100), batch(1100, 1150)], name=again)
        assert (content(recorder).seen, replaced_by(recorder)) == (150, again)


def test_a_stream_is_not_replaced(place):
    with place.recorder() as recorder, pytest.raises(UsageError, match="only grows"):
        replace_whole(recorder, [batch(0, 10)], name="x")


def test_a_row_that_is_forgotten_is_nowhere_in_the_store(documents, place):
    secret = admit(
        np.concatenate([ROWS[:300], ROWS[:1] * 7]),
        ids=[*(f"d{i}" for i in range(300)), "the-secret-id"],
        texts=[*(f"text {i}" for i in range(300)), "the secret text"],
    )
    with documents() as recorder:
        recorder.observe(secret, name="a")
        recorder.settle()
        assert "the-secret-id" in content(recorder).uniform.ids
        assert forget(recorder.store, "documents", {"nobody"}, at=1.0) == 0
        assert forget(recorder.store, "documents", {"the-secret-id"}, at=1.0) == 2
        assert "the-secret-id" not in content(recorder).uniform.ids
        assert content(recorder).seen == 301
        assert forget(recorder.store, "documents", {"the-secret-id"}, at=1.0) == 0
    spelled = "the-secret-id".encode("utf-32-le"), b"the-secret-id", "the secret text".encode("utf-32-le")
    for file in place.folder.glob("gauge.db*"):
        assert not any(each in file.read_bytes() for each in spelled)


def test_a_row_that_is_forgotten_is_no_example_of_an_alarm(documents, place):
    shown = Example("the-secret-id", "the secret text"), Example("d7", "text 7")
    opened = Alarm("a1", "documents", "", "", "drift", "open", "warning", 10, 0, 10, 5.0, "Drift", examples=shown)
    quiet = replace(opened, id="a2", examples=shown[1:])
    arrived = Message("pager", "told", "the secret text", 5.0, "a1", "opened", delivered=6.0)
    waiting = Message("pager", "waits", "{}", 5.0, "a1", "updated")
    with documents() as recorder:
        with leading(recorder.store, "documents") as desk:
            desk.raise_alarm(opened)
            desk.raise_alarm(quiet)
            desk.send([arrived, waiting])
        assert forget(recorder.store, "documents", {"nobody"}, at=6.0) == 0
        assert recorder.store.alarms() == (opened, quiet)
        assert len(recorder.store.messages()) == 2
        assert forget(recorder.store, "documents", {"the-secret-id"}, at=7.0) == 1
        assert recorder.store.alarms() == (replace(opened, examples=shown[1:]), quiet)
        assert [each.key for each in recorder.store.messages()] == ["waits"]
        assert forget(recorder.store, "documents", {"the-secret-id"}, at=8.0) == 0
    for file in place.folder.glob("gauge.db*"):
        assert not any(each in file.read_bytes() for each in (b"the-secret-id", b"the secret text"))


def test_with_samples_off_the_whole_store_holds_no_vector_id_or_text(place):
    rows = np.concatenate([ROWS[600:1600], ROWS[:500]])  # those that the reference was fitted on, too
    with place.recorder(samples={"keep": False}, windows=("10m",), lateness=0) as recorder:
        for i in range(0, 1000, 100):
            recorder.observe(
                rows[i : i + 100],
                ids=[f"secret-id-{j}" for j in range(i, i + 100)],
                texts=[f"secret text {j}" for j in range(i, i + 100)],
                times=np.arange(i, i + 100) * 1.0,
                name=str(i),
            )
            recorder.settle()
    stored = b"".join(file.read_bytes() for file in place.folder.glob("gauge.db*"))
    assert b"secret" not in stored
    assert "secret".encode("utf-32-le") not in stored
    for kind in (np.float16, np.float32, np.float64):
        assert not any(row.tobytes() in stored for row in rows.astype(kind))
