"""What budgets would have done, from the command line."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.place import Place
from tests.run.tallied import Incident, fill, reference
from tidegauge.monitor import Monitor
from tidegauge.run import Recorder
from tidegauge.run.alarms import sharing
from tidegauge.spec import load_spec


def tallied(place: Place, stream: str, count: int, *incidents: Incident, segment: str = "") -> None:
    """Keep tallies of a stream of the settings, under a reference of their own."""
    reference().save(place.folder / "normal.tg")
    store = place.store()
    with closing(store):
        monitor: Monitor = Recorder(store, load_spec(place.folder / "tidegauge.toml").streams[stream]).monitor()
        fill(store, monitor, count, *incidents, segment=segment)


def test_the_default_budgets_and_the_last_quarter(place: Place) -> None:
    tallied(place, "queries", 400, Incident(390, 396))
    done = place("backtest", "queries", "--since", "4d")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("A budget of 1 in 90 days would have raised 1 alarm in the last 4 days;")
    assert [budget for budget in ("1 in 30 days", "1 in 270 days") if budget in done.out]
    whole = json.loads(place.fine("backtest", "queries", "--format", "json"))
    assert (whole["judged"], whole["learned"]["how"], whole["whole"]) == (400, "cross-fitted", False)
    assert [each["budget"] for each in whole["budgets"]] == ["1 in 90d", "1 in 30d", "1 in 270d"]


def test_budgets_of_ones_own_and_the_smallest_effect(place: Place) -> None:
    tallied(place, "queries", 400, Incident(390, 396))
    asked = ("backtest", "queries", "--since", "4d", "--format", "json")
    told = json.loads(place.fine(*asked, "--budget", "1 in 50 panes", "--budget", "2 in 30d"))
    assert [each["budget"] for each in told["budgets"]] == ["1 in 50 panes", "2 in 30d"]
    share = sharing(load_spec(place.folder / "tidegauge.toml"))
    assert told["budgets"][0]["promise"] == 50 * share
    none = json.loads(place.fine(*asked, "--min-effect", "90"))
    assert (none["min_effect"], [each["raised"] for each in none["budgets"]]) == (90, [0, 0, 0])


def test_the_whole_is_written(place: Place) -> None:
    tallied(place, "queries", 300)
    out = place.fine("backtest", "queries", "--since", "3d", "-o", "tried")
    names = [f"tried/backtest.{kind}" for kind in ("html", "json", "txt", "svg", "png")]
    assert out.splitlines()[-5:] == names
    assert Path("tried/backtest.txt").read_text() in out
    assert "A budget of 1 in 90 days" in Path("tried/backtest.html").read_text()


def test_panes_of_rows(place: Place) -> None:
    tallied(place, "counted", 300, Incident(290, 295))
    told = json.loads(place.fine("backtest", "counted", "--since", "5000 rows", "--format", "json"))
    assert (told["since"], told["until"], told["pane"]) == (told["until"] - 100 * told["judged"], 30_000, "100 rows")


def test_a_history_that_is_too_short(place: Place) -> None:
    tallied(place, "queries", 37)
    done = place("backtest", "queries")
    assert (done.status, done.out) == (3, "")
    assert done.err.startswith(
        "tidegauge: backtest of queries: got 37 panes of history in which all was well, want at least 128."
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("queries", "--budget", "never"), "--budget: got 'never', want false alarms in a time, such as '1 in 90d'"),
        (("queries", *["--budget", "1 in 9d"] * 9), "--budget: got 9 of them, want at most 8"),
        (("queries", "--segment", "fr"), "--segment: got 'fr', want one of none: the stream has no segments"),
        (("documents",), "stream: got 'documents', a snapshot, want a stream"),
        (("queries", "-o", "normal.tg"), "normal.tg: got normal.tg, which is a file"),
    ],
)
def test_what_cannot_be_tried(place: Place, arguments: tuple[str, ...], message: str) -> None:
    tallied(place, "queries", 40)
    assert place.refused("backtest", *arguments).startswith(message)
