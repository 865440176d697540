"""Hard cases known from elsewhere: one vector at a time against the oracle (T1, T2), and the scenarios as streams.

T1 (Online Kernel CUSUM) and T2 (MMDEW) leave N(0, I) in 20 dimensions for another law. Panes are of ONE vector; the
detector is the one that a stream has, taught by a reference of 10,000 rows and as many null panes. Delays are given by
two protocols: the authors', and at the run length that a threshold has in truth. The oracle is Page's CUSUM of the true
likelihood ratio. Scenarios A to F come as weekly panes and as daily ones, of which the detector slides over the last 1,
2, 4 .., calibrated by the reference alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from quality import data, frozen, scenarios
from quality.data import Float32
from quality.harness import Cell, Mode, Result, Row, binomial
from tidegauge import Batch, Reference
from tidegauge.alarm.calibration import FEWEST_PANES, Calibration, from_reference, learn
from tidegauge.alarm.detector import MOST_PANES, Detector
from tidegauge.alarm.normal import ORDER, Series
from tidegauge.alarm.tally import Tallier

Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
Records = list[tuple[int, float]]

D, REFERENCE, PANES = 20, 10_000, 10_000
STEPS, AFTER = 2000, 50
TOP = 40
LENGTHS = (1e3, 1e4, 1e5)
WITHIN = 1.6
OURS, ORACLE, NULL = "ours", "oracle", "null"

DAYS, WEEKS, CHANGED = 7, 12, 7
PROMISE = 52
HISTORIES, REFERENCES = 50, 20
WEEKLY, DAILY = "weekly", "sliding daily"
RESAMPLED = "E resampled"


@dataclass(frozen=True)
class Law:
    """What follows N(0, I): draws of n rows, and the logarithm of its likelihood over that of N(0, I)."""

    draw: Callable[[int, np.random.Generator], Float64]
    ratio: Callable[[Float64], Float64]


def mixture(share: float, mean: float) -> Law:
    """``share`` N(0, I), the rest N(mean, 4 I)."""

    def draw(n: int, rng: np.random.Generator) -> Float64:
        other = (rng.random(n) >= share)[:, None]
        return rng.standard_normal((n, D)) * np.where(other, 2, 1) + other * mean

    def ratio(x: Float64) -> Float64:
        other = (x**2).sum(1) / 2 - ((x - mean) ** 2).sum(1) / 8 - D * np.log(2)
        return np.logaddexp(np.log(share), np.log1p(-share) + other)

    return Law(draw, ratio)


def apart(draw: Callable[[int, np.random.Generator], Float64], density: Callable[[Float64], Float64]) -> Law:
    """Independent coordinates of this log density."""
    return Law(draw, lambda x: (density(x) + x**2 / 2 + np.log(2 * np.pi) / 2).sum(1))


LAWS = {
    "T1 mu = 0": mixture(0.3, 0.0),
    "T1 mu = 0.3": mixture(0.3, 0.3),
    "T1 mu = 0.7": mixture(0.3, 0.7),
    "T2 Mixed.7": mixture(0.7, 0.0),
    "T2 Laplace": apart(lambda n, rng: rng.laplace(0, 2, (n, D)), lambda x: -np.abs(x) / 2 - np.log(4)),
    "T2 Unif": apart(lambda n, rng: rng.uniform(-4, 4, (n, D)), lambda x: np.where(abs(x) <= 4, -np.log(8), -np.inf)),
}
SAME = {"T2 Mixed.3": "T1 mu = 0"}
# Stored figures at run lengths of 1e3, 1e4 and 1e5, by their authors' protocols.
OKCUSUM = "Online Kernel CUSUM"
STORED: dict[str, dict[str, tuple[float, float, float]]] = {
    "T1 mu = 0": {OKCUSUM: (7.09, 8.60, 9.71), "Scan-B": (16.07, 18.91, 20.57), ORACLE: (1.50, 1.62, 1.79)},
    "T1 mu = 0.3": {OKCUSUM: (6.77, 8.23, 9.26), "Scan-B": (15.28, 18.04, 19.70), ORACLE: (1.52, 1.59, 1.70)},
    "T1 mu = 0.7": {OKCUSUM: (5.72, 6.86, 7.59), "Scan-B": (13.17, 15.91, 17.36), ORACLE: (1.46, 1.51, 1.59)},
    "T2 Mixed.3": {
        "MMDEW": (1.62, 1.68, 1.82),
        "NEWMA": (7.52, 9.03, 10.64),
        OKCUSUM: (7.79, 9.14, 10.71),
        "Scan-B": (16.41, 18.48, 19.78),
    },
    "T2 Mixed.7": {
        "MMDEW": (3.06, 3.25, 3.46),
        "NEWMA": (26.55, 37.95, 52.30),
        OKCUSUM: (32.15, 42.03, 61.92),
        "Scan-B": (41.22, 47.61, 54.02),
    },
    "T2 Laplace": {
        "MMDEW": (1.01, 1.01, 1.03),
        "NEWMA": (3.64, 4.27, 4.86),
        OKCUSUM: (3.82, 4.04, 4.45),
        "Scan-B": (10.09, 11.18, 12.09),
    },
    "T2 Unif": {
        "MMDEW": (1.00, 1.00, 1.00),
        "NEWMA": (4.14, 4.77, 5.43),
        OKCUSUM: (3.85, 4.00, 4.55),
        "Scan-B": (10.58, 11.64, 12.58),
    },
}


def cells(mode: Mode) -> list[Cell]:
    """Null sequences and every law; unchanged histories over references; then the scenarios."""
    quick = mode == "quick"
    names = list(LAWS)[: 3 if quick else None]
    out = [Cell(NULL, 20 if quick else 800, {"kind": NULL, "steps": STEPS})]
    out += [Cell(name, 20 if quick else 800, {"kind": "law"}) for name in names]
    stories = ("A",) if quick else tuple(n for n in scenarios.NAMES)
    out += [Cell(RESAMPLED, 1 if quick else REFERENCES, {"kind": RESAMPLED})]
    return out + [Cell(f"scenario {n}", 1 if quick else REFERENCES, {"kind": "scenario", "name": n}) for n in stories]


def measure(cell: Cell, rng: np.random.Generator) -> Result:
    """One sequence, or one history."""
    match cell.settings["kind"]:
        case "null":
            return null_sequence(cell.settings["steps"], rng)
        case "law":
            return changed_sequence(LAWS[cell.name], rng)
        case "scenario":
            return history(cell.settings["name"], rng)
        case _:
            return resampled(rng)


@cache
def gaussian() -> tuple[Reference, Tallier, Calibration]:
    """What 10,000 rows of N(0, I), and as many null panes of one, teach."""
    rng = np.random.default_rng([5, 12])
    reference = Reference.fit(rng.standard_normal((REFERENCE, D)).astype(np.float32), exchangeable=True)
    tallier = Tallier(reference)
    panes = rng.standard_normal((PANES, D)).astype(np.float32)
    return reference, tallier, learn(one_by_one(tallier, panes), tallier.layout)


def row_tallies(tallier: Tallier, x: Float32) -> Float32:
    """What each row by itself would make a tally, float32 (n, q)."""
    x = np.ascontiguousarray(x, np.float32)
    return np.concatenate([tallier.of_rows(x[start : start + 1000]) for start in range(0, len(x), 1000)])


def one_by_one(tallier: Tallier, x: Float32) -> Series:
    """Panes of one row each."""
    values = row_tallies(tallier, x).astype(np.float64)
    return Series(values, np.ones(len(x)), np.full(len(x), np.nan))


def statistic(x: Float64) -> Float64:
    """Ours at every row after the first MOST_PANES + ORDER, which fill the windows."""
    _, tallier, known = gaussian()
    detector = known.detector
    return detector.statistic(detector.innovations(one_by_one(tallier, x)))[MOST_PANES + ORDER :]


def cusum(ratios: Float64) -> Float64:
    """Page's sums (1954).

    >>> cusum(np.array([1.0, -3.0, 2.0, 1.0])).tolist()
    [1.0, 0.0, 2.0, 3.0]
    """
    out, total = [], 0.0
    for ratio in ratios.tolist():
        total = max(total + ratio, 0.0)
        out.append(total)
    return np.array(out)


def null_sequence(steps: int, rng: np.random.Generator) -> Result:
    """Running records of ours and of every oracle, and the highest of our values, on N(0, I)."""
    x = rng.standard_normal((MOST_PANES + ORDER + steps, D))
    values, fresh = statistic(x), x[MOST_PANES + ORDER :]
    oracles = {name: records(cusum(law.ratio(fresh))) for name, law in LAWS.items()}
    promised = {f"{length:g}": gaussian()[2].threshold(length) for length in LENGTHS[:2]}
    return {
        "steps": steps,
        "promised": promised,
        OURS: records(values),
        "top": np.sort(values)[-TOP:].round(4).tolist(),
        ORACLE: oracles,
    }


def changed_sequence(law: Law, rng: np.random.Generator) -> Result:
    """Running records after a change at the first row."""
    after = law.draw(AFTER, rng)
    x = np.concatenate([rng.standard_normal((MOST_PANES + ORDER, D)), after])
    return {OURS: records(statistic(x)), ORACLE: records(cusum(law.ratio(after)))}


def records(values: Float64) -> Records:
    """When, counted from 1, a value was larger than all before it, and how large.

    >>> records(np.array([1.0, 0.5, 3.0]))
    [(1, 1.0), (3, 3.0)]
    """
    before = np.concatenate([[-np.inf], np.maximum.accumulate(values)[:-1]])
    return [(int(t) + 1, round(float(values[t]), 5)) for t in np.flatnonzero(values > before)]


def first_beyond(found: Records, threshold: float, most: int) -> tuple[int, bool]:
    """When the threshold was reached, and whether it was within ``most``."""
    return next(((t, True) for t, value in found if value >= threshold), (most, False))


def by_maxima(found: Sequence[Records], steps: int, length: float) -> float:
    """Online Kernel CUSUM's threshold: the quantile exp(-steps / length) of the maxima."""
    return float(np.quantile([each[-1][1] for each in found], np.exp(-steps / length)))


def by_values(found: Sequence[Result], steps: int, length: float) -> float:
    """MMDEW's: the quantile 1 - 1 / length of all values together."""
    values = np.sort(np.concatenate([r["top"] for r in found]))
    return float(values[-max(round(steps * len(found) / length), 1)])


def by_run_length(found: Sequence[Records], steps: int, length: float) -> float:
    """The least threshold at which sequences go on for ``length`` steps in the mean."""
    low, high = 0.0, max(each[-1][1] for each in found) + 1
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if run_length(found, steps, middle) >= length else (middle, high)
    return high


def run_length(found: Sequence[Records], steps: int, threshold: float) -> float:
    """Mean time to an alarm by maximum likelihood: steps watched by alarms seen."""
    ends = [first_beyond(each, threshold, steps) for each in found]
    return sum(t for t, _ in ends) / max(sum(hit for _, hit in ends), 0.5)


def history(name: str, rng: np.random.Generator) -> Result:
    """One history of a scenario: in weekly and in daily panes every week's or day's statistic, and the threshold."""
    story = scenarios.story(name, rng)
    reference = Reference.fit(story.reference, seed=int(rng.integers(2**31)))
    tallier = Tallier(reference)
    tallies = [row_tallies(tallier, week.batch.x) for week in story.weeks]
    days = [days_of(week.batch) for week in story.weeks]
    streams = streams_of(reference, tallier, len(tallies[0]))
    drift = next((week.number for week in story.weeks if week.drift), 0)
    return {"drift": drift, **{how: stream.told(tallies, days) for how, stream in streams.items()}}


def days_of(batch: Batch) -> Int:
    """The day of its week on which each row came, from 0."""
    return (np.asarray(batch.times) % data.WEEK // 86_400).astype(np.int64)


@dataclass(frozen=True)
class Stream:
    """Panes of so many days, and what the reference alone teaches of them."""

    days: int
    known: Calibration

    @property
    def promise(self) -> float:
        """Panes of PROMISE weeks."""
        return PROMISE * DAYS / self.days

    @property
    def detector(self) -> Detector:
        return self.known.detector

    def told(self, weeks: Sequence[Float32], days: Sequence[Int]) -> Result:
        """The statistic of every pane, and the threshold."""
        panes = [
            tallies[part]
            for tallies, day in zip(weeks, days, strict=True)
            for first in range(0, DAYS, self.days)
            if (part := (day >= first) & (day < first + self.days)).any()
        ]
        values = np.stack([pane.mean(0, dtype=np.float64) for pane in panes])
        series = Series(values, np.array([float(len(pane)) for pane in panes]), np.full(len(panes), np.nan))
        said = self.detector.statistic(self.detector.innovations(series))
        return {"statistic": said.round(3).tolist(), "threshold": self.known.threshold(self.promise)}


def streams_of(reference: Reference, tallier: Tallier, rows: int) -> dict[str, Stream]:
    """Weekly and daily panes under a reference, ``rows`` a week."""
    out = {}
    for how, days in ((WEEKLY, DAYS), (DAILY, 1)):
        known = from_reference(reference, tallier, round(rows * days / DAYS))
        assert known is not None
        out[how] = Stream(days, known)
    return out


def resampled(rng: np.random.Generator) -> Result:
    """One reference of scenario E, and HISTORIES of it without any change: when each alarms first, 0 where never."""
    q = data.clinc()
    rows = rng.permutation(q.where(oos=False, splits=("val", "test")))
    reference = Reference.fit(q.x[rows[:800]], seed=int(rng.integers(2**31)))
    tallier = Tallier(reference)
    pool = row_tallies(tallier, q.x[rows[800:]])
    streams = streams_of(reference, tallier, 400)
    first: dict[str, list[int]] = {how: [] for how in streams}
    for _ in range(HISTORIES):
        picks = rng.permutation(len(pool))[: WEEKS * 400].reshape(WEEKS, 400)
        days = rng.integers(DAYS, size=(WEEKS, 400))
        for how, stream in streams.items():
            said = stream.told([pool[each] for each in picks], list(days))
            first[how].append(next((t for t, v in enumerate(said["statistic"], 1) if v >= said["threshold"]), 0))
    return {"panes": {how: WEEKS * DAYS // stream.days for how, stream in streams.items()}, "first": first}


def rows(results: dict[str, list[Result]]) -> list[Row]:
    """T1 and T2 by both protocols; unchanged histories; scenarios."""
    out: list[Row] = []
    if NULL in results:
        out += _promised(results[NULL])
        out += [row for name in STORED if SAME.get(name, name) in results for row in _law(name, results)]
    if RESAMPLED in results:
        out += [_unchanged(how, results[RESAMPLED]) for how in (WEEKLY, DAILY)]
    stories = {name.removeprefix("scenario "): r for name, r in results.items() if name.startswith("scenario ")}
    return out + [_story(name, how, found) for name, found in stories.items() for how in (WEEKLY, DAILY)]


def _promised(null: Sequence[Result]) -> list[Row]:
    """The run length of the thresholds that the detector itself would take."""
    steps, found = null[0]["steps"], [r[OURS] for r in null]
    limits = {float(length): limit for length, limit in null[0].get("promised", {}).items()}
    return [
        Row(f"panes of one vector: achieved / promised {length:g}", run_length(found, steps, limit) / length,
            reps=len(null), beside={"threshold": limit})
        for length, limit in limits.items()
        if steps * len(null) >= 10 * length
    ]  # fmt: skip


def _law(name: str, results: dict[str, list[Result]]) -> list[Row]:
    """Delays at thresholds by the authors' protocol, then by the run length in truth."""
    law = SAME.get(name, name)
    null, found = results[NULL], results[law]
    steps = null[0]["steps"]
    ours, best = [r[OURS] for r in null], [r[ORACLE][law] for r in null]
    total = steps * len(null)
    out = []
    for k, length in enumerate(LENGTHS):
        if total < 2 * length:
            continue
        how = f"its authors' run length {length:g}"
        if name.startswith("T1"):
            limits = [by_maxima(each, steps, length) for each in (ours, best)]
        else:
            limits = [by_values(null, steps, length), by_run_length(best, steps, length)]
        stored = {who: figures[k] for who, figures in STORED[name].items()}
        out.append(_delay(name, how, found, limits, run_length(ours, steps, limits[0]), stored))
    for length in LENGTHS[:2]:
        if total >= 10 * length:
            limits = [by_run_length(each, steps, length) for each in (ours, best)]
            true = run_length(ours, steps, limits[0])
            out.append(_delay(name, f"true run length {length:g}", found, limits, true, {}))
    return out


def _delay(
    name: str, how: str, found: Sequence[Result], limits: Sequence[float], length: float, stored: dict[str, float]
) -> Row:
    delays = {
        who: np.array([first_beyond(r[who], limit, AFTER)[0] for r in found])
        for who, limit in zip((OURS, ORACLE), limits, strict=True)
    }
    ours, oracle = (float(delays[who].mean()) for who in (OURS, ORACLE))
    error = 2.576 * float(delays[OURS].std()) / len(found) ** 0.5
    beside: dict[str, Any] = {
        "over the oracle": ours / oracle,
        ORACLE: oracle,
        "90 % quantile": float(np.quantile(delays[OURS], 0.9)),
        "threshold": limits[0],
        "true run length": length,
        **({"elsewhere": stored} if stored else {}),
    }
    target = WITHIN * oracle if name.startswith("T1") else None
    return Row(f"mean delay in vectors; {name}, {how}", ours, target, "<=" if target else "",
        (ours - error, ours + error), len(found), beside)  # fmt: skip


def _unchanged(how: str, found: Sequence[Result]) -> Row:
    """Histories of twelve weeks with a false alarm, against the promise; references as clusters."""
    panes = found[0]["panes"][how]
    promise = PROMISE * panes / WEEKS
    rate = 1 - (1 - 1 / promise) ** panes
    hits = [[t > 0 for t in r["first"][how]] for r in found]
    count = sum(map(len, hits))
    share, error, half = frozen.clustered(hits, 0.99)
    watched = sum(t or panes for r in found for t in r["first"][how])
    beside = {
        "run length over the promised": watched / max(sum(map(sum, hits)), 0.5) / promise,
        "promised share": rate,
        "standard error, references as clusters": error,
        "by reference": {str(k): float(np.mean(each)) for k, each in enumerate(hits)},
    }
    guard = (0.0, min(1.0, rate + 4 * error + 0.2)) if len(found) >= REFERENCES else None
    return Row(f"E, {how}: unchanged histories of {WEEKS} weeks with an alarm, 1 in {PROMISE} weeks promised",
        share, binomial(rate, count), "in", (share - half, share + half), count, beside, guard)  # fmt: skip


def _story(name: str, how: str, found: Sequence[Result]) -> Row:
    """Panes from the change to the first alarm; where nothing changes, histories with one."""
    drift = found[0]["drift"]
    per_week = len(found[0][how]["statistic"]) // WEEKS
    start = (drift - 1) * per_week if drift else WEEKS * per_week
    loud = [np.array(r[how]["statistic"]) >= r[how]["threshold"] for r in found]
    before = float(np.mean([each[:start].any() for each in loud]))
    what = f"{name}, {how}: {scenarios.NAMES[name]}"
    if not drift:
        return Row(f"{what}: histories with an alarm", before, None, "", None, len(found))
    after = [each[start:] for each in loud]
    delays = np.array([int(each.argmax()) + 1 if each.any() else len(each) for each in after])
    beside = {
        "90 % quantile": float(np.quantile(delays, 0.9)),
        "not found": float(np.mean([not each.any() for each in after])),
        "in the first changed week": float((delays <= per_week).mean()),
        "panes of a week": per_week,
        "histories with an alarm before": before,
    }
    return Row(f"{what}: mean delay in panes", float(delays.mean()), None, "", None, len(found), beside)


@cache
def fingerprint() -> str:
    """A name for what is learned here, and the queries at hand."""
    rng = np.random.default_rng(6)
    reference = Reference.fit(rng.standard_normal((1000, 6)).astype(np.float32), exchangeable=True)
    tallier = Tallier(reference)
    x = rng.standard_normal((4 * FEWEST_PANES, 6)).astype(np.float32)
    taught = [learn(one_by_one(tallier, x), tallier.layout), from_reference(reference, tallier, 100)]
    figures = [f"{v:.4g}" for known in taught if known for v in (*known.detector.laws.ravel(), known.threshold(500))]
    return hashlib.sha256(f"{data.clinc().name} {data.xsid().name} {figures}".encode()).hexdigest()[:10]
