"""What is wrong with the data of a window, in a person's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegauge.records import OF_OUTCOME, Side, rows_aside

if TYPE_CHECKING:
    from tidegauge.spec import Quality


TOLD = 0.1
"""Share of rows that repeat a vector from which on it is said."""


def faults(side: Side, limits: Quality) -> tuple[str, ...]:
    """Sentences on what is beyond the limits: rows set aside, and rows that repeat a vector.

    Examples
    --------
    >>> from tidegauge.spec import Quality
    >>> faults(Side("window", "", 90, {"zero": 10}, {"zero": "a.csv, row 3"}), Quality())
    ('10 % of the rows were set aside (10 zero, first: a.csv, row 3), and 5 % may be',)
    >>> faults(Side("window", "", 100, duplicates=80), Quality())
    ('80 % of the rows repeat a vector, and 50 % may',)
    """
    said: list[str] = []
    lost = rows_aside(side.rejected)
    if lost > limits.max_rejected * (side.rows + lost):
        reasons = "; ".join(
            f"{count:,} {reason}{_first(side.first_rejected.get(reason))}"
            for reason, count in side.rejected.items()
            if not reason.startswith(OF_OUTCOME)
        )
        share = _percent(lost / (side.rows + lost))
        said.append(f"{share} of the rows were set aside ({reasons}), and {_percent(limits.max_rejected)} may be")
    if side.duplicates > limits.max_duplicates * side.rows:
        said.append(
            f"{_percent(side.duplicates / side.rows)} of the rows repeat a vector, and "
            f"{_percent(limits.max_duplicates)} may"
        )
    return tuple(said)


def repeats(side: Side, limits: Quality) -> tuple[str, ...]:
    """What to say of repeated rows that are within the limit: they count as if they told something new.

    Examples
    --------
    >>> from tidegauge.spec import Quality
    >>> repeats(Side("window", "", 1000, duplicates=400), Quality())
    ('40 % of the rows repeat a vector, which may be called drift: drop retries',)
    """
    if not TOLD * side.rows < side.duplicates <= limits.max_duplicates * side.rows:
        return ()
    return (
        f"{_percent(side.duplicates / side.rows)} of the rows repeat a vector, which may be called drift: drop retries",
    )


def _first(place: str | None) -> str:
    return f", first: {place}" if place else ""


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
