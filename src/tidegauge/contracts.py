"""The Protocols by which floors know each other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from tidegauge.records import (
    Alarm,
    Annotation,
    Baseline,
    Batch,
    Calibrated,
    Event,
    FollowedCluster,
    Landed,
    Landing,
    Measured,
    Message,
    PaneKey,
    Part,
    Position,
    RowPlace,
    StoredPart,
    StreamKind,
    StreamState,
    Tally,
    Window,
)


class Reader(Protocol):
    """A source of rows. ``batches`` may be called once; ``rows`` is the total where the source knows it."""

    source: str

    @property
    def rows(self) -> int | None:
        """Total number of rows, or None where only reading would tell."""
        ...

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield gated batches of at most ``size`` rows, in the source's own order."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """A batch that a source gave, with an ``id`` that is the same whenever the same rows are given again, and the
    ``position`` that is to be kept once it has landed.
    """

    id: str
    batch: Batch
    position: Position


class Feed(Protocol):
    """A source that grows. ``deliveries`` yields what came after the positions kept so far, and ends when there is
    nothing more for now; it may be called again.
    """

    source: str

    @property
    def ended(self) -> bool:
        """Whether all was delivered, and no more can come."""
        ...

    def deliveries(self, kept: Sequence[Position], size: int) -> Iterator[Delivery]:
        """Yield batches of at most ``size`` rows, in order."""
        ...

    def faults(self) -> tuple[str, ...]:
        """Return, once each, what went wrong with parts of the source since the last call, in a person's words."""
        ...

    def mark(self) -> str:
        """Return what tells the present content from any other; empty where that cannot be told, or not yet."""
        ...


class Clock(Protocol):
    """What time it is, in seconds since 1970-01-01 UTC."""

    def __call__(self) -> float:
        """Return the time."""
        ...


class Store(Protocol):
    """Records and opaque bytes, kept. Every method is one transaction."""

    def register(self, stream: str, kind: StreamKind) -> StreamState:
        """Return the state of a stream, which is made where it is not there yet."""
        ...

    def state(self, stream: str) -> StreamState:
        """Return the state of a stream; ``UsageError`` names those that there are."""
        ...

    def streams(self) -> tuple[StreamState, ...]:
        """Return the state of every stream, by name."""
        ...

    def land(self, landing: Landing) -> Landed:
        """Keep a landing whole (``landed``), or nothing of it: its batch is there (``repeated``), the state moved on
        (``stale``), or another reader of its source is ahead (``overtaken``).
        """
        ...

    def landed(self, stream: str, names: Collection[str]) -> frozenset[str]:
        """Return those of these batches that landed, and are still remembered."""
        ...

    def leading(self, stream: str) -> AbstractContextManager[Desk | None]:
        """Hold what only one may do for a stream at a time, in one transaction; None where another holds it."""
        ...

    def reference(self, reference: str) -> bytes:
        """Return the bytes of a reference by its hash."""
        ...

    def baselines(self, stream: str) -> tuple[Baseline, ...]:
        """Return the references that were in force, oldest first."""
        ...

    def positions(self, stream: str) -> tuple[Position, ...]:
        """Return how far each source was read."""
        ...

    def parts(self, stream: str) -> tuple[StoredPart, ...]:
        """Return the parts of panes that are still open."""
        ...

    def windows(
        self,
        stream: str,
        *,
        length: int | None = None,
        since: int | None = None,
        until: int | None = None,
        segment: str | None = None,
        newest: int | None = None,
    ) -> tuple[Window, ...]:
        """Return closed windows by start: those that begin at ``since`` or later and end at ``until`` or earlier."""
        ...

    def sketches(
        self, stream: str, *, reference: str, length: int, since: int | None = None, until: int | None = None
    ) -> tuple[Part, ...]:
        """Return the bytes of closed windows, of all segments."""
        ...

    def events(self, stream: str, *, since: float | None = None, newest: int | None = None) -> tuple[Event, ...]:
        """Return what happened, oldest first: what began, or still lasted, at ``since`` or later."""
        ...

    def clusters(self, stream: str, *, reference: str | None = None) -> tuple[FollowedCluster, ...]:
        """Return the clusters that were followed, oldest first."""
        ...

    def tallies(
        self,
        stream: str,
        *,
        reference: str,
        length: int,
        segment: str,
        since: int | None = None,
        until: int | None = None,
        newest: int | None = None,
    ) -> tuple[Tally, ...]:
        """Return tallies of panes by start: those that begin at ``since`` or later and end at ``until`` or earlier."""
        ...

    def calibrated(self, stream: str, *, reference: str) -> tuple[Calibrated, ...]:
        """Return how each segment of a stream varies by itself, the newest of each, by segment."""
        ...

    def measured(
        self,
        stream: str,
        *,
        reference: str | None = None,
        length: int,
        outcome: str | None = None,
        segment: str | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> tuple[Measured, ...]:
        """Return what outcomes were in closed panes or windows of a length, by start: those that begin at ``since`` or
        later and end at ``until`` or earlier. Ready series are under no reference (``""``), and come with any.
        """
        ...

    def places(self, stream: str, ids: Collection[str]) -> Mapping[str, RowPlace]:
        """Return where rows of these ids were counted, by id, as far as that is kept."""
        ...

    def alarms(
        self, stream: str | None = None, *, lasting: bool = False, since: int | None = None, newest: int | None = None
    ) -> tuple[Alarm, ...]:
        """Return alarms by opening, of one stream or all: those that last, or that spoke at ``since`` or later."""
        ...

    def annotate(self, annotation: Annotation) -> Annotation:
        """Keep an annotation, new or in place of the one of its ``id``; return it with its id."""
        ...

    def unannotate(self, annotation: int) -> None:
        """Delete an annotation; ``UsageError`` where there is none of this id."""
        ...

    def annotations(
        self, stream: str | None = None, *, since: int | None = None, until: int | None = None
    ) -> tuple[Annotation, ...]:
        """Return annotations by time, those for all streams among them; all where no stream is given."""
        ...

    def claim(self, now: float, lease: float, most: int) -> tuple[Message, ...]:
        """Return messages that are due, oldest first, and put them off by ``lease`` seconds, so that no other sender
        takes them meanwhile.
        """
        ...

    def sent(self, message: int, *, at: float) -> None:
        """Keep that a message arrived."""
        ...

    def failed(self, message: int, *, due: float, fault: str) -> None:
        """Keep that a try failed, and when to try next."""
        ...

    def dropped(self, message: int) -> None:
        """Forget a message that waits."""
        ...

    def hasten(self, now: float) -> None:
        """Let what failed and waits for its next try be due now."""
        ...

    def messages(self, *, waiting: bool = False, newest: int | None = None) -> tuple[Message, ...]:
        """Return messages, oldest first; those that have not arrived yet, or all that are kept."""
        ...

    def scrub(self) -> None:
        """Leave no deleted byte behind, in the file or its log; a server's own clearing is left to the server."""
        ...

    def size(self) -> int:
        """Return the bytes that the store takes."""
        ...

    def close(self) -> None:
        """Let go of the store."""
        ...


class Desk(Protocol):
    """What only the leader of a stream does, all in one transaction, which is undone where an error passes."""

    @property
    def state(self) -> StreamState:
        """The stream as this transaction sees it."""
        ...

    def parts(self, until: int | None = None) -> tuple[StoredPart, ...]:
        """Return parts of panes that end at ``until`` or earlier, or all."""
        ...

    def drop(self, parts: Sequence[int]) -> None:
        """Forget these parts: they were merged, or are of no use."""
        ...

    def put(self, part: Part) -> None:
        """Add a part, such as the sum of those dropped."""
        ...

    def keep(self, window: Window, data: bytes | None) -> None:
        """Keep a closed window, in place of one of the same key; ``data`` is None for the sum of segments."""
        ...

    def windows(self, *, length: int, since: int, until: int) -> tuple[Window, ...]:
        """Return closed windows under the reference in force."""
        ...

    def sketches(self, *, length: int, since: int, until: int) -> tuple[Part, ...]:
        """Return the bytes of closed windows under the reference in force."""
        ...

    def update(self, state: StreamState) -> None:
        """Keep the stream's state in place of the present one; its version must be a new one."""
        ...

    def expire(self, length: int, before: int) -> int:
        """Delete windows of this length that ended at or before a moment; return how many."""
        ...

    def expire_batches(self, before: float) -> int:
        """Forget the ids of batches whose latest event time (time of landing, if none) lies before a moment."""
        ...

    def note(self, event: Event) -> None:
        """Keep an event."""
        ...

    def follow(self, cluster: FollowedCluster) -> None:
        """Keep a followed cluster, in place of the one of this name and reference."""
        ...

    def clusters(self) -> tuple[FollowedCluster, ...]:
        """Return the clusters followed under the reference in force."""
        ...

    def tally(self, tallies: Sequence[Tally]) -> None:
        """Keep tallies, in place of those of the same keys."""
        ...

    def tallies(
        self,
        *,
        length: int,
        segment: str,
        since: int | None = None,
        until: int | None = None,
        newest: int | None = None,
    ) -> tuple[Tally, ...]:
        """Return tallies under the reference in force, by start."""
        ...

    def expire_tallies(self, length: int, before: int) -> int:
        """Delete tallies of this length that ended at or before a moment; return how many."""
        ...

    def measure(self, measured: Sequence[Measured], *, add: bool = False) -> None:
        """Keep what outcomes were, in place of what is kept of the same keys; added to it where ``add``."""
        ...

    def measured(
        self,
        *,
        reference: str | None = None,
        length: int,
        outcome: str | None = None,
        segment: str | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> tuple[Measured, ...]:
        """Return what outcomes were, as of ``Store.measured``."""
        ...

    def expire_measured(self, length: int, before: int) -> int:
        """Delete what outcomes were in windows of this length that ended at or before a moment; return how many."""
        ...

    def places(self, ids: Collection[str]) -> Mapping[str, RowPlace]:
        """Return where rows of these ids were counted, by id, as far as that is kept."""
        ...

    def came(self, places: Sequence[RowPlace]) -> None:
        """Keep which outcomes have come of rows."""
        ...

    def expire_places(self, before: float) -> int:
        """Forget where rows were counted whose event time lies before a moment; return how many."""
        ...

    def forget_places(self, ids: Collection[str]) -> int:
        """Forget where the rows of these ids were counted; return how many."""
        ...

    def holding(self, key: PaneKey) -> tuple[tuple[str, Part], ...]:
        """Return the closed windows, under the pane's reference, that hold a pane: of its segment, of rows without
        one, and of all; each with the handle of its bytes, both empty where it is the sum of segments.
        """
        ...

    def calibrate(self, calibrated: Calibrated) -> None:
        """Keep how a segment varies, in place of what was kept of it under this reference."""
        ...

    def calibrated(self) -> tuple[Calibrated, ...]:
        """Return how each segment varies under the reference in force."""
        ...

    def alarms(self, *, lasting: bool = False) -> tuple[Alarm, ...]:
        """Return the stream's alarms, by opening."""
        ...

    def raise_alarm(self, alarm: Alarm) -> None:
        """Keep an alarm, in place of the one of its id."""
        ...

    def annotations(self) -> tuple[Annotation, ...]:
        """Return the annotations of the stream, and those for all streams, by time."""
        ...

    def send(self, messages: Sequence[Message]) -> None:
        """Put messages into the outbox; one whose endpoint and key are there is not put twice."""
        ...

    def expire_messages(self, before: float) -> int:
        """Delete messages that arrived before a moment by the clock; return how many."""
        ...

    def rebase(self, baseline: Baseline, data: bytes) -> None:
        """Put a reference in force, which moves the version on; settling and open panes are the caller's business."""
        ...

    def blobs(self) -> Iterator[tuple[str, bytes]]:
        """Yield every block of bytes kept for the stream, with a handle: parts, windows and references."""
        ...

    def rewrite(self, handle: str, data: bytes) -> None:
        """Put other bytes in place of those of a handle."""
        ...
