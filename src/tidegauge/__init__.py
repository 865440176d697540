"""tidegauge measures how far embeddings have drifted from a reference, what kind of drift it is, and says so
in one sentence.

Examples
--------
>>> import numpy as np, tidegauge
>>> rng = np.random.default_rng(0)
>>> tidegauge.compare(rng.standard_normal((300, 8)), rng.standard_normal((300, 8))).verdict.state
'no drift'

Notes
-----
A name is imported when it is first asked for, so that ``import tidegauge`` and ``tidegauge --help`` stay quick.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidegauge.comparison import score
    from tidegauge.errors import ArtefactError, DataError, MismatchError, StoreError, TidegaugeError, UsageError
    from tidegauge.monitor import Monitor
    from tidegauge.records import Batch, Columns, Comparison, SampleSizes, Scores
    from tidegauge.reference import Reference
    from tidegauge.report.result import Result, compare
    from tidegauge.run import Recorder
    from tidegauge.sketch.sketch import Sketch
    from tidegauge.spec import StreamSpec, load_spec
    from tidegauge.store import open_store

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
    "Monitor",
    "Recorder",
    "Reference",
    "Result",
    "SampleSizes",
    "Scores",
    "Sketch",
    "StoreError",
    "StreamSpec",
    "TidegaugeError",
    "UsageError",
    "compare",
    "load_spec",
    "open_store",
    "score",
]

_HOMES = {
    "tidegauge.comparison": ("score",),
    "tidegauge.errors": ("ArtefactError", "DataError", "MismatchError", "StoreError", "TidegaugeError", "UsageError"),
    "tidegauge.monitor": ("Monitor",),
    "tidegauge.records": ("Batch", "Columns", "Comparison", "SampleSizes", "Scores"),
    "tidegauge.reference": ("Reference",),
    "tidegauge.report.result": ("Result", "compare"),
    "tidegauge.run": ("Recorder",),
    "tidegauge.sketch.sketch": ("Sketch",),
    "tidegauge.spec": ("StreamSpec", "load_spec"),
    "tidegauge.store": ("open_store",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """The package's own module type: importing the folder ``score`` does not take the name of the function
    ``score``.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME_OF and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
