"""A receiver for each test, and no proxy but the test's own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.deliver.receiver import Receiver, listening
from tidegauge.records import Alarm, Example


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as found:
        yield found


@pytest.fixture
def alarm() -> Alarm:
    return Alarm(
        id="0123456789ab",
        stream="queries",
        segment="de",
        reference="r" * 64,
        kind="drift",
        state="open",
        severity="warning",
        opened=1_790_000_400,
        onset=1_789_990_200,
        updated=1_790_000_400,
        at=1_790_001_000.5,
        title="A new cluster, refunds, makes up 12 % of the traffic",
        score="novelty",
        panes=4,
        value=8.5,
        threshold=6.25,
        drift=12.34,
        reasons=("novelty rose to 12 %", "the cluster 'refunds' is new"),
        examples=(Example("q17", "where is my\nmoney"), Example("q18")),
    )
