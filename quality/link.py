"""Association of outcomes with drift on histories of known truth: type I, false discoveries, power, lag, abstentions.

Of 20 outcomes in a history four respond to drift two panes later. Beside ours, on the same histories: correlation as
it is usually computed, and methods that know of serial dependence but take off nothing. Intervals are clustered by
history: its outcomes share one drift.
"""

from __future__ import annotations

import atexit
import hashlib
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter
from scipy.special import betainc, ndtr

from quality.harness import Cell, Mode, Result, Row
from quality.rivals.peer import ENVIRONMENTS, HERE, Peer, Talk, absent
from tidegauge.numeric.autoregression import fit_autoregressions, innovations
from tidegauge.numeric.multiple import benjamini_hochberg
from tidegauge.outcome.associate import DISCOVERY, LEVEL, associate, discovered

__all__ = ["cells", "fingerprint", "measure", "rows"]

Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

OUTCOMES, RESPOND, LAG, LAGS, PANES = 20, 4, 2, 7, 120
SLOPE = 0.5
"""Of a response, in innovations of the outcome for one of drift: with it the best honest rows have the power of T6."""
TOGETHER = 25
"""Histories of one repetition."""
HOUR = 3600.0
TYPE_I, POWER_MARGIN, LAG_FOUND, COVERED = 0.065, 0.03, 0.90, 0.90
SURROGATES = 499
"""Of the methods beside ours."""
PHIS = (0.6, 0.9, 0.98)
METHODS = ("Pearson", "maximum, Bonferroni", "blocks of 14", "phase", "prewhitened, maximum", "prewhitened, phase")
PROTOTYPE = {
    0.6: (
        (0.18, 0.23, 0.06, 0.05, 0.05, 0.05),
        (0.43, 0.41, 0.09, 0.08, 0.06, 0.07),
        (0.30, 0.95, 0.78, 0.72, 0.98, 0.96),
    ),
    0.9: (
        (0.53, 0.58, 0.11, 0.06, 0.05, 0.05),
        (0.73, 0.73, 0.23, 0.11, 0.08, 0.09),
        (0.78, 0.88, 0.32, 0.20, 0.98, 0.97),
    ),
    0.98: (
        (0.71, 0.71, 0.21, 0.09, 0.06, 0.06),
        (0.78, 0.77, 0.44, 0.18, 0.08, 0.09),
        (0.83, 0.86, 0.35, 0.16, 0.99, 0.97),
    ),
}
ELSEWHERE = {
    phi: {name: tuple(row[k] for row in rows) for k, name in enumerate(METHODS)} for phi, rows in PROTOTYPE.items()
}
"""Type I, FDR and power of a prototype at each phi."""
HONEST = ("prewhitened, maximum", "prewhitened, phase")

PEER = Peer("NannyML", ENVIRONMENTS / "nannyml" / "bin" / "python", HERE / "nannyml_ranker.py")
NANNYML = "NannyML CorrelationRanker"


@dataclass(frozen=True, eq=False)
class History:
    """What ``associate`` is given, the true slope, and which of the outcomes respond."""

    drift: Float64
    numerators: Float64
    denominators: Float64
    responds: Bool
    slope: float = SLOPE
    given: dict[str, Any] = field(default_factory=dict)

    @property
    def rates(self) -> Float64:
        """Of the outcomes, NaN where missing."""
        return self.numerators / np.where(self.denominators > 0, self.denominators, np.nan)


def autoregressive(phi: float, panes: int, many: int, rng: np.random.Generator) -> Float64:
    """Series of unit innovations, float64 (panes, many)."""
    steps = rng.standard_normal((panes + 400, many))
    steps[0] /= math.sqrt(1 - phi**2)
    return lfilter([1.0], [1.0, -phi], steps, axis=0)[400:]


def history(drift: Float64, noise: Float64, shared: Float64 | float = 0.0, **given: Any) -> History:
    """Outcomes from noise (panes, OUTCOMES) and drift (panes + LAG,); ``shared`` is added to both."""
    outcomes = noise.copy()
    outcomes[:, :RESPOND] += SLOPE * drift[:-LAG, None]
    both = np.broadcast_to(shared, outcomes.shape[:1])
    one = np.ones_like(outcomes)
    responds = np.arange(OUTCOMES) < RESPOND
    return History(drift[LAG:] + both, outcomes + both[:, None], one, responds, given=given)


def _plain(phi: float, panes: int, rng: np.random.Generator) -> tuple[Float64, Float64]:
    return autoregressive(phi, panes + LAG, 1, rng)[:, 0], autoregressive(phi, panes, OUTCOMES, rng)


def _autoregression(phi: float, panes: int = PANES) -> Callable[[np.random.Generator], History]:
    return lambda rng: history(*_plain(phi, panes, rng))


def _moving_average(rng: np.random.Generator) -> History:
    steps = rng.standard_normal((PANES + LAG + 20, OUTCOMES + 1))
    x = lfilter([1.0, 0.9, 0.8, 0.7], [1.0], steps, axis=0)[20:]
    return history(x[:, 0], x[LAG:, 1:])


def _step(rng: np.random.Generator) -> History:
    return history(*_plain(0.6, PANES, rng), 6.0 * (np.arange(PANES) >= rng.integers(20, 100)))


def _season(weeks: int, *, weekly: bool, told: bool = True) -> Callable[[np.random.Generator], History]:
    def draw(rng: np.random.Generator) -> History:
        panes = weeks * 168
        hour = np.arange(panes) + int(rng.integers(168))
        shape = 3 * np.exp(np.cos((hour % 24 - 14) / 24 * 2 * np.pi)) / 1.5
        if weekly:
            shape = shape * np.where(hour // 24 % 7 < 5, 1.0, 0.3)
        given = {"moments": (hour + 0.5) * HOUR, "step": HOUR} if told else {}
        return history(*_plain(0.6, panes, rng), shape, **given)

    return draw


def _trend(kind: str) -> Callable[[np.random.Generator], History]:
    def draw(rng: np.random.Generator) -> History:
        t = np.arange(PANES) / PANES
        match kind:
            case "line":
                shape = 12 * t
            case "slow wave":
                shape = 4 * np.sin(2 * np.pi * (1.5 * t + rng.random()))
            case _:
                shape = 20 * np.maximum(t - rng.uniform(0.2, 0.8), 0)
        return history(*_plain(0.6, PANES, rng), shape)

    return draw


def _common_cause(*, annotated: bool) -> Callable[[np.random.Generator], History]:
    def draw(rng: np.random.Generator) -> History:
        at = np.sort(rng.choice(np.arange(3, PANES, 8), 8, replace=False))
        pulse = np.zeros(PANES)
        pulse[at] = 4
        given = {"events": (pulse > 0)[:, None].astype(float)} if annotated else {}
        return history(*_plain(0.6, PANES, rng), lfilter([1.0], [1.0, -0.5], pulse), **given)

    return draw


def _missing(rng: np.random.Generator) -> History:
    whole = history(*_plain(0.9, 2 * PANES, rng))
    drift, there = whole.drift.copy(), rng.random(whole.numerators.shape) > 0.15
    gap = int(rng.integers(20, 200))
    drift[rng.random(2 * PANES) < 0.1] = np.nan
    drift[gap : gap + 8] = np.nan
    there[gap : gap + 8] = False
    return replace(
        whole, drift=drift, numerators=np.where(there, whole.numerators, 0), denominators=there.astype(float)
    )


def _denominators(rng: np.random.Generator) -> History:
    """Shares of 20 to 600 rows, by the hour; their noise, and that of drift, goes with 1 / rows."""
    panes, sd = 336, 0.02
    hour = np.arange(panes)
    count = np.rint(20 + 580 * np.clip(np.sin((hour % 24 - 6) / 24 * 2 * np.pi), 0, 1) ** 2)
    drift, noise = _plain(0.6, panes, rng)
    whole = history(drift, noise)
    rate = np.clip(0.8 - sd * whole.numerators, 0, 1)
    hits = rng.binomial(count[:, None].astype(int), rate).astype(float)
    measured = whole.drift + rng.standard_normal(panes) * 10 / np.sqrt(count)
    given = {"moments": (hour + 0.5) * HOUR, "step": HOUR, "rows": count}
    return replace(
        whole,
        drift=measured,
        numerators=hits,
        denominators=np.tile(count[:, None], OUTCOMES),
        slope=math.nan,
        given=given,
    )


def _spikes(rng: np.random.Generator) -> History:
    drift, noise = _plain(0.6, PANES, rng)
    pulse = np.zeros(PANES + LAG)
    pulse[rng.choice(PANES, 7, replace=False)] = rng.uniform(5, 10, 7)
    return history(drift + lfilter([1.0], [1.0, -0.4], pulse), noise)


def _skewed(rng: np.random.Generator) -> History:
    drift = np.exp(autoregressive(0.6, PANES + LAG, 1, rng)[:, 0])
    tails = rng.standard_t(3, (PANES + 50, OUTCOMES))
    return history(drift / 2, lfilter([1.0], [1.0, -0.6], tails, axis=0)[50:])


TRUTHS: dict[str, Callable[[np.random.Generator], History]] = {
    **{f"AR {phi:g}": _autoregression(phi) for phi in PHIS},
    "AR 0.6, 60 panes": _autoregression(0.6, 60),
    "AR 0.9, 720 panes": _autoregression(0.9, 720),
    "moving average": _moving_average,
    "shared step": _step,
    "shared day": _season(2, weekly=False),
    "shared day and week": _season(4, weekly=True),
    "shared day, time of day not told": _season(2, weekly=False, told=False),
    "shared line": _trend("line"),
    "shared slow wave": _trend("slow wave"),
    "shared kink": _trend("kink"),
    "common cause": _common_cause(annotated=False),
    "common cause, annotated": _common_cause(annotated=True),
    "missing panes": _missing,
    "changing denominators": _denominators,
    "drift spikes": _spikes,
    "skewed drift, heavy tails": _skewed,
}
COMMON = "common cause"
NANNY_CELL = "NannyML"


def cells(mode: Mode) -> list[Cell]:
    """The autoregressions of T6, with 5,000 histories each; every other truth with 400; NannyML where it is there."""
    if mode == "quick":
        return [Cell("AR 0.9", 4, {"truth": "AR 0.9"}), Cell("shared day", 1, {"truth": "shared day"})]
    long = {f"AR {phi:g}" for phi in PHIS}
    own = [Cell(name, 200 if name in long else 16, {"truth": name}) for name in TRUTHS]
    asked = [] if absent([PEER]) else [Cell(f"{NANNY_CELL}: AR {phi:g}", 8, {"truth": f"AR {phi:g}"}) for phi in PHIS]
    return [*own, *asked]


def measure(cell: Cell, rng: np.random.Generator) -> Result:
    """Some histories: for each, the share of false calls, of false discoveries, of responses found, and the like."""
    truth = TRUTHS[cell.settings["truth"]]
    drawn = [truth(rng) for _ in range(TOGETHER)]
    if cell.name.startswith(NANNY_CELL):
        return {"histories": [{NANNYML: _judged(asked(one), one.responds)} for one in drawn]}
    return {"histories": [measured(one, k % 8, rng) for k, one in enumerate(drawn)]}


def measured(one: History, seed: int, rng: np.random.Generator) -> dict[str, Any]:
    """Ours and the others' on one history."""
    found = associate(
        one.drift, one.numerators, one.denominators, _harm(one), lags=LAGS,
        seed=seed, **one.given,
    )  # fmt: skip
    settled = discovered(found)
    p = np.array([each.p for each in found])
    abstained = np.array([bool(each.reasons) for each in found])
    called = np.array([each.state == "associated" for each, _ in settled])
    true = one.responds
    near = np.array([each.lag is not None and abs(each.lag - LAG) <= 1 for each in found])
    covered = np.array([each.low <= one.slope <= each.high for each in found])
    ours = {
        "ours": [float((called_alone(p) & ~abstained)[~true].mean()), *_discoveries(called, true)],
        "p": float(called_alone(p)[~true].mean()),
        "abstained": [float(abstained[~true].mean()), float(abstained[true].mean())],
        "lag": [int(near[called & true].sum()), int((called & true).sum())],
        "covered": [int(covered[true].sum()), int(true.sum())],
    }
    return ours | {name: _judged(values, true) for name, values in beside(one, rng).items()}


def _harm(one: History) -> Float64:
    return np.full(OUTCOMES, -1.0 if math.isnan(one.slope) else 1.0)


def called_alone(p: Float64) -> Bool:
    """At LEVEL; what has no p is not called."""
    return np.nan_to_num(p, nan=1.0) <= LEVEL


def _judged(p: Float64, true: Bool) -> list[float]:
    """Type I, false discoveries and power of p-values."""
    return [float(called_alone(p)[~true].mean()), *_discoveries(benjamini_hochberg(p) <= DISCOVERY, true)]


def _discoveries(called: Bool, true: Bool) -> tuple[float, float]:
    return float((called & ~true).sum() / max(called.sum(), 1)), float(called[true].mean())


def beside(one: History, rng: np.random.Generator) -> dict[str, Float64]:
    """p-values of what others do: two-sided where the usual test is, missing panes at the mean."""
    signs = _harm(one)
    drift, outcomes = filled(one.drift[:, None])[:, 0], filled(one.rates) * signs
    r = correlations(drift[None], outcomes)[0]
    counts = len(drift) - np.arange(LAGS + 1)[:, None]
    two_sided = pearson_p(r, counts)
    out = {"Pearson": two_sided[0], "maximum, Bonferroni": np.minimum((LAGS + 1) * two_sided.min(0), 1)}
    out["blocks of 14"] = by_surrogates(r, correlations(blocks(drift, rng), outcomes))
    out["phase"] = by_surrogates(r, correlations(phases(drift, rng), outcomes))
    e, u = whitened(drift[:, None])[:, 0], whitened(outcomes)
    white = correlations(e[None], u)[0]
    upper = ndtr(-white * np.sqrt(counts))
    out["prewhitened, maximum"] = 1 - (1 - upper.min(0)) ** (LAGS + 1)
    out["prewhitened, phase"] = by_surrogates(white, correlations(phases(e, rng), u))
    return out


def filled(x: Float64) -> Float64:
    """Series about their means, 0 where missing."""
    return np.nan_to_num(x - np.nanmean(x, axis=0))


def whitened(x: Float64) -> Float64:
    """Innovations of an autoregression of up to four panes, and nothing else taken off."""
    present = np.ones(x.shape, np.bool_)
    out, known = innovations(x, present, fit_autoregressions(x, present, 4))
    return np.where(known, out - out.sum(0) / known.sum(0), 0)


def correlations(drifts: Float64, outcomes: Float64) -> Float64:
    """Correlation of each drift with each outcome so many panes later, float64 (drifts, LAGS + 1, m)."""
    n = outcomes.shape[0]
    scale = np.sqrt((drifts**2).mean(1)[:, None] * (outcomes**2).mean(0))
    return np.stack([drifts[:, : n - k] @ outcomes[k:] / (n - k) / scale for k in range(LAGS + 1)], axis=1)


def pearson_p(r: Float64, counts: npt.NDArray[np.int64]) -> Float64:
    """Two-sided p of a correlation of independent pairs (scipy.stats.pearsonr)."""
    half = counts / 2 - 1
    return 2 * betainc(half, half, (1 - np.minimum(np.abs(r), 1)) / 2)


def by_surrogates(r: Float64, drawn: Float64) -> Float64:
    """p of the largest correlation over the lags."""
    return (1 + (drawn.max(1) >= r.max(0) - 1e-12).sum(0)) / (len(drawn) + 1)


def blocks(x: Float64, rng: np.random.Generator, length: int = 14) -> Float64:
    """Its blocks in other orders."""
    pieces = np.split(np.arange(len(x)), range(length, len(x), length))
    orders = (rng.permutation(len(pieces)) for _ in range(SURROGATES))
    return x[np.stack([np.concatenate([pieces[i] for i in order]) for order in orders])]


def phases(x: Float64, rng: np.random.Generator) -> Float64:
    """Series of the same spectrum and random phases."""
    spectrum = np.fft.rfft(x)
    turns = np.exp(2j * np.pi * rng.random((SURROGATES, len(spectrum))))
    return np.fft.irfft(np.abs(spectrum) * turns, len(x), axis=1)


def asked(one: History) -> Float64:
    """The p-values of NannyML, of each outcome's distance from its mean."""
    with tempfile.TemporaryDirectory() as folder:
        sides = {"before": one.drift[:, None], "after": one.rates}
        paths = {side: str(Path(folder, side + ".npy")) for side in sides}
        for side, values in sides.items():
            np.save(paths[side], values, allow_pickle=False)
        peer = talk()
        peer.send({**paths, "seed": 0, "ask": "statistic"})
        said = peer.receive()
    return np.array([said[str(j)]["statistic"] for j in range(OUTCOMES)])


@cache
def talk() -> Talk:
    """NannyML, running as long as this process."""
    found = Talk(PEER)
    atexit.register(found.close)
    return found


def rows(results: dict[str, list[Result]]) -> list[Row]:
    """By truth: type I, false discoveries, power, lag, intervals; then NannyML by itself."""
    out: list[Row] = []
    for name, found in results.items():
        histories = [one for r in found for one in r["histories"]]
        if name.startswith(NANNY_CELL):
            out.append(_nannyml(name, histories))
        elif name == COMMON:
            out += _common(name, histories)
        else:
            out += _truth(name, histories)
    return out


def _of(histories: Sequence[dict[str, Any]], key: str) -> Float64:
    return np.array([one[key] for one in histories])


def _interval(values: Float64, level: float = 2.576) -> tuple[float, float]:
    """99 % interval of a mean over histories."""
    around = level * float(values.std()) / math.sqrt(len(values))
    return float(values.mean()) - around, float(values.mean()) + around


def _others(histories: Sequence[dict[str, Any]], k: int) -> dict[str, float]:
    names = [name for name in histories[0] if name not in ("ours", "p", "abstained", "lag", "covered")]
    return {name: float(_of(histories, name)[:, k].mean()) for name in names}


def _truth(name: str, histories: Sequence[dict[str, Any]]) -> list[Row]:
    n, ours = len(histories), _of(histories, "ours")
    abstained = _of(histories, "abstained").mean(0)
    prototype = ELSEWHERE.get(_phi(name), {})
    false, fdr, power = (ours[:, k] for k in range(3))
    lag, covered = _of(histories, "lag").sum(0), _of(histories, "covered").sum(0)
    allowed = DISCOVERY + 2 * float(fdr.std()) / math.sqrt(n)
    beside = [{"others": _others(histories, k), "prototype": {m: v[k] for m, v in prototype.items()}} for k in range(3)]
    for each in beside:
        if not each["prototype"]:
            del each["prototype"]
    calls = {
        "by p alone": float(_of(histories, "p").mean()),
        "cannot tell, of those without response": float(abstained[0]),
    }
    out = [
        Row(f"{name}: called at {LEVEL:g} without response", float(false.mean()), TYPE_I, "<=", _interval(false), n,
            calls | beside[0], guard=(0, 0.1)),
        Row(f"{name}: false among discoveries at {DISCOVERY:g}", float(fdr.mean()), allowed, "<=", _interval(fdr), n,
            beside[1], guard=(0, 0.25)),
        _power(name, power, float(abstained[1]), beside[2]),
    ]  # fmt: skip
    if lag[1] >= 40:
        share = float(lag[0] / lag[1])
        out.append(Row(f"{name}: lag of discovered responses is right within a pane", share, LAG_FOUND, ">=", None, n))
    if covered[1] and name != "changing denominators":
        share = float(covered[0] / covered[1])
        what = f"{name}: 95 % interval of the slope holds the truth, of all responses"
        out.append(Row(what, share, COVERED, ">=", None, n))
    return out


def _power(name: str, power: Float64, abstained: float, beside: dict[str, Any]) -> Row:
    what = f"{name}: responses discovered"
    calls = {"cannot tell, of responses": abstained} | beside
    if "prototype" not in beside:
        return Row(what, float(power.mean()), None, "", _interval(power), len(power), calls)
    best = max(beside["others"][m] for m in HONEST)
    target = max(best, *(beside["prototype"][m] for m in HONEST)) - POWER_MARGIN
    return Row(what, float(power.mean()), target, ">=", _interval(power), len(power), calls, guard=(0.8, 1.0))


def _phi(name: str) -> float:
    head, _, phi = name.partition(" ")
    return float(phi) if head == "AR" and "," not in phi else math.nan


def _common(name: str, histories: Sequence[dict[str, Any]]) -> list[Row]:
    """Not told from association by any of them: said, not judged."""
    ours = _of(histories, "ours")
    beside = {"by p alone": float(_of(histories, "p").mean()), "others": _others(histories, 0)}
    beside["cannot tell, of those without response"] = float(_of(histories, "abstained").mean(0)[0])
    what = f"{name} that nobody annotated: called associated at {LEVEL:g} without response, which no method can help"
    return [Row(what, float(ours[:, 0].mean()), None, "", _interval(ours[:, 0]), len(histories), beside)]


def _nannyml(name: str, histories: Sequence[dict[str, Any]]) -> Row:
    values = _of(histories, NANNYML)
    beside = {"FDR": float(values[:, 1].mean()), "power": float(values[:, 2].mean())}
    what = f"{name.partition(': ')[2]}: NannyML's CorrelationRanker itself, called at {LEVEL:g} without response"
    return Row(what, float(values[:, 0].mean()), None, "", _interval(values[:, 0]), len(histories), beside)


@cache
def fingerprint() -> str:
    """A name for what is measured: the p-values, lags and states of one history of every truth."""
    figures: list[str] = []
    for name, truth in TRUTHS.items():
        one = truth(np.random.default_rng(6))
        found = associate(
            one.drift, one.numerators, one.denominators, _harm(one), lags=LAGS, surrogates=99, **one.given
        )
        figures.append(name + str([(f"{each.p:.4g}", each.lag, each.state, f"{each.slope:.4g}") for each in found]))
    return hashlib.sha256(str(figures).encode()).hexdigest()[:10]
