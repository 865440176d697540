"""Outcomes out of their unit are set aside by reason; their rows are measured all the same."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tidegauge.errors import DataError, UsageError
from tidegauge.gate.arrays import Array
from tidegauge.gate.columns import read_numbers
from tidegauge.gate.place import Place
from tidegauge.gate.sides import Picked, known_seconds_of, pick_values, texts_of
from tidegauge.gate.values import as_floats
from tidegauge.records import OF_OUTCOME, Batch, OutcomeUnit, StrArray

Float64 = npt.NDArray[np.float64]
Outcomes = dict[str, Float64]

FAULTS: Final = (
    "not finite",
    "without a denominator",
    "with a negative denominator",
    "above its denominator",
    "below 0",
)
"""Why an outcome is set aside; one that has several faults counts for the first of these."""
MOST: Final = 1e150
"""Beyond it, sums of many would leave what numbers hold."""
_CONTROL: Final = ("Cc", "Cs", "Zl", "Zp")


@dataclass(frozen=True, slots=True, eq=False)
class Ratio:
    """A column of numerators and one of denominators."""

    numerator: Any
    denominator: Any


def outcome_of(picked: Picked) -> Float64:
    """Numerator and denominator as they were given, float64 (n, 2): both 0 where the outcome is missing."""
    values = picked.values
    if values.ndim == 2 and values.shape[1] == 2:
        pairs = np.stack([_numbers(picked, values[:, j]) for j in (0, 1)], axis=1)
    elif values.ndim == 1:
        pairs = np.stack([_numbers(picked, values), np.ones(len(values))], axis=1)
    else:
        raise DataError(picked.place.source, got=f"shape {values.shape}", want="(n,) or (n, 2)")
    pairs[np.isnan(pairs[:, 0])] = 0.0
    return pairs


def pairs_of(column: Any, keep: npt.NDArray[np.bool_], place: Place) -> Float64:
    """Numerators and denominators of the rows to keep, of a column or a `Ratio`."""
    if not isinstance(column, Ratio):
        return outcome_of(pick_values(column, keep, place))
    pairs = outcome_of(pick_values(column.numerator, keep, place))
    missing = ~pairs[:, 1].astype(np.bool_)
    below = pick_values(column.denominator, keep, place.part("denominator"))
    pairs[:, 1] = np.where(missing, 0.0, _numbers(below, below.values))
    return pairs


def set_aside(
    outcomes: Mapping[str, Float64], units: Mapping[str, OutcomeUnit], at: Callable[[int], str]
) -> tuple[Outcomes, dict[str, int], dict[str, str]]:
    """Outcomes in their units, what was set aside by reason, and where the first of each reason stands.

    Parameters
    ----------
    outcomes : mapping of name to float64 array, shape (n, 2)
        Numerators and denominators; not changed.
    units : mapping of name to unit
        One that is not there is a ``number``.
    at : callable
        Names the place of a row.

    Examples
    --------
    >>> given = {"success": np.array([[1.0, 1.0], [2.0, 1.0], [0.0, 0.0]])}
    >>> found, counts, first = set_aside(given, {"success": "share"}, lambda i: f"row {i + 1}")
    >>> found["success"].tolist(), counts, first
    ([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]],
     {'outcome success above its denominator': 1}, {'outcome success above its denominator': 'row 2'})
    """
    found: Outcomes = {}
    counts: dict[str, int] = {}
    first: dict[str, str] = {}
    for name, values in outcomes.items():
        codes = faults_of(values, units.get(name, "number"))
        found[name] = np.where(codes[:, None] > 0, 0.0, values) if codes.any() else values
        for code, fault in enumerate(FAULTS, start=1):
            rows = np.flatnonzero(codes == code)
            if len(rows):
                reason = f"{OF_OUTCOME}{name} {fault}"
                counts[reason], first[reason] = len(rows), at(int(rows[0]))
    return found, counts, first


def faults_of(values: Float64, unit: OutcomeUnit) -> npt.NDArray[np.int8]:
    """0 for an outcome in its unit, else 1 + the index of its fault, int8 (n,), of numerators and denominators (n, 2).

    Examples
    --------
    >>> faults_of(np.array([[1.0, 1.0], [np.inf, 1.0], [3.0, 2.0], [-1.0, 2.0], [1.0, 0.0]]), "share").tolist()
    [0, 1, 4, 5, 2]
    """
    numerator, denominator = values[:, 0], values[:, 1]
    codes = np.zeros(len(values), np.int8)
    with np.errstate(invalid="ignore"):
        found = (
            ~(np.abs(numerator) <= MOST) | (np.abs(denominator) > MOST),
            np.isnan(denominator) | ((denominator == 0) & (numerator != 0)),
            denominator < 0,
            (numerator > denominator) & (unit == "share"),
            (numerator < 0) & (unit != "number"),
        )
    for code, wrong in enumerate(found, start=1):
        codes[(codes == 0) & wrong] = code
    return codes


def is_outcome_name(name: str) -> bool:
    r"""Whether an outcome of this name can be kept: at most 200 characters, none of them a control character.

    Examples
    --------
    >>> is_outcome_name("clicks per visit"), is_outcome_name("a\nb")
    (True, False)
    """
    return 0 < len(name) <= 200 and all(unicodedata.category(each) not in _CONTROL for each in name)


def in_units(batch: Batch, units: Mapping[str, OutcomeUnit]) -> Batch:
    """A batch whose outcomes are in their units; those that are not are counted, and named by the row's id if it has
    one.

    Raises
    ------
    UsageError
        Where an outcome has a name that cannot be kept.
    """
    for name in batch.outcomes:
        if not is_outcome_name(name):
            want = "a name of at most 200 characters, none of them a control character"
            raise UsageError("outcome", got=repr(name[:60]), want=want)

    def at(row: int) -> str:
        if batch.ids is not None:
            return f"{batch.source}, id {batch.ids[row]}"
        return f"{batch.source}, row {row + 1 if batch.places is None else batch.places[row]}"

    outcomes, counts, first = set_aside(batch.outcomes, units, at)
    if not counts:
        return batch
    unfit = {reason: batch.unfit.get(reason, 0) + counts.get(reason, 0) for reason in {**batch.unfit, **counts}}
    return replace(batch, outcomes=outcomes, unfit=unfit, first_unfit={**first, **batch.first_unfit})


@dataclass(frozen=True, slots=True, eq=False)
class LateOutcomes:
    """Outcomes that came by the ids of their rows: ``ids`` of str (n,), ``outcomes`` by name float64 (n, 2), both 0
    where there is none; ``times`` float64 (n,), NaN where not known; what was set aside, and where the first stands.
    """

    ids: StrArray
    outcomes: Mapping[str, Float64]
    times: Float64
    unfit: Mapping[str, int]
    first_unfit: Mapping[str, str]
    place: Place


def admit_outcomes(
    ids: Any,
    outcomes: Mapping[str, Any],
    *,
    units: Mapping[str, OutcomeUnit],
    times: Any = None,
    source: str = "array",
    first_row: int = 0,
) -> LateOutcomes:
    """Read outcomes that come by themselves, each with the id of its row.

    Parameters
    ----------
    ids : column of n values
    outcomes : mapping of name to column
        Each (n,) numbers or booleans, (n, 2) numerators and denominators, or a `Ratio`.
    units : mapping of name to unit
    times : column of n values, optional
        When each came about.
    source, first_row : str and int
        Where they came from, for messages.

    Examples
    --------
    >>> late = admit_outcomes(["a", "b"], {"success": [1, None]}, units={"success": "share"})
    >>> list(late.ids), late.outcomes["success"].tolist()
    (['a', 'b'], [[1.0, 1.0], [0.0, 0.0]])
    """
    place = Place(source, first_row)
    values = ids if hasattr(ids, "__len__") else list(ids)
    keep = np.ones(len(values), np.bool_)
    given = {name: pairs_of(column, keep, place.part(f"outcome {name}")) for name, column in outcomes.items()}
    found, counts, first = set_aside(given, units, place.row)
    seconds = np.full(len(keep), np.nan)
    if times is not None:
        seconds = known_seconds_of(pick_values(times, keep, place.part("times")))
    return LateOutcomes(texts_of(pick_values(values, keep, place.part("ids"))), found, seconds, counts, first, place)


def _numbers(picked: Picked, values: Array) -> Float64:
    numbers = as_floats(values, picked.at) if values.dtype == object else read_numbers(values, picked.place)
    return numbers.astype(np.float64)
