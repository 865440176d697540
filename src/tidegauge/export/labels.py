"""Values of labels: few, short, and such that any scraper reads them. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Final

from tidegauge.records import ALL
from tidegauge.spec import length_text

EVERY: Final = "all"
"""The segment of all rows together."""
PRESENT: Final = "now"
"""The window of a snapshot: its present content."""
MOST_SEGMENTS: Final = 50
MOST_REASONS: Final = 30
MOST_OUTCOMES: Final = 20
MOST_ENDPOINTS: Final = 50
LONGEST: Final = 80
_MARKED: Final = re.compile("~[0-9a-f]{8}$")


def label(text: str) -> str:
    r"""A text as the value of a label: printable, short, and another one for every text.

    What had to be changed ends in the first digits of a hash of what it was.

    Examples
    --------
    >>> label("de"), label("a\nb"), len(label("x" * 500))
    ('de', 'a?b~7e18f737', 80)
    """
    plain = text.isprintable() and len(text) <= LONGEST and not _MARKED.search(text)
    return text if plain else _marked(text)


def segment_label(segment: str) -> str:
    """The label of a segment, ``all`` for all rows; a segment that is itself called so is told apart from them.

    Examples
    --------
    >>> segment_label(""), segment_label("de"), segment_label("all")
    ('all', 'de', 'all~5ef5ef03')
    """
    return EVERY if segment == ALL else _marked(segment) if segment == EVERY else label(segment)


def _marked(text: str) -> str:
    mark = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    clean = "".join(each if each.isprintable() else "?" for each in text[:LONGEST])
    return f"{clean[: LONGEST - len(mark) - 1]}~{mark}"


def window_label(length: int, unit: str) -> str:
    """The label of a window's length; ``now`` for the present content of a snapshot.

    Examples
    --------
    >>> window_label(3600, "seconds"), window_label(500, "rows"), window_label(0, "seconds")
    ('1h', '500 rows', 'now')
    """
    return length_text(length, "rows" if unit == "rows" else "seconds") if length else PRESENT


def largest(rows: Mapping[str, float], names: Collection[str], most: int) -> tuple[list[str], list[str]]:
    """Names that are told, those of most rows, in the order of the names; and those that are left out.

    Examples
    --------
    >>> largest({"de": 5, "en": 9}, ["de", "en", "fr"], 2), largest({}, ["a", "b"], 1)
    ((['de', 'en'], ['fr']), (['a'], ['b']))
    """
    ranked = sorted(names, key=lambda name: (-rows.get(name, 0), name))
    told = set(ranked[:most])
    return [name for name in names if name in told], [name for name in names if name not in told]
