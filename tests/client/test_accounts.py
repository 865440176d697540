"""Rows that were given are rows that were sent, dropped, or wait: whatever happens, in whatever order."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.client.conftest import check
from tests.client.service import (
    answer,
    hang_up,
    reset,
    serving,
    take,
    take_and_close,
    take_and_hang_up,
)
from tidegauge.client import Client, sender

ACTS = [
    take,
    take_and_close,
    take_and_hang_up,
    hang_up,
    reset,
    *[answer(status) for status in (200, 301, 401, 408, 413, 422, 500, 503)],
    answer(429, Retry_After="0"),
    answer(202, b"no JSON"),
    answer(202, b'{"aside": {"nan": 1}}'),
]
VECTORS = st.one_of(
    st.sampled_from([np.ones(3), np.ones(3, np.float16), np.ones(3, np.int8), np.ones(2), [1.0, 2.0, 3.0]]),
    st.sampled_from([None, "no", [], np.ones((2, 2)), [1, "a"], float("nan"), {}]),
)
OUTCOMES = st.dictionaries(
    st.sampled_from(["a", "b", "time", ""]), st.sampled_from([1, True, (1, 2), None, "x", 1e999]), max_size=3
)
DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("observe"), VECTORS, OUTCOMES),
        st.tuples(st.just("many"), st.lists(VECTORS, max_size=4), OUTCOMES),
        st.tuples(st.just("outcome"), st.sampled_from(["", "a"]), OUTCOMES),
        st.tuples(st.just("flush"), st.sampled_from([0.0, 0.02]), st.none()),
        st.tuples(st.just("close"), st.sampled_from([0.0, 0.5]), st.none()),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(deeds=DEEDS, acts=st.lists(st.sampled_from(ACTS), max_size=12), queue=st.sampled_from([1, 3, 100]))
def test_everything_is_accounted_for(deeds: list[Any], acts: list[Any], queue: int) -> None:
    with pytest.MonkeyPatch.context() as patch, serving() as service:
        patch.setattr(sender, "_FIRST", 0.001)
        patch.setattr(sender, "_LONGEST", 0.002)
        service.then(*acts)
        client = Client(service.url, stream="queries", queue_rows=queue, batch_rows=2, flush_seconds=0.01, timeout=5)
        rows = late = 0
        for deed, what, outcomes in deeds:
            if deed == "observe":
                client.observe(what, outcomes=outcomes)
                rows += 1
            elif deed == "many":
                client.observe_many(what)
                rows += len(what)
            elif deed == "outcome":
                client.outcome(what, **outcomes)
                late += 1
            elif deed == "flush":
                client.flush(what)
            else:
                client.close(what)
            check(client)
            assert (client.stats.rows.given, client.stats.outcomes.given) == (rows, late)
        client.close(5)
        check(client)
        stats = client.stats
        assert stats.rows.waiting == stats.outcomes.waiting == 0
        assert not [t for t in threading.enumerate() if t.name == "tidegauge-client-queries"]


def test_all_that_was_sent_has_landed_once_for_many_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "_FIRST", 0.001)
    monkeypatch.setattr(sender, "_LONGEST", 0.002)
    with serving() as service:
        service.then(*[take, hang_up, take_and_hang_up, answer(503)] * 10)
        client = Client(service.url, stream="queries", queue_rows=500, batch_rows=16, flush_seconds=0.01)

        def call(name: int) -> None:
            for i in range(200):
                client.observe([1.0, 2.0], id=f"{name}-{i}")

        threads = [threading.Thread(target=call, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.flush(20)
        tally = client.stats.rows
        assert (tally.given, tally.waiting) == (800, 0)
        ids = service.column("id")
        assert len(ids) == len(set(ids)) == tally.sent == 800 - tally.dropped.get("queue full", 0)
        client.close()
