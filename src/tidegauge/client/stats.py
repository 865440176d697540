"""What became of all that was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tally:
    """``given`` is always the sum of ``sent``, ``waiting`` (in the queue, or on its way) and all that was ``dropped``,
    by reason.

    Examples
    --------
    >>> Tally(given=9, sent=5, waiting=1, dropped={"queue full": 3}).given
    9
    """

    given: int
    sent: int
    waiting: int
    dropped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Stats:
    """What a client has done since it was made, or since the fork that its process comes from.

    Attributes
    ----------
    rows : Tally
        Vectors.
    outcomes : Tally
        Calls of ``outcome``: late outcomes, each of one row.
    unfit : int
        Single outcomes that are no numbers, and were left out; what they came with was sent.
    aside : mapping of reason to int
        What was sent, and the service could not use.
    failed : int
        Tries that failed.
    retried : int
        Tries that repeated an earlier one.
    last_error : str
        What was wrong with the last try that failed; empty where none has.
    """

    rows: Tally
    outcomes: Tally
    unfit: int
    aside: Mapping[str, int]
    failed: int
    retried: int
    last_error: str
