"""Normal traffic: its season, how panes depend on those before, and their noise; the rest of a pane is innovation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tidegauge.alarm.autoregression import FAR, broken, past_of, prewhitened, yule_walker
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
    middle of each in epoch seconds, NaN where that is not known. ``apart`` int64 (T,) says how many panes back in time
    the one before each is; None, that no pane is missing.
    """

    values: Float64
    rows: Float64
    moments: Float64
    apart: Int | None = None

    def __len__(self) -> int:
        return len(self.values)

    def take(self, panes: Int | slice) -> Series:
        """Some of the panes."""
        apart = None if self.apart is None else self.apart[panes]
        return Series(self.values[panes], self.rows[panes], self.moments[panes], apart)

    def begun(self) -> Series:
        """The same, where nothing is known of the time before the first pane."""
        apart = np.ones(len(self), np.int64) if self.apart is None else self.apart.copy()
        apart[:1] = FAR
        return replace(self, apart=apart)


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

    def _variances(self, series: Series) -> Float64:
        """Of innovations, to which a pane before of unusually few rows adds what is foretold from its noise, and panes
        that are missing what they would have foretold.
        """
        out = self.variance(series.rows)
        unusual = np.maximum(1 / series.rows - self.inverse, 0)[:, None]
        some, towards, growth = broken(self.coefficients, series.apart, len(series))
        alone = out[some] + (growth - 1) * (self.natural + self.per_row * self.inverse)
        for lag, each in enumerate(self.coefficients, 1):
            out[lag:] += each**2 * self.per_row * unusual[:-lag]
        out[some] = alone + towards**2 * self.per_row * unusual[some - 1]
        return out

    def innovations(self, series: Series, layout: Layout) -> Float32:
        """Standardised innovations, float32 (T, q + features): of every component, then of the whitened features."""
        out = prewhitened(self.rest(series), self.coefficients, series.apart) / np.sqrt(self._variances(series))
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
    # As many panes back as half of the panes have.
    order = 0 if independent else int(np.median(past_of(len(series), series.apart, ORDER)))
    coefficients = yule_walker(rest, order, series.apart)
    out = prewhitened(rest, coefficients, series.apart)
    some, _, growth = broken(coefficients, series.apart, len(series))
    out[some] /= np.sqrt(growth)
    natural, per_row = noise_of(out, series.rows, layout)
    inverse = float((1 / series.rows).mean())
    if independent:
        return Normal(season, coefficients, natural, per_row, inverse, np.eye(layout.features, dtype=np.float32))
    features = layout.blocks["features"]
    standard = out[:, features] / np.sqrt(natural[features] + per_row[features] / series.rows[:, None])
    return Normal(season, coefficients, natural, per_row, inverse, whitener_of(standard))


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
