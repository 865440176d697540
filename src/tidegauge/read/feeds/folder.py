"""A file, a folder or a pattern that grows: new files are found, and growing ones are continued."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from tidegauge.contracts import Delivery
from tidegauge.errors import DataError, UsageError
from tidegauge.read.arrow import FILE_MAGIC
from tidegauge.read.failure import failing
from tidegauge.read.feeds.growing import Growing, Taken, Told
from tidegauge.read.feeds.mark import PREFIX_BYTES, Look, Mark, digest
from tidegauge.read.files import Format, find, format_of
from tidegauge.read.prefetch import prefetched
from tidegauge.records import Batch, Columns, Position

SETTLE_SECONDS: Final = 2.0
"""A file that has not changed for so long is taken to be written no more."""

TEXT: Final = (".csv", ".tsv", ".jsonl", ".ndjson", ".gz")
GROWING: Final = ("CSV", "JSON lines")
UNFINISHED: Final = (".tmp", ".part")
ARROW_END: Final = b"\xff\xff\xff\xff\x00\x00\x00\x00"
MOST_TOLD: Final = 64


class FolderFeed:
    r"""The files that a path stands for, now and later, each read once, in natural order.

    Text (JSON lines, CSV) and Arrow streams may grow, and are continued where they were left. Files of other formats
    are read when they are whole. A file that is damaged, or changed after it was read, is named by `faults`, and the
    others go on; damage is named once the file has not changed for a while, as it may still be written.
    Positions are named by the path within the folder, or by the path as it was given.

    Parameters
    ----------
    source : str
        A file, a directory or a pattern, see `read.expand`; what ends in .tmp or .part is left out as well.
    columns : Columns
        Which columns hold what, in every file; a row without a usable time is set aside.
    settle : float
        Seconds without a change after which a last line without a line end is taken as it stands; 0 where nothing is
        being written: then damage is named at once, too.

    Raises
    ------
    DataError
        Where a path that is no pattern is not there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     feed = FolderFeed(folder, Columns())
    ...     _ = Path(folder, "a.jsonl").write_text('{"v": [1, 2]}\n{"v": [3, 4]}\n')
    ...     first, = feed.deliveries([], 100)
    ...     _ = Path(folder, "b.jsonl").write_text('{"v": [5, 6]}\n')
    ...     [(next.position.source, next.batch.x.tolist()) for next in feed.deliveries([first.position], 100)]
    [('b.jsonl', [[5.0, 6.0]])]
    """

    ended = False

    def __init__(self, source: str, columns: Columns, *, settle: float = SETTLE_SECONDS) -> None:
        self.source = source
        self._columns, self._settle = replace(columns, strict_times=False), settle
        self._faults: list[str] = []
        self._named: set[str] = set()
        self._failed: dict[str, Look] = {}
        self._idle: dict[str, tuple[Look, str]] = {}
        self._told: dict[str, Told] = {}
        with failing(source, "readable"):
            there = glob.has_magic(source) or Path(source).exists()
        if not there:
            want = "a file, a directory or a pattern"
            raise DataError(source, got="no such file or directory", want=want)

    def deliveries(self, kept: Sequence[Position], size: int) -> Iterator[Delivery]:
        """Yield batches of at most `size` rows that come after the positions kept; none spans two files.

        An id is made of the file, the range of rows, and a digest: of the file's beginning, or of text the rows
        themselves. Where files of a format that cannot grow are cut depends on `size` and the position alone.
        """
        if size < 1:
            raise UsageError("size", got=str(size), want="at least 1 row")
        return prefetched(self._deliveries({position.source: position for position in kept}, size))

    def faults(self) -> tuple[str, ...]:
        """Return, once each, which files could not be read, or were changed after they were."""
        named, self._faults = tuple(self._faults), []
        return named

    def mark(self) -> str:
        """Return what tells the present content from any other; empty while there is none, or it is being written."""
        looks = [(self._name(path), Look.at(path)) for path in self._paths()]
        if not looks or not all(look.quiet(self._settle) for _, look in looks):
            return ""
        return digest(repr(looks).encode())

    def _paths(self) -> list[Path]:
        try:
            paths, there = find(self.source)
            if not there and not glob.has_magic(self.source):
                raise DataError(self.source, got="no such file or directory any more", want="what was there before")
        except DataError as fault:
            self._name_fault(str(fault))
            return []
        alone = paths == [Path(self.source)]
        return paths if alone else [path for path in paths if not path.name.endswith(UNFINISHED)]

    def _name(self, path: Path) -> str:
        folder = Path(self.source)
        return path.relative_to(folder).as_posix() if folder in path.parents else str(path)

    def _name_fault(self, fault: str) -> None:
        if fault not in self._named:
            self._named.add(fault)
            self._faults.append(fault)

    def _deliveries(self, kept: dict[str, Position], size: int) -> Iterator[Delivery]:
        for path in self._paths():
            name = self._name(path)
            try:
                look = Look.at(path)
            except OSError:  # gone since it was listed
                continue
            yield from self._of_file(path, name, look, kept.get(name), size)

    def _of_file(self, path: Path, name: str, look: Look, kept: Position | None, size: int) -> Iterator[Delivery]:
        state = (look, kept.mark if kept else "")
        if self._idle.get(name) == state:
            return
        given = 0
        try:
            for delivery in self._read(path, name, look, kept, size):
                given += 1
                yield delivery
        except DataError as fault:
            unchanged = self._failed.get(name) == look or look.quiet(self._settle)
            self._failed[name] = look
            if not unchanged:
                return
            self._name_fault(str(fault))
        if not given and look.quiet(self._settle):
            self._idle[name] = state

    def _read(self, path: Path, name: str, look: Look, kept: Position | None, size: int) -> Iterator[Delivery]:
        mark = Mark.read(kept) if kept else None
        if mark and mark.done and (mark.size, mark.mtime_ns) == (look.size, look.mtime_ns):
            return
        if not look.size and not mark:
            if not path.name.lower().endswith(TEXT):
                raise DataError(str(path), got="an empty file (0 bytes)", want="rows")
            return
        with failing(str(path), "readable"), path.open("rb") as stream:
            start = stream.read(mark.prefix if mark else PREFIX_BYTES)
        if mark is None:
            mark = Mark.first(look, start)
        elif mark.digest != digest(start) or look.size < mark.size:
            return self._name_change(path, kept)
        form = format_of(path, start[:16])
        text, streamed = form.name in GROWING, form.name == "Arrow" and not start.startswith(FILE_MAGIC)
        if look.size != mark.size and not text and (mark.done or not streamed):
            return self._name_change(path, kept)
        if mark.done and look.size == mark.size:
            return
        mark, rows = replace(mark, size=look.size, mtime_ns=look.mtime_ns), kept.rows if kept else 0
        read = self._grown if text else self._whole
        for taken in read(path, name, form, mark, rows, size):
            first, rows = rows + 1, rows + taken.batch.rows + sum(taken.batch.rejected.values())
            position = Position(name, rows, taken.mark.text(), after=first - 1)
            yield Delivery(f"{name}:{first}-{rows}:{taken.digest}", taken.batch, position)

    def _grown(self, path: Path, name: str, form: Format, mark: Mark, rows: int, size: int) -> Iterator[Taken]:
        file = Growing(path, form.name, mark.size, Look(mark.size, mark.mtime_ns).quiet(self._settle))
        told = self._told.get(name)
        if told is None or told.sample != mark.sample:
            told = file.tell(self._columns, mark.sample)
        if told is None:
            return
        if len(self._told) >= MOST_TOLD:
            self._told.clear()
        self._told[name] = told
        yield from file.take(told, mark, rows, size)

    def _whole(self, path: Path, name: str, form: Format, mark: Mark, rows: int, size: int) -> Iterator[Taken]:
        reader = form.open(path, self._columns)
        whole = form.name != "Arrow" or _has_ended(path, mark.size)
        for batch, last in _with_last(reader.batches(size, skip=rows, width=mark.width or None)):
            width = mark.width or (batch.width if batch.rows else 0)
            mark = replace(mark, done=last and whole, width=width)
            yield Taken(batch, mark.digest, mark)

    def _name_change(self, path: Path, kept: Position | None) -> None:
        rows = kept.rows if kept else 0
        self._name_fault(
            f"{path} is not what it was when {rows} rows of it were read, and is not read again. Write new rows to the "
            "end of a text file, or into a new file"
        )


def _with_last(batches: Iterator[Batch]) -> Iterator[tuple[Batch, bool]]:
    """Each batch, and whether it is the last; one that comes before damage is given before that is raised."""
    held = next(batches, None)
    while held is not None:
        try:
            following = next(batches, None)
        except DataError:
            yield held, False
            raise
        yield held, following is None
        held = following


def _has_ended(path: Path, size: int) -> bool:
    """Whether an Arrow file or stream was written to its end when it had this size."""
    with failing(str(path), "Arrow"), path.open("rb") as stream:
        if stream.read(len(FILE_MAGIC)) == FILE_MAGIC:
            return True
        stream.seek(max(0, size - len(ARROW_END)))
        return stream.read(len(ARROW_END)) == ARROW_END
