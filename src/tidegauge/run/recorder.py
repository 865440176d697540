"""One stream, recorded: batches land in a store exactly once, and what is due is closed."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from tidegauge.contracts import Clock, Store
from tidegauge.errors import StoreError, UsageError
from tidegauge.gate import admit
from tidegauge.monitor import Canaries, Monitor
from tidegauge.records import Batch, Columns, Landed, Landing, Position, StreamState, Window
from tidegauge.run.alarms import Lookout
from tidegauge.run.baseline import check_model, check_pane, in_force, rebaseline
from tidegauge.run.buffer import Buffer, Row
from tidegauge.run.outcomes import Added, late
from tidegauge.run.settle import MOST_PARTS, settle
from tidegauge.spec import Alarms, StreamSpec

TRIES = 20
"""How often a batch is stepped anew because other writers were faster."""


class Recorder:
    """A stream and the store that keeps it: give it batches, or rows one at a time.

    Parameters
    ----------
    store : Store
        From ``tidegauge.store.open_store``.
    spec : StreamSpec
        Its ``reference`` comes into force where none is yet.
    canaries : Canaries, optional
        Read from ``spec.canary`` where None.
    alarms : Alarms, optional
        The budget of false alarms, and whom to tell; one in 90 days, and nobody, where None.
    streams : int
        Streams that share the budget.
    quiet : bool
        Nobody is told of the alarms that are opened.
    clock : callable
        What time it is; it may go backwards, the recorder does not.

    Attributes
    ----------
    landing : Landing or None
        What the newest batch changes, or would have changed where it was repeated.

    Raises
    ------
    MismatchError
        Where the reference in force is of another model than ``spec.model_id``.
    UsageError
        Where the stream is kept in other panes than ``spec.pane``; later too, where another process changes them.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from tidegauge import Reference
    >>> from tidegauge.spec import StreamSpec
    >>> from tidegauge.store import open_store
    >>> rows = np.random.default_rng(0).standard_normal((900, 8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Reference.fit(rows[:500]).save(f"{folder}/normal.tg")
    ...     spec = StreamSpec(name="queries", reference=f"{folder}/normal.tg", pane="1h", lateness=0)
    ...     with Recorder(open_store(f"{folder}/gauge.db"), spec) as recorder:
    ...         for name in ("first", "again"):
    ...             landed = recorder.observe(rows[500:], times=np.linspace(0, 7200, 400), name="monday")
    ...         print(landed, [(window.key.start, window.rows) for window in recorder.windows()])
    repeated [(0, 200), (3600, 199)]
    """

    def __init__(
        self,
        store: Store,
        spec: StreamSpec,
        *,
        canaries: Canaries | None = None,
        alarms: Alarms | None = None,
        streams: int = 1,
        quiet: bool = False,
        clock: Clock = time.time,
    ) -> None:
        self.lookout = Lookout(spec, alarms or Alarms(), streams, quiet=quiet)
        self.store, self.spec, self._clock = store, spec, clock
        self._latest = float("-inf")
        self._canaries = _canaries_of(spec) if canaries is None else canaries
        self._monitor: Monitor | None = None
        self.landing: Landing | None = None
        self._unmerged = MOST_PARTS - 1  # a process that lands one batch and ends adds parts up as well
        self._buffer = Buffer(self._land_rows, clock, most=4 * spec.batch_rows)
        state = store.register(spec.name, spec.kind)
        check_pane(spec, state)
        if not state.reference and spec.reference is not None:
            from tidegauge.reference import Reference

            rebaseline(store, spec, Reference.load(spec.reference), at=self.now(), why=f"the first: {spec.reference}")
        elif state.reference and spec.model_id:
            check_model(spec, self.monitor(state).reference)

    def now(self) -> float:
        """Epoch seconds by the clock, never less than before."""
        self._latest = max(self._latest, float(self._clock()))
        return self._latest

    def monitor(self, state: StreamState | None = None) -> Monitor:
        """The chain under the reference in force."""
        state = state or self.store.state(self.spec.name)
        check_pane(self.spec, state)
        if self._monitor is None or self._monitor.reference.hash != state.reference:
            self._monitor = Monitor(self.spec, in_force(self.store, state), self._canaries)
        return self._monitor

    @property
    def columns(self) -> Columns:
        """How rows are read: int8 as the reference's were, and a row without a time is set aside."""
        scale = self.spec.columns.scale or self.monitor().reference.stored.scale or self.spec.sides.scale
        return replace(self.spec.sides, scale=scale, strict_times=False)

    def observe(
        self,
        x: Any,
        *,
        name: str | None = None,
        position: Position | None = None,
        model_id: str = "",
        removed: bool = False,
        generation: int | None = None,
        joined: tuple[str, ...] = (),
        **columns: Any,
    ) -> Landed:
        """Land one batch; whatever happens, all of it or nothing.

        Parameters
        ----------
        x : Batch, or array-like of shape (n, d)
        name : str, optional
            The batch's id: a batch of an id that landed before changes nothing. A new one where None.
        position : Position, optional
            How far its source was read.
        model_id : str
            The embedding model of these vectors; that of the settings where it is not said.
        removed : bool
            The rows leave the snapshot.
        generation : int, optional
            The generation of the snapshot that they belong to; the present one where None.
        joined : tuple of str
            Ids of other batches whose rows are in this one: where any of them landed before, none of it lands.
        **columns
            As of ``tidegauge.gate.admit``: ``ids``, ``texts``, ``times``, ``sessions``, ``segments``, ``outcomes``.

        Returns
        -------
        str
            ``"landed"``; ``"repeated"`` where the batch had landed before; ``"overtaken"`` where another reader of the
            source is ahead of ``position.after``.
        """
        batch = x if isinstance(x, Batch) else admit(x, strict_times=False, **columns)
        name = name or f"{batch.source}:{uuid.uuid4().hex}"
        for _ in range(TRIES):
            state = self.store.state(self.spec.name)
            landing = self.monitor(state).step(
                batch,
                state,
                name=name,
                now=self.now(),
                position=position,
                model_id=model_id or self.spec.model_id,
                removed=removed,
                generation=generation,
            )
            landing = replace(landing, joined=joined)
            self.landing, landed = landing, self.store.land(landing)
            if landed != "stale":
                self._unmerged += landed == "landed"
                return landed
        raise StoreError(
            f"stream {self.spec.name}",
            got=f"{TRIES} other writers before this one",
            want="a moment to write",
            hint="Give larger batches, or panes of time",
            transient=True,
        )

    def observe_one(
        self,
        vector: Any,
        *,
        id: str = "",  # noqa: A002  # as the columns are called
        text: str = "",
        time: float | None = None,
        session: str = "",
        segment: str = "",
        outcomes: Mapping[str, float] | None = None,
    ) -> None:
        """Take one row, and return at once; rows land in batches from a thread of their own.

        What goes wrong there is raised by ``flush`` and ``close``. Where the store cannot be written for long, rows
        wait; beyond four batches the newest are counted as set aside (``overflow``) and not kept.

        Parameters
        ----------
        vector : array-like of shape (d,)
            Not copied: do not change it afterwards.
        time : float, optional
            Epoch seconds; now where None.
        """
        self._buffer.append(Row(vector, id, text, self._clock() if time is None else time, session, segment, outcomes))

    def outcomes(self, ids: Any, outcomes: Mapping[str, Any], *, times: Any = None, source: str = "array") -> Added:
        """Add outcomes that come late to what is kept of the rows that they are of.

        An outcome of a row counts once, however often it is given; what cannot be added is counted by reason.

        Parameters
        ----------
        ids : column of n values
            The rows' own ids, as they were observed with.
        outcomes : mapping of name to column
            Each (n,) numbers or booleans, or (n, 2) numerators and denominators; a missing value is none. Only
            outcomes whose settings have a ``late`` come so.
        times : column of n values, optional
            When each came about: one from the future is set aside.
        source : str
            Where they came from, for messages.

        Returns
        -------
        tidegauge.run.outcomes.Added

        Examples
        --------
        >>> import numpy as np, tempfile
        >>> from tidegauge import Reference
        >>> from tidegauge.spec import StreamSpec
        >>> from tidegauge.store import open_store
        >>> rows = np.random.default_rng(0).standard_normal((502, 8))
        >>> late = {"columns": {"id": "id"}, "outcomes": {"success": {"late": "7d"}}}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Reference.fit(rows[:500]).save(f"{folder}/normal.tg")
        ...     spec = StreamSpec(name="queries", reference=f"{folder}/normal.tg", **late)
        ...     with Recorder(open_store(f"{folder}/gauge.db"), spec) as recorder:
        ...         _ = recorder.observe(rows[500:], ids=["a", "b"])
        ...         found = recorder.outcomes(["a", "c"], {"success": [1, 0]})
        >>> found.added, dict(found.aside), found.first["unknown"]
        (1, {'unknown': 1}, 'array, row 2, id c')
        """
        return late(self.store, self.spec, ids, outcomes, times=times, at=self.now(), source=source)

    def settle(self, *, whole: bool = False) -> tuple[Window, ...]:
        """Close what is due; ``whole`` closes what is open as well, so that rows which come for it later are late.

        Raises
        ------
        UsageError
            Where panes are of rows, of which the newest is never whole before its last row.
        """
        if whole and self.spec.kind == "stream" and self.spec.pane.unit == "rows":
            raise UsageError(f"stream {self.spec.name}", got="panes of rows to close early", want="panes of time")
        state = self.store.state(self.spec.name)
        monitor = self.monitor(state)
        until = monitor.closable(state)
        due = until is not None and (state.settled is None or until > state.settled)
        changed = self.spec.kind == "snapshot" and self._unmerged
        if not (due or whole or changed or self._unmerged >= MOST_PARTS):
            return ()
        self._unmerged = 0
        return settle(self.store, monitor, at=self.now(), whole=whole, lookout=self.lookout)

    def windows(self, **where: Any) -> tuple[Window, ...]:
        """Closed windows, after closing what is due; ``where`` as of ``Store.windows``."""
        self.settle()
        return self.store.windows(self.spec.name, **where)

    def flush(self) -> None:
        """Land the rows that were given one at a time."""
        self._buffer.flush()

    def close(self) -> None:
        """Land what waits, and let go of the store."""
        try:
            self._buffer.close()
        finally:
            self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _land_rows(self, name: str, batch: Batch) -> None:
        self.observe(batch, name=name)
        self.settle()


def _canaries_of(spec: StreamSpec) -> Canaries | None:
    if spec.canary is None:
        return None
    from tidegauge.read.files import read_all

    if spec.kind == "snapshot" and not (spec.columns.id or spec.columns.text):
        raise UsageError(f"stream {spec.name}", got="canaries, and no id or text column", want="one of the two")
    return Canaries.of(read_all(spec.canary.file, spec.columns.of_canaries), spec.canary.tolerance)
