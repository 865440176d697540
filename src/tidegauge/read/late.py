"""Outcomes that come late in a table of their own: the ids of rows, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Final

import numpy as np
import numpy.typing as npt

from tidegauge.gate.arrays import as_objects
from tidegauge.gate.values import as_text
from tidegauge.read.faults import Faults
from tidegauge.read.plain import BLOCK_ROWS, Block, blocks, numbers, seconds

NOT_A_NUMBER: Final = "not a number"


@dataclass(frozen=True, slots=True, eq=False)
class LateRows:
    """Consecutive rows of one file; ``first_row`` rows of it came before.

    Attributes
    ----------
    ids : array of str, shape (n,)
        Empty where there is none.
    outcomes : mapping of name to float64 array, shape (n, 2)
        Numerators and denominators: both 0 where the outcome is missing, a denominator NaN where only it is missing;
        else as they came.
    times : float64 array, shape (n,), or None
        Epoch seconds, NaN where there is none.
    """

    ids: npt.NDArray[np.object_]
    outcomes: Mapping[str, npt.NDArray[np.float64]]
    times: npt.NDArray[np.float64] | None
    source: str
    first_row: int


def late_rows(
    path: str | PathLike[str],
    id_column: str,
    columns: Mapping[str, tuple[str, str]] | Sequence[str],
    *,
    time_column: str = "",
    faults: Faults | None = None,
    size: int = BLOCK_ROWS,
) -> Iterator[LateRows]:
    r"""Read outcomes by id from CSV, Parquet or JSON lines, at most `size` rows at a time.

    Parameters
    ----------
    path : str or path
        A file, a folder or a pattern.
    id_column : str
        Column of the rows' own ids.
    columns : mapping of name to (numerator, denominator), or sequence of str
        Columns of each outcome, the denominator empty where it is 1 a row; or columns that are outcomes themselves.
    time_column : str
        Column of when each came about, if there is one.
    faults : Faults, optional
        Counts what is left out: rows that are ``malformed``, and outcomes that are ``not a number`` (text), which are
        missing then, and whose rows stay.

    Raises
    ------
    DataError
        Where there is nothing to read, a file is damaged, or a column is not there.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "late.csv")
    ...     _ = file.write_text("id,clicks,shown\nq1,2,5\nq2,,5\n")
    ...     [(list(rows.ids), rows.outcomes["clicked"].tolist())
    ...      for rows in late_rows(file, "id", {"clicked": ("clicks", "shown")})]
    [(['q1', 'q2'], [[2.0, 5.0], [0.0, 0.0]])]
    """
    wanted = columns if isinstance(columns, Mapping) else {name: (name, "") for name in columns}
    found = Faults() if faults is None else faults
    needed = [id_column, *(each for pair in wanted.values() for each in pair), time_column]
    names = list(dict.fromkeys(each for each in needed if each))
    for block in blocks(path, names, found, size=size):
        yield LateRows(
            ids=as_objects([as_text(value) for value in block.columns[id_column]]),
            outcomes={name: _pairs(block, *pair, found) for name, pair in wanted.items()},
            times=seconds(block.columns[time_column], block.source) if time_column else None,
            source=block.source,
            first_row=block.first_row,
        )


def _pairs(block: Block, above: str, below: str, faults: Faults) -> npt.NDArray[np.float64]:
    pairs = np.ones((block.rows, 2))
    for column, name in enumerate((above, below)):
        if not name:
            continue
        pairs[:, column], odd = numbers(block.columns[name])
        rows = np.flatnonzero(odd)
        if len(rows):
            faults.note(NOT_A_NUMBER, f"{block.at(int(rows[0]))}, column {name}", len(rows))
            pairs[rows] = np.nan
    pairs[np.isnan(pairs[:, 0])] = 0.0
    return pairs
