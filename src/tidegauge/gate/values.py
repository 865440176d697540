"""Single values from outside: numbers, text, and what counts as missing."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegauge.errors import DataError
from tidegauge.gate.arrays import Array


def is_missing(value: Any) -> bool:
    """Whether a value stands for nothing: None, NaN, or what pandas has for it."""
    # pandas need not be installed, so that its two missing values are known by name.
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and math.isnan(value)


def as_number(value: Any) -> float | None:
    """One real number; NaN where it is missing, None where it is no number."""
    if is_missing(value):
        return math.nan
    if not isinstance(value, Real | Decimal | np.bool_) or isinstance(value, np.timedelta64):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def as_floats(values: Array, at: Callable[[int], str]) -> npt.NDArray[np.float64]:
    """Object values, one by one; `at` names the place of one that is no number."""
    numbers = np.empty(len(values), np.float64)
    for i, value in enumerate(values):
        number = as_number(value)
        if number is None:
            raise DataError(at(i), got=show(value), want="a real number, or nothing")
        numbers[i] = number
    return numbers


def as_text(value: Any) -> str:
    """One value as text; ``""`` where it is missing."""
    if isinstance(value, str):
        return str(value)
    if is_missing(value):
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    # Tables turn integers into floats as soon as one is missing; the id is still 7, not 7.0.
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def show(value: Any) -> str:
    """A value for a message, not too long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
