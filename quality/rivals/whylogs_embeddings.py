"""whylogs: EmbeddingMetric with the references of its KMeansSelector, then its drift scores between the two profiles.

Eight centres (its default) make nine distributions: the distance to each, and which one is closest. Default: any of
them is in its category DRIFT (Kolmogorov-Smirnov or chi-squared, p below .05). Repaired: the smallest p, times nine, is
at most .05. The statistic is the smallest p, on a logarithmic scale.
"""

from __future__ import annotations

import math

import numpy as np
import whylogs as why
from answer import serve
from whylogs.core.resolvers import MetricSpec, ResolverSpec
from whylogs.core.schema import DeclarativeSchema
from whylogs.experimental.extras.embedding_metric import DistanceFunction, EmbeddingConfig, EmbeddingMetric
from whylogs.experimental.preprocess.embeddings.selectors import KMeansSelector
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

SMALLEST = 1e-300


def any_of_nine(before: np.ndarray, after: np.ndarray, seed: int, ask: str) -> tuple[float, bool | None]:
    """The smallest p of all distributions, and whether it fires."""
    references, labels = KMeansSelector(kmeans_kwargs={"random_state": seed}).calculate_references(before)
    config = EmbeddingConfig(
        references=references, labels=[str(k) for k in labels], distance_fn=DistanceFunction.cosine
    )
    schema = DeclarativeSchema([ResolverSpec(column_name="x", metrics=[MetricSpec(EmbeddingMetric, config)])])
    old, new = (why.log(row={"x": x}, schema=schema).view() for x in (before, after))
    scores = [s for s in calculate_drift_scores(new, old, with_thresholds=True).values() if s]
    smallest = min(s["pvalue"] for s in scores)
    fired = {
        "statistic": None,
        "default": any(s["drift_category"] == "DRIFT" for s in scores),
        "repaired": smallest * len(scores) <= 0.05,
    }[ask]
    return -math.log10(max(smallest, SMALLEST)), fired


if __name__ == "__main__":
    serve({"whylogs any of 9": any_of_nine})
