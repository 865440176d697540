"""Rows of CSV, which may go on over several lines where a field is quoted."""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

from tidegauge.read.text import Line

MAX_ROW_LINES: Final = 1000
MAX_ROW_BYTES: Final = 8 << 20
"""A row that goes on for longer has a quote that was not meant to be one."""

_QUOTES: Final = {
    delimiter: (
        re.compile(rb'(?:(?<=\A)|(?<=%b))"(?:[^"]++|"")*+"' % delimiter.encode()),
        re.compile(rb'(?:\A|%b)"' % delimiter.encode()),
    )
    for delimiter in (",", "\t")
}
"""A quoted field, and the beginning of one."""


def fields(row: bytes, delimiter: str) -> list[str]:
    r"""Split a row.

    Examples
    --------
    >>> fields(b'a,"b, c"\n', ",")
    ['a', 'b, c']
    """
    text = io.StringIO(row.decode("utf-8-sig", errors="replace"), newline="")
    return next(csv.reader(text, delimiter=delimiter), [])


def whole_rows(lines: Iterable[Line], delimiter: str, *, final: bool, count: int = 0) -> Iterator[Line]:
    r"""Join lines where a quoted field goes on in the next, and leave out empty ones.

    Where joining gives no row of `count` fields, or else of as many as the first has, the quote was a stray one, and
    its line is a row by itself. A row that is not whole at the end is left out, unless no more lines are to come
    (`final`).

    Examples
    --------
    >>> lines = [Line(1, b'a,"b\n', 5), Line(2, b'\n', 6), Line(3, b'c"\n', 9), Line(4, b'd,"', 12)]
    >>> [row.data for row in whole_rows(lines, ",", final=False)]
    [b'a,"b\n\nc"\n']
    """
    coming, again = iter(lines), deque[Line]()
    held: list[Line] = []
    while True:
        line = again.popleft() if again else next(coming, None)
        if line is None and not (held and final):
            return
        if line is not None:
            if not held and not line.data.strip(b"\r\n"):
                continue
            held.append(line)
        state = "stray" if line is None else _state(held, delimiter, count)
        if state == "whole":
            row = Line(held[0].number, b"".join(part.data for part in held), held[-1].end)
            count = count or len(fields(row.data, delimiter))
            yield row
            held = []
        elif state == "stray":
            yield held[0]
            again.extendleft(reversed(held[1:]))
            held = []


def _state(held: Sequence[Line], delimiter: str, count: int) -> Literal["whole", "open", "stray"]:
    """Whether these lines are a row, the beginning of one, or neither; a row has `count` fields, if that is known."""
    too_long = len(held) > MAX_ROW_LINES or held[-1].end - held[0].end > MAX_ROW_BYTES
    if b'"' not in held[-1].data:
        return "whole" if len(held) == 1 else "stray" if too_long else "open"
    data = b"".join(part.data for part in held)
    if _is_open(data, delimiter):
        return "stray" if too_long else "open"
    return "whole" if len(held) == 1 or not count or len(fields(data, delimiter)) == count else "stray"


def _is_open(data: bytes, delimiter: str) -> bool:
    """Whether a quoted field has not ended yet."""
    quoted, opened = _QUOTES[delimiter]
    return opened.search(quoted.sub(b"", data)) is not None
