"""Scores that need rows, not sums: the domain classifier and the nearest-neighbour KL. Neither is ever an alarm."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from tidegauge.records import Score

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.int64]

FEWEST = 50
FOLDS = 5
NEIGHBOURS = 5
KL_COMPONENTS = 8
KL_ROWS = 1000
KL_DRAWS = 49


def auc(scores: Float64, positive: Bool) -> tuple[float, float]:
    """Area under the ROC curve and its standard error (Hanley and McNeil, 1982), ties counted half.

    Examples
    --------
    >>> auc(np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True]))[0]
    1.0
    """
    from scipy.stats import rankdata

    n1, n0 = int(positive.sum()), int((~positive).sum())
    area = (rankdata(scores)[positive].sum() - n1 * (n1 + 1) / 2) / (n1 * n0)
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + (n1 - 1) * (q1 - area**2) + (n0 - 1) * (q2 - area**2)) / (n1 * n0)
    return float(area), float(np.sqrt(max(variance, 1e-12)))


def domain_classifier(before: Float32, after: Float32, blocks_before: Int, blocks_after: Int, seed: int) -> Score:
    """How well a logistic regression on the components tells the sides apart, out of fold.

    Parameters
    ----------
    before, after : float32 arrays, shapes (n, k) and (m, k)
        Whitened components of a sample of each side.
    blocks_before, blocks_after : int64 arrays, shapes (n,) and (m,)
        Rows that stay in one fold together: sessions, blocks of time, or the rows themselves.
    """
    label, meaning = "domain classifier AUC", "How well a linear classifier tells the sides apart: 0.5 is not at all."
    if min(len(before), len(after)) < FEWEST:
        return _refused("classifier_auc", label, meaning, "AUC above 0.5", min(len(before), len(after)))
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    x = np.concatenate([before, after])
    y = np.arange(len(x)) >= len(before)
    group = np.concatenate([blocks_before, blocks_after + blocks_before.max() + 1])
    fold = np.random.default_rng([seed, 3]).permutation(int(group.max()) + 1)[group] % FOLDS
    scores = np.empty(len(x))
    for k in range(FOLDS):
        model = LogisticRegression(C=0.1, class_weight="balanced", solver="newton-cholesky")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(x[fold != k], y[fold != k])
        margin = model.decision_function(x[fold == k])
        scores[fold == k] = (margin - np.median(margin)) / max(float(margin.std()), 1e-12) if len(margin) else margin
    area, error = auc(scores, y)
    null_sd = float(np.sqrt((len(x) + 1) / (12 * before.shape[0] * after.shape[0])))
    return _score("classifier_auc", label, meaning, area, 0.5, null_sd, "AUC above 0.5", 1.96 * error)


def knn_kl(before: Float32, after: Float32, seed: int) -> Score:
    """KL divergence of the window from the reference by nearest neighbours (Wang, Kulkarni and Verdu, 2009) in
    eight components.

    ``resolution`` is the half-width of its 95 % interval; the null comes from relabelling the same rows.
    """
    label, meaning = "KL by neighbours", "KL divergence in the leading components, from the samples."
    if min(len(before), len(after)) < 2 * FEWEST:
        return _refused("knn_kl", label, meaning, "nats", min(len(before), len(after)))
    rng = np.random.default_rng([seed, 4])
    sides = [s[np.sort(rng.permutation(len(s))[:KL_ROWS]), :KL_COMPONENTS].astype(np.float64) for s in (before, after)]
    x = np.concatenate(sides)
    distance = _distances(x)
    order, near = _nearest(distance, min(len(s) for s in sides))
    positive = np.arange(len(x)) >= len(sides[0])
    value, error = _kl(*_ranked(distance, order, near, positive), positive, x.shape[1])
    labels = [rng.permutation(positive) for _ in range(KL_DRAWS)]
    null = np.array([_kl(*_ranked(distance, order, near, each), each, x.shape[1])[0] for each in labels])
    return _score("knn_kl", label, meaning, value, float(null.mean()), float(null.std(ddof=1)), "nats", 1.96 * error)


def _distances(x: Float64) -> Float64:
    """Distances of all rows from each other, (n, n); a row is infinitely far from itself."""
    squares = (x**2).sum(1)
    distance = np.sqrt(np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0))
    np.fill_diagonal(distance, np.inf)
    return distance


def _nearest(distance: Float64, fewer: int) -> tuple[Int, Float64]:
    """The nearest rows of each and their distances, rising, (n, k): as many as hold enough of either side under
    almost any labels, where the smaller side has ``fewer`` rows.
    """
    n = len(distance)
    k = min(n, int(4 * NEIGHBOURS * n / fewer) + 40)
    order = np.argpartition(distance, k - 1, axis=1)[:, :k]
    near = np.take_along_axis(distance, order, 1)
    rising = near.argsort(axis=1)
    return np.take_along_axis(order, rising, 1), np.take_along_axis(near, rising, 1)


def _ranked(distance: Float64, order: Int, near: Float64, positive: Bool) -> tuple[Float64, Float64]:
    """Distance of each labelled row to the NEIGHBOURS-th one of its own side, and of the other."""
    rows = np.flatnonzero(positive)
    same, found = positive[order[rows]], []
    for side, mask in ((positive, same), (~positive, ~same)):
        enough = np.cumsum(mask, axis=1) >= NEIGHBOURS
        ranked = np.take_along_axis(near[rows], enough.argmax(1)[:, None], 1)[:, 0]
        lost = np.flatnonzero(~enough[:, -1])  # surrounded by the one side alone: looked up among all rows
        if len(lost):
            among = distance[np.ix_(rows[lost], np.flatnonzero(side))]
            ranked[lost] = np.partition(among, NEIGHBOURS - 1, axis=1)[:, NEIGHBOURS - 1]
        found.append(ranked)
    return found[0], found[1]


def _kl(own: Float64, other: Float64, positive: Bool, k: int) -> tuple[float, float]:
    """Estimate and standard error: mean over window rows of k log(distance to the reference / distance to the
    window).
    """
    tiny = 1e-12 * max(float(np.concatenate([own, other]).max()), 1e-300)
    logs = k * np.log(np.maximum(other, tiny) / np.maximum(own, tiny))
    n = int(positive.sum())
    return float(logs.mean() + np.log((len(positive) - n) / (n - 1))), float(logs.std(ddof=1) / np.sqrt(n))


def _score(
    name: str, label: str, meaning: str, value: float, mean: float, sd: float, unit: str, half_width: float
) -> Score:
    from scipy.stats import norm

    z = (value - mean) / sd if sd > 0 else 0.0
    return Score(
        name, label, "sample", value, mean, sd, z, float(norm.sf(z)), value - mean, unit, half_width, False, meaning
    )


def _refused(name: str, label: str, meaning: str, unit: str, rows: int) -> Score:
    nan, fewest = float("nan"), FEWEST if name == "classifier_auc" else 2 * FEWEST
    why = f"needs {fewest} sampled rows on each side, has {rows}"
    return Score(name, label, "sample", nan, nan, nan, nan, nan, nan, unit, nan, False, meaning, why)
