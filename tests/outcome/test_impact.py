"""The verdict on harm: every state, what it says, and how often it is wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from tidegauge.outcome.impact import impact, worsened
from tidegauge.records import (
    Contribution,
    Coverage,
    Decomposition,
    Drift,
    Example,
    Explained,
    Impact,
    Link,
    Outcome,
    Study,
)

DRIFT = Drift(12.0, 10.0, 14.0, 3.0)
SUCCESS, NO_ANSWER = Outcome("success"), Outcome("no_answer", "rises")
NOTHING = ("all", 0.0, 0.0, 0.0, 0.0, 0.0, 0.9, 0.9)


def group(kind: str, name: str, change: float, share: float = 0.2, texts: Sequence[str] = ()) -> Contribution:
    examples = tuple(Example(f"q{i}", text) for i, text in enumerate(texts))
    return Contribution(kind, name, change, change, change, 0.0, share, 0.9, 0.4, examples)  # type: ignore[arg-type]


def outcome(
    change: float,
    half: float = 0.02,
    which: Outcome = SUCCESS,
    before: float = 0.88,
    new: float = 0.0,
    mix: float = 0.0,
    groups: tuple[Contribution, ...] = (),
    guess: bool = False,
) -> Decomposition:
    kinds = (group("mix", "all", mix), group("within", "all", change - new - mix), group("new", "all", new, 0.3))
    return Decomposition(
        which, "clusters", before, before + change, change, change - half, change + half, *kinds, groups, "days", guess
    )


def cover(share: float, p: float) -> Coverage:
    return Coverage(
        share,
        share - 0.02,
        share + 0.02,
        0.95,
        p,
        400,
        10_000,
        (group("within", "gap 1", -0.05, texts=["roll a die"]),),
    )


def test_harmful_drift_says_what_fell_and_where() -> None:
    clusters = (
        group("new", "new cluster 1", -0.14, 0.18, ["rent a car", "find a car"]),
        group("new", "new cluster 2", -0.10, 0.12, ["flight to Rome"]),
        group("within", "everything else", -0.03),
    )
    said = impact(True, DRIFT, [outcome(-0.27, 0.04, new=-0.24, groups=clusters)])
    assert said == Impact(
        "harmful drift",
        "The traffic drifted (as if 12.0 % of it had moved) and success fell from 88 % to 61 %; "
        "of the 27-point fall 24 sit in two new clusters that hold 30 % of the traffic "
        "(examples: “rent a car”, “flight to Rome”, “find a car”). Associated, not proven to be the cause.",
        (),
        (
            "Read what is new, and see whether the documents cover it.",
            "Check releases of that time: drift and loss may have one cause.",
        ),
    )


def test_who_it_is_that_changed_is_told_where_one_value_stands_out() -> None:
    found = [
        Explained("language", "de", 0.0, 0.26, 0.92, 1.03, "success"),
        Explained("language", "en", 1.0, 0.74, 0.08, -0.03, "success"),
        Explained("client", "web", 0.8, 0.8, 0.85, 0.8, "success"),
    ]
    said = impact(True, DRIFT, [outcome(-0.2, mix=-0.2)], explained=found)
    assert (
        "Language de (26 % of the traffic now, 0 % before) holds 92 % of the drift and all of the loss."
        in said.sentence
    )
    assert "lient web" not in said.sentence


@pytest.mark.parametrize(
    ("drifted", "change", "half", "state"),
    [
        (True, -0.10, 0.02, "harmful drift"),
        (True, 0.00, 0.02, "harmless drift"),
        (True, 0.10, 0.02, "harmless drift"),
        (True, 0.00, 0.30, "not enough data"),
        (True, 0.00, math.nan, "not enough data"),
        (False, -0.10, 0.02, "failure without drift"),
        (False, 0.00, 0.02, "no drift"),
        (False, 0.00, 0.30, "no drift"),
        (None, -0.10, 0.02, "not enough data"),
        (None, 0.00, 0.02, "not enough data"),
    ],
)
def test_states(drifted: bool | None, change: float, half: float, state: str) -> None:
    said = impact(drifted, DRIFT, [outcome(change, half)])
    assert said.state == state
    rises = impact(drifted, DRIFT, [outcome(-change, half, NO_ANSWER, before=0.2)])
    assert rises.state == state
    assert said.sentence.endswith(".")
    assert "caused" not in said.sentence


def test_harmless_drift_says_how_large_a_loss_could_have_been_missed() -> None:
    said = impact(True, DRIFT, [outcome(0.01, 0.02), outcome(-0.005, 0.01, NO_ANSWER, before=0.05)])
    assert "a fall of more than 1.0 points is ruled out at 95 %" in said.sentence
    assert "a rise of more than 0.5 points is ruled out" in said.sentence
    count = outcome(0.0, 0.5, Outcome("tickets", "rises", "count"), before=3.0)
    assert "a rise of more than 0.5 is ruled out" in impact(True, DRIFT, [count]).sentence
    wide = impact(True, DRIFT, [outcome(0.0), outcome(0.0, 0.4, NO_ANSWER, before=0.5)])
    assert wide.state == "harmless drift"
    assert wide.notes == ("Of no_answer a loss of 40 points could be missed.",)


def test_without_an_outcome_nothing_tells_harm() -> None:
    assert impact(True, DRIFT, []).state == "not enough data"
    assert "without an outcome" in impact(True, DRIFT, []).sentence
    assert impact(False, None, []).state == "no drift"
    assert impact(None, None, []).state == "not enough data"


def test_a_failure_without_drift_points_to_the_index_where_coverage_fell() -> None:
    fell = [outcome(-0.15)]
    index = impact(False, None, fell, cover(0.86, 1e-5))
    assert index.sentence.endswith("the documents cover 86 % of the queries, 95 % before: look at the index.")
    assert index.next == ("Look for what the index lost (examples: “roll a die”).",)
    ranker = impact(False, None, fell, cover(0.94, 0.3))
    assert ranker.sentence.endswith("look at the ranker, at releases and at the index.")
    assert ranker.next == ("Check the ranker and the releases of that time.",)
    assert any("Coverage is not known" in note for note in impact(False, None, fell).notes)
    silent = impact(False, None, [outcome(0.0)], cover(0.86, 1e-5))
    assert silent.state == "no drift"
    assert silent.notes[0].startswith("Coverage fell: the documents cover 86 %")


def test_a_loss_within_ordinary_traffic_is_not_put_down_to_what_is_new() -> None:
    said = impact(True, DRIFT, [outcome(-0.2, new=-0.02)], cover(0.80, 1e-6))
    assert "new cluster" not in said.sentence
    assert "the documents cover 80 % of the queries, 95 % before" in said.sentence
    assert any(note.startswith("Most of the loss of success sits within ordinary traffic") for note in said.notes)


def test_a_trend_alone_is_told_only_where_the_loss_is_not_where_traffic_moved() -> None:
    apart = Link("queries", "all", SUCCESS, "not associated", 120, p=0.4)
    tied = Link("queries", "all", SUCCESS, "associated", 120, 2, 0.5, q=0.01, p=0.001)
    short = Link("queries", "all", SUCCESS, "not enough history", 20)
    elsewhere, there = outcome(-0.2), outcome(-0.2, new=-0.15)
    assert impact(True, DRIFT, [elsewhere], links=[apart]).state == "trend alone"
    assert impact(True, DRIFT, [there], links=[apart]).state == "harmful drift"
    assert impact(True, DRIFT, [elsewhere], links=[tied]).state == "harmful drift"
    assert impact(True, DRIFT, [elsewhere], links=[short]).state == "harmful drift"
    assert impact(True, DRIFT, [elsewhere], links=[]).state == "harmful drift"
    assert (
        "Over 120 panes success goes with drift, 2 panes later (q = 0.01)."
        in impact(True, DRIFT, [there], links=[tied]).notes
    )


def test_event_studies_and_guesses_are_noted() -> None:
    early = Study("queries", "all", SUCCESS, "pre-trend", 7)
    notes = impact(True, DRIFT, [outcome(-0.2, new=-0.2, guess=True)], studies=[early]).notes
    assert any("had moved before the alarms began" in note for note in notes)
    assert any("which is a guess" in note for note in notes)


def test_what_worsened_is_holms_and_by_outcome() -> None:
    def at(z: float, name: str) -> Decomposition:
        return outcome(-0.01 * z, 0.01 * 1.959964, Outcome(name))

    # One-sided p of z = 2.4 is .0082: at most .01, but not .01 / 2.
    assert [d.outcome.name for d in worsened([at(2.4, "a")])] == ["a"]
    assert worsened([at(2.4, "a"), at(2.3, "b")]) == ()
    assert [d.outcome.name for d in worsened([at(2.4, "a"), at(4, "b")])] == ["a", "b"]
    assert worsened([at(-5, "a")]) == ()
    twice = [outcome(-0.2), outcome(0.0, 0.001)]
    assert impact(True, DRIFT, twice).state == "harmful drift", "of one outcome the first decomposition counts"


def test_an_outcome_that_did_not_move_is_called_worse_as_often_as_promised() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(4000):
        changes = rng.standard_normal(3) * 0.01
        found = [outcome(float(c), 0.0196, Outcome(f"o{k}")) for k, c in enumerate(changes)]
        hits += bool(worsened(found, 0.05))
    assert 0.035 < hits / 4000 < 0.062


def test_a_loss_that_is_not_sure_among_many_is_noted() -> None:
    unsure = outcome(-0.02, 0.0185)
    many = [unsure, *(outcome(0.0, 0.02, Outcome(f"o{k}")) for k in range(4))]
    said = impact(True, DRIFT, many)
    assert said.state == "harmless drift"
    assert said.notes == ("success fell from 88 % to 86 %, which is not beyond chance among 5 outcomes.",)
