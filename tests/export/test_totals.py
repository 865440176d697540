"""Sums of outcomes over a period, held against every pane that ever closed."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.run.measured import HOUR, MONDAY, opened
from tidegauge.export.totals import outcome_sums, period
from tidegauge.records import ALL, Measured, PaneKey
from tidegauge.spec import StreamSpec
from tidegauge.window.panes import start_of

LENGTHS = (HOUR, 6 * HOUR, 24 * HOUR)


@pytest.mark.parametrize("silent", [(), range(30, 75)])
def test_they_are_the_sums_of_all_panes_of_the_period(tmp_path: Path, silent: range) -> None:
    """Panes are forgotten after 12 hours and windows of 6 after two days; those of a day hold what they held."""
    keep = {"pane": "12h", "6h": "2d", "24h": "8d"}
    store, monitor = opened(tmp_path, windows=["6h", "1d"], keep=keep)
    spec, rng, everything = monitor.spec, np.random.default_rng(0), dict[tuple[int, str], float]()
    before, resets = 0.0, 0
    for at in range(24 * 11):
        start, until = MONDAY + at * HOUR, MONDAY + (at + 1) * HOUR
        with store.leading(spec.name) as desk:
            assert desk is not None
            for segment in (ALL, "de"):
                if at not in silent:
                    everything[start, segment] = float(rng.integers(1, 50)) / 10
                    key = PaneKey(spec.name, monitor.reference.hash, HOUR, start, segment)
                    desk.measure([Measured(key, "success", everything[start, segment], 10.0)])
                for child, length in pairwise(LENGTHS):
                    if until % length == 0:
                        kept = desk.measured(length=child, segment=segment, since=until - length, until=until)
                        sums = sum(each.numerator for each in kept), sum(each.denominator for each in kept)
                        if sums[1]:
                            key = PaneKey(spec.name, monitor.reference.hash, length, until - length, segment)
                            desk.measure([Measured(key, "success", *sums)])
            for length in LENGTHS:
                desk.expire_measured(length, until - spec.keep_for(length))
            desk.update(replace(desk.state, settled=until, version=desk.state.version + 1))
        found = outcome_sums(store, spec, store.state(spec.name), "success")
        first, _ = period(spec, until)
        assert found is not None
        for segment in (ALL, "de"):
            true = [value for (pane, each), value in everything.items() if each == segment and pane >= first]
            above, below = found.get(segment, (0.0, 0.0))
            assert above == pytest.approx(sum(true), rel=1e-11)
            assert below == 10 * len(true)
        told = found.get(ALL, (0.0, 0.0))[0]
        # A fall is a beginning from nothing: what the newest pane has, and no more.
        assert told >= before or told == everything.get((start, ALL), 0.0)
        resets += told < before
        before = told
    assert resets == 3
    store.close()


def test_another_outcome_and_a_fresh_stream(tmp_path: Path) -> None:
    store, monitor = opened(tmp_path)
    assert outcome_sums(store, monitor.spec, store.state("queries"), "success") == {}
    store.close()


@pytest.mark.parametrize(
    ("settings", "length"),
    [
        ({"pane": "5m"}, 5 * 365 * 86_400 // 604_800 * 604_800),
        ({"pane": "5m", "windows": []}, 86_400),
        ({"pane": "1d", "windows": [], "keep": {"pane": "1d"}}, 86_400),
        ({"pane": "100 rows"}, 50_000),
    ],
)
def test_a_period_is_over_long_before_its_beginning_is_forgotten(settings: dict[str, object], length: int) -> None:
    spec = StreamSpec(name="queries", **settings)  # type: ignore[arg-type]
    longest = max((spec.pane.length, *spec.windows))
    for newest in (10**9, 10**9 + 12_345 * longest):
        settled = start_of(newest, longest)
        first, last = period(spec, settled)
        assert last == settled
        assert 0 < settled - first <= length <= spec.keep_for(longest)
        assert period(spec, first + length) == (first, first + length)
        assert period(spec, first + length + longest)[0] == first + length
