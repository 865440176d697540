"""How many panes until a change is found, in 768 dimensions under session traffic, at an equal achieved run length.

All thresholds are set on the same long futures without change: ours, each window length of ours by itself, and an
oracle. The oracle knows season, covariance and change exactly, and sums the Gaussian log likelihood ratio of a pane's
tally (Page's CUSUM); of the change it uses the mean alone. Beside them Alibi Detect's online MMD, which judges every
row, on the same rows: at its own calibration, which takes rows to be independent, and at a run length in panes that is
measured.
"""

from __future__ import annotations

import atexit
import fcntl
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from quality import harness, run_length, traffic
from quality.data import CLUSTERS, Float32
from quality.harness import Cell, Mode, Result, Row
from quality.rivals.peer import ENVIRONMENTS, HERE, Peer, Talk, absent, question
from quality.run_length import fingerprint
from quality.traffic import EACH, HOUR, NOTHING, ROWS, Change, Traffic
from tidegauge.alarm.calibration import Calibration, learn
from tidegauge.alarm.detector import MOST_PANES
from tidegauge.alarm.normal import ORDER, Series

__all__ = ["cells", "fingerprint", "measure", "rows"]

Float64 = npt.NDArray[np.float64]

TRAFFIC = Traffic(0.9)
BEFORE, AFTER = MOST_PANES + ORDER, 200
UNCHANGED = "nothing changes"
CHANGES = {
    "new cluster 3 %": Change(new=0.03),
    "new cluster 1 %": Change(new=0.01),
    "rotation": Change(kind="rotation"),
    "spread x1.05": Change(kind="spread"),
    "mix shift": Change(tilted=True),
    "new cluster, to 3 % over 30 panes": Change(new=0.03, ramp=30),
    UNCHANGED: NOTHING,
}
QUICK = ("new cluster 3 %", "rotation", "new cluster, to 3 % over 30 panes", UNCHANGED)
OURS, ORACLE = "ours", "oracle"
FIXED = (1, 16)
NEAR = 1.1

PEER = Peer("Alibi Detect", ENVIRONMENTS / "alibi" / "bin" / "python", HERE / "alibi_online_mmd.py")
PEER_REFERENCE, PEER_NULLS, PEER_CHANGES = 1000, 60, 30
FIRST_ALARM, LARGEST = "first alarm", "largest"


@dataclass(frozen=True)
class Plan:
    """Histories, futures that set the thresholds, the panes of each; and the run length wanted."""

    histories: int
    history: int
    futures: int
    future: int
    promise: int


PLANS: dict[str, Plan] = {
    "full": Plan(4, 10_000, 2, run_length.FUTURE, 5_000),
    "quick": Plan(1, 2_000, 1, run_length.QUICK_FUTURE, 500),
}


def cells(mode: Mode) -> list[Cell]:
    """Every change for ours and the oracle; then for the peer, where its environment is there."""
    if mode == "quick":
        return [_cell("panes", name, 10, mode) for name in QUICK]
    ours = [_cell("panes", name, 400, mode) for name in CHANGES]
    if absent([PEER]):
        return ours
    changed = [name for name, change in CHANGES.items() if name != UNCHANGED and not change.ramp]
    peer = [_cell("rows", name, PEER_CHANGES, mode) for name in changed]
    return [*ours, _cell("rows", UNCHANGED, PEER_NULLS, mode), *peer]


def _cell(kind: str, change: str, reps: int, plan: str) -> Cell:
    return Cell(f"{kind}: {change}", reps, {"kind": kind, "change": change, "plan": plan})


def measure(cell: Cell, rng: np.random.Generator) -> Result:
    """One change: by detector the panes until it is found, 1 for the first changed one; 0 where not in AFTER."""
    name, first = cell.settings["change"], int(rng.integers(168))
    if cell.settings["kind"] == "rows":
        return {"peer": asked(CHANGES[name], first, rng)}
    kept = prepared(cell.settings["plan"])
    k = int(rng.integers(len(kept.calibrations)))
    before = TRAFFIC.panes(BEFORE, rng, first=first)
    after = TRAFFIC.panes(AFTER, rng, first=first + BEFORE, change=CHANGES[name])
    whole = joined(before, after)
    detector = kept.calibrations[k].detector
    scores, limits = detector.scores(detector.innovations(whole)).max(2)[BEFORE:], kept.ours[k]
    delays = {who: found(scores[:, part].max(1), limits[who]) for who, part in named(detector.lengths).items()}
    known = [other for other in CHANGES if other != UNCHANGED] if name == UNCHANGED else [name]
    for other in known:
        ratios = knowing(other).ratios(whole)
        delays[f"{ORACLE}: {other}"] = found(evidence(ratios)[BEFORE:], kept.oracles[other])
    return {"history": k, "promise": PLANS[cell.settings["plan"]].promise, "delays": delays}


def joined(before: Series, after: Series) -> Series:
    """One series after the other."""
    pairs = ((before.values, after.values), (before.rows, after.rows), (before.moments, after.moments))
    return Series(*(np.concatenate(pair) for pair in pairs))


def found(statistic: Float64, threshold: float) -> int:
    """The first pane at or above the threshold, counted from 1; 0 where there is none."""
    loud = statistic >= threshold
    return int(loud.argmax()) + 1 if loud.any() else 0


def named(lengths: Sequence[int]) -> dict[str, list[int]]:
    """Ours, and ours with windows of one length; the columns of each."""
    return {OURS: list(range(len(lengths))), **{name_of(panes): [i] for i, panes in enumerate(lengths)}}


def name_of(panes: int) -> str:
    """Ours with windows of one length."""
    return f"{panes} pane{'s' * (panes > 1)}"


@dataclass(frozen=True, eq=False)
class Oracle:
    """The mean of a pane's tally at every hour of the week, float64 (168, q); its shift, also over the covariance."""

    mean: Float64
    shift: Float64
    direction: Float64

    def ratios(self, series: Series) -> Float64:
        """Gaussian log likelihood ratio of every pane."""
        hour = (series.moments // HOUR).astype(np.int64) % 168
        middle = self.mean[hour] + self.shift[hour] / 2
        return np.einsum("ij,ij->i", series.values - middle, self.direction[hour])


@cache
def knowing(name: str) -> Oracle:
    """The oracle of a change, at its full height."""
    normal, changed = mean_by_hour(NOTHING), mean_by_hour(CHANGES[name])
    return Oracle(normal, changed - normal, (changed - normal) @ precision())


def mean_by_hour(change: Change) -> Float64:
    """The mean of a pane's tally at every hour of the week, float64 (168, q)."""
    topics = traffic.library(change.kind).astype(np.float64).reshape(CLUSTERS + 1, EACH, -1).mean(1)
    mixes = TRAFFIC.mixes(np.arange(168), change)
    return (1 - change.new) * mixes @ topics[:CLUSTERS] + change.new * topics[CLUSTERS]


def covariance() -> Float64:
    """Of a pane's tally about its season, float64 (q, q): of rows within their topics, and of topics, which are kept
    from row to row.
    """
    rows = traffic.library().astype(np.float64).reshape(CLUSTERS + 1, EACH, -1)[:CLUSTERS]
    topics, mix = rows.mean(1), TRAFFIC.mixes(np.arange(168), NOTHING).mean(0)
    kept = (1 + TRAFFIC.rho) / (1 - TRAFFIC.rho)
    within = (rows - topics[:, None]).reshape(CLUSTERS * EACH, -1) * np.sqrt(np.repeat(mix, EACH) / EACH)[:, None]
    between = (topics - mix @ topics) * np.sqrt(mix * kept)[:, None]
    return (within.T @ within + between.T @ between) / ROWS


@cache
def precision() -> Float64:
    """Inverse of the covariance; what the library's rows hardly ever do varies as the reference foretells."""
    whole = covariance()
    least = np.maximum(traffic.tallier().layout.least / ROWS - np.diag(whole), 0)
    whole += np.diag(least)
    scale = np.sqrt(np.diag(whole))
    values, vectors = np.linalg.eigh(whole / np.outer(scale, scale))
    vectors = vectors / scale[:, None]
    return (vectors / np.maximum(values, 1e-4)) @ vectors.T


def evidence(ratios: Float64) -> Float64:
    """Logarithm of Shiryaev's and Roberts' sum: of the likelihood ratios since every pane, together.

    >>> evidence(np.log([1.0, 2.0, 3.0])).round(6).tolist() == np.log([1.0, 4.0, 15.0]).round(6).tolist()
    True
    """
    out, last = [], -math.inf
    for ratio in ratios.tolist():
        last = ratio + (last + math.log1p(math.exp(-last)) if last > 0 else math.log1p(math.exp(last)))
        out.append(last)
    return np.array(out)


@dataclass(frozen=True, eq=False)
class Prepared:
    """Calibrations by history, the thresholds of each name under it, and the oracle's by change."""

    calibrations: list[Calibration]
    ours: list[dict[str, float]]
    oracles: dict[str, float]


@cache
def prepared(name: str) -> Prepared:
    """Calibrations and thresholds of a plan: made once, and kept on the disk for all processes."""
    plan, layout = PLANS[name], traffic.tallier().layout
    path = harness.RESULTS / "partial" / f"delay-{name}-{fingerprint()}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".unfinished", delete=False) as file:
                np.savez(file, **prepare(plan))
            Path(file.name).replace(path)
    with np.load(path, allow_pickle=False) as kept:
        known = [Calibration.from_bytes(kept[f"calibration {k}"].tobytes(), layout) for k in range(plan.histories)]
        ours = [
            dict(zip(named(each.detector.lengths), levels.tolist(), strict=True))
            for each, levels in zip(known, kept["ours"], strict=True)
        ]
        return Prepared(known, ours, dict(zip(CHANGES, kept["oracles"].tolist(), strict=True)))


def prepare(plan: Plan) -> dict[str, Any]:
    """The arrays that are kept: calibrations as bytes, and thresholds."""
    histories = (TRAFFIC.panes(plan.history, np.random.default_rng([5, 7, k])) for k in range(plan.histories))
    known = [learn(history, traffic.tallier().layout, pane=HOUR) for history in histories]
    futures = [run_length.future(TRAFFIC.rho, part, plan.future) for part in range(plan.futures)]
    ours = []
    for each in known:
        loudest = [run_length.by_length(each, future) for future in futures]
        lengths = np.array(each.detector.lengths)
        ours.append([
            level([part[:, columns] for part in loudest], lengths[columns], plan.promise)
            for columns in named(lengths.tolist()).values()
        ])  # fmt: skip
    oracles = [
        level([evidence(ratios_of(name, future))[:, None] for future in futures], np.ones(1, np.int64), plan.promise)
        for name in CHANGES
    ]
    kept = {f"calibration {k}": np.frombuffer(each.to_bytes(), np.uint8) for k, each in enumerate(known)}
    return {**kept, "ours": np.array(ours), "oracles": np.array(oracles)}


def ratios_of(name: str, future: Float32) -> Float64:
    """An oracle's log likelihood ratios of a future, some of it at a time."""
    out = []
    for first in range(0, len(future), run_length.AT_ONCE):
        values = np.asarray(future[first : first + run_length.AT_ONCE], np.float64)
        moments = (first + np.arange(len(values)) + 0.5) * HOUR
        out.append(knowing(name).ratios(Series(values, np.full(len(values), float(ROWS)), moments)))
    return np.concatenate(out)


def level(statistics: Sequence[Float64], lengths: npt.NDArray[np.int64], promise: float) -> float:
    """The threshold whose run length in these futures is ``promise`` panes.

    Parameters
    ----------
    statistics : sequence of float64 arrays, shape (T, lengths)
        By length of window, at every pane of each future.
    lengths : int64 array
    promise : float
    """
    whole = np.concatenate([each.max(1) for each in statistics])
    low, high = float(whole[np.isfinite(whole)].min()), float(whole.max()) + 1
    for _ in range(60):
        middle = (low + high) / 2
        counts = [run_length.alarms(each >= middle, lengths) for each in statistics]
        count, watched = (sum(part) for part in zip(*counts, strict=True))
        low, high = (low, middle) if watched >= promise * count else (middle, high)
    return high


@cache
def talk() -> Talk:
    """The peer, running as long as this process."""
    running = Talk(PEER)
    atexit.register(running.close)
    return running


@cache
def known_rows() -> Float32:
    """Rows that the peer takes for its reference: one by one, at the traffic's mean mix."""
    rng = np.random.default_rng([5, 9])
    return traffic.draw(rng.choice(CLUSTERS, PEER_REFERENCE, p=TRAFFIC.mixes(np.arange(168), NOTHING).mean(0)), rng)


def asked(change: Change, first: int, rng: np.random.Generator) -> dict[str, float]:
    """A changed pane, row by row: the peer's first alarm, and its largest statistic."""
    picks = TRAFFIC.picks(1, rng, first=first, change=change)
    with question(known_rows(), traffic.vectors(change.kind)[picks[0]], 0, "default") as request:
        talk().send(request)
        return {name: said["statistic"] for name, said in talk().receive().items()}


def rows(results: dict[str, list[Result]]) -> list[Row]:
    """Delays of each change; ours over the oracle's and over one length; run lengths on fresh panes; the peer's."""
    panes = {name.removeprefix("panes: "): r for name, r in results.items() if name.startswith("panes: ")}
    by_rows = {name.removeprefix("rows: "): r for name, r in results.items() if name.startswith("rows: ")}
    out = [row for name, found in panes.items() if name != UNCHANGED for row in _delays(name, found)]
    if UNCHANGED in panes:
        out.append(_fresh(panes[UNCHANGED]))
    if UNCHANGED in by_rows:
        out.append(_peer_null(by_rows[UNCHANGED]))
        out += [_peer(name, r, by_rows[UNCHANGED], panes.get(name)) for name, r in by_rows.items() if name != UNCHANGED]
    return out


def _delays(name: str, found: Sequence[Result]) -> list[Row]:
    whole = {who: np.array([r["delays"][who] for r in found]) for who in found[0]["delays"]}
    spent = {who: np.where(d == 0, AFTER, d) for who, d in whole.items()}
    mean = {who: float(d.mean()) for who, d in spent.items()}
    oracle = f"{ORACLE}: {name}"
    error = 2.576 * float(spent[OURS].std()) / len(found) ** 0.5
    fixed = {who: value for who, value in mean.items() if who not in (OURS, oracle)}
    best = min(fixed, key=fixed.__getitem__)
    beside: dict[str, Any] = {
        "90 % quantile": float(np.quantile(spent[OURS], 0.9)),
        "not found": float((whole[OURS] == 0).mean()),
        ORACLE: mean[oracle],
        "its 90 %": float(np.quantile(spent[oracle], 0.9)),
        "best length in hindsight": best,
        "ours with one length": fixed,
    }
    missed = {who: float((d == 0).mean()) for who, d in whole.items() if (d == 0).any()}
    if missed:
        beside[f"not found in {AFTER} panes, counted as {AFTER}"] = missed
    run = f"run length {found[0]['promise']:,} panes"
    interval = (mean[OURS] - error, mean[OURS] + error)
    out = [Row(f"mean delay in panes, {run}; {name}", mean[OURS], None, "", interval, len(found), beside)]
    for panes in FIXED:
        one = mean[name_of(panes)]
        what = f"mean delay over that of windows of {name_of(panes)} alone; {name}"
        out.append(Row(what, mean[OURS] / one, NEAR, "<=", None, len(found), {OURS: mean[OURS], "alone": one}))
    return out


def _fresh(found: Sequence[Result]) -> Row:
    """Run lengths at these thresholds on panes that did not set them, by the share of runs with a false alarm."""
    promise = found[0]["promise"]

    def run(who: str) -> float:
        loud = np.array([r["delays"][who] for r in found])
        return float(np.where(loud == 0, AFTER, loud).sum() / max((loud > 0).sum(), 0.5))

    beside = {who.removeprefix(f"{ORACLE}: "): run(who) / promise for who in found[0]["delays"] if who != OURS}
    oracles = {who: v for who, v in beside.items() if who in CHANGES}
    lengths = {who: v for who, v in beside.items() if who not in CHANGES}
    what = f"run length on fresh panes over {promise:,}, at the thresholds of this table"
    count = sum(r["delays"][OURS] > 0 for r in found)
    return Row(what, run(OURS) / promise, None, "", None, len(found),
        {"false alarms": count, "ours with one length": lengths, "oracles": oracles})  # fmt: skip


def _peer_null(found: Sequence[Result]) -> Row:
    first = np.array([r["peer"][FIRST_ALARM] for r in found])
    ert = found[0]["peer"]["promised"]
    alarmed = int((first > 0).sum())
    run = float(np.where(first == 0, ROWS, first).sum() / max(alarmed, 0.5))
    what = f"Alibi Detect online MMD on unchanged traffic: run length in rows over the {ert:,.0f} promised"
    beside = {"rows": run, "alarm within a pane": alarmed / len(found), "reference rows": PEER_REFERENCE}
    return Row(what, run / ert, None, "", None, len(found), beside)


def _peer(name: str, found: Sequence[Result], null: Sequence[Result], ours: Sequence[Result] | None) -> Row:
    """The peer's delay, in panes, where a pane is loud beyond nearly all unchanged ones."""
    first = np.array([r["peer"][FIRST_ALARM] for r in found])
    limit = max(r["peer"][LARGEST] for r in null)
    beyond = sum(r["peer"][LARGEST] > limit for r in found)
    panes = len(found) / max(beyond, 0.5)
    delays = [] if ours is None else [r["delays"][OURS] or AFTER for r in ours]
    what = f"ours: mean delay in panes, against Alibi Detect online MMD at a run length of {len(null)} panes; {name}"
    beside = {
        "peer's changed panes beyond all unchanged": beyond / len(found),
        "peer at its own calibration, rows until its alarm": float(np.where(first == 0, ROWS, first).mean()),
        "and rows on unchanged": float(np.mean([r["peer"][FIRST_ALARM] or ROWS for r in null])),
    }
    return Row(what, float(np.mean(delays)) if delays else float("nan"), panes, "<=", None, len(found), beside)
