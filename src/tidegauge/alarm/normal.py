"""Normal traffic: its season, how panes depend on those before, and their noise; the rest of a pane is innovation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegauge.alarm.season import Season, fit_season
from tidegauge.alarm.tally import Layout

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

ORDER = 2
"""Panes back that a pane may depend on."""
MOST_SD, MOST_WIDTH = 5.0, 8.0
"""Where one of many components that are squared and summed is held; higher where each also counts by itself."""
UNEQUAL = 0.2
"""Relative deviation of 1 / rows from which panes tell natural variation from sampling noise."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Tallies of panes in order: ``values`` float64 (T, q), ``rows`` float64 (T,), and ``moments`` float64 (T,), the
    middle of each in epoch seconds, NaN where that is not known.
    """

    values: Float64
    rows: Float64
    moments: Float64

    def __len__(self) -> int:
        return len(self.values)

    def take(self, panes: Int | slice) -> Series:
        """Some of the panes."""
        return Series(self.values[panes], self.rows[panes], self.moments[panes])


@dataclass(frozen=True, slots=True, eq=False)
class Normal:
    """What turns tallies into independent, standardised innovations.

    ``coefficients`` (order, q) of an autoregression by component; the variance of an innovation is ``natural +
    per_row / rows``, (q,) each, and ``inverse`` the mean of 1 / rows; ``whitener`` (features, features) takes the
    correlation out of the block of features.
    """

    season: Season
    coefficients: Float64
    natural: Float64
    per_row: Float64
    inverse: float
    whitener: Float32

    def rest(self, series: Series) -> Float64:
        """What is left of tallies when the season is taken off, float64 (T, q)."""
        return series.values - self.season.at(series.moments)

    def variance(self, rows: Float64) -> Float64:
        """Of the innovations of panes with these numbers of rows, float64 (T, q)."""
        return self.natural + self.per_row / rows[:, None]

    def _variances(self, rows: Float64) -> Float64:
        """Of innovations, to which a pane before of unusually few rows adds what is foretold from its noise."""
        out = self.variance(rows)
        unusual = np.maximum(1 / rows - self.inverse, 0)[:, None]
        for lag, each in enumerate(self.coefficients, 1):
            out[lag:] += each**2 * self.per_row * unusual[:-lag]
        return out

    def innovations(self, series: Series, layout: Layout) -> Float32:
        """Standardised innovations, float32 (T, q + features): of every component, then of the whitened features.

        The first panes have no past, and count as they are.
        """
        out = prewhitened(self.rest(series), self.coefficients) / np.sqrt(self._variances(series.rows))
        out = out.astype(np.float32)
        blocks = layout.blocks
        whole = np.concatenate([out, out[:, blocks["features"]] @ self.whitener], axis=1)
        along = slice(blocks["spreads"].start + 1, blocks["spreads"].stop)
        for block in (blocks["features"], along, slice(out.shape[1], None)):
            np.clip(whole[:, block], -MOST_SD, MOST_SD, out=whole[:, block])
        np.clip(whole[:, blocks["width"]], -MOST_WIDTH, MOST_WIDTH, out=whole[:, blocks["width"]])
        return whole


def fit_normal(series: Series, layout: Layout, step: int, *, independent: bool = False) -> Normal:
    """Learn what is normal.

    Parameters
    ----------
    series : Series
        Panes in which all was well.
    layout : Layout
    step : int
        Seconds of a bucket of the season.
    independent : bool
        Panes do not depend on those before, and the axes of the features not on each other: that is how they were made.
    """
    season = fit_season(series.values, series.moments, step)
    rest = series.values - season.at(series.moments)
    coefficients = yule_walker(rest, 0 if independent else ORDER)
    out = prewhitened(rest, coefficients)
    natural, per_row = noise_of(out, series.rows, layout)
    inverse = float((1 / series.rows).mean())
    if independent:
        return Normal(season, coefficients, natural, per_row, inverse, np.eye(layout.features, dtype=np.float32))
    features = layout.blocks["features"]
    standard = out[:, features] / np.sqrt(natural[features] + per_row[features] / series.rows[:, None])
    return Normal(season, coefficients, natural, per_row, inverse, whitener_of(standard))


def prewhitened(rest: Float64, coefficients: Float64) -> Float64:
    """What the panes before do not foretell."""
    out = rest.copy()
    for lag, each in enumerate(coefficients, 1):
        out[lag:] -= each * rest[:-lag]
    return out


def yule_walker(rest: Float64, order: int) -> Float64:
    """Coefficients of an autoregression of each component by itself, float64 (order, q) (Yule, 1927; Walker, 1931).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = np.zeros((20_000, 1))
    >>> for t in range(1, len(x)):
    ...     x[t] = 0.6 * x[t - 1] + rng.standard_normal()
    >>> yule_walker(x, 2).round(1).ravel().tolist()
    [0.6, 0.0]
    """
    n = len(rest)
    lags = np.stack([np.einsum("ij,ij->j", rest[lag:], rest[: n - lag]) / n for lag in range(order + 1)])
    scale = np.maximum(lags[0], 1e-300)
    whole = lags / scale
    whole[0] = 1
    apart = np.abs(np.subtract.outer(np.arange(order), np.arange(order)))
    system = whole[apart].transpose(2, 0, 1) + 1e-6 * np.eye(order)
    return np.linalg.solve(system, whole[1:].T[:, :, None])[:, :, 0].T


def noise_of(out: Float64, rows: Float64, layout: Layout) -> tuple[Float64, Float64]:
    """Variance of innovations as ``natural + per_row / rows``, float64 (q,) each.

    Where panes differ in rows the two are told apart by a weighted regression of the squares on 1 / rows; where they
    hardly do, independent rows make the second part, and all else is natural.
    """
    square, inverse = out**2, 1 / rows
    total = np.maximum(square.mean(0), layout.least * inverse.mean())
    most = total / inverse.mean()
    per_row = np.minimum(layout.noise, most)
    if inverse.std() > UNEQUAL * inverse.mean():
        weight = inverse**-2.0
        weight /= weight.sum()
        apart = inverse - weight @ inverse
        slope = ((weight * apart) @ square) / (weight @ apart**2)
        per_row = np.clip(slope, per_row, most)
        return np.maximum(weight @ (square - per_row * inverse[:, None]), 0), per_row
    return np.maximum(total - per_row * inverse.mean(), 0), per_row


def whitener_of(standard: Float64) -> Float32:
    """Takes out the correlation, axis after axis, float32 (p, p); it is drawn towards none as the history is short."""
    n, p = standard.shape
    covariance = standard.T @ standard / n
    towards = min(1.0, (p + 1) / n + 0.02)
    covariance = (1 - towards) * covariance + towards * np.diag(np.diag(covariance))
    root = np.linalg.cholesky(covariance + 1e-6 * np.eye(p))
    return np.linalg.inv(root).T.astype(np.float32)
