"""NannyML: the p-value that CorrelationRanker ranks by, of a drift (n, 1) beside each of many metrics (n, m).

The ranker is given results as its calculators make them: one drift method of one column, one metric, and one and the
same set of chunks. It correlates drift with the metric's distance from its mean in the reference, here that of the
metric over all chunks.
"""

from __future__ import annotations

import os
from functools import partial

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

import numpy as np
import pandas as pd
from answer import serve
from nannyml._typing import Key
from nannyml.drift.ranker import CorrelationRanker
from nannyml.drift.univariate.result import Result as Drifts
from nannyml.performance_calculation.result import Result as Performance

MOST_METRICS = 20


class Metric:
    """What the ranker reads of a metric."""

    name = column_name = "metric"


class GivenDrift(Drifts):
    """A drift that is given."""

    def __init__(self, drift: np.ndarray) -> None:
        self.drift, self.data = pd.Series(drift), pd.DataFrame({"drift": drift})
        self.categorical_method_names: list[str] = []
        self.continuous_method_names = ["drift"]

    empty = False
    chunk_start_indices = property(lambda self: pd.Series(range(len(self.drift))))

    def keys(self) -> list[Key]:
        """The one column."""
        return [Key(properties=("drift",), display_names=("drift",))]

    def values(self, key: Key) -> pd.Series:
        """The drift."""
        return self.drift

    def alerts(self, key: Key) -> pd.Series:
        """None fired."""
        return self.drift > np.inf


class GivenPerformance(Performance):
    """A metric that is given."""

    def __init__(self, metric: np.ndarray) -> None:
        self.data = pd.DataFrame({(Metric.column_name, "value"): metric})
        self.metrics = [Metric()]

    chunk_start_indices = property(lambda self: pd.Series(range(len(self.data))))

    def to_df(self, multilevel: bool = True) -> pd.DataFrame:
        """As the ranker reads it."""
        return self.data


def p_value(drift: np.ndarray, metrics: np.ndarray, seed: int, ask: str, *, metric: int) -> tuple[float, None]:
    """That of one metric."""
    performance = GivenPerformance(metrics[:, metric])
    ranked = CorrelationRanker().fit(performance).rank(GivenDrift(drift[:, 0]), performance)
    return float(ranked["pearsonr_pvalue"].iloc[0]), None


if __name__ == "__main__":
    serve({str(k): partial(p_value, metric=k) for k in range(MOST_METRICS)})
