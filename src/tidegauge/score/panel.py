"""The panel: one joint test over its members, and every score beside its null."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegauge.basis import Basis
from tidegauge.numeric.ranks import joint_p, p_values
from tidegauge.records import Score
from tidegauge.score.parts import Float64, Sums, rows
from tidegauge.score.registry import MEMBERS, SCORES, evaluate


@dataclass(frozen=True, slots=True)
class Decision:
    """Joint p, the members' own p, and the member p below which one alone would be found at ``alpha``."""

    p: float
    members: dict[str, float]
    critical: float


def decide(observed: Float64, null: Float64, alpha: float) -> Decision:
    """One joint p-value for all members.

    Parameters
    ----------
    observed : float64 array, shape (members,)
        Values in the order of MEMBERS; larger is more extreme.
    null : float64 array, shape (draws, members)
        The same on unchanged data.
    alpha : float
    """
    known = np.concatenate(
        [np.where(np.isnan(observed), -np.inf, observed)[None], np.where(np.isnan(null), np.inf, null)]
    )
    p = p_values(known)
    joint, minima = joint_p(p)
    critical = float(np.quantile(minima, alpha, method="lower"))
    return Decision(joint, dict(zip(MEMBERS, p[0].tolist(), strict=True)), critical)


def describe(basis: Basis, window: Sums, reference: Sums, null: dict[str, Float64]) -> tuple[Score, ...]:
    """Every score of the registry with its null mean and sd, z, own p, effect and resolution.

    Parameters
    ----------
    window, reference : sums of one side each, no leading axis
    null : mapping of score name to float64 array (draws,)
        Values on unchanged data at the same sizes.
    """
    names = tuple(SCORES)
    values = evaluate(names, basis, window, reference)
    fewest = int(min(rows(window), rows(reference)))
    return tuple(
        _score(n, float(v), null[n], fewest, basis, window, reference) for n, v in zip(names, values, strict=True)
    )


def _score(name: str, value: float, null: Float64, fewest: int, basis: Basis, window: Sums, reference: Sums) -> Score:
    d = SCORES[name]
    null = null[np.isfinite(null)]
    refused = ""
    if fewest < d.smallest:
        refused = f"needs {d.smallest} rows on each side, has {fewest}"
    elif not np.isfinite(value) or len(null) < 2:
        refused = "cannot be computed on these rows"
    if refused:
        nan = float("nan")
        return Score(
            d.name, d.label, d.scope, nan, nan, nan, nan, nan, nan, d.effect_unit, nan, d.member, d.meaning, refused
        )
    mean, sd = float(null.mean()), float(null.std(ddof=1))
    both = np.concatenate([[value], null])
    p = float(p_values((np.abs(both - mean) if d.both else both)[:, None])[0, 0])
    z = (value - mean) / sd if sd > 0 else 0.0
    resolution = d.resolution(basis, window, reference)
    return Score(
        d.name,
        d.label,
        d.scope,
        value,
        mean,
        sd,
        z,
        p,
        d.effect(value, mean),
        d.effect_unit,
        resolution,
        d.member,
        d.meaning,
    )
