"""Text files that grow: whole rows of JSON lines or CSV, from where they were left."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from pathlib import Path
from typing import Final, NamedTuple

from tidegauge.read.csv import CsvRows, csv_rows, delimiter_of, is_data
from tidegauge.read.failure import failing, guarded
from tidegauge.read.feeds.mark import Mark, digest
from tidegauge.read.feeds.rows import admit_rows
from tidegauge.read.jsonl import SAMPLE_ROWS, JsonRows, blocks, is_object, json_rows
from tidegauge.read.quoted import fields, whole_rows
from tidegauge.read.text import Line, LineSplitter, open_bytes
from tidegauge.records import Batch, Columns

PIECE_BYTES: Final = 1 << 20


NO_HEAD: Final = Line(1, b"")
"""Nothing stands before the first row."""


class Told(NamedTuple):
    """How the rows of a file are read, the line before the first of them, and the bytes of the file that told it."""

    rows: JsonRows | CsvRows
    head: Line
    sample: int

    @property
    def fields(self) -> int:
        """How many fields a row of CSV has."""
        return len(self.rows.names) if isinstance(self.rows, CsvRows) else 0


class Taken(NamedTuple):
    """Some rows, a digest of their bytes, and the mark behind them."""

    batch: Batch
    digest: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class Growing:
    """A text file that may still be written to.

    Only whole lines are taken. A last line without a line end is left for later, unless it is a JSON object, which is
    whole by itself, or the file is `final`: then it is taken as it stands.

    Attributes
    ----------
    path : Path
    kind : str
        The name of its format: ``"CSV"`` or ``"JSON lines"``.
    size : int
        Bytes of it that are looked at.
    final : bool
        Whether it is taken to be written no more.
    """

    path: Path
    kind: str
    size: int
    final: bool

    @property
    def source(self) -> str:
        """What it is called in messages."""
        return str(self.path)

    def tell(self, columns: Columns, sample: int = 0) -> Told | None:
        """Tell from the first rows how all are to be read: from `sample` bytes, or else as many as are needed.

        Returns None where there is no row yet. Raises `DataError` where none of the rows can be read, or the columns
        cannot be told.
        """
        with self._open() as stream:
            rows = self._rows(stream, LineSplitter())
            if sample:
                rows = takewhile(lambda row: row.end - len(row.data) < sample, rows)
            first = list(islice(rows, SAMPLE_ROWS))
        if self.kind == "CSV":
            return self._tell_csv(first, columns)
        if not first:
            return None
        objects = [line for line in first if is_object(line.data)]
        return Told(json_rows(objects or first, columns, self.source), NO_HEAD, first[-1].end)

    def take(self, told: Told, mark: Mark, given: int, size: int) -> Iterator[Taken]:
        """Yield the rows behind `mark`, at most `size` at a time; `given` rows came before it."""
        first = mark if mark.offset else replace(mark, offset=told.head.end, newlines=told.head.newlines)
        with self._open(first.offset) as stream:
            rows = self._rows(stream, LineSplitter(first.offset, first.newlines), told.fields)
            for block in blocks(rows, size):
                batch = admit_rows(
                    told.rows,
                    block,
                    first_row=given,
                    width=mark.width or None,
                    place=lambda line: f"line {line.number}",
                )
                given += len(block)
                mark = replace(
                    mark,
                    done=not _is_packed(stream) and block[-1].end == self.size,
                    width=mark.width or (batch.width if batch.rows else 0),
                    offset=block[-1].end,
                    newlines=block[-1].newlines,
                    sample=told.sample,
                )
                yield Taken(batch, digest(b"\n".join(line.data.rstrip(b"\r\n") for line in block)), mark)

    def _open(self, offset: int = 0) -> io.BufferedReader:
        with failing(self.source, self.kind):
            stream = open_bytes(self.path)
            stream.seek(offset)
        return stream

    def _rows(self, stream: io.BufferedReader, split: LineSplitter, count: int = 0) -> Iterator[Line]:
        lines = guarded(self._lines(stream, split), self.source, self.kind)
        if self.kind == "CSV":
            return whole_rows(lines, delimiter_of(self.path), final=self.final, count=count)
        return (line for line in lines if line.data.strip())

    def _lines(self, stream: io.BufferedReader, split: LineSplitter) -> Iterator[Line]:
        # What is written meanwhile waits for the next look, so that one busy file does not hold up the others.
        left = None if _is_packed(stream) else self.size - stream.tell()
        while piece := stream.read(PIECE_BYTES if left is None else min(PIECE_BYTES, left)):
            left = None if left is None else left - len(piece)
            yield from split.push(piece)
        rest = split.rest
        if rest.data and (self.final or (self.kind != "CSV" and is_object(rest.data))):
            yield rest

    def _tell_csv(self, first: list[Line], columns: Columns) -> Told | None:
        delimiter = delimiter_of(self.path)
        head, names = NO_HEAD, fields(first[0].data, delimiter) if first else []
        if is_data(names):
            names = [f"f{i}" for i in range(len(names))]
        elif first:
            head, *first = first
        if not first:
            return None
        return Told(csv_rows(first, names, columns, self.source, delimiter), head, first[-1].end)


def _is_packed(stream: io.BufferedReader) -> bool:
    return isinstance(stream.raw, gzip.GzipFile)
