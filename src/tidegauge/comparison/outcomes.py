"""Outcomes on both sides: what they are, their rates, and the difference of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tidegauge.errors import UsageError
from tidegauge.records import Harmful, Outcome, OutcomeChange

Float64 = npt.NDArray[np.float64]
Totals = Mapping[str, tuple[float, float, float]]
Declared = Mapping[str, Harmful | Outcome]

Z95 = 1.959964


def declared(outcomes: Mapping[str, Harmful] | Sequence[Outcome] | None) -> Declared:
    """What of each outcome is harm, by name, and perhaps its unit.

    Examples
    --------
    >>> declared({"escalated": "rises"}), declared([Outcome("clicks", unit="count")])
    ({'escalated': 'rises'}, {'clicks': Outcome(name='clicks', harmful='falls', unit='count')})
    """
    if outcomes is None:
        return {}
    if not isinstance(outcomes, Mapping):
        wrong = next((each for each in outcomes if not isinstance(each, Outcome)), None)  # pyright: ignore[reportUnnecessaryIsInstance]
        if wrong is not None:
            raise UsageError("outcomes", got=repr(wrong), want="records of type Outcome, or a mapping of name to harm")
        return {each.name: each for each in outcomes}
    for name, harm in outcomes.items():
        if harm not in ("falls", "rises"):
            raise UsageError(f"outcomes[{name!r}]", got=repr(harm), want="'falls' or 'rises': what of it is harm")
    return dict(outcomes)


def outcome_of(name: str, known: Declared, values: Sequence[Float64]) -> Outcome:
    """An outcome as it was declared; else its fall is harm, and it is a share if all its values lie between 0 and 1.

    Examples
    --------
    >>> outcome_of("clicks", {}, [np.array([[0.0, 1.0], [3.0, 1.0]])])
    Outcome(name='clicks', harmful='falls', unit='number')
    """
    said = known.get(name, "falls")
    if isinstance(said, Outcome):
        return said
    share = all(((v[:, 0] >= 0) & (v[:, 0] <= v[:, 1])).all() for v in values)
    return Outcome(name, said, "share" if share else "number")


def totals(outcomes: Mapping[str, Float64]) -> dict[str, tuple[float, float, float]]:
    """Numerator, denominator and rows that had it, per outcome, from (n, 2) arrays."""
    return {n: (float(v[:, 0].sum()), float(v[:, 1].sum()), float((v[:, 1] > 0).sum())) for n, v in outcomes.items()}


def rates(values: Float64) -> npt.NDArray[np.float32]:
    """Each row's own rate, NaN where it has none, float32 (n,), from (n, 2).

    Examples
    --------
    >>> rates(np.array([[1.0, 2.0], [0.0, 0.0]])).tolist()
    [0.5, nan]
    """
    has = values[:, 1] > 0
    return np.where(has, values[:, 0] / np.where(has, values[:, 1], 1.0), np.nan).astype(np.float32)


def changes(before: Totals, after: Totals) -> tuple[OutcomeChange, ...]:
    """Difference of rates with a 95 % interval (Agresti and Caffo, 2000), for outcomes that both sides have.

    The interval takes rows as independent and rates as shares; for other outcomes it is NaN.
    """
    out = []
    for name in (n for n in before if n in after):
        (s0, d0, n0), (s1, d1, n1) = before[name], after[name]
        r0, r1 = (s / d if d > 0 else float("nan") for s, d in ((s0, d0), (s1, d1)))
        low, high = _interval(s0, d0, s1, d1)
        out.append(OutcomeChange(name, r0, r1, r1 - r0, low, high, int(n0), int(n1)))
    return tuple(out)


def _interval(s0: float, d0: float, s1: float, d1: float) -> tuple[float, float]:
    if not (0 <= s0 <= d0 and 0 <= s1 <= d1 and d0 > 0 and d1 > 0):
        return float("nan"), float("nan")
    p0, p1 = (s0 + 1) / (d0 + 2), (s1 + 1) / (d1 + 2)
    half = Z95 * np.sqrt(p0 * (1 - p0) / (d0 + 2) + p1 * (1 - p1) / (d1 + 2))
    return float(p1 - p0 - half), float(p1 - p0 + half)
