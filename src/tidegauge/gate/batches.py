"""Batches joined, cut and chosen from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tidegauge.errors import DataError
from tidegauge.gate.arrays import Array, joined
from tidegauge.gate.faults import REASONS
from tidegauge.records import Batch, Stored

_SIDES: Final = ("ids", "texts", "times", "sessions", "segments")


def concat(batches: Iterable[Batch], *, source: str | None = None) -> Batch:
    """Join batches into one, in order; counts add, and the first rejected row of each reason stays the first.

    Raises `DataError` where there is no batch, where widths differ, or where only some of them have a side column.

    Examples
    --------
    >>> from tidegauge.gate import admit
    >>> concat([admit([[1.0, 2.0]]), admit([[3.0, 4.0]])]).x.shape
    (2, 2)
    """
    every = list(batches)
    # A batch without an admitted row knows its width only if it was told, so that it cannot contradict the others.
    parts = [batch for batch in every if batch.rows] or every[:1]
    if not parts:
        raise DataError(source or "batches", got="no rows", want="at least one row")
    first = parts[0]
    for part in parts:
        _check_alike(first, part)
    sides = {name: _join_side([getattr(part, name) for part in parts]) for name in _SIDES}
    return Batch(
        x=joined([part.x for part in parts]),
        **sides,
        outcomes={name: joined([part.outcomes[name] for part in parts]) for name in first.outcomes},
        rejected=_added(every),
        first_rejected={reason: at for batch in reversed(every) for reason, at in batch.first_rejected.items()},
        unfit=dict(sum((Counter(batch.unfit) for batch in every), Counter[str]())),
        first_unfit={reason: at for batch in reversed(every) for reason, at in batch.first_unfit.items()},
        source=source or first.source,
        stored=merge_stored([batch.stored for batch in every]),
    )


def merge_stored(every: Iterable[Stored]) -> Stored:
    """What to say of vectors that were stored in these ways.

    Examples
    --------
    >>> merge_stored([Stored(), Stored(scale=0.5)])
    Stored(scale=0.5, width=0, unit=False)
    """
    parts = list(every)
    return Stored(max((s.scale for s in parts), default=0.0), max((s.width for s in parts), default=0))


def head(batch: Batch, rows: int) -> Batch:
    """Return the first `rows` admitted rows of a batch; its counts of rejected rows stay.

    Examples
    --------
    >>> from tidegauge.gate import admit
    >>> head(admit([[1.0], [2.0], [3.0]]), 2).rows
    2
    """
    return pick(batch, slice(0, rows))


def pick(batch: Batch, rows: npt.NDArray[np.int64] | slice) -> Batch:
    """Return these admitted rows of a batch, in this order; its counts of rejected rows stay.

    Examples
    --------
    >>> from tidegauge.gate import admit
    >>> pick(admit([[1.0], [2.0], [3.0]]), np.array([2, 0])).x.ravel().tolist()
    [3.0, 1.0]
    """
    sides: dict[str, Any] = {name: getattr(batch, name) for name in _SIDES}
    return Batch(
        x=batch.x[rows],
        **{name: None if values is None else values[rows] for name, values in sides.items()},
        outcomes={name: values[rows] for name, values in batch.outcomes.items()},
        rejected=batch.rejected,
        first_rejected=batch.first_rejected,
        unfit=batch.unfit,
        first_unfit=batch.first_unfit,
        source=batch.source,
        stored=batch.stored,
        name=batch.name,
        places=places(batch)[rows] if batch.name else None,
    )


def places(batch: Batch) -> npt.NDArray[np.int64]:
    """Numbers of the rows in the batch that has the name, from 1, int64 (n,).

    Examples
    --------
    >>> from tidegauge.gate import admit
    >>> places(admit([[1.0], [2.0]])).tolist()
    [1, 2]
    """
    return np.arange(1, batch.rows + 1, dtype=np.int64) if batch.places is None else batch.places


def _check_alike(first: Batch, part: Batch) -> None:
    if part.width != first.width:
        raise DataError(part.source, got=f"width {part.width}", want=f"width {first.width} as in {first.source}")
    has, wants = _side_names(part), _side_names(first)
    if has != wants:
        raise DataError(part.source, got=f"side columns {has}", want=f"{wants} as in {first.source}")


def _side_names(batch: Batch) -> list[str]:
    return [name for name in _SIDES if getattr(batch, name) is not None] + sorted(batch.outcomes)


def _join_side(parts: list[Array | None]) -> Any:
    return joined([part for part in parts if part is not None]) if parts[0] is not None else None


def _added(batches: Sequence[Batch]) -> dict[str, int]:
    totals = {reason: sum(batch.rejected.get(reason, 0) for batch in batches) for reason in REASONS}
    return {reason: count for reason, count in totals.items() if count}
