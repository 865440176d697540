"""whylogs: how long EmbeddingMetric takes to log ``after`` under the eight centres of ``before``, found once."""

from __future__ import annotations

from functools import cache

import numpy as np
import whylogs as why
from answer import serve
from whylogs.core.resolvers import MetricSpec, ResolverSpec
from whylogs.core.schema import DeclarativeSchema
from whylogs.experimental.extras.embedding_metric import DistanceFunction, EmbeddingConfig, EmbeddingMetric
from whylogs.experimental.preprocess.embeddings.selectors import KMeansSelector


@cache
def schema(before: bytes, width: int, seed: int) -> DeclarativeSchema:
    """The metric, with centres from these rows."""
    rows = np.frombuffer(before, np.float32).reshape(-1, width)
    references, labels = KMeansSelector(kmeans_kwargs={"random_state": seed}).calculate_references(rows)
    config = EmbeddingConfig(
        references=references, labels=[str(k) for k in labels], distance_fn=DistanceFunction.cosine
    )
    return DeclarativeSchema([ResolverSpec(column_name="x", metrics=[MetricSpec(EmbeddingMetric, config)])])


def log(before: np.ndarray, after: np.ndarray, seed: int, ask: str) -> tuple[float, None]:
    """Log all rows; the statistic says how many."""
    why.log(row={"x": after}, schema=schema(before.tobytes(), before.shape[1], seed))
    return float(len(after)), None


if __name__ == "__main__":
    serve({"EmbeddingMetric": log})
