"""Scores that need rows, not sums: the domain classifier and the nearest-neighbour KL. Neither is ever an alarm."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from tidegauge.records import Score

Float32 = npt.NDArray[np.float32]
Int = npt.NDArray[np.int64]

FEWEST = 50
FOLDS = 5
NEIGHBOURS = 5
KL_COMPONENTS = 8
KL_ROWS = 1000
KL_DRAWS = 49


def auc(scores: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_]) -> tuple[float, float]:
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
    order, distance = _sorted_neighbours(x)
    positive = np.arange(len(x)) >= len(sides[0])
    value, error = _kl(order, distance, positive, x.shape[1])
    null = np.array([_kl(order, distance, rng.permutation(positive), x.shape[1])[0] for _ in range(KL_DRAWS)])
    return _score("knn_kl", label, meaning, value, float(null.mean()), float(null.std(ddof=1)), "nats", 1.96 * error)


def _sorted_neighbours(x: npt.NDArray[np.float64]) -> tuple[Int, npt.NDArray[np.float64]]:
    squares = (x**2).sum(1)
    distance = np.sqrt(np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0))
    np.fill_diagonal(distance, np.inf)
    order = distance.argsort(axis=1)
    return order, np.take_along_axis(distance, order, axis=1)


def _kl(order: Int, distance: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_], k: int) -> tuple[float, float]:
    """Estimate and standard error: mean over window rows of k log(distance to the reference / distance to the
    window).
    """
    rows = np.flatnonzero(positive)
    same = positive[order[rows]]
    own = np.take_along_axis(distance[rows], (np.cumsum(same, axis=1) >= NEIGHBOURS).argmax(1)[:, None], 1)[:, 0]
    other = np.take_along_axis(distance[rows], (np.cumsum(~same, axis=1) >= NEIGHBOURS).argmax(1)[:, None], 1)[:, 0]
    tiny = 1e-12 * max(float(distance[:, 0].max()), 1e-300)
    logs = k * np.log(np.maximum(other, tiny) / np.maximum(own, tiny))
    m = len(positive) - len(rows)
    return float(logs.mean() + np.log(m / (len(rows) - 1))), float(logs.std(ddof=1) / np.sqrt(len(rows)))


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
