"""tidegauge measures how far embeddings have drifted from a reference, what kind of drift it is, and says so in one sentence.

Examples
--------
>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> compare(rng.standard_normal((300, 8)), rng.standard_normal((300, 8))).verdict.state
'no drift'
"""

from importlib.metadata import PackageNotFoundError, version

from tidegauge.comparison import compare, score
from tidegauge.errors import ArtefactError, DataError, MismatchError, TidegaugeError, UsageError
from tidegauge.records import Batch, Columns, Comparison
from tidegauge.reference import Reference
from tidegauge.sketch.sketch import Sketch

try:
    __version__ = version("tidegauge")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

__all__ = [
    "ArtefactError",
    "Batch",
    "Columns",
    "Comparison",
    "DataError",
    "MismatchError",
    "Reference",
    "Sketch",
    "TidegaugeError",
    "UsageError",
    "compare",
    "score",
]
