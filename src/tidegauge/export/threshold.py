"""Beyond which value a score makes a window drift: the panel's joint test, read the other way round."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegauge.numeric.ranks import joint_p, p_values
from tidegauge.reference import Reference
from tidegauge.reference.calibration import FULL, Calibration
from tidegauge.score.registry import MEMBERS

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Thresholds:
    """Thresholds of the panel's members under a reference at one alpha.

    ``noise`` float64 (sizes,), falling, is 1 / n + 1 / m of windows of n rows against a reference of ``rows`` m;
    ``values`` float64 (sizes, members). ``model`` is the embedding model of the reference.

    Examples
    --------
    >>> reference = Reference.fit(np.random.default_rng(0).standard_normal((700, 8)), exchangeable=True)
    >>> at = thresholds(reference, 0.05)
    >>> sorted(at.of(200)) == sorted(MEMBERS), at.of(50)["mmd"] > at.of(500)["mmd"] > 0
    (True, True)
    """

    noise: Float64
    values: Float64
    rows: int
    model: str = ""

    def of(self, n: float) -> dict[str, float]:
        """The thresholds of a window of ``n`` rows, by score; those that no value reaches are left out."""
        noise = 1 / max(n, 1.0) + 1 / self.rows
        found = [float(np.interp(-noise, -self.noise, column)) for column in self.values.T]
        return {name: value for name, value in zip(MEMBERS, found, strict=True) if np.isfinite(value)}


def thresholds(reference: Reference, alpha: float) -> Thresholds:
    """Find the value of each member beyond which it alone has a window called drift.

    A window is drift where the joint p of the panel is at most alpha: where the smallest p of its members is among the
    share alpha of smallest ones that unchanged traffic has. That makes a critical p, the same for all members and less
    than alpha, as seven are asked; the threshold is the value of a member at which its own p reaches it. Between two
    sizes of the calibration it is interpolated as the nulls are, in 1 / n + 1 / m.

    Parameters
    ----------
    reference : Reference
    alpha : float
        Share of unchanged windows that may be called drift.
    """
    calibration = reference.calibration
    members = [FULL.index(name) for name in MEMBERS]
    values = np.stack([_critical(table[:, members].astype(np.float64), alpha) for table in calibration.full])
    return Thresholds(_noise(calibration), values, calibration.rows, reference.model_id)


def _noise(calibration: Calibration) -> Float64:
    return 1 / calibration.sizes + 1 / calibration.rows


def _critical(null: Float64, alpha: float) -> Float64:
    """Thresholds (members,) from joint draws (draws, members)."""
    null = np.where(np.isnan(null), np.inf, null)
    critical = float(np.quantile(joint_p(p_values(null))[1], alpha, method="lower"))
    # A value has p = (1 + draws at least as large) / (draws + 1): so many may be larger.
    larger = max(int(np.floor(critical * (len(null) + 1) + 1e-9)) - 1, 0)
    return np.sort(null, axis=0)[::-1][min(larger, len(null) - 1)]
