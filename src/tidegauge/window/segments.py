"""Segments of rows: few, first come first served, the rest under one name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tidegauge.records import NONE, OTHER, StrArray

LONGEST = 200
"""Characters of a segment's name; longer ones are no segments but texts, and count as others."""


def assign(names: StrArray, known: Sequence[str], most: int) -> tuple[npt.NDArray[np.str_], tuple[str, ...]]:
    """Give each row its segment, and list the segments met for the first time.

    Parameters
    ----------
    names : array of str, shape (n,)
        What the rows say; empty where they say nothing.
    known : sequence of str
        Segments met so far.
    most : int
        The cap: names that come when so many are known, ``none`` and ``other`` aside, are ``other``.

    Examples
    --------
    >>> assigned, new = assign(np.array(["de", "", "fr", "en", "de"]), ["en"], most=2)
    >>> assigned.tolist(), new
    (['de', 'none', 'other', 'en', 'de'], ('de', 'none', 'other'))
    """
    given, first, inverse = np.unique(np.asarray(names, np.str_), return_index=True, return_inverse=True)
    taken = dict.fromkeys(name for name in known if name not in (NONE, OTHER))
    new: list[str] = []
    named: dict[int, str] = {}
    for place in np.argsort(first):
        name = str(given[place]) or NONE
        if name not in (NONE, OTHER) and name not in taken:
            if len(taken) < most and len(name) <= LONGEST and name.isprintable():
                taken[name] = None
            else:
                name = OTHER
        if name not in known and name not in new:
            new.append(name)
        named[int(place)] = name
    chosen = np.array([named[place] for place in range(len(given))], np.str_)
    return (chosen[inverse] if len(given) else np.empty(0, np.str_)), tuple(new)
