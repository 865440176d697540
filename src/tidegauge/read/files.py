"""From a path to a reader: which format, which files, and several files as one source."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Final, Protocol

from tidegauge.contracts import Reader
from tidegauge.errors import DataError, UsageError
from tidegauge.gate import concat, head
from tidegauge.read.arrow import FILE_MAGIC, open_arrow
from tidegauge.read.csv import open_csv
from tidegauge.read.failure import failing
from tidegauge.read.jsonl import open_jsonl
from tidegauge.read.npy import open_npy, open_npz
from tidegauge.read.parquet import open_parquet
from tidegauge.read.prefetch import prefetched
from tidegauge.read.table import natural
from tidegauge.records import Batch, Columns

BATCH_ROWS: Final = 8192
"""Rows that `read_all` reads at a time."""


class FileReader(Reader, Protocol):
    """A reader of one file, which can begin anywhere in it."""

    def batches(self, size: int, skip: int = 0, width: int | None = None) -> Iterator[Batch]:
        """Yield gated batches of at most `size` rows after the first `skip`, all of `width` if that is given."""
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """A file format: how its files are called, how they begin (if in one way), and what opens one."""

    name: str
    suffixes: tuple[str, ...]
    magics: tuple[bytes, ...]
    open: Callable[[Path, Columns], FileReader]


FORMATS: Final = (
    Format("NumPy", (".npy",), (b"\x93NUMPY",), open_npy),
    Format("NumPy archive", (".npz",), (b"PK\x03\x04",), open_npz),
    Format("Parquet", (".parquet", ".pq"), (b"PAR1",), open_parquet),
    Format("Arrow", (".arrow", ".arrows", ".ipc", ".feather"), (FILE_MAGIC, b"\xff\xff\xff\xff"), open_arrow),
    Format("CSV", (".csv", ".tsv", ".csv.gz", ".tsv.gz"), (), open_csv),
    Format("JSON lines", (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz"), (), open_jsonl),
)

SUFFIXES: Final = tuple(suffix for each in FORMATS for suffix in each.suffixes)


class Files:
    """One or more files, read one after the other as one source of one width.

    Parameters
    ----------
    source : str
        The path as it was given.
    paths : sequence of Path
        The files, in the order in which they are read; the first is opened at once, so that its faults show early.
    columns : Columns
        Which columns hold what, in every file.
    """

    def __init__(self, source: str, paths: Sequence[Path], columns: Columns) -> None:
        self.source = source
        self._paths, self._columns = tuple(paths), columns
        self._first: Reader = open_file(self._paths[0], columns)

    @property
    def rows(self) -> int | None:
        """Number of rows in all files, admitted or not; None where one of them does not tell."""
        total = 0
        for reader in self._readers():
            rows = reader.rows
            if rows is None:
                return None
            total += rows
        return total

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield gated batches of at most `size` rows; none spans two files, and each names its own file.

        Raises `DataError` where a file has vectors of another width than those before, or where there is no row at all.
        """
        if size < 1:
            raise UsageError("size", got=str(size), want="at least 1 row")
        return prefetched(self._batches(size))

    def _batches(self, size: int) -> Iterator[Batch]:
        first: Batch | None = None
        given = 0
        for reader in self._readers():
            for batch in reader.batches(size):
                given += batch.rows + sum(batch.rejected.values())
                if batch.rows:
                    first = first or batch
                    _check_width(batch, first)
                yield batch
        if not given:
            raise DataError(self.source, got="no rows", want="at least one row")

    def _readers(self) -> Iterator[Reader]:
        yield self._first
        for path in self._paths[1:]:
            yield open_file(path, self._columns)


def open_source(path: str | PathLike[str], columns: Columns | None = None) -> Files:
    """Open a file, a directory or a glob pattern for reading.

    Parameters
    ----------
    path : str or path
        See `expand`.
    columns : Columns, optional
        Which columns hold what; without it, the vectors are looked for and nothing else is read.

    Returns
    -------
    Files, a `Reader`; files are opened one at a time, and only the columns asked for are read.

    Raises
    ------
    DataError
        Where there is nothing to read, or the file or its columns cannot be used.

    Examples
    --------
    >>> import tempfile, numpy
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     numpy.save(f"{folder}/a.npy", numpy.ones((3, 2)))
    ...     [batch.x.shape for batch in open_source(f"{folder}/a.npy").batches(2)]
    [(2, 2), (1, 2)]
    """
    return Files(fspath(path), expand(path), columns or Columns())


def read_all(path: str | PathLike[str], columns: Columns | None = None, max_rows: int | None = None) -> Batch:
    """Read a source whole into memory, or its first `max_rows` admitted rows.

    The counts of rejected rows cover every row that was read on the way.

    Examples
    --------
    >>> import tempfile, numpy
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     numpy.save(f"{folder}/a.npy", numpy.ones((3, 2)))
    ...     read_all(folder, max_rows=2).x.shape
    (2, 2)
    """
    if max_rows is not None and max_rows < 1:
        raise UsageError("max_rows", got=str(max_rows), want="at least 1 row")
    source = open_source(path, columns)
    size = BATCH_ROWS if max_rows is None else min(BATCH_ROWS, max_rows)
    return concat(_up_to(source.batches(size), max_rows), source=source.source)


def expand(path: str | PathLike[str]) -> list[Path]:
    """List the files that a path stands for, in natural order (``part-9`` before ``part-10``).

    A file stands for itself; a directory for every file of a known format in it, however deep, except in what begins
    with a dot or an underscore; a pattern with ``*``, ``?``, ``[...]`` or ``**`` for what it matches.

    Raises
    ------
    DataError
        Where nothing is there.

    Examples
    --------
    >>> expand("nothing/*.npy")
    Traceback (most recent call last):
    tidegauge.errors.DataError: nothing/*.npy: got no match, want a file, a directory or a pattern that matches some
    """
    name = fspath(path)
    files, matches = find(name)
    if files:
        return files
    if matches:
        raise DataError(name, got="no file of a known format in it", want=f"some of {', '.join(SUFFIXES)}")
    got = "no match" if glob.has_magic(name) else "no such file or directory"
    raise DataError(name, got=got, want="a file, a directory or a pattern that matches some")


def find(name: str) -> tuple[list[Path], bool]:
    """List the files that a path stands for now, as `expand` does, and tell whether there is anything at all.

    Examples
    --------
    >>> find("nothing/*.npy")
    ([], False)
    """
    with failing(name, "readable"):
        if Path(name).exists():
            matches = [Path(name)]
        else:
            matches = [Path(match) for match in glob.glob(name, recursive=True) if _is_visible(Path(match).name)]
        files = {file for match in matches for file in ([match] if match.is_file() else _inside(match))}
    return sorted(files, key=lambda file: natural(file.as_posix())), bool(matches)


def open_file(path: Path, columns: Columns) -> FileReader:
    """Open one file by its extension, or by how it begins if that is unknown.

    Raises `DataError` where the file is empty, unreadable, or in no known format.
    """
    source = str(path)
    with failing(source, "readable"), path.open("rb") as stream:
        start = stream.read(16)
    if not start:
        raise DataError(source, got="an empty file (0 bytes)", want="rows")
    return format_of(path, start).open(path, columns)


def format_of(path: Path, start: bytes) -> Format:
    """Tell the format of a file by its extension, or by its first 16 bytes; `DataError` where they disagree."""
    begins = next((each for each in FORMATS if each.magics and start.startswith(each.magics)), None)
    called = next((each for each in FORMATS if path.name.lower().endswith(each.suffixes)), None)
    if called is None:
        return begins or _by_text(path, start)
    # A text file can begin in any way, except as another format does.
    if begins is not called and (called.magics or begins):
        got = f"a {begins.name} file" if begins else "a file that begins otherwise"
        hint = f"Give it the extension {begins.suffixes[0]}" if begins else "It may be damaged: write it again"
        raise DataError(str(path), got=got, want=f"a {called.name} file, as its extension says", hint=hint)
    return called


def _by_text(path: Path, start: bytes) -> Format:
    if start.lstrip().startswith(b"{"):
        return FORMATS[-1]
    got = f"the unknown extension {path.suffix}" if path.suffix else "no extension"
    hint = "Pickled files are never loaded: save the vectors as .npy or .parquet" if start[:1] == b"\x80" else ""
    raise DataError(str(path), got=got, want=f"one of {', '.join(SUFFIXES)}", hint=hint)


def _inside(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        known = file.name.lower().endswith(SUFFIXES) and file.is_file()
        if known and all(map(_is_visible, file.relative_to(folder).parts)):
            yield file


def _is_visible(name: str) -> bool:
    return not name.startswith((".", "_"))


def _check_width(batch: Batch, first: Batch) -> None:
    if batch.width != first.width:
        want = f"width {first.width}, as in {first.source}"
        raise DataError(batch.source, got=f"vectors of width {batch.width}", want=want)


def _up_to(batches: Iterator[Batch], max_rows: int | None) -> Iterator[Batch]:
    taken = 0
    for batch in batches:
        left = batch.rows if max_rows is None else max_rows - taken
        taken += batch.rows
        yield head(batch, left)
        if max_rows is not None and taken >= max_rows:
            return
