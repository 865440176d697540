"""Two spans of a stream: what changed from one to the other, in its rows, its outcomes, and what answers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import numpy.typing as npt

from tidegauge.basis import project
from tidegauge.comparison import compare
from tidegauge.contracts import Store
from tidegauge.monitor import Monitor
from tidegauge.numeric.codebook import squared_distances
from tidegauge.outcome.coverage import coverage
from tidegauge.outcome.explain import explained, lengths_of
from tidegauge.outcome.panes import decompose_panes
from tidegauge.records import (
    ALL,
    Coverage,
    Decomposition,
    Drift,
    Explained,
    FollowedCluster,
    Outcome,
    PaneKey,
    Part,
    StrArray,
)
from tidegauge.run.history import parts, span
from tidegauge.sketch.pieces import cell_index
from tidegauge.sketch.samples import Sample
from tidegauge.sketch.sketch import Sketch, sample_rows

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.int64]

DAY = 86_400
FEWEST_ROWS = 50
"""Rows of a side of which it is said who and what they are."""
SPAN = "Held against the time before, as the reference does not know this outcome."
FEWEST_IN_CELL, MOSTLY = 3, 0.5
"""Kept rows of a cell, and the share of them, that make it a part of a new cluster."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What changed between two spans, (start, end) in seconds or rows.

    Attributes
    ----------
    before : tuple of int, or None
        The span that came before; None where it is the reference.
    after : tuple of int
    drifted : bool or None
        Whether the rows after drifted from the reference; None where that cannot be told.
    drift : Drift or None
        Of the rows after.
    decompositions : tuple of Decomposition
        Of the outcomes that both spans have.
    coverage : Coverage or None
        Of the rows after by the present content of the snapshot ``documents``.
    explained : tuple of Explained
        What segments and lengths of texts have to do with it.
    """

    before: tuple[int, int] | None
    after: tuple[int, int]
    drifted: bool | None = None
    drift: Drift | None = None
    decompositions: tuple[Decomposition, ...] = ()
    coverage: Coverage | None = None
    documents: str = ""
    explained: tuple[Explained, ...] = ()


def changed(
    store: Store,
    monitor: Monitor,
    asked: Sequence[Outcome],
    before: tuple[int, int],
    after: tuple[int, int],
    *,
    segment: str = ALL,
    alarmed: bool = False,
    documents: Monitor | None = None,
    seed: int = 0,
) -> Changed:
    """Say what changed in a span.

    Where all rows are asked for and the reference has an outcome, that is what the outcome was before; else the span
    ``before`` is: a segment differs from the reference of all rows by its nature.

    Parameters
    ----------
    store : Store
        Only read.
    monitor : Monitor
    asked : sequence of Outcome
    before, after : tuple of int
        Start and end, in seconds, or rows where panes are of rows.
    segment : str
    alarmed : bool
        Whether an alarm of drift spoke in the span.
    documents : Monitor, optional
        Of the snapshot that answers these queries.
    seed : int
    """
    later = _Span.of(store, monitor, after, segment)
    window = monitor.judge(PaneKey(monitor.spec.name, monitor.reference.hash, 0, after[0], segment), later.total)
    judged = {"drift": True, "no drift": False}.get(window.state)
    drifted = True if alarmed else judged if segment == ALL else False if window.drift is not None else None
    reference = monitor.reference.base
    known = [each for each in asked if segment == ALL and each.name in reference.outcomes]
    by_reference = bool(known)
    empty = Changed(None if by_reference else before, after, drifted, window.drift)
    if not later.total.rows:
        return empty
    earlier = _Span.of(store, monitor, before, segment)
    rest = [each for each in asked if each not in known]
    found = [
        *_against_reference(monitor, later.total, known),
        *_against_span(store, monitor, earlier, later, rest, after, seed),
    ]
    if by_reference:
        found = [each if each.outcome in known else replace(each, note=f"{SPAN} {each.note}") for each in found]
    normal = reference if by_reference else earlier.total
    return replace(
        empty,
        decompositions=tuple(sorted(found, key=lambda each: asked.index(each.outcome))),
        coverage=_coverage(store, monitor, documents, later.total, seed),
        documents="" if documents is None else documents.spec.name,
        explained=_explained(monitor, asked, normal, earlier, later, seed),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Span:
    """The rows of a span: windows of a day at most, all of them together, and the segment of each kept row."""

    windows: tuple[Sketch, ...]
    total: Sketch
    segments: StrArray

    @classmethod
    def of(cls, store: Store, monitor: Monitor, place: tuple[int, int], segment: str) -> _Span:
        longest = DAY if monitor.spec.pane.unit == "seconds" else None
        every = parts(store, monitor, *place, longest=longest)
        some = sorted((part for part in every if segment in (ALL, part.key.segment)), key=_start)
        windows = [monitor.sum(list(group)) for _, group in groupby(some, key=_start)]
        total = monitor.empty()
        for window in windows:
            total += window
        labels = np.full(len(total.uniform.keys), ALL, object)
        for name in {part.key.segment for part in some}:
            # A row that is kept of all together is kept of its segment, too.
            keys = monitor.sum([part for part in some if part.key.segment == name]).uniform.keys
            labels[np.isin(total.uniform.keys, keys)] = name
        return cls(tuple(windows), total, labels.astype(np.str_))


def _start(part: Part) -> int:
    return part.key.start


def _against_reference(monitor: Monitor, after: Sketch, asked: Sequence[Outcome]) -> tuple[Decomposition, ...]:
    if not asked:
        return ()
    spec = monitor.spec
    c = compare(monitor.reference, after, alpha=spec.alpha, min_effect=spec.min_effect, outcomes=asked)
    return tuple(each for each in c.decompositions if each.outcome in asked)


def _against_span(
    store: Store,
    monitor: Monitor,
    earlier: _Span,
    later: _Span,
    asked: Sequence[Outcome],
    after: tuple[int, int],
    seed: int,
) -> tuple[Decomposition, ...]:
    if not asked:
        return ()
    every = store.clusters(monitor.spec.name, reference=monitor.reference.hash)
    known = [each for each in every if each.born < after[1] and (each.gone is None or each.gone > after[0])]
    named = cells_of(monitor, later.total, known)
    basis = monitor.reference.basis
    found = (
        decompose_panes(basis, earlier.windows, later.windows, outcome, named=named, seed=seed) for outcome in asked
    )
    return tuple(_with_examples(each, known) for each in found if each is not None)


def cells_of(monitor: Monitor, sketch: Sketch, clusters: Sequence[FollowedCluster]) -> dict[str, Bool]:
    """Fine cells, ordinary then novel, bool (2 * fine,), of whose kept rows most lie in a followed cluster, by name."""
    basis = monitor.reference.basis
    x = np.concatenate([sample_rows(basis, each) for each in (sketch.uniform, sketch.novel)])
    if not len(x) or not clusters:
        return {}
    fine, count = len(basis.fine), len(basis.centres)
    place = cell_index(project(basis, x), count)[:, -1]
    cell = np.where(place < count, place - basis.fine[0], place - count - basis.fine[0] + fine)
    held, out = np.bincount(cell, minlength=2 * fine), dict[str, Bool]()
    for cluster in clusters:
        near = squared_distances(x - cluster.centre, np.zeros((1, x.shape[1]), np.float32))[:, 0] <= cluster.square
        inside = np.bincount(cell[near], minlength=2 * fine)
        mine = (inside >= FEWEST_IN_CELL) & (inside > MOSTLY * held)
        if mine.any():
            out[cluster.name] = mine
    return out


def _with_examples(told: Decomposition, clusters: Sequence[FollowedCluster]) -> Decomposition:
    examples = {cluster.name: cluster.examples for cluster in clusters}
    return replace(told, groups=tuple(replace(each, examples=examples.get(each.group, ())) for each in told.groups))


def _coverage(store: Store, monitor: Monitor, documents: Monitor | None, queries: Sketch, seed: int) -> Coverage | None:
    """Of kept rows, as there is no codebook that queries and documents share; None where a side keeps none."""
    if documents is None or documents.reference.width != monitor.reference.width:
        return None
    present = span(store, documents, 0, 0)
    after = [_rows(monitor, queries.uniform), _rows(documents, present.uniform)]
    if min(map(len, after)) < FEWEST_ROWS:
        return None
    before = (_rows(monitor, monitor.reference.base.uniform), _rows(documents, documents.reference.base.uniform))
    # Of one reference for both, every query was a document: that tells nothing of what the index was.
    apart = documents.reference.hash != monitor.reference.hash
    normal = before if apart and min(map(len, before)) >= FEWEST_ROWS else None
    uniform = queries.uniform
    return coverage(after[0], after[1], before=normal, ids=uniform.ids, texts=uniform.texts, seed=seed)


def _rows(monitor: Monitor, sample: Sample) -> Float32:
    return sample_rows(monitor.reference.basis, sample)


def _explained(
    monitor: Monitor, asked: Sequence[Outcome], normal: Sketch, earlier: _Span, later: _Span, seed: int
) -> tuple[Explained, ...]:
    """Of segments, where two spans have them, and of the lengths of texts, where texts are kept."""
    out = list[Explained]()
    if len({*earlier.segments.tolist(), *later.segments.tolist()}) > 1:
        labels = (earlier.segments, later.segments)
        out += _by(monitor, "segment", labels, (earlier.total.uniform, later.total.uniform), asked, seed)
    sides = (normal.uniform, later.total.uniform)
    if all(bool((side.texts != "").any()) for side in sides):
        lengths = (lengths_of(sides[0].texts.tolist()), lengths_of(sides[1].texts.tolist()))
        out += _by(monitor, "length of the text", lengths, sides, asked, seed)
    return tuple(out)


def _by(
    monitor: Monitor,
    name: str,
    values: tuple[StrArray, StrArray],
    samples: tuple[Sample, Sample],
    asked: Sequence[Outcome],
    seed: int,
) -> tuple[Explained, ...]:
    """One property of the rows, for every outcome that has a loss to explain, or for drift alone."""
    if min(len(sample.keys) for sample in samples) < FEWEST_ROWS:
        return ()
    vectors = (_rows(monitor, samples[0]), _rows(monitor, samples[1]))
    both = [each for each in asked if all((sample.outcome(each.name)[:, 1] > 0).any() for sample in samples)]
    told = [(each, samples[0].outcome(each.name), samples[1].outcome(each.name)) for each in both]
    found = [explained(name, values, vectors, each, seed=seed) for each in told]
    lost = [rows for rows in found if any(np.isfinite(row.loss) for row in rows)]
    return tuple(row for rows in lost for row in rows) or explained(name, values, vectors, seed=seed)
