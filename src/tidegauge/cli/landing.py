"""Files that land as batches: named by what is in them, so that a repeat changes nothing."""

from __future__ import annotations

import hashlib
import itertools
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from tidegauge.cli.inputs import BATCH_ROWS
from tidegauge.errors import DataError, TidegaugeError, UsageError

if TYPE_CHECKING:
    from tidegauge.records import Batch, Columns
    from tidegauge.run import Recorder

STDIN: Final = "-"
_HELD = 4
_PIECE: Final = 1 << 20


@dataclass
class Tally:
    """What became of rows: landed, set aside by reason, landed before, or left out as older than what is settled.

    ``same`` says that a snapshot was to be replaced by what it holds; ``what`` is done with rows that land.
    """

    rows: int = 0
    aside: Counter[str] = field(default_factory=Counter[str])
    repeated: int = 0
    settled: int = 0
    same: bool = False
    what: str = "landed"

    def land(self, recorder: Recorder, name: str, batch: Batch, **about: Any) -> None:
        """Land a batch, and count what became of it."""
        landed = recorder.observe(batch, name=name, **about)
        if landed == "repeated":
            self.repeated += batch.rows + sum(batch.rejected.values())
            return
        landing = recorder.landing
        assert landing is not None
        self.rows += landing.rows - landing.aside.get("model", 0)
        self.aside.update(landing.aside)

    def counting(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Pass batches on, and count their rows as landed."""
        for batch in batches:
            yield batch
            self.rows += batch.rows
            self.aside.update(batch.rejected)

    @property
    def changed(self) -> bool:
        """Whether anything landed."""
        return bool(self.rows or self.aside)

    def line(self) -> str:
        """Say it.

        Examples
        --------
        >>> Tally(rows=1200, aside=Counter(late=3)).line()
        '1,200 rows landed; set aside: 3 late'
        >>> Tally(repeated=400).line()
        'nothing changed: all 400 rows had landed before'
        """
        if self.same:
            return "nothing changed: the snapshot holds this content already"
        if self.repeated and not (self.changed or self.settled):
            return f"nothing changed: all {self.repeated:,} rows had landed before"
        said = [f"{self.rows:,} rows {self.what}"]
        if self.aside:
            said.append("set aside: " + ", ".join(f"{count:,} {reason}" for reason, count in self.aside.items()))
        if self.repeated:
            said.append(f"{self.repeated:,} rows had landed before")
        if self.settled:
            said.append(f"{self.settled:,} rows are older than what is settled, and were left out")
        return "; ".join(said)

    def told(self, stream: str) -> dict[str, Any]:
        """The same as an object."""
        return {
            "schema": "tidegauge.landing/1",
            "stream": stream,
            "rows": self.rows,
            "aside": dict(self.aside),
            "repeated": self.repeated,
            "older_than_settled": self.settled,
        }


def digest_of(path: Path) -> str:
    """A digest of a file's bytes."""
    whole = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                whole.update(piece)
    except OSError as error:
        raise DataError(str(path), got=error.strerror or "an error", want="a file that can be read") from None
    return whole.hexdigest()[:16]


def joint_digest(paths: Sequence[Path]) -> str:
    """A digest of the bytes of several files, in their order."""
    return hashlib.sha256(" ".join(map(digest_of, paths)).encode()).hexdigest()[:16]


def batches_of(paths: Sequence[Path], columns: Columns) -> Iterator[Batch]:
    """Batches of files, one after the other."""
    from tidegauge.read.files import open_source

    for path in paths:
        yield from open_source(path, columns).batches(BATCH_ROWS)


def whole_batches(path: Path, columns: Columns) -> Iterator[Batch]:
    """Batches of a file that was read to its end before, so that one that is damaged lands in no part."""
    from tidegauge.read.files import open_source

    coming = open_source(path, columns).batches(BATCH_ROWS)
    held = list(itertools.islice(coming, _HELD))
    if len(held) < _HELD:
        return iter(held)
    for _ in coming:
        pass
    return open_source(path, columns).batches(BATCH_ROWS)


def numbered(name: str, batches: Iterable[Batch], first: int = 0) -> Iterator[tuple[str, Batch]]:
    """Batches with their ids: the first has the name itself.

    The rows of a batch are always as many, whatever the settings say: a repeat must be cut alike.
    """
    for place, batch in enumerate(batches, start=first):
        yield (f"{name}:{place}" if place else name), batch


@contextmanager
def files_of(source: str) -> Generator[list[Path]]:
    """The files that a source stands for, in natural order; standard input as a file that is gone afterwards."""
    from tidegauge.read.files import expand
    from tidegauge.spec.fault import masked

    if "://" in source:
        hint = "Make it the stream's source, and let 'tidegauge watch' read it"
        raise UsageError(masked(source), got="a database", want="a file, folder or pattern, or -", hint=hint)
    if source != STDIN:
        yield expand(source)
        return
    with tempfile.TemporaryDirectory(prefix="tidegauge-") as folder:
        path = _spooled(sys.stdin.buffer, Path(folder))
        try:
            yield [path]
        except TidegaugeError as error:
            what = error.what.replace(str(path), "standard input")
            raise type(error)(what, got=error.got, want=error.want, hint=error.hint) from None


def _spooled(stream: IO[bytes], folder: Path) -> Path:
    """Keep what comes as a file whose extension says what it is: told by how it begins, or else CSV."""
    from tidegauge.read.files import FORMATS

    start = stream.read(16)
    if not start:
        raise DataError("standard input", got="nothing", want="rows")
    known = next((each.suffixes[0] for each in FORMATS if each.magics and start.startswith(each.magics)), None)
    path = folder / f"stdin{known or ('.jsonl' if start.lstrip().startswith(b'{') else '.csv')}"
    with path.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(start)
        while piece := stream.read(_PIECE):
            file.write(piece)
    return path
