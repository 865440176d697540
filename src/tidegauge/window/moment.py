"""Moments and spans as people write them."""

from __future__ import annotations

import datetime as dt

ABSENT = "n/a"


def moment(seconds: float | None) -> str:
    """Format an event time in seconds since 1970 as UTC to the minute.

    Examples
    --------
    >>> moment(0.0), moment(None)
    ('1970-01-01 00:00', 'n/a')
    """
    if seconds is None:
        return ABSENT
    try:
        return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError, OSError):
        return ABSENT
