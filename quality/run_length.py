"""Run length under session traffic: how long a detector that learned from a history goes without a false alarm, against
what it promised; and whether the interval that it states holds the truth where the history is short.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from quality import harness, traffic
from quality.harness import Cell, Mode, Result, Row, binomial, share
from quality.traffic import HOUR, ROWS, Traffic
from tidegauge.alarm.calibration import Calibration, learn
from tidegauge.alarm.detector import MOST_PANES
from tidegauge.alarm.normal import ORDER, Series

Bool = npt.NDArray[np.bool_]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

PROMISE, OFTENER = 5000, 1000
HELD, COVERED = (0.8, 2.0), 0.90
FIRM, SHORT = 10_000, (672, 2000)
RHOS = (0.9, 0.97, 0.0, 0.5)
FUTURES, FUTURE, QUICK_FUTURE = 4, 50_000, 20_000
"""Long futures of each traffic, that the histories take in turn; panes of one."""
AT_ONCE = 5000
GAP = MOST_PANES
"""Panes from an alarm to the detector's start anew: the longest window, so that an alarm has no part in the next."""
SKETCHED = 40
LEVELS = np.arange(2.0, 9.0, 0.05)
# Achieved / promised by the prototype, in vectors: thresholds from a bootstrap of single rows, and of blocks of 500.
BOOTSTRAP = {0.0: (3276, 4720), 0.5: (30, 3072), 0.9: (1, 4443), 0.97: (1, 6272)}
RIGHT_MODEL = {672: (0.51, 1.96), 2000: (0.69, 1.4), 10_000: (0.85, 1.19)}


def cells(mode: Mode) -> list[Cell]:
    """Simulated panes against sketches; then histories as long as the promise and more, then short ones."""
    if mode == "quick":
        return [Cell("sketches", 1, {}), _history(0.9, SHORT[0], 6, QUICK_FUTURE)]
    long = [_history(rho, FIRM, 100, FUTURE) for rho in RHOS]
    short = [_history(rho, panes, 60, FUTURE) for panes in SHORT for rho in RHOS]
    return [Cell("sketches", 5, {}), *long, *short]


def _history(rho: float, panes: int, reps: int, future: int) -> Cell:
    return Cell(f"rho {rho:g}, {panes:,} panes", reps, {"rho": rho, "panes": panes, "future": future})


def measure(cell: Cell, rng: np.random.Generator) -> Result:
    """One history, what is learned from it, and how often that is wrong in a long future of the same traffic."""
    if cell.name == "sketches":
        return _sketched(rng)
    s = cell.settings
    source = Traffic(s["rho"])
    history = source.panes(s["panes"], rng, first=int(rng.integers(168)))
    known = learn(history, traffic.tallier().layout, pane=HOUR)
    loudest = by_length(known, future(s["rho"], int(rng.integers(FUTURES)), s["future"]))
    lengths = np.array(known.detector.lengths)
    out: Result = {"panes": s["panes"], "rho": s["rho"], "firm": known.firm(PROMISE), "law": _law(known)}
    for promise in (PROMISE, OFTENER):
        count, watched = alarms(loudest >= known.threshold(promise), lengths)
        stated = known.achieved(promise)
        out[str(promise)] = {
            "run": watched / max(count, 0.5),
            "alarms": count,
            "threshold": known.threshold(promise),
            "stated": [stated.low, stated.high],
        }
    out["future"] = [alarms(loudest >= level, lengths)[0] for level in LEVELS]
    return out


def by_length(known: Calibration, tallies: Float32) -> Float64:
    """The largest normal score of each length of window at every pane from hour 0 on, float64 (T, lengths)."""
    before = MOST_PANES + ORDER
    moments = (np.arange(len(tallies)) + 0.5) * HOUR
    out = []
    for first in range(0, len(tallies), AT_ONCE):
        part = slice(max(first - before, 0), first + AT_ONCE)
        values = np.asarray(tallies[part], np.float64)
        series = Series(values, np.full(len(values), float(ROWS)), moments[part])
        scores = known.detector.scores(known.detector.innovations(series)).max(2)
        out.append(scores[first - part.start :])
    return np.concatenate(out)


def alarms(loud: Bool, lengths: npt.NDArray[np.int64]) -> tuple[int, int]:
    """False alarms, and the panes watched for them.

    A window counts where it begins after the detector's last start; it starts anew GAP panes after an alarm, and is not
    watched in between.
    """
    count = start = skipped = 0
    for t in np.flatnonzero(loud.any(1)).tolist():
        if (loud[t] & (t - lengths + 1 >= start)).any():
            count += 1
            start = t + 1 + GAP
            skipped += min(GAP, len(loud) - t - 1)
    return count, len(loud) - skipped


def future(rho: float, part: int, panes: int) -> Float32:
    """Tallies of one of the futures, float32 (panes, q), from hour 0 on; made once, and kept beside the repetitions."""
    path = harness.RESULTS / "partial" / f"future-{rho:g}-{part}-{panes}-{fingerprint()}.npy"
    if not path.exists():
        _keep(path, rho, part, panes)
    return np.load(path, mmap_mode="r")


def _keep(path: Path, rho: float, part: int, panes: int) -> None:
    rng = np.random.default_rng([5, 4, round(100 * rho), part])
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    whole = np.lib.format.open_memmap(unfinished, "w+", np.float32, (panes, traffic.tallier().layout.size))
    for first in range(0, panes, AT_ONCE):
        some = whole[first : first + AT_ONCE]
        some[:] = Traffic(rho).panes(len(some), rng, first=first).values
    whole.flush()
    unfinished.replace(path)


def _law(known: Calibration) -> list[float]:
    law = known.law
    return [law.block, law.place, law.scale, law.blocks, law.panes]


def _sketched(rng: np.random.Generator) -> Result:
    """Panes by their library beside full sketches of the same rows: their tallies, and the statistic."""
    source = Traffic(0.9)
    known = learn(source.panes(SHORT[0], rng), traffic.tallier().layout, pane=HOUR)
    picks = source.picks(SKETCHED, rng)
    simulated = traffic.mean_tallies(picks)
    sketches = (traffic.reference().sketch(traffic.vectors()[rows]) for rows in picks)
    full = np.stack([traffic.tallier().tally(sketch) for sketch in sketches])
    sd = np.sqrt(known.detector.normal.variance(np.full(1, float(ROWS)))[0])
    one, other = (known.detector.statistic(_innovations(known, values)) for values in (simulated, full))
    return {
        "error": float((np.abs(simulated - full) / sd).max()),
        "statistic": float(np.abs(one - other).max()),
        "panes": SKETCHED,
    }


def _innovations(known: Calibration, values: Float32) -> Float32:
    n = len(values)
    series = Series(values.astype(np.float64), np.full(n, float(ROWS)), (np.arange(n) + 0.5) * HOUR)
    return known.detector.innovations(series)


def rows(results: dict[str, list[Result]]) -> list[Row]:
    """Simulated panes against sketches; achieved / promised of long histories; coverage of short ones."""
    histories = {name: found for name, found in results.items() if name != "sketches"}
    out = [row for name, found in histories.items() for row in _history_rows(name, found)]
    if "sketches" in results:
        out += _sketch_rows(results["sketches"])
    return [*out, *_provisional(histories)]


def _history_rows(name: str, found: Sequence[Result]) -> Iterator[Row]:
    panes, rho = found[0]["panes"], found[0]["rho"]
    ratio = _ratios(found, PROMISE)
    low, high = np.quantile(ratio, (0.05, 0.95))
    stated = np.array([r[str(PROMISE)]["stated"] for r in found])
    covered = int(((stated[:, 0] <= ratio * PROMISE) & (ratio * PROMISE <= stated[:, 1])).sum())
    oftener = _ratios(found, OFTENER)
    median = Row(
        f"achieved / promised {PROMISE:,}, median; {name}",
        float(np.median(ratio)),
        HELD if panes == FIRM else None,
        "in" if panes == FIRM else "",
        _median_interval(ratio),
        len(found),
        {
            "5 %": float(low),
            "95 %": float(high),
            "false alarms counted, median": float(np.median([r[str(PROMISE)]["alarms"] for r in found])),
            "threshold, mean": float(np.mean([r[str(PROMISE)]["threshold"] for r in found])),
            f"promised {OFTENER:,}, median": float(np.median(oftener)),
            f"promised {OFTENER:,}, 5 and 95 %": np.quantile(oftener, (0.05, 0.95)).tolist(),
            "elsewhere: right model, 5 and 95 %": RIGHT_MODEL[panes],
            "elsewhere: bootstrap of rows": BOOTSTRAP[rho][0] / 5000,
            "elsewhere: bootstrap of 500 rows together": BOOTSTRAP[rho][1] / 5000,
        },
        guard=(0.1, 10),
    )
    coverage = Row(
        f"stated interval holds the truth; {name}",
        covered / len(found),
        COVERED if panes != FIRM else None,
        ">=" if panes != FIRM else "",
        share(covered, len(found)),
        len(found),
        {
            "factor of the interval, median": float(np.median(stated[:, 1])) / PROMISE,
            "stated level": 0.95,
            "below": float((ratio * PROMISE < stated[:, 0]).mean()),
            "above": float((ratio * PROMISE > stated[:, 1]).mean()),
        },
        guard=(binomial(COVERED, len(found), 0.999)[0], 1.0),
    )
    yield from (median, coverage)


def _ratios(found: Sequence[Result], promise: int) -> Float64:
    return np.array([r[str(promise)]["run"] / promise for r in found])


def _median_interval(values: Float64, level: float = 0.99) -> tuple[float, float]:
    """By the order statistics between which the median lies in ``level`` of all samples, whatever their law."""
    from scipy.stats import binom

    n = len(values)
    below = int(binom.ppf((1 - level) / 2, n, 0.5))
    ordered = np.sort(values)
    return float(ordered[max(below - 1, 0)]), float(ordered[min(n - below, n - 1)])


def _provisional(histories: dict[str, list[Result]]) -> list[Row]:
    every = [r for found in histories.values() for r in found]
    if not every:
        return []
    right = float(np.mean([r["firm"] == (r["panes"] >= PROMISE) for r in every]))
    return [Row("called provisional where the history is shorter than the promise, and nowhere else", right, 1.0, ">=",
        None, len(every), guard=(1.0, 1.0))]  # fmt: skip


def _sketch_rows(found: Sequence[Result]) -> list[Row]:
    panes = sum(r["panes"] for r in found)
    error, apart = (max(r[key] for r in found) for key in ("error", "statistic"))
    what = "simulated panes against full sketches of the same rows: largest difference of"
    return [
        Row(f"{what} a tally, in sd of its panes", error, 1e-4, "<=", None, panes, guard=(0, 1e-4)),
        Row(f"{what} the statistic", apart, 1e-3, "<=", None, panes, guard=(0, 1e-3)),
    ]


@cache
def fingerprint() -> str:
    """A name for what traffic and detector do: the digest of what is learned from one short history."""
    known = learn(Traffic(0.9).panes(SHORT[0], np.random.default_rng(4)), traffic.tallier().layout, pane=HOUR)
    stated = known.achieved(PROMISE)
    figures = [f"{v:.4g}" for v in (*known.detector.laws.ravel(), *_law(known), stated.low, known.threshold(PROMISE))]
    return hashlib.sha256(str(figures).encode()).hexdigest()[:10]
