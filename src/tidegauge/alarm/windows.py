"""The last 1, 2, 4 .. panes together: their standardised sums, and what each member of the panel makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tidegauge.alarm.tally import Layout
from tidegauge.score.scans import penalty

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

MEMBERS = (
    "mmd",
    "whitened_mmd",
    "leading_mmd",
    "spread",
    "component_spread",
    "cell_spread",
    "mass_scan",
    "spread_scan",
    "novelty",
)
"""What the detector asks of every window, after the members of the panel."""
LEADING = 32
"""Whitened axes that count by themselves, too: a change of the mix lies there."""
FEWEST_EXPECTED = np.float32(0.05)
"""Rows that are expected in a cell at least, so that one row in a rare cell is no news."""
MOST_SKEW = 2.8
TAIL, TAIL_EXCESS = 2.0, 0.8734
"""Where the tail of a standard normal law begins, and its mean excess of z^2 / 2 there."""
TAIL_WEIGHT = 15.0
OUTLYING, MOST_EXCESS = 4.0, 6.0
"""Where one value is held, in sd and in z^2 / 2, when the law of all is learned."""


def window_sums(innovations: Float32, panes: int) -> Float32:
    """Standardised sums of the last ``panes`` rows at each row from the ``panes``-th on, float32 (T - panes + 1, q)."""
    if panes == 1:
        return innovations
    total = np.cumsum(innovations, axis=0, dtype=np.float64)
    total[panes:] -= total[:-panes].copy()
    return (total[panes - 1 :] / np.sqrt(panes)).astype(np.float32)


def all_sums(innovations: Float32, lengths: Sequence[int]) -> Iterator[tuple[int, Float32]]:
    """The same for each of the lengths 1, 2, 4 .., as far as there are panes: each from the one before."""
    sums = innovations
    for panes in lengths:
        if panes > len(innovations):
            return
        if panes > 1:
            half = panes // 2
            sums = (sums[half:] + sums[:-half]) * np.float32(np.sqrt(0.5))
        yield panes, sums


def members_of(layout: Layout, sums: Float32, panes: int, mass_rows: Float64) -> Float64:
    """Values of the members for standardised sums over ``panes`` panes, float64 (n, members).

    Parameters
    ----------
    layout : Layout
    sums : float32 array, shape (n, q + features)
        Unit variance on normal traffic, by component; the whitened features come last.
    panes : int
    mass_rows : float64 array, shape (cells,)
        Rows of each cell in a pane, that would vary as much if they came one by one.
    """
    blocks = layout.blocks
    features, spreads, tails = (sums[:, blocks[name]] for name in ("features", "spreads", "tails"))
    white = sums[:, layout.size :]
    root = np.sqrt(layout.weights / layout.weights.sum()).astype(np.float32)
    along, widths = spreads[:, 1:], sums[:, blocks["width"]]
    off = penalty(layout.shares).astype(np.float32)
    mass = rooted(sums[:, blocks["mass"]], (panes * mass_rows).astype(np.float32))
    weighted = features * root
    return np.stack(
        [
            np.einsum("ij,ij->i", weighted, weighted),
            np.einsum("ij,ij->i", white, white),
            np.einsum("ij,ij->i", white[:, :LEADING], white[:, :LEADING]),
            spreads[:, 0] ** 2,
            np.einsum("ij,ij->i", along, along),
            np.einsum("ij,ij->i", widths, widths),
            (np.abs(mass) - off).max(1),
            (np.abs(widths) - off).max(1),
            tails[:, 0],
        ],
        axis=1,
    ).astype(np.float64)


def rooted(z: Float32, expected: Float32) -> Float32:
    """Signed root of the Poisson deviance of ``expected + z sqrt(expected)`` rows: nearer to normal where few are
    expected; where hardly any are, that of FEWEST_EXPECTED.

    Examples
    --------
    >>> [round(float(z), 1) for z in rooted(np.float32([[0, 3, 3, 1000]]), np.float32([1, 1, 1e6, 1e-6]))[0]]
    [0.0, 2.3, 3.0, 2.0]
    """
    seen = np.maximum(expected + z * np.sqrt(expected), 0)
    expected = np.maximum(expected, FEWEST_EXPECTED)
    ratio = np.maximum(seen, np.float32(1e-12)) / expected
    deviance = 2 * (seen * np.log(ratio) - (seen - expected))
    return np.sign(z) * np.sqrt(np.maximum(deviance, 0))


def law_of(values: Float64, panes: int) -> Float64:
    """What normal traffic makes of each column: mean, standard deviation, skewness, and how much heavier its tail is
    than these foretell, float64 (4, columns).

    A streak of panes that differs, of which a history has one or none, would shape the moments of long windows: values
    are held to OUTLYING sd, as it was learned without them. The last is the mean excess of ``z^2 / 2`` beyond TAIL over
    that of the normal law, drawn towards 1 as there are few such windows that do not overlap.
    """
    held = values
    for _ in range(3):
        held = np.minimum(held, held.mean(0) + OUTLYING * held.std(0))
    mean, sd = held.mean(0), np.maximum(held.std(0), 1e-12)
    skew = (((held - mean) / sd) ** 3).mean(0)
    law = np.stack([mean, sd, skew, np.ones_like(mean)])
    far = np.maximum(normal_scores(values, law), TAIL)
    excess = np.minimum((far**2 - TAIL**2) / 2, MOST_EXCESS)
    apart = (excess > 0).sum(0) / panes
    heavier = excess.sum(0) / np.maximum((excess > 0).sum(0), 1) / TAIL_EXCESS
    law[3] = np.clip((apart * heavier + TAIL_WEIGHT) / (apart + TAIL_WEIGHT), 0.8, 2)
    return law


def normal_scores(values: Float64, law: Float64) -> Float64:
    """Values of a law as standard normal ones, by Wilson and Hilferty's cube root (1931) of the gamma law of its first
    three moments, and with a lighter or heavier tail beyond TAIL.

    Examples
    --------
    >>> chi = np.random.default_rng(0).chisquare(10, (20_000, 1))
    >>> z = normal_scores(chi, law_of(chi, 1))
    >>> bool(abs(np.quantile(z, 0.999) - 3.09) < 0.15)
    True
    """
    mean, sd, skew, tail = law
    shape = 4 / np.clip(skew, 0.02, MOST_SKEW) ** 2
    ratio = np.maximum(1 + (values - mean) / sd / np.sqrt(shape), 0)
    z = 3 * np.sqrt(shape) * (np.cbrt(ratio) - 1 + 1 / (9 * shape))
    far = np.sqrt(TAIL**2 + np.maximum(z**2 - TAIL**2, 0) / tail)
    return np.where(z > TAIL, far, z)


def lengths_for(history: int, most: int) -> tuple[int, ...]:
    """1, 2, 4 .. panes: as far as ``most``, and as a history of so many panes can tell."""
    longest = max(1, min(most, history // 32))
    return tuple(2**i for i in range(int(np.log2(longest)) + 1))
