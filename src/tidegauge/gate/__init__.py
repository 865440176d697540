"""The one door for arrays: anything array-like becomes finite float32 rows, or rows set aside with a reason.

Rows are numbered from 1 in every message, as a person counts the data rows of a file (a header is not a row).
Nothing is ever unpickled, the caller's memory is never written to, and a `Batch` never shares it. ``pyarrow`` is
imported only when something that speaks the Arrow protocol comes in.
"""

from tidegauge.gate.admit import admit
from tidegauge.gate.batches import concat, head, merge_stored, pick, places
from tidegauge.gate.columns import as_numbers
from tidegauge.gate.faults import REASONS
from tidegauge.gate.outcomes import LateOutcomes, Ratio, admit_outcomes, in_units, is_outcome_name
from tidegauge.gate.quantised import INT8_SCALE, rounded_like
from tidegauge.gate.rejected import MAX_REJECTED, Counted, check_rejected
from tidegauge.gate.truncated import is_unit, truncated
from tidegauge.gate.vectors import as_array

__all__ = [
    "INT8_SCALE",
    "MAX_REJECTED",
    "REASONS",
    "Counted",
    "LateOutcomes",
    "Ratio",
    "admit",
    "admit_outcomes",
    "as_array",
    "as_numbers",
    "check_rejected",
    "concat",
    "head",
    "in_units",
    "is_outcome_name",
    "is_unit",
    "merge_stored",
    "pick",
    "places",
    "rounded_like",
    "truncated",
]
