"""How panes depend on those before them: an autoregression of each component by itself.

``apart`` says how many panes back in time the one before each in the list is; None, that all are neighbours. What
nothing is known of, as the time before the list, is FAR.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

FAR = 1000
"""Panes beyond which none foretells another."""


def yule_walker(rest: Float64, order: int, apart: Int | None = None) -> Float64:
    """Coefficients, float64 (order, q), from products of true neighbours (Yule, 1927; Walker, 1931).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = np.zeros((20_000, 1))
    >>> for t in range(1, len(x)):
    ...     x[t] = 0.6 * x[t - 1] + rng.standard_normal()
    >>> yule_walker(x, 2).round(1).ravel().tolist()
    [0.6, 0.0]
    """
    n, past = len(rest), past_of(len(rest), apart, order)
    lags: list[Float64] = []
    for lag in range(order + 1):
        false = lag + np.flatnonzero(past[lag:] < lag)
        products = np.einsum("ij,ij->j", rest[lag:], rest[: n - lag])
        lags.append((products - np.einsum("ij,ij->j", rest[false], rest[false - lag])) / (n - len(false)))
    whole = np.stack(lags) / np.maximum(lags[0], 1e-300)
    whole[0] = 1
    between = np.abs(np.subtract.outer(np.arange(order + 1), np.arange(order + 1)))
    system = whole[between].transpose(2, 0, 1)
    # Without the products across gaps they need not be those of any process: a larger ridge makes them so.
    ridge = np.full((len(system), 1, 1), 1e-6)
    if (past < order).any():
        ridge += np.maximum(-np.linalg.eigvalsh(system)[:, :1, None], 0)
    found = np.linalg.solve(system[:, :order, :order] + ridge * np.eye(order), whole[1:].T[:, :, None])
    return np.asarray(found[:, :, 0].T, np.float64)


def prewhitened(rest: Float64, coefficients: Float64, apart: Int | None = None) -> Float64:
    """What the panes before do not foretell; without all of its past a pane is foretold from the one before it."""
    out = rest.copy()
    for lag, each in enumerate(coefficients, 1):
        out[lag:] -= each * rest[:-lag]
    some, towards, _ = broken(coefficients, apart, len(rest))
    out[some] = rest[some] - towards * rest[some - 1]
    return out


def broken(coefficients: Float64, apart: Int | None, count: int) -> tuple[Int, Float64, Float64]:
    """Panes without all of their past, and what the one before foretells of each, however far back it is.

    Returns
    -------
    places : int64 array, shape (n,)
    towards : float64 array, shape (n, q)
        The coefficient of the pane before: the autocorrelation so far apart.
    growth : float64 array, shape (n, q)
        The variance of what is left, over that of a pane with all of its past; where nothing is foretold, that of the
        process itself.

    Examples
    --------
    >>> places, towards, growth = broken(np.array([[0.5]]), np.array([FAR, 1, 1, 3]), 4)
    >>> places.tolist(), towards.ravel().tolist(), growth.ravel().round(3).tolist()
    ([0, 3], [0.0, 0.125], [1.333, 1.312])
    """
    places = np.flatnonzero(past_of(count, apart, len(coefficients)) < len(coefficients))
    if apart is None or not len(places):
        nothing = np.empty((0, coefficients.shape[1]))
        return places, nothing, nothing
    lags = np.where(places == 0, FAR, apart[places])  # of the first the one before is not here, whatever it was
    near = lags < FAR
    known = autocorrelations(coefficients, int(lags[near].max(initial=0)))
    towards = np.zeros((len(places), coefficients.shape[1]))
    towards[near] = known[lags[near]]
    order = len(coefficients)
    whole = 1 / (1 - np.einsum("ij,ij->j", coefficients, known[1 : order + 1]))
    return places, towards, whole * (1 - towards**2)


def autocorrelations(coefficients: Float64, most: int) -> Float64:
    """Of the process, 0, 1 .. ``most`` panes apart and at least as many as there are coefficients, float64 (.., q).

    Examples
    --------
    >>> autocorrelations(np.array([[0.4], [0.5]]), 3).round(3).ravel().tolist()
    [1.0, 0.8, 0.82, 0.728]
    """
    order, q = coefficients.shape
    system = np.tile(np.eye(order), (q, 1, 1))
    for lag in range(order):
        for other, each in enumerate(coefficients):
            if lag != other:
                system[:, lag, abs(lag - other) - 1] -= each
    known = np.linalg.solve(system, coefficients.T[:, :, None])[:, :, 0].T
    out = [np.ones(q), *known]
    while len(out) <= most:
        out.append(np.einsum("ij,ij->j", coefficients, np.stack(out[: -order - 1 : -1])))
    return np.stack(out)


def past_of(count: int, apart: Int | None, order: int) -> Int:
    """How many panes right before each in the list are also those right before it in time, ``order`` at most.

    Examples
    --------
    >>> past_of(6, np.array([1, 1, 3, 1, 1, 1]), 2).tolist()
    [2, 2, 0, 1, 2, 2]
    """
    if apart is None:
        return np.full(count, order)
    places = np.arange(count)
    return np.minimum(places - np.maximum.accumulate(np.where(apart == 1, -order, places)), order)
