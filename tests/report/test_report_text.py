from __future__ import annotations

import unicodedata

import pytest

from tests.report.cases import ANSI, CASES, drifted, hostile, insufficient, refused_scores, unchanged
from tidegauge.records import Comparison
from tidegauge.report import text


def test_verdict_comes_first() -> None:
    assert text.render(unchanged()).splitlines()[0] == "No drift: week 4 looks like week 0 (joint p = 0.41)."


@pytest.mark.parametrize("name", sorted(set(CASES) - {"hostile"}))
def test_fits_a_screen(name: str) -> None:
    case = CASES[name]()
    lines = text.render(case).splitlines()
    assert len(lines) <= (66 if case.impact else 46)
    assert max(map(len, lines)) <= 92


def test_hostile_texts_stay_on_their_lines() -> None:
    lines = text.render(hostile()).splitlines()
    assert len(lines) <= 80
    assert max(map(len, lines)) <= 100


def test_no_control_characters(comparison: Comparison) -> None:
    kinds = {unicodedata.category(char) for char in text.render(comparison) if char != "\n"}
    assert not kinds & {"Cc", "Cs", "Zl", "Zp"}


def test_says_what_moved() -> None:
    said = text.render(drifted())
    for words in (
        "9.3 %", "7.1 % to", "refund gift card, 7.8 % (31 rows)", "gained: 8/3", "lost: 8/1", "retrieval success",
        "-7.1 points", "row 17", "What to do next:",
    ):  # fmt: skip
        assert words in said


def test_members_of_the_panel_come_first() -> None:
    said = text.render(drifted())
    assert said.index("Novelty  ") < said.index("Wasserstein-1")


def test_refused_scores_say_why() -> None:
    assert "not computed (needs 30 rows on each side): MMD, Whitened MMD" in text.render(insufficient())
    assert "nan" not in text.render(refused_scores()).lower().replace("2 nan (first", "")


def test_colour_only_where_asked() -> None:
    assert "\x1b" not in text.render(hostile())
    painted = text.render(hostile(), color=True)
    assert painted.startswith("\x1b[1;31mDrift")
    assert ANSI not in painted
    assert "\x1b[31m" not in painted
