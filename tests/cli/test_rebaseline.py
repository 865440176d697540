"""Another reference in force, rows forgotten, streams moved to another store: from the command line."""

from __future__ import annotations

import getpass
from pathlib import Path

import numpy as np
import pytest

from tests.cli.place import HOUR, MONDAY, Place, reference, rows
from tidegauge import Reference


def test_what_is_open_is_closed_and_who_did_it_is_kept(place: Place) -> None:
    place.fill()
    place.fine("watch", "--once")
    first, other = reference(), reference(1)
    other.save(place.folder / "other.tg")
    out = place.fine("rebaseline", "queries", "other.tg", "--why", "a new catalogue", "--by", "Ada").splitlines()
    assert [line.split("  ")[:4] for line in out[:-1]] == [
        ["2024-01-01 04:00 UTC", "1h", "queries", "10 rows"],
        ["2024-01-01 04:00 UTC", "1h", "queries/de", "5 rows"],
        ["2024-01-01 04:00 UTC", "1h", "queries/en", "5 rows"],
    ]
    assert out[-1] == f"queries: reference {other.hash[:12]} is in force, in place of {first.hash[:12]}."
    assert f"{other.hash[:12]} since " in place.fine("status")
    assert " by Ada: a new catalogue\n" in place.fine("status")
    again = place.fine("rebaseline", "queries", "other.tg")
    assert again == f"queries: reference {other.hash[:12]} is in force already; nothing changed.\n"


def test_the_login_name_is_kept_where_nobody_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "grace")
    assert place.fine("rebaseline", "counted", "normal.tg").endswith(" is in force.\n")
    assert place.store().baselines("counted")[0].by == "grace"


def test_a_reference_of_another_model_is_refused_unless_it_is_said(place: Place) -> None:
    settings = (place.folder / "tidegauge.toml").read_text()
    place.settings(settings.replace('pane = "1h"', 'pane = "1h"\nmodel_id = "m1"'))
    reference(1, "m2").save(place.folder / "other.tg")
    said = place.refused("rebaseline", "queries", "other.tg")
    assert "got model 'm2', want model 'm1'. Fit one on this model's vectors, or set model_id to what they come" in said
    assert place.store().baselines("queries") == ()
    done = place("rebaseline", "queries", "other.tg", "--ignore-model-id")
    assert done.status == 0
    assert done.err == (
        "tidegauge: the settings say model 'm1': set model_id, or say --ignore-model-id to watch as well\n"
    )


def test_another_width_is_noted(place: Place) -> None:
    place.fine("rebaseline", "counted", "normal.tg")
    Reference.fit(np.random.default_rng(0).standard_normal((300, 4)), profile="small").save(place.folder / "narrow.tg")
    done = place("rebaseline", "counted", "narrow.tg")
    assert done.status == 0
    assert done.err == (
        "tidegauge: the reference before has width 6, this one 4: rows must have that width from now on\n"
    )


def test_a_file_that_is_no_reference(place: Place) -> None:
    path = place.put("a.parquet", rows(5, MONDAY, 1, name="a"))
    said = place.refused("rebaseline", "queries", path)
    assert said.endswith("a.parquet: got no file of tidegauge's, want a reference")
    assert not (place.folder / "tidegauge.db").exists()


def stored(place: Place, text: str) -> bool:
    """Whether some bytes stand anywhere in the store's files."""
    return any(text.encode() in path.read_bytes() for path in Path(place.folder).glob("tidegauge.db*"))


def test_rows_are_forgotten_everywhere_in_the_store(place: Place) -> None:
    place.fill()
    place.fine("watch", "--once")
    ids = ["b-103", "b-104", "normal-0-300"]
    held = [each for each in (*(f"text {i} of b" for i in (103, 104)), *ids) if stored(place, each)]
    assert len(held) == 5
    (place.folder / "erased.txt").write_text("\ufeff" + "\r\n".join(ids[1:]) + "\n\n")
    done = place("forget", "queries", ids[0], "--ids-file", "erased.txt")
    assert done.status == 0
    assert done.out.startswith("queries: 3 ids given, held in ")
    assert done.out.endswith(" places, which are gone.\n")
    assert done.err == (
        "tidegauge: files and reports outside the store are not touched: sources, references, exports\n"
    )
    assert [each for each in held if stored(place, each)] == []
    assert place.fine("forget", "queries", *ids) == "queries: 3 ids given, held in 0 places.\n"
    assert "forgotten: Rows were forgotten in " in place.fine("history", "queries", "--events")
    assert place.fine("history", "queries", "--window", "1h").count("120 rows") == 4


def test_a_new_cluster_is_forgotten_with_its_examples(place: Place) -> None:
    """Of a cluster that was followed under the reference before, of what was told of its birth, and of an alarm."""
    settings = (place.folder / "tidegauge.toml").read_text().replace("uniform = 64, novel = 16", "keep = true")
    place.settings(settings.replace("enabled = false", "enabled = true"))
    place.put("in/a.parquet", rows(600, MONDAY, 2, name="a", locales=("de",)))
    new = rows(100, MONDAY, 2, name="new", moved=5.0, spread=0.1, locales=("de",))
    place.put("in/b.parquet", new)
    place.put("in/c.parquet", rows(60, MONDAY + 2 * HOUR, 1, name="c", locales=("de",)))
    out = place.fine("backfill", "queries", "in", "--lateness", "2h", "--settle")
    assert "2024-01-01 00:00 UTC  queries  cluster born: A new cluster, c1: " in out
    shown = place.fine("history", "queries", "--clusters")
    assert '"text ' in shown
    assert " of new" in shown
    assert any(" of new" in " ".join(alarm.reasons) for alarm in place.store().alarms())
    reference(1).save(place.folder / "other.tg")
    place.fine("rebaseline", "queries", "other.tg")
    (place.folder / "all.txt").write_text("".join(f"new-{i}\n" for i in range(100)))
    place.fine("forget", "queries", "--ids-file", "all.txt")
    assert " of new" not in place.fine("history", "queries", "--clusters", "--events")
    assert not stored(place, " of new")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "ids: got none, want at least one. Give them, or say --ids-file FILE"),
        (("--ids-file", "none.txt"), "none.txt: got No such file or directory, want a file of ids, one a line"),
        (("--ids-file", "normal.tg"), "normal.tg: got bytes that are no UTF-8, want a file of ids, one a line"),
    ],
)
def test_what_cannot_be_forgotten(place: Place, arguments: tuple[str, ...], message: str) -> None:
    assert place.refused("forget", "queries", *arguments) == message


def test_streams_move_to_another_store(place: Place) -> None:
    place.fill()
    place.fine("watch", "--once")
    place.fine("observe", "counted", "in/a.parquet")
    assert place.fine("export", "all.db") == "exported: counted, queries\nall.db\n"
    assert place.fine("export", "all.db") == "exported: nothing, as all is there already\nall.db\n"
    assert place.fine("export", "one.db", "--stream", "queries") == "exported: queries\none.db\n"
    settings = (place.folder / "tidegauge.toml").read_text()
    want = place.fine("history", "queries", "--window", "1h", "--events")
    (place.folder / "there").mkdir()
    there = place.folder / "there" / "tidegauge.toml"
    there.write_text(settings.replace('"in/', '"../in/'))
    done = place("import", "one.db", "--config", there)
    assert (done.status, done.out, done.err) == (0, "imported: queries\n", "")
    assert place.fine("import", "one.db", "--config", there) == "imported: nothing, as all is there already\n"
    assert place.fine("history", "queries", "--window", "1h", "--events", "--config", there) == want
    assert place.fine("watch", "queries", "--once", "--config", there) == ""  # its positions came along
    there.write_text("")
    done = place("import", "all.db", "--config", there)
    assert done.err == "tidegauge: counted is not in the settings: add it to watch it, or to see its history\n"


def test_what_cannot_be_moved(place: Place) -> None:
    place.fine("observe", "counted", place.put("a.parquet", rows(50, MONDAY, 1, name="a")))
    assert place.refused("import", "none.db") == "none.db: got no such file, want what 'tidegauge export' made"
    assert place.refused("export", "tidegauge.db") == "tidegauge.db: got the store itself, want another file"
    assert place.refused("export", "b.db", "--stream", "queries") == "stream: got 'queries', want one of counted"
    assert not (place.folder / "b.db").exists()
    assert "normal.tg: got a file that is no SQLite database" in place.refused("import", "normal.tg")
    place.fine("export", "b.db")
    place.fine("observe", "counted", place.put("b.parquet", rows(50, MONDAY, 1, name="b")))
    assert place.refused("export", "b.db").startswith("b.db: got stream counted with other content, want the same")
