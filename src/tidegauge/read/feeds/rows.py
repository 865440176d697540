"""Rows one by one: those that cannot be read are set aside as malformed, and do not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import numpy as np

from tidegauge.errors import DataError
from tidegauge.gate import concat
from tidegauge.read.table import Frame, Layout, admit_frame
from tidegauge.records import Batch

_Row = TypeVar("_Row")
_Row_contra = TypeVar("_Row_contra", contravariant=True)


class Rows(Protocol[_Row_contra]):
    """How rows of one source become columns."""

    @property
    def source(self) -> str:
        """Where they come from."""
        ...

    @property
    def layout(self) -> Layout:
        """Which columns are read."""
        ...

    def frame(self, block: Sequence[_Row_contra]) -> Frame:
        """Read some rows as columns; `DataError` where one of them cannot be read."""
        ...


def admit_rows(
    rows: Rows[_Row], block: Sequence[_Row], *, first_row: int, width: int | None, place: Callable[[_Row], str]
) -> Batch:
    """Gate a block of rows; what cannot be read of it is set aside as ``malformed``, and named by its `place`.

    Where a block cannot be read as a whole, it is halved until the rows that are to blame stand alone.
    """
    return concat(_parts(rows, block, first_row, width, place), source=rows.source)


def _parts(
    rows: Rows[_Row], block: Sequence[_Row], first_row: int, width: int | None, place: Callable[[_Row], str]
) -> list[Batch]:
    try:
        frame = rows.frame(block)
        return [admit_frame(frame, rows.layout, source=rows.source, width=width, first_row=first_row)]
    except DataError:
        if len(block) == 1:
            at = f"{rows.source}, {place(block[0])}"
            return [_malformed(at, width, rows.source)]
    half = len(block) // 2
    before = _parts(rows, block[:half], first_row, width, place)
    width = width or next((batch.width for batch in before if batch.rows), None)
    return before + _parts(rows, block[half:], first_row + half, width, place)


def _malformed(at: str, width: int | None, source: str) -> Batch:
    x = np.empty((0, width or 0), np.float32)
    return Batch(x, rejected={"malformed": 1}, first_rejected={"malformed": at}, source=source)
