"""One stream under one reference: batches to landings, closed windows to what they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tidegauge.comparison import score
from tidegauge.errors import ArtefactError, DataError
from tidegauge.gate import in_units, pick
from tidegauge.monitor.canary import Canaries
from tidegauge.monitor.identity import identify
from tidegauge.monitor.quality import faults, repeats
from tidegauge.records import (
    ALL,
    NONE,
    Batch,
    Event,
    Landing,
    PaneKey,
    Part,
    Position,
    RowPlace,
    SampleSizes,
    StreamState,
    Window,
    WindowState,
)
from tidegauge.reference import Reference
from tidegauge.reference.calibration import SIZES
from tidegauge.sketch.sketch import Located, Sketch
from tidegauge.window.panes import arrive, closable, rows_arrive, start_of
from tidegauge.window.segments import assign

if TYPE_CHECKING:
    from tidegauge.spec import StreamSpec

Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.int64]

FEWEST_ROWS = SIZES[0]


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """The panes that rows go to: ``starts`` int64 (n,), which rows ``enter``, why the others do not, and how far event
    time came.
    """

    starts: Int
    enter: Bool
    aside: Mapping[str, int]
    watermark: float | None


class Monitor:
    """A stream's chain from a batch to what is said of a window. It keeps nothing between two calls, does no I/O and
    has no clock: what it must know comes as a ``StreamState``, and what is to be kept leaves as a ``Landing``.

    Parameters
    ----------
    spec : StreamSpec
    reference : Reference
        The one in force.
    canaries : Canaries, optional

    Examples
    --------
    >>> from tidegauge.gate import admit
    >>> from tidegauge.spec import StreamSpec
    >>> rows = np.random.default_rng(0).standard_normal((900, 8))
    >>> monitor = Monitor(StreamSpec(name="queries", pane="1h"), Reference.fit(rows[:500]))
    >>> batch = admit(rows[500:], times=np.linspace(0, 7199, 400))
    >>> landing = monitor.step(batch, StreamState("queries", "stream"), name="monday")
    >>> [(part.key.start, part.rows) for part in landing.parts], landing.watermark
    ([(0, 200), (3600, 200)], 7199.0)
    >>> window = monitor.judge(landing.parts[0].key, monitor.sum(landing.parts[:1]))
    >>> window.rows, window.state
    (200, 'no drift')
    """

    def __init__(self, spec: StreamSpec, reference: Reference, canaries: Canaries | None = None) -> None:
        self.spec, self.reference, self.canaries = spec, reference, canaries
        kept = spec.samples
        self._sizes = SampleSizes(kept.uniform, kept.novel, kept.half_life) if kept.keep else SampleSizes(0, 0)

    def step(
        self,
        batch: Batch,
        state: StreamState,
        *,
        name: str,
        now: float | None = None,
        position: Position | None = None,
        model_id: str = "",
        removed: bool = False,
        generation: int | None = None,
    ) -> Landing:
        """Turn a batch into what its landing changes.

        Parameters
        ----------
        batch : Batch
        state : StreamState
            As the store has it.
        name : str
            The batch's id, the same whenever the same rows come again.
        now : float, optional
            Epoch seconds: the event time of rows that have none, and what rows from the future are told by.
        position : Position, optional
            How far the source was read with this batch.
        model_id : str
            The embedding model of the batch, where it is known.
        removed : bool
            These rows leave the snapshot.
        generation : int, optional
            The generation of the snapshot that these rows belong to; the present one where None.
        """
        if generation is not None:
            state = replace(state, generation=generation)
        batch = in_units(self._timed(replace(batch, name=name), now), self.spec.units)
        identity = identify(
            batch,
            state.model,
            width=self.reference.width,
            truncate=self.spec.truncate,
            mine=self.reference.model_id,
            theirs=model_id,
            canaries=self.canaries,
        )
        events = tuple(self._event(batch, row, wrong, state, now) for row, wrong in identity.turns)
        refused = identity.refused
        if len(identity.canaries):
            traffic = np.setdiff1d(np.arange(batch.rows), identity.canaries)
            batch, refused = pick(batch, traffic), refused[traffic]
        placed = self._place(batch, state, now)
        names, new = self._segments(batch, placed.enter, state)
        # A row that was set aside has no pane of its own: that of the batch's first row answers for it.
        unplaced = {**batch.rejected, **batch.unfit, **{reason: n for reason, n in placed.aside.items() if n}}
        parts: list[Part] = []
        places: list[RowPlace] = []
        known = now or state.watermark or 0.0
        for start, segment, rows in _groups(placed, names):
            located = partial(_locate, places, self._key(start, segment), known) if self.spec.late else None
            sketch = self._sketch(pick(batch, rows), refused[rows], {} if parts else unplaced, located)
            parts.append(self._part(start, segment, sketch, removed=removed))
        if not parts and unplaced:
            parts += self._without_rows(batch, state, placed, unplaced, now)
        aside = Counter(unplaced) + Counter(
            {"canary": len(identity.canaries), "model": int((refused & placed.enter).sum())}
        )
        return Landing(
            self.spec.name,
            name,
            self.reference.hash,
            state.version,
            tuple(parts),
            int(placed.enter.sum()),
            dict(aside),
            placed.watermark,
            new,
            position,
            events,
            identity.wrong if bool(identity.wrong) != bool(state.model) else None,
            serial=self.spec.pane.unit == "rows" and self.spec.kind == "stream",
            places=tuple(places),
        )

    def closable(self, state: StreamState) -> int | None:
        """Until when, or until which row, panes can be closed; None where none ever are."""
        if self.spec.kind == "snapshot":
            return None
        if self.spec.pane.unit == "rows":
            return state.seen // self._length * self._length
        return closable(state.watermark, self._length, self.spec.lateness)

    def sum(self, parts: Iterable[Part], damaged: Callable[[Part, ArtefactError], None] | None = None) -> Sketch:
        """Add up parts; of a snapshot, what was added less what was removed.

        ``damaged`` hears of each part whose bytes cannot be read, which is left out; without it that is an error.
        """
        added, removed = self.empty(), self.empty()
        for part in parts:
            try:
                sketch = Sketch.from_bytes(part.data, f"a part of {part.key.stream}")
            except ArtefactError as error:
                if damaged is None:
                    raise
                damaged(part, error)
                continue
            if part.removed:
                removed += sketch
            else:
                added += sketch
        return added.without(removed) if removed.seen else added

    def judge(self, key: PaneKey, sketch: Sketch) -> Window:
        """Say what a closed window says; that of a segment is measured and not judged, as a segment differs from all
        rows together by its nature.
        """
        side, spec = sketch.side("window"), self.spec
        window = Window(
            key,
            sketch.seen,
            "insufficient data",
            aside=dict(sketch.rejected),
            duplicates=side.duplicates,
            first_time=side.first_time,
            last_time=side.last_time,
        )
        if sketch.rejected["model"]:
            refused = f"{sketch.rejected['model']:,} rows were set aside, as the embedding model had changed"
            return replace(window, state="model changed", reasons=(refused,))
        poor = faults(side, spec.quality)
        if sketch.rows < FEWEST_ROWS:
            few = f"{sketch.rows:,} rows, and {FEWEST_ROWS} are needed"
            return replace(window, state="data quality" if poor else "insufficient data", reasons=(*poor, few))
        found = score(self.reference, sketch, alpha=spec.alpha, min_effect=spec.min_effect)
        needed = () if found.needed is None else (f"{sketch.rows:,} rows, and {found.needed:,} are needed",)
        judged: WindowState = found.state if key.segment == ALL or found.needed is not None else "measured"
        return replace(
            window,
            state="data quality" if poor else judged,
            reasons=(*poor, *needed, *repeats(side, spec.quality)),
            drift=found.drift,
            p=found.panel.p,
            scores=found.scores,
        )

    @property
    def _length(self) -> int:
        return self.spec.pane.length if self.spec.kind == "stream" else 0

    def empty(self) -> Sketch:
        """Return a sketch of no row, as this stream's are."""
        return self.reference.empty(samples=self._sizes, share=self.spec.share)

    def _part(self, start: int, segment: str, sketch: Sketch, *, removed: bool = False) -> Part:
        return Part(self._key(start, segment), sketch.seen, sketch.to_bytes(), removed)

    def _key(self, start: int, segment: str) -> PaneKey:
        return PaneKey(self.spec.name, self.reference.hash, self._length, start, segment)

    def _sketch(
        self, batch: Batch, refused: Bool, unplaced: Mapping[str, int], located: Located | None = None
    ) -> Sketch:
        """A sketch of the rows that are not refused, which counts the others: sums of another model's vectors could not
        be taken back.
        """
        spec, rejected = self.spec, dict(unplaced)
        told = {**batch.first_rejected, **batch.first_unfit}
        first = {reason: at for reason, at in told.items() if reason in unplaced}
        if refused.any():
            rejected["model"] = int(refused.sum())
            batch = pick(batch, np.flatnonzero(~refused))
        batch = replace(batch, rejected=rejected, first_rejected=first, unfit={}, first_unfit={})
        return self.reference.sketch(
            batch, samples=self._sizes, share=spec.share, truncate=spec.truncate, located=located
        )

    def _timed(self, batch: Batch, now: float | None) -> Batch:
        """Rows that have no time happened now."""
        if batch.times is not None or self.spec.pane.unit == "rows" or self.spec.kind == "snapshot":
            return batch
        if now is None:
            hint = "Name the column of event times, or make panes of rows"
            raise DataError(batch.source, got="rows without event times", want="a time for each row", hint=hint)
        return replace(batch, times=np.full(batch.rows, now))

    def _place(self, batch: Batch, state: StreamState, now: float | None) -> Placed:
        every = np.ones(batch.rows, np.bool_)
        if self.spec.kind == "snapshot":
            return Placed(np.full(batch.rows, state.generation), every, {}, state.watermark)
        if self.spec.pane.unit == "rows" or batch.times is None:
            latest = _latest(batch.times, state.watermark)
            return Placed(rows_arrive(batch.rows, self._length, state.seen), every, {}, latest)
        found = arrive(
            batch.times,
            self._length,
            lateness=self.spec.lateness,
            watermark=state.watermark,
            settled=state.settled,
            latest=np.inf if now is None else now + self.spec.future,
        )
        aside = {"late": int(found.late.sum()), "future": int(found.future.sum())}
        return Placed(found.starts, ~(found.late | found.future), aside, found.watermark)

    def _segments(
        self, batch: Batch, enter: Bool, state: StreamState
    ) -> tuple[npt.NDArray[np.str_] | None, tuple[str, ...]]:
        if batch.segments is None or not self.spec.columns.segment:
            return None, ()
        assigned, new = assign(batch.segments[enter], state.segments, self.spec.segments)
        names = np.full(batch.rows, ALL, assigned.dtype)
        names[enter] = assigned
        return names, new

    def _without_rows(
        self, batch: Batch, state: StreamState, placed: Placed, unplaced: Mapping[str, int], now: float | None
    ) -> Iterator[Part]:
        """A part of no row, so that the pane knows of the rows that were set aside."""
        if self.spec.kind == "snapshot":
            start = state.generation
        elif self.spec.pane.unit == "rows":
            start = state.seen // self._length * self._length
        else:
            moment = now if placed.watermark is None else placed.watermark
            if moment is None:
                return
            start = max(start_of(moment, self._length), state.settled or 0)
        sketch = self.empty()
        sketch.rejected.update(unplaced)
        sketch.first_rejected = {**batch.first_rejected, **batch.first_unfit}
        yield self._part(start, NONE if self.spec.columns.segment else ALL, sketch)

    def _event(self, batch: Batch, row: int, wrong: str, state: StreamState, now: float | None) -> Event:
        known = state.watermark if state.watermark is not None else now or 0.0
        moment = float(batch.times[row]) if batch.times is not None and batch.rows else known
        if wrong:
            return Event(self.spec.name, "model changed", moment, f"The embedding model changed: {wrong}.")
        return Event(self.spec.name, "model restored", moment, "The embedding model is the reference's again.")


def _latest(times: npt.NDArray[np.float64] | None, watermark: float | None) -> float | None:
    if times is None or not len(times):
        return watermark
    return float(times.max()) if watermark is None else max(watermark, float(times.max()))


def _locate(places: list[RowPlace], key: PaneKey, now: float, batch: Batch, cells: Int) -> None:
    """Say where rows that have ids were counted; those of no time of their own are of now."""
    if batch.ids is None:
        return
    has = {name: values[:, 1] > 0 for name, values in batch.outcomes.items()}
    moments = np.full(batch.rows, now) if batch.times is None else batch.times
    for row, (row_id, at, index) in enumerate(zip(batch.ids.tolist(), moments.tolist(), cells.tolist(), strict=True)):
        came = tuple(name for name, there in has.items() if there[row])
        places.append(RowPlace(str(row_id), key, tuple(index), at, came))


def _groups(placed: Placed, names: npt.NDArray[np.str_] | None) -> Iterator[tuple[int, str, Int | slice]]:
    """Rows of each pane and segment, panes in order; those that follow each other as a slice, which copies nothing."""
    entered = np.flatnonzero(placed.enter)
    starts = placed.starts[entered]
    for start in np.unique(starts):
        inside = entered[starts == start]
        for segment in (ALL,) if names is None else np.unique(names[inside]):
            rows = inside if names is None else inside[names[inside] == segment]
            together = rows[-1] - rows[0] + 1 == len(rows)
            yield int(start), str(segment), slice(int(rows[0]), int(rows[-1]) + 1) if together else rows
