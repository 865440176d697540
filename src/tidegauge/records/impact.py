"""What an outcome is, and what one comparison says of outcomes: where a change lies, and what drift does to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tidegauge.records.example import Example

Harmful = Literal["falls", "rises"]
OutcomeUnit = Literal["share", "count", "number"]
ChangeKind = Literal["mix", "within", "new"]
Resampled = Literal["sessions", "days", "rows"]
ImpactState = Literal[
    "harmful drift", "harmless drift", "failure without drift", "no drift", "trend alone", "not enough data"
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A product metric, numerator / denominator, and what of it is harm.

    ``unit``: a ``share`` has 0 <= numerator <= denominator, a ``count`` numerator >= 0, a ``number`` any; the
    denominator is never negative, and 0 where the row has no such outcome.
    """

    name: str
    harmful: Harmful = "falls"
    unit: OutcomeUnit = "share"


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one group of rows adds to an outcome's change, in the outcome's unit, with a 95 % interval.

    Shares are of the denominator, fractions in [0, 1]; rates are NaN where a side has no such rows.
    """

    kind: ChangeKind
    group: str
    change: float
    low: float
    high: float
    share_before: float
    share_after: float
    rate_before: float
    rate_after: float
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Decomposition:
    """An outcome's change between two windows, as a sum over groups of rows.

    ``mix``, ``within`` and ``new`` add up to ``change`` exactly, as do ``groups``, largest harm first. ``by`` says what
    the groups are (``clusters``, or the name of a segment or property); ``resampled`` what the intervals take as
    independent, which is a ``guess`` where neither sessions nor 30 days are known.
    """

    outcome: Outcome
    by: str
    before: float
    after: float
    change: float
    low: float
    high: float
    mix: Contribution
    within: Contribution
    new: Contribution
    groups: tuple[Contribution, ...]
    resampled: Resampled
    guess: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the queries' traffic the documents cover: ``share`` in [0, 1] with a 95 % interval, and where most of
    what is not covered lies. ``before`` is the same at the reference, NaN where it is not known.
    """

    share: float
    low: float
    high: float
    before: float
    p: float
    queries: int
    documents: int
    gaps: tuple[Contribution, ...] = ()
    by: Literal["cells", "similarity"] = "cells"


@dataclass(frozen=True, slots=True)
class Explained:
    """How much of the drift, and of an outcome's loss, one value of a property of the rows accounts for.

    Shares are of the traffic, in [0, 1]; ``drift`` and ``loss`` are the parts of the whole that sit in these rows. Over
    all values they add up to 1 (a negative one works against the whole); NaN where there is none to explain.
    """

    property: str
    value: str
    share_before: float
    share_after: float
    drift: float
    loss: float
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Impact:
    """What drift does to the product, in one sentence: the verdict, and what to look at next."""

    state: ImpactState
    sentence: str
    notes: tuple[str, ...] = ()
    next: tuple[str, ...] = field(default=())
