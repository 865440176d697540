"""Rows and late outcomes as they are given: owned by us, so that the caller may go on with what it gave."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tidegauge.errors import DataError

Vector = npt.NDArray[Any]
Pairs = dict[str, tuple[float, float]]

RESERVED: Final = ("vector", "id", "time", "session", "segment", "text")
BESIDE: Final = "_denominator"
_MOST_DIMENSIONS: Final = 65_536
_AS_IT_IS: Final = "feb"
"""Kinds of numbers that travel as they are: float32, float16, int8. All others become float32."""
_OVERHEAD: Final = 512
_NUMBERS: Final = (int, float, np.number, np.bool_)


class Row(NamedTuple):
    """A vector, shape (d,), and what is known of it; its outcomes are as they were given until the sender reads them
    (`pairs_of`). ``since`` is when it was given, by the monotonic clock.
    """

    vector: Vector
    id: str
    time: float
    session: str
    segment: str
    text: str
    outcomes: Mapping[str, Any]
    model_id: str
    since: float

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        return self.vector.nbytes + 2 * len(self.text) + _OVERHEAD


class Late(NamedTuple):
    """Outcomes of the row with this id."""

    id: str
    outcomes: Pairs
    since: float

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        return _OVERHEAD


def owned(vector: Any) -> Vector:
    """A copy of one vector, shape (d,): float32, float16 and int8 as they are, other numbers as float32.

    Raises
    ------
    DataError
        Where it is no vector of numbers.

    Examples
    --------
    >>> owned([1, 2.5]).dtype, owned(np.array([1, 2], np.int8)).dtype
    (dtype('float32'), dtype('int8'))
    """
    if type(vector) in (list, tuple) and 0 < len(vector) <= _MOST_DIMENSIONS:
        return np.frombuffer(array("f", vector), np.float32)  # takes numbers and nothing else, in one pass
    given = vector if type(vector) is np.ndarray else _array(vector)
    if given.ndim != 1 or not 0 < len(given) <= _MOST_DIMENSIONS:
        raise DataError("vector", got=f"shape {given.shape}", want=f"(d,), with d from 1 to {_MOST_DIMENSIONS}")
    return _numbers(given)


def rows_of(vectors: Any) -> Sequence[Any]:
    """The n rows of vectors, not yet looked at: of a grid where they make one."""
    if not hasattr(vectors, "__len__"):
        vectors = list(vectors)
    try:
        grid = _array(vectors)
    except (ValueError, TypeError):
        return list(vectors)
    return list(grid if grid.ndim == 2 else vectors)


def pairs_of(outcomes: Mapping[str, Any] | None) -> tuple[Pairs, int]:
    """Numerators and denominators of the outcomes that are there, and how many were no numbers.

    Examples
    --------
    >>> pairs_of({"success": True, "clicks": (3, 5), "stars": None, "seen": "yes"})
    ({'success': (1.0, 1.0), 'clicks': (3.0, 5.0)}, 1)
    """
    found: Pairs = {}
    unfit = 0
    for name, value in (outcomes or {}).items():
        numerator, denominator = value if isinstance(value, tuple | list) and len(value) == 2 else (value, 1.0)
        if numerator is None:
            continue
        if not (isinstance(numerator, _NUMBERS) and isinstance(denominator, _NUMBERS) and is_name(name)):
            unfit += 1
        elif math.isfinite(numerator) and math.isfinite(denominator):
            found[name] = (float(numerator), float(denominator))
        elif not math.isnan(numerator):
            unfit += 1
    return found, unfit


def is_name(name: object) -> bool:
    """Whether an outcome of this name can travel beside a vector.

    Examples
    --------
    >>> is_name("success"), is_name("time"), is_name("clicks_denominator")
    (True, False, False)
    """
    return isinstance(name, str) and 0 < len(name) <= 200 and name not in RESERVED and not name.endswith(BESIDE)


def text_of(value: Any) -> str:
    """Text, of whatever names something."""
    if type(value) is str:
        return value
    return "" if value is None else str(value)


def seconds_of(time: Any) -> float:
    """Epoch seconds, of those, of a datetime, or of ISO 8601 text; UTC where no zone is said.

    Raises
    ------
    DataError
        Where it is no time.

    Examples
    --------
    >>> seconds_of("1970-01-02"), seconds_of(7)
    (86400.0, 7.0)
    """
    if isinstance(time, np.datetime64):
        time = time.astype("datetime64[us]").item()
    if isinstance(time, str):
        try:
            time = datetime.fromisoformat(time)
        except ValueError:
            raise DataError("time", got=repr(time[:40]), want="ISO 8601, or epoch seconds") from None
    if isinstance(time, datetime):
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    if isinstance(time, _NUMBERS) and not isinstance(time, bool | np.bool_) and math.isfinite(time):
        return float(time)
    raise DataError("time", got=repr(time)[:40], want="ISO 8601, or epoch seconds")


def _array(x: Any) -> Vector:
    """A tensor is brought to host memory, in a type that numpy has."""
    if hasattr(x, "detach") and hasattr(x, "cpu"):
        x = x.detach().cpu()
        x = x.float() if "bfloat16" in str(x.dtype) else x
    return np.asarray(x)


def _numbers(given: Vector) -> Vector:
    """A copy of numbers."""
    kind = given.dtype
    if kind.char in _AS_IT_IS and kind.isnative:
        return given.copy()
    if kind.kind not in "fiu" or kind.char == "B":
        hint = "The zero of uint8 vectors is not known" if kind.char == "B" else ""
        raise DataError("vector", got=f"dtype {kind.name}", want="real numbers", hint=hint)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return given.astype(np.float32)
