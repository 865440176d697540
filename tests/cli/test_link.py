"""``tidegauge link`` from the command line."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.cli.place import Place
from tests.run.measured import AFFECTED, COUNT, LAG, UNAFFECTED, batch, fill, reference
from tidegauge import Reference
from tidegauge.gate import pick
from tidegauge.monitor import Monitor
from tidegauge.records import Annotation
from tidegauge.run import Recorder
from tidegauge.spec import load_spec

SETTINGS = """
[streams.queries]
reference = "normal.tg"
pane = "1h"
windows = []
lateness = 0
columns = { id = "id", text = "text", time = "time" }
documents = "index"
[streams.queries.outcomes.success]
[streams.queries.outcomes.answered]
[streams.queries.outcomes.csat]
unit = "number"

[streams.index]
kind = "snapshot"
reference = "index.tg"
columns = { id = "id", text = "text" }

[streams.plain]
reference = "normal.tg"
pane = "1h"
"""


def linked(place: Place, *, count: int = COUNT, **given: object) -> Monitor:
    """Settings, and a filled store."""
    reference().save(place.folder / "normal.tg")
    place.settings(SETTINGS)
    store = place.store()
    with closing(store):
        monitor = Recorder(store, load_spec(place.folder / "tidegauge.toml").streams["queries"]).monitor()
        fill(store, monitor, count, **given)  # type: ignore[arg-type]
    return monitor


def test_harm_is_said_and_written_and_is_the_status(place: Place) -> None:
    linked(place, lasting=True, new=0.2)
    store = place.store()
    with closing(store):
        store.annotate(Annotation("queries", "note", 0, 0, "long ago"))
    done = place("link", "queries", "-o", "out")
    assert (done.status, done.err) == (1, "")
    assert "success fell from 90 % to 74 %" in " ".join(done.out.split())
    names = ["link.html", "link.json", "link.txt"]
    names += [f"link{part}.{kind}" for part in ("", "-study", "-change-1") for kind in ("svg", "png")]
    assert done.out.splitlines()[-len(names) :] == [f"out/{name}" for name in names]
    assert Path("out/link.txt").read_text() in done.out
    told = json.loads(Path("out/link.json").read_text())
    assert [(each["outcome"]["name"], each["lag"]) for each in told["links"] if each["state"] == "associated"] == [
        (AFFECTED, LAG)
    ]
    assert told["annotations"] == []


def test_nothing_harmed_and_too_little_have_statuses_of_their_own(place: Place) -> None:
    linked(place, harm=0.0)
    done = place("link", "queries", "--format", "json", "--outcome", UNAFFECTED)
    assert done.status == 0
    told = json.loads(done.out)
    assert [each["outcome"]["name"] for each in told["links"]] == [UNAFFECTED]
    done = place("link", "queries", "--outcome", "csat")
    assert done.status == 3
    assert "not enough history for an association: 0 panes have both" in " ".join(done.out.split())


def test_a_stream_without_windows_is_said(place: Place) -> None:
    reference().save(place.folder / "normal.tg")
    place.settings(SETTINGS)
    with closing(place.store()) as store:
        Recorder(store, load_spec(place.folder / "tidegauge.toml").streams["queries"])
        done = place("link", "queries")
    assert (done.status, done.out) == (3, "")
    assert done.err.startswith("tidegauge: link of queries: got no window under the reference in force")


def test_the_snapshot_that_answers_is_asked_how_much_it_covers(place: Place) -> None:
    linked(place, lasting=True, new=0.2)
    Reference.fit(batch(1000, seed=76), exchangeable=True, profile="small").save(place.folder / "index.tg")
    with closing(place.store()) as store:
        recorder = Recorder(store, load_spec(place.folder / "tidegauge.toml").streams["index"])
        whole = batch(1000, seed=77)
        kept = np.flatnonzero(whole.x[:, 0] > 0)
        recorder.observe(pick(whole, kept))
    told = json.loads(place("link", "queries", "--format", "json").out)
    covered = told["coverage"]
    assert (covered["documents"], covered["rows"]["documents"]) == ("index", min(len(kept), 512))
    assert covered["share"] < covered["before"] - 0.1
    assert covered["p"] < 0.01
    assert covered["gaps"][0]["examples"]


def test_a_lag_that_is_not_asked_is_not_found(place: Place) -> None:
    linked(place)
    told = json.loads(place("link", "queries", "--lags", "1", "--format", "json").out)
    assert told["lags"] == 1
    asked = [each for each in told["links"] if each["p"] is not None]
    assert len(asked) == 2
    assert {each["lag"] for each in asked} <= {0, 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("queries", "--outcome", "clicks"), "--outcome: got 'clicks', want one of success, answered, csat"),
        (("queries", "--window", "3h"), "--window: got '3h', want one of 1h"),
        (("queries", "--segment", "fr"), "--segment: got 'fr', want one of none: the stream has no segments"),
        (("plain",), "stream plain: got nothing of it in"),
        (("index",), "stream index: got nothing of it in"),
        (("queries", "-o", "normal.tg"), "normal.tg: got normal.tg, which is a file"),
    ],
)
def test_what_cannot_be_asked(place: Place, arguments: tuple[str, ...], message: str) -> None:
    linked(place, count=20, spikes=(10,), alarms=False)
    assert place.refused("link", *arguments).startswith(message)


def test_settings_name_a_snapshot(place: Place) -> None:
    reference().save(place.folder / "normal.tg")
    place.settings(SETTINGS.replace('documents = "index"', 'documents = "plain"'))
    assert "streams.queries.documents" in place.refused("link", "queries")
