"""Session traffic in the 768 dimensions of T4, with daily and weekly seasons, pane by pane.

A pane is 1,000 rows of a library of rows, so that its tally is the mean of theirs: that of a sketch of the same rows,
to rounding, at a thousandth of the cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from quality.data import CLUSTERS, D, World, world
from tidegauge import Reference
from tidegauge.alarm.normal import Series
from tidegauge.alarm.tally import Tallier

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
Kind = Literal["normal", "rotation", "spread"]

ROWS, HOUR = 1000, 3600
EACH = 100
REFERENCE_ROWS = 10_000
AT_ONCE = 500


def draw(topics: Int, rng: np.random.Generator, kind: Kind = "normal") -> Float32:
    """Rows of these topics; the topic after the last of the world is the new one."""
    place: World = world()
    noise = rng.standard_normal((len(topics), D)) * np.sqrt(place.spectrum) * (0.945 if kind == "spread" else 0.9)
    x = place.centres[topics] + noise + place.mean
    if kind == "rotation":
        a, b = x[:, 20:40].copy(), x[:, 40:60].copy()
        x[:, 20:40], x[:, 40:60] = np.cos(0.3) * a - np.sin(0.3) * b, np.sin(0.3) * a + np.cos(0.3) * b
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return (x @ place.basis.T).astype(np.float32)


@cache
def reference() -> Reference:
    """The reference: rows that do not depend on each other, at the traffic's mean mix."""
    rng = np.random.default_rng([5, 1])
    topics = rng.choice(CLUSTERS, REFERENCE_ROWS, p=world().weights)
    return Reference.fit(draw(topics, rng), exchangeable=True)


@cache
def tallier() -> Tallier:
    """Tallies under it."""
    return Tallier(reference())


@cache
def vectors(kind: Kind = "normal") -> Float32:
    """The rows of the library, float32 (topics x EACH, D), topic by topic."""
    rng = np.random.default_rng([5, 2, 6])
    return draw(np.repeat(np.arange(CLUSTERS + 1), EACH), rng, kind)


@cache
def library(kind: Kind = "normal") -> Float32:
    """The tally of each by itself, float32 (topics x EACH, q)."""
    return row_tallies(vectors(kind))


def row_tallies(x: Float32) -> Float32:
    """What each row by itself would make a tally."""
    return np.concatenate([tallier().of_rows(x[start : start + 1000]) for start in range(0, len(x), 1000)])


@dataclass(frozen=True)
class Change:
    """What happens from its first pane on: ``new`` share of rows on the new topic, which it takes ``ramp`` panes to
    reach; another mix; another library.
    """

    new: float = 0.0
    ramp: int = 0
    tilted: bool = False
    kind: Kind = "normal"


NOTHING = Change()


@dataclass(frozen=True)
class Traffic:
    """Rows keep the topic of the one before with probability ``rho``; the mix has a season where ``seasonal``."""

    rho: float
    seasonal: bool = True

    def mixes(self, hours: Int, change: Change) -> Float64:
        """Weights of the topics at these hours since the epoch, float64 (n, topics)."""
        rng = np.random.default_rng([5, 3])
        phase, day, week = rng.uniform(0, 2 * np.pi, CLUSTERS), rng.normal(size=CLUSTERS), rng.normal(size=CLUSTERS)
        weights = np.tile(world().tilted if change.tilted else world().weights, (len(hours), 1))
        if self.seasonal:
            daily = 0.4 * day * np.cos(2 * np.pi * hours[:, None] / 24 + phase)
            weekly = 0.3 * week * np.isin(hours // 24 % 7, (2, 3))[:, None]
            weights = weights * np.exp(daily + weekly)
        return weights / weights.sum(1, keepdims=True)

    def panes(self, count: int, rng: np.random.Generator, *, first: int = 0, change: Change = NOTHING) -> Series:
        """Tallies of hourly panes from hour ``first`` on, the change in force in all of them."""
        values = [self._some(min(AT_ONCE, count - i), rng, first + i, i, change) for i in range(0, count, AT_ONCE)]
        moments = (first + np.arange(count) + 0.5) * HOUR
        return Series(np.concatenate(values).astype(np.float64), np.full(count, float(ROWS)), moments)

    def picks(
        self, count: int, rng: np.random.Generator, *, first: int = 0, since: int = 0, change: Change = NOTHING
    ) -> Int:
        """Rows of the library that make up ``count`` panes, int64 (count, ROWS)."""
        return self.topics(count, rng, first, since, change) * EACH + rng.integers(EACH, size=(count, ROWS))

    def topics(self, count: int, rng: np.random.Generator, first: int, since: int, change: Change) -> Int:
        """Topics of the rows of ``count`` panes, int64 (count, ROWS)."""
        cumulative = self.mixes(first + np.arange(count), change).cumsum(1)
        cumulative[:, -1] = 1
        flat = (cumulative + np.arange(count)[:, None]).ravel()
        place = np.repeat(np.arange(count), ROWS)
        fresh = np.searchsorted(flat, rng.random(count * ROWS) + place, side="right") - place * CLUSTERS
        if change.new:
            share = np.full(count, change.new)
            if change.ramp:
                share *= np.minimum(1, (since + 1 + np.arange(count)) / change.ramp)
            fresh = np.where(rng.random(count * ROWS) < share[place], CLUSTERS, fresh)
        if self.rho:
            begins = rng.random(count * ROWS) >= self.rho
            begins[0] = True
            fresh = fresh[np.maximum.accumulate(np.where(begins, np.arange(count * ROWS), 0))]
        return fresh.reshape(count, ROWS)

    def _some(self, count: int, rng: np.random.Generator, first: int, since: int, change: Change) -> Float32:
        return mean_tallies(self.picks(count, rng, first=first, since=since, change=change), change.kind)


def mean_tallies(picks: Int, kind: Kind = "normal") -> Float32:
    """Tallies of panes made up of these rows of the library, float32 (n, q)."""
    n, size = len(picks), (CLUSTERS + 1) * EACH
    counts = np.bincount((picks + size * np.arange(n)[:, None]).ravel(), minlength=n * size)
    return counts.reshape(n, size).astype(np.float32) @ library(kind) / np.float32(picks.shape[1])
