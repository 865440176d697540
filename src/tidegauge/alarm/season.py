"""Seasons: what the hour of the day and of the week do, each hour's mean drawn towards none as far as it is noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

HOUR, DAY, WEEK = 3600, 86_400, 604_800
FEWEST_TURNS = 3
"""Turns of a day or week that must have been seen before it is compared with."""


@dataclass(frozen=True, slots=True, eq=False)
class Season:
    """Profiles (buckets, q) of the day and of what the week adds to it; empty ones where there are none.

    ``step`` is the length of a bucket in seconds.
    """

    mean: Float64
    day: Float64
    week: Float64
    step: int

    def at(self, moments: Float64) -> Float64:
        """What is normal at these moments in epoch seconds, float64 (n, q); NaN moments have no season."""
        out = np.broadcast_to(self.mean, (len(moments), len(self.mean))).copy()
        known = np.isfinite(moments)
        for profile, period in ((self.day, DAY), (self.week, WEEK)):
            if len(profile):
                out[known] += profile[bucket(moments[known], period, self.step)]
        return out


def bucket(moments: Float64, period: int, step: int) -> Int:
    """The bucket of each moment in a day or week; weeks begin on Thursday, as the epoch did."""
    return (moments % period // step).astype(np.int64)


def fit_season(values: Float64, moments: Float64, step: int) -> Season:
    """Fit the profiles.

    Parameters
    ----------
    values : float64 array, shape (T, q)
    moments : float64 array, shape (T,)
        Middles of the panes in epoch seconds; NaN where not known.
    step : int
        Length of a bucket in seconds: an hour, or the pane where it is longer.

    Notes
    -----
    Each level is a random-effects model: a bucket's mean of n panes is multiplied by tau^2 / (tau^2 + s^2 / n), with
    s^2 the variance within buckets and tau^2 that between them beyond what s^2 explains (DerSimonian and Laird, 1986).
    """
    mean = values.mean(0)
    none = np.empty((0, values.shape[1]))
    rest, levels = values - mean, []
    known = np.isfinite(moments)
    span = float(np.ptp(moments[known])) if known.any() else 0.0
    for period in (DAY, WEEK):
        buckets = -(-period // step)
        if buckets < 2 or span < FEWEST_TURNS * period - step:
            levels.append(none)
            continue
        where = bucket(moments[known], period, step)
        profile = _shrunk(rest[known], where, buckets)
        rest[known] -= profile[where]
        levels.append(profile)
    return Season(mean, levels[0], levels[1], step)


def _shrunk(rest: Float64, where: Int, buckets: int) -> Float64:
    count = np.bincount(where, minlength=buckets).astype(np.float64)
    order = np.argsort(where, kind="stable")
    starts = np.searchsorted(where[order], np.arange(buckets))
    full = count > 0
    sums = np.zeros((buckets, rest.shape[1]))
    sums[full] = np.add.reduceat(rest[order], starts[full], axis=0)
    means = sums / np.maximum(count, 1)[:, None]
    filled = int(full.sum())
    if len(rest) - filled < buckets:  # what was seen once would be learned by heart
        return np.zeros_like(means)
    within = np.maximum((rest**2).sum(0) - (count[:, None] * means**2).sum(0), 0) / max(len(rest) - filled, 1)
    between = (count[:, None] * means**2).sum(0) - max(filled - 1, 1) * within
    scale = count.sum() - (count**2).sum() / max(count.sum(), 1)
    tau = np.maximum(between, 0) / max(scale, 1e-12)
    weight = tau / np.maximum(tau + within / np.maximum(count, 1)[:, None], 1e-300)
    return means * np.where(full[:, None], weight, 0)
