"""Evidently: its drift methods for embeddings, called directly (its report would add a t-SNE picture).

Default: the classifier as its embeddings metric takes it (bootstrap below 1,000 reference rows, else an area under the
curve above .55), and the others as their functions come; ``MMD bootstrap`` is ``mmd(bootstrap=True)``, whose quantile
is .05 by default. Repaired: a bootstrap at quantile .95 where there is one; for the ratio Kolmogorov-Smirnov at .05 in
32 principal components. A statistic is the method's own drift score.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from answer import Method, serve
from evidently.legacy.metrics.data_drift.embedding_drift_methods import DriftMethod, distance, mmd, model, ratio

Answer = "tuple[float, bool | None] | None"


def method(default: DriftMethod | None, repaired: DriftMethod | None, statistic: DriftMethod | None) -> Method:
    """A method of the runner from what each ask means; None where it means nothing."""

    def run(before: np.ndarray, after: np.ndarray, seed: int, ask: str) -> Answer:  # it fixes its own seeds
        chosen = {"default": default, "repaired": repaired, "statistic": statistic}[ask]
        if chosen is None:
            return None
        score, fired, _ = chosen(*(pd.DataFrame(x).rename(columns=str) for x in (after, before)))
        return score, None if ask == "statistic" else fired

    return run


def classifier(before: np.ndarray, after: np.ndarray, seed: int, ask: str) -> Answer:
    """The domain classifier; its default looks at the number of reference rows."""
    default = model(bootstrap=len(before) < 1000)
    return method(default, model(bootstrap=True), model())(before, after, seed, ask)


def ratio_in_components(before: np.ndarray, after: np.ndarray, seed: int, ask: str) -> Answer:
    """The share of principal components that differ."""
    components = min(32, before.shape[1], len(before))
    repaired = ratio(component_stattest="ks", component_stattest_threshold=0.05, pca_components=components)
    return method(None, repaired, repaired)(before, after, seed, ask)


if __name__ == "__main__":
    serve(
        {
            "Evidently classifier": classifier,
            "Evidently ratio": method(ratio(), None, ratio()),
            "Evidently ratio in components": ratio_in_components,
            "Evidently distance": method(distance(), distance(bootstrap=True), distance()),
            "Evidently MMD": method(mmd(), None, mmd()),
            "Evidently MMD bootstrap": method(
                mmd(bootstrap=True), mmd(bootstrap=True, quantile_probability=0.95), None
            ),
        }
    )
