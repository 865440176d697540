"""Panes: every row in the pane that holds its time, however the rows are cut into batches."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegauge.window.panes import WEEK, arrive, closable, rows_arrive, start_of, starts_of

moments = st.lists(st.integers(-(10**6), 10**6).map(lambda i: i / 4), min_size=1, max_size=60)


@given(moments, st.sampled_from([1, 7, 60, 300, 3600, 86_400, WEEK]))
def test_a_pane_holds_its_rows(times, length):
    x = np.array(times)
    starts = starts_of(x, length)
    assert (starts <= x).all()
    assert (x < starts + length).all()


def test_weeks_begin_on_mondays_and_days_nest_in_them():
    for day in range(60):
        moment = 1_700_000_000 + day * 86_400
        week = datetime.fromtimestamp(start_of(moment, WEEK), UTC)
        assert (week.weekday(), week.hour) == (0, 0)
        assert start_of(start_of(moment, 86_400), WEEK) == start_of(moment, WEEK)


def slow(times, length, lateness, watermark, settled, latest):
    """One row after the other."""
    late, future, reached = [], [], watermark
    for t in times:
        start = start_of(t, length)
        future.append(t > latest)
        beyond = reached is not None and start + length + lateness <= reached
        late.append(not future[-1] and (beyond or (settled is not None and start + length <= settled)))
        if not future[-1]:
            reached = t if reached is None else max(reached, t)
    return late, future, reached


@given(
    moments,
    st.sampled_from([1, 60, 900]),
    st.sampled_from([0, 30, 600]),
    st.none() | st.integers(-1000, 1000).map(float),
    st.none() | st.integers(-20, 20).map(lambda i: 60 * i),
    st.sampled_from([np.inf, 5000.0, -100.0]),
    st.integers(0, 60),
)
def test_as_the_slow_way_and_however_it_is_cut(times, length, lateness, watermark, settled, latest, cut):
    want = slow(times, length, lateness, watermark, settled, latest)
    how = {"lateness": lateness, "settled": settled, "latest": latest}
    whole = arrive(np.array(times), length, watermark=watermark, **how)
    assert (whole.late.tolist(), whole.future.tolist(), whole.watermark) == want
    first = arrive(np.array(times[:cut]), length, watermark=watermark, **how)
    second = arrive(np.array(times[cut:]), length, watermark=first.watermark, **how)
    assert [*first.late, *second.late] == want[0]
    assert second.watermark == want[2]


@given(moments, st.sampled_from([1, 60, 900]), st.sampled_from([0, 30, 600]))
def test_what_can_be_closed_gets_no_more_rows(times, length, lateness):
    """A pane is late for a row exactly when it could have been closed before that row."""
    reached = None
    for t in times:
        until = closable(reached, length, lateness)
        found = arrive(np.array([t]), length, lateness=lateness, watermark=reached)
        assert bool(found.late[0]) == (until is not None and start_of(t, length) + length <= until)
        reached = found.watermark


@pytest.mark.parametrize("cut", range(11))
def test_panes_of_rows(cut):
    whole = rows_arrive(10, 4, seen=3)
    assert whole.tolist() == [0, 4, 4, 4, 4, 8, 8, 8, 8, 12]
    assert [*rows_arrive(cut, 4, seen=3), *rows_arrive(10 - cut, 4, seen=3 + cut)] == whole.tolist()
