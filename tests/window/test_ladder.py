from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidegauge.window.ladder import closing, cover, slides

panes = st.lists(st.integers(-60, 60).map(lambda i: 300 * i), unique=True).map(sorted)


@given(panes, st.lists(st.integers(-70, 70).map(lambda i: 300 * i), min_size=1, max_size=8).map(sorted))
def test_every_window_with_a_pane_closes_once(starts, moments):
    """However often it is settled, and only when its end is reached."""
    closed: list[int] = []
    settled = None
    for until in moments:
        now = closing(starts, 300, 3600, settled, until)
        assert all(p + 3600 <= until for p in now)
        closed += now
        settled = until
    assert closed == sorted({s // 3600 * 3600 for s in starts if s // 3600 * 3600 + 3600 <= moments[-1]})


@given(panes, st.integers(-60, 60), st.integers(0, 80))
def test_a_cover_holds_every_pane_of_the_span_once(starts, first, count):
    hours = sorted({s // 3600 * 3600 for s in starts})
    since, until = 300 * first, 300 * (first + count)
    held: list[int] = []
    for length, start in cover({300: starts, 3600: hours}, since, until):
        held += [s for s in starts if start <= s < start + length]
    assert held == [s for s in starts if since <= s < until]


def test_a_long_window_takes_the_place_of_expired_panes():
    assert cover({300: [], 3600: [0], 86_400: []}, 0, 7200) == [(3600, 0)]


def test_slides():
    assert slides(100, 1000, 300, 100) == [100, 200, 300, 400, 500, 600, 700]
    assert slides(0, 200, 300, 100) == []
