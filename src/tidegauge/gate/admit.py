"""Anything array-like, and the columns beside it, as one batch of rows that can be measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tidegauge.gate.faults import code_of, examine, tally
from tidegauge.gate.outcomes import pairs_of, set_aside
from tidegauge.gate.place import Place
from tidegauge.gate.quantised import INT8_SCALE, scale_of
from tidegauge.gate.sides import Parser, known_seconds_of, names_of, pick_values, seconds_of, texts_of
from tidegauge.gate.vectors import convert
from tidegauge.records import Batch, OutcomeUnit, Stored


def admit(
    x: Any,
    *,
    width: int | None = None,
    ids: Any = None,
    texts: Any = None,
    times: Any = None,
    sessions: Any = None,
    segments: Any = None,
    outcomes: Mapping[str, Any] | None = None,
    units: Mapping[str, OutcomeUnit] | None = None,
    scale: float = INT8_SCALE,
    source: str = "array",
    first_row: int = 0,
    strict_times: bool = True,
) -> Batch:
    """Admit the rows of `x` that can be measured, and set the others aside by reason, side columns in step.

    A row is set aside as ``null`` (no vector, or an empty one), ``width`` (other than `width`, or else than the most
    common width), ``nan``, ``inf``, ``overflow`` (finite, but it or its squared length is beyond float32), ``zero``
    (zero in every dimension) or, where `strict_times` is False, ``time``.

    Returns a batch of float32 (admitted, d); admitted and rejected rows add up to n. Raises `DataError` where something
    is no number or no time, or where a side column is not n long.

    Parameters
    ----------
    x : array-like of n rows
        See `as_array`.
    width : int, optional
        The width that every row must have.
    ids, texts, sessions, segments : columns of n values, optional
        Read as text. A missing text or segment is ``""``; a missing id or session is named after its row.
    times : column of n values, optional
        Timestamps, ISO 8601 text, or epoch seconds; without a time zone they are UTC.
    outcomes : mapping of name to column, optional
        Each (n,) numbers or booleans, (n, 2) numerators and denominators, or a ``Ratio`` of two columns; a missing
        value has denominator 0. One that is not finite, or out of its unit, is set aside and counted (``unfit``), and
        its row stays.
    units : mapping of name to unit, optional
        What outcomes may be: a ``share``, a ``count``, or any ``number``, as they are where not said.
    scale : float
        What int8 vectors are multiplied by; vectors of any other type are taken as they are, except that uint8 ones,
        whose zero is not known, are refused.
    source, first_row : str and int
        Where the rows came from, and how many rows of it went before, for messages.
    strict_times : bool
        Whether a time that is missing, unreadable or out of range is an error; else its row is set aside.

    Examples
    --------
    >>> batch = admit([[1.0, 2.0], [0.0, 0.0], [3.0, float("nan")]], ids=["a", "b", "c"], source="queries.csv")
    >>> batch.x.shape, list(batch.ids), dict(batch.rejected)
    ((1, 2), ['a'], {'nan': 1, 'zero': 1})
    >>> batch.first_rejected["nan"]
    'queries.csv, row 3'
    """
    place = Place(source, first_row)
    rows = convert(x, place)
    applied = scale_of(rows, scale, place)
    vectors, codes = examine(rows, width, applied)
    keep = codes == 0
    seconds = None
    if times is not None and not strict_times:
        seconds = known_seconds_of(pick_values(times, keep, place.part("times")))
        known = ~np.isnan(seconds)
        if not known.all():
            codes[keep] = np.where(known, 0, code_of("time"))
            vectors, seconds, keep = vectors[known], seconds[known], codes == 0
    rejected, first = tally(codes, place)

    def side(values: Any, name: str, parse: Parser) -> Any:
        return None if values is None else parse(pick_values(values, keep, place.part(name)))

    pairs = {name: pairs_of(each, keep, place.part(f"outcome {name}")) for name, each in (outcomes or {}).items()}
    given = np.flatnonzero(keep)
    measured, unfit, first_unfit = set_aside(pairs, units or {}, lambda row: place.row(int(given[row])))
    return Batch(
        x=vectors,
        ids=side(ids, "ids", names_of),
        texts=side(texts, "texts", texts_of),
        times=side(times, "times", seconds_of) if seconds is None else seconds,
        sessions=side(sessions, "sessions", names_of),
        segments=side(segments, "segments", texts_of),
        outcomes=measured,
        rejected=rejected,
        first_rejected=first,
        unfit=unfit,
        first_unfit=first_unfit,
        source=source,
        stored=Stored(scale=applied),
    )
