"""Side columns: ids, texts, times and sessions of the rows that were admitted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tidegauge.errors import DataError
from tidegauge.gate.arrays import Array, as_objects
from tidegauge.gate.arrow import arrow_of_pandas, arrow_values, as_arrow, is_pandas
from tidegauge.gate.columns import plain
from tidegauge.gate.place import Place
from tidegauge.gate.values import as_number, as_text, is_missing, show
from tidegauge.records import StrArray

LATEST_SECONDS: Final = 1e11
"""Plain numbers beyond this (the year 5138) are no epoch seconds, but some finer unit."""


@dataclass(frozen=True, slots=True)
class Picked:
    """The values of a side column that go with admitted rows; `rows` are their positions among the rows given."""

    values: Array
    rows: npt.NDArray[np.intp]
    place: Place

    def at(self, index: int) -> str:
        """Name the row of one value."""
        return self.place.row(int(self.rows[index]))


Parser = Callable[[Picked], Array]


def pick_values(column: Any, keep: npt.NDArray[np.bool_], place: Place) -> Picked:
    """The values of the rows to keep."""
    arrow = as_arrow(column)
    if arrow is None and is_pandas(column):
        arrow = arrow_of_pandas(column)
    values = plain(column) if arrow is None else arrow_values(arrow)
    if not values.ndim or len(values) != len(keep):
        got = f"{len(values)} values" if values.ndim else "one value"
        raise DataError(place.source, got=got, want=f"{len(keep)}, one per row")
    return Picked(values[keep], np.flatnonzero(keep), place)


def texts_of(picked: Picked) -> StrArray:
    """Text; what is missing is empty."""
    return as_objects([as_text(value) for value in picked.values])


def names_of(picked: Picked) -> StrArray:
    """Text that tells rows apart: without this, all rows that lack an id would count as the same one."""
    return as_objects([as_text(value) or picked.at(i) for i, value in enumerate(picked.values)])


def seconds_of(picked: Picked) -> npt.NDArray[np.float64]:
    """Epoch seconds, UTC, of timestamps, dates, ISO 8601 text or numbers."""
    seconds = _seconds(picked.values)
    bad = np.flatnonzero(~is_time(seconds))
    if len(bad):
        raise _time_error(picked.at(int(bad[0])), picked.values[bad[0]], float(seconds[bad[0]]))
    return seconds


def known_seconds_of(picked: Picked) -> npt.NDArray[np.float64]:
    """Epoch seconds as of `seconds_of`; NaN where a time is missing, unreadable or out of range."""
    seconds = _seconds(picked.values)
    return np.where(is_time(seconds), seconds, np.nan)


def is_time(seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which numbers can be epoch seconds."""
    return np.abs(seconds) <= LATEST_SECONDS


def _seconds(values: Array) -> npt.NDArray[np.float64]:
    if values.dtype.kind == "M":
        return _datetime_seconds(values)
    if values.dtype.kind in "fiu":
        return values.astype(np.float64)
    return np.fromiter((_moment(value) for value in values), np.float64, len(values))


def _datetime_seconds(values: Array) -> npt.NDArray[np.float64]:
    whole = values.astype("datetime64[s]")
    seconds = whole.astype(np.int64) + (values - whole) / np.timedelta64(1, "s")
    return np.where(np.isnat(values), np.nan, seconds)


def _moment(value: Any) -> float:
    """Epoch seconds of one value; NaN where it is no time."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return math.nan
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if isinstance(value, datetime):
        return math.nan if is_missing(value) else _in_utc(value).timestamp()
    if isinstance(value, np.datetime64):
        return float(_datetime_seconds(np.array([value]))[0])
    number = None if isinstance(value, bool | np.bool_) else as_number(value)
    return math.nan if number is None else number


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _time_error(where: str, value: Any, seconds: float) -> DataError:
    shown = "no time" if is_missing(value) or (isinstance(value, np.datetime64) and np.isnat(value)) else show(value)
    hint = ""
    if abs(seconds) > LATEST_SECONDS and math.isfinite(seconds):
        hint = "Plain numbers are seconds; this looks like milliseconds or finer: divide, or use a timestamp type"
    return DataError(where, got=shown, want="a timestamp, ISO 8601 text or epoch seconds", hint=hint)
