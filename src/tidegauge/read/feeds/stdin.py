"""Standard input: JSON lines, or an Arrow stream, as they come."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from time import monotonic
from typing import Any, Final, Protocol

from tidegauge.contracts import Delivery
from tidegauge.errors import DataError, UsageError
from tidegauge.read.failure import failing
from tidegauge.read.feeds.pipe import Pipe
from tidegauge.read.feeds.rows import admit_rows
from tidegauge.read.jsonl import BLOCK_BYTES, SAMPLE_ROWS, JsonRows, is_object, json_rows
from tidegauge.read.table import admit_frame, after, arrow_kinds, resolve
from tidegauge.read.text import Line, LineSplitter
from tidegauge.records import Batch, Columns, Position

IDLE_SECONDS: Final = 1.0
"""A row that came waits for others no longer than this."""

ARROW_START: Final = b"\xff"


class StdinFeed:
    r"""What is written to standard input: JSON lines or an Arrow IPC stream, told apart by how it begins.

    A line that is no JSON object, or whose values cannot be read, is set aside as ``malformed``; where the first is
    no JSON object at all, the input is refused.

    Parameters
    ----------
    columns : Columns
        Which columns hold what; a row without a usable time is set aside.
    name : str
        What positions and ids are named by. Under the same name, the same input given again lands once: the rows that
        were kept are left out. Without one a random name is made, and every run is another input.
    descriptor : int
        The file descriptor that is read.

    Examples
    --------
    >>> import os
    >>> there, here = os.pipe()
    >>> _ = os.write(here, b'{"v": [1, 2]}\n'), os.close(here)
    >>> feed = StdinFeed(Columns(), "queries", descriptor=there)
    >>> [(given.id, given.batch.rows) for given in feed.deliveries([], 100)], feed.ended
    ([('queries:1-1', 1)], True)
    """

    def __init__(self, columns: Columns, name: str = "", *, descriptor: int = 0) -> None:
        self.source = name or f"stdin-{uuid.uuid4().hex[:12]}"
        self._columns = replace(columns, strict_times=False)
        self._pipe = Pipe(descriptor)
        self._waiting: _Waiting | None = None
        self._held: Delivery | None = None
        self._rows = self._width = 0
        self._leave_out: int | None = None

    @property
    def ended(self) -> bool:
        """Whether all was delivered, and no more can come."""
        return self._pipe.ended if self._waiting is None else self._waiting.ended and not self._left

    def deliveries(self, kept: Sequence[Position], size: int) -> Iterator[Delivery]:
        """Yield batches of at most `size` rows as they come; end where none came for a second.

        A batch after which no other was asked for is yielded again by the next call, unless its position was kept.

        Raises `DataError` where the input is neither JSON lines nor an Arrow stream, its columns cannot be told, or an
        Arrow stream is damaged.
        """
        if size < 1:
            raise UsageError("size", got=str(size), want="at least 1 row")
        position = next((position for position in kept if position.source == self.source), Position(self.source, 0))
        if self._leave_out is None:
            self._leave_out, self._width = position.rows, _width(position)
        if self._held and position.rows < self._held.position.rows:
            yield self._held
        self._held = None
        waiting = self._waiting or self._open()
        if waiting:
            yield from self._come(waiting, size)

    def faults(self) -> tuple[str, ...]:
        """Return nothing: standard input has no parts that could fail by themselves."""
        return ()

    def mark(self) -> str:
        """Return nothing: what is still to come cannot be told."""
        return ""

    @property
    def _left(self) -> bool:
        return self._held is not None or bool(self._waiting and self._waiting.rows)

    def _open(self) -> _Waiting | None:
        """Tell by its first bytes what comes; None where nothing came yet."""
        with failing(self.source, "readable"):
            start = self._pipe.peek() if self._pipe.wait(IDLE_SECONDS) else b""
        if start:
            kind = _Records if start[:1] == ARROW_START else _Lines
            self._waiting = kind(self._pipe, self._columns, self.source)
        return self._waiting

    def _come(self, waiting: _Waiting, size: int) -> Iterator[Delivery]:
        since = monotonic()
        while not waiting.ended:
            patience = IDLE_SECONDS - (monotonic() - since if waiting.rows else 0)
            with failing(self.source, "readable"):
                came = self._pipe.wait(max(0, patience))
            if not came:
                break
            since = since if waiting.rows else monotonic()
            try:
                waiting.more()
            except DataError:
                yield from self._give(waiting, size, least=1)
                raise
            self._pass_over(waiting)
            least = 1 if waiting.full or monotonic() - since >= IDLE_SECONDS else size
            yield from self._give(waiting, size, least=least)
        yield from self._give(waiting, size, least=1)

    def _pass_over(self, waiting: _Waiting) -> None:
        """Leave out what was kept before."""
        known = min(self._leave_out or 0, waiting.rows)
        waiting.drop(known)
        self._rows, self._leave_out = self._rows + known, (self._leave_out or 0) - known

    def _give(self, waiting: _Waiting, size: int, *, least: int) -> Iterator[Delivery]:
        while waiting.rows >= least and waiting.rows:
            batch = waiting.take(min(size, waiting.rows), self._rows, self._width or None)
            if batch is None:
                return
            first, self._rows = self._rows + 1, self._rows + batch.rows + sum(batch.rejected.values())
            self._width = self._width or (batch.width if batch.rows else 0)
            position = Position(self.source, self._rows, json.dumps({"width": self._width}), after=first - 1)
            self._held = Delivery(f"{self.source}:{first}-{self._rows}", batch, position)
            yield self._held
            self._held = None


def _width(position: Position) -> int:
    try:
        return int(json.loads(position.mark or "{}").get("width", 0))
    except (ValueError, TypeError, AttributeError):
        got = f"the position {position.mark[:40]!r}"
        raise DataError(position.source, got=got, want="one that was kept for this input") from None


class _Waiting(Protocol):
    """Rows that came and were not delivered yet."""

    ended: bool

    @property
    def rows(self) -> int:
        """How many there are."""
        ...

    @property
    def full(self) -> bool:
        """Whether they take so much memory that they are not to wait for others."""
        ...

    def more(self) -> None:
        """Take what came, or find that it is the end."""
        ...

    def take(self, count: int, first_row: int, width: int | None) -> Batch | None:
        """Gate the first of them; None while the columns cannot be told."""
        ...

    def drop(self, count: int) -> None:
        """Leave out the first of them."""
        ...


class _Lines:
    """Lines of JSON. The first of them tell the columns: as few as came, as long as that is enough."""

    def __init__(self, pipe: Pipe, columns: Columns, source: str) -> None:
        self.ended = False
        self._pipe, self._columns, self._source = pipe, columns, source
        self._split = LineSplitter()
        self._lines: list[Line] = []
        self._bytes = 0
        self._sample: list[Line] = []
        self._told: JsonRows | None = None

    @property
    def rows(self) -> int:
        return len(self._lines)

    @property
    def full(self) -> bool:
        return self._bytes >= BLOCK_BYTES

    def more(self) -> None:
        piece = self._pipe.piece()
        self.ended = not piece
        lines = [line for line in (self._split.push(piece) if piece else [self._split.rest]) if line.data.strip()]
        if lines and not self._sample and not is_object(lines[0].data):
            json_rows(lines[:1], self._columns, self._source)
        if self._told is None:
            self._sample += lines[: SAMPLE_ROWS - len(self._sample)]
        self._lines += lines
        self._bytes += sum(len(line.data) for line in lines)

    def take(self, count: int, first_row: int, width: int | None) -> Batch | None:
        if self._told is None:
            try:
                self._told = json_rows(filter(_readable, self._sample), self._columns, self._source)
            except DataError:
                if self.ended or len(self._sample) >= SAMPLE_ROWS:
                    raise
                return None
        block = self._lines[:count]
        self.drop(count)
        return admit_rows(self._told, block, first_row=first_row, width=width, place=lambda line: f"line {line.number}")

    def drop(self, count: int) -> None:
        self._bytes -= sum(len(line.data) for line in self._lines[:count])
        del self._lines[:count]


def _readable(line: Line) -> bool:
    return is_object(line.data)


class _Records:
    """Record batches of an Arrow stream."""

    def __init__(self, pipe: Pipe, columns: Columns, source: str) -> None:
        import pyarrow as pa

        self.ended = self.full = False
        self._source = source
        with failing(source, "Arrow"):
            self._reader = pa.ipc.open_stream(pa.PythonFile(pipe, mode="r"))
        self._layout = resolve(arrow_kinds(self._reader.schema, source), columns, source)
        self._held: list[Any] = []
        self.rows = 0

    def more(self) -> None:
        with failing(self._source, "Arrow"):
            try:
                record_batch = self._reader.read_next_batch()
            except StopIteration:
                self.ended = True
                return
            record_batch.validate(full=True)
        self._held.append(record_batch.select(self._layout.names))
        self.rows += record_batch.num_rows

    def take(self, count: int, first_row: int, width: int | None) -> Batch:
        import pyarrow as pa

        table = pa.Table.from_batches(self._held).slice(0, count)
        self.drop(count)
        frame = {name: table.column(name) for name in self._layout.names}
        return admit_frame(frame, self._layout, source=self._source, width=width, first_row=first_row)

    def drop(self, count: int) -> None:
        self._held = list(after(self._held, count))
        self.rows -= count
