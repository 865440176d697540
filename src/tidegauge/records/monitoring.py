"""What a monitored stream keeps: panes, landings, windows, events, and clusters that are followed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from tidegauge.records.comparison import Drift, Example, Score

StreamKind = Literal["stream", "snapshot"]
WindowState = Literal["no drift", "drift", "measured", "insufficient data", "data quality", "model changed"]
Landed = Literal["landed", "repeated", "stale", "overtaken"]

ALL = ""
"""The segment of a stream that has none, and of all segments together."""
OTHER = "other"
"""The segment of rows whose own came after the cap was reached."""
NONE = "none"
"""The segment of rows that have none where others do."""


@dataclass(frozen=True, slots=True, order=True)
class PaneKey:
    """Where a pane or window stands.

    ``length`` and ``start`` are seconds (since 1970-01-01 UTC), rows (that came before) where panes are of N rows, or
    0 and the generation where the stream is a snapshot.
    """

    stream: str
    reference: str
    length: int
    start: int
    segment: str = ALL

    @property
    def end(self) -> int:
        """The first second, or row, that lies beyond."""
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a sketch of some rows of a pane; a pane is the sum of its parts. ``removed`` rows left a snapshot."""

    key: PaneKey
    rows: int
    data: bytes = field(repr=False)
    removed: bool = False


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part as the store holds it."""

    id: int
    part: Part


@dataclass(frozen=True, slots=True)
class RowPlace:
    """Where a row was counted, by its own id: what an outcome that comes late is added to.

    Attributes
    ----------
    id : str
    key : PaneKey
        Its pane and segment.
    cells : tuple of int
        Where it stands in a sketch's outcomes: its cell on each level, beyond the ordinary ones if it is novel.
    at : float
        Its event time, in epoch seconds.
    came : tuple of str
        Names of the outcomes that have come of it.
    """

    id: str
    key: PaneKey
    cells: tuple[int, ...]
    at: float
    came: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Position:
    """How far a source was read: ``rows`` given, and a ``mark`` that only the source understands. ``after`` are the
    rows that were given before the batch that it comes with, None where it does not matter.
    """

    source: str
    rows: int
    mark: str = ""
    after: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a stream at a moment, or from ``at`` to ``until``, in a person's words.

    ``kind`` is one of ``rebaseline``, ``model changed``, ``model restored``, ``silence``, ``corrupt``, ``source``,
    ``cluster born``, ``cluster gone``, ``forgotten``, ``replaced``.
    """

    stream: str
    kind: str
    at: float
    text: str
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Landing:
    """What one batch changes in the store: all of it, once, or nothing.

    ``version`` is that of the state under which it was made: where another writer changed the stream since, the
    landing is stale, and the batch is stepped again. ``aside`` counts rows set aside by reason, ``late`` and
    ``future`` among them; ``watermark`` is the latest event time so far; ``segments`` are met here for the first time;
    ``model`` is what is wrong with the model's identity, None where this batch says nothing of it. A ``serial`` landing
    depends on the rows before it, as panes of N rows do, and so moves the version on. ``places`` are kept of rows whose
    outcomes come late. ``joined`` are the ids of other batches whose rows it holds: it lands only where none of them
    did.
    """

    stream: str
    batch: str
    reference: str
    version: int
    parts: tuple[Part, ...]
    rows: int
    aside: Mapping[str, int] = field(default_factory=dict[str, int])
    watermark: float | None = None
    segments: tuple[str, ...] = ()
    position: Position | None = None
    events: tuple[Event, ...] = ()
    model: str | None = None
    serial: bool = False
    places: tuple[RowPlace, ...] = field(default=(), repr=False)
    joined: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StreamState:
    """Where a stream stands: all that a writer must know to go on.

    ``version`` changes with the reference, the segments, the generation, ``settled``, and with every serial landing.
    ``seen`` rows landed; what ends at or before ``settled`` is closed; ``aside`` are the rows set aside so far, by
    reason; ``model`` is what is wrong with the model's identity, empty where nothing is. ``pane`` is how its windows
    are cut, such as "5m" or "1000 rows"; empty for snapshots and before the first reference.
    """

    stream: str
    kind: StreamKind
    reference: str = ""
    version: int = 0
    watermark: float | None = None
    seen: int = 0
    settled: int | None = None
    segments: tuple[str, ...] = ()
    aside: Mapping[str, int] = field(default_factory=dict[str, int])
    generation: int = 0
    model: str = ""
    pane: str = ""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A reference that came into force: when (epoch seconds by the clock), by whom, and why."""

    stream: str
    reference: str
    at: float
    by: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """A closed window and what it says. ``drift`` and ``p`` are None where nothing was scored.

    ``reasons`` are sentences that say why the state is what it is; ``aside`` rows set aside by reason. A window of a
    segment is ``measured`` against the reference of all rows, from which it differs by nature, and not judged.
    """

    key: PaneKey
    rows: int
    state: WindowState
    reasons: tuple[str, ...] = ()
    drift: Drift | None = None
    p: float | None = None
    scores: tuple[Score, ...] = ()
    aside: Mapping[str, int] = field(default_factory=dict[str, int])
    duplicates: int = 0
    first_time: float | None = None
    last_time: float | None = None


@dataclass(frozen=True, slots=True)
class ClusterShare:
    """``inside`` of ``sampled`` rows of a window lay in a followed cluster."""

    start: int
    length: int
    inside: int
    sampled: int


@dataclass(frozen=True, slots=True, eq=False)
class FollowedCluster:
    """A new cluster from birth to end: a ball of float32 ``centre`` (d,) and squared radius ``square``.

    ``born`` and ``gone`` are starts of windows; ``absent`` counts the windows since it was last there; ``before`` is
    its share of the reference; ``shares`` is its history, oldest first.
    """

    stream: str
    reference: str
    name: str
    born: int
    gone: int | None
    centre: npt.NDArray[np.float32]
    square: float
    before: float
    p: float
    absent: int = 0
    examples: tuple[Example, ...] = ()
    shares: tuple[ClusterShare, ...] = ()
