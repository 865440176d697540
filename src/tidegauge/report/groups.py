"""The clusters of the interactive map, in the order in which they are listed: new, gained, lost, and those that did not
move. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tidegauge.records import Comparison, Example, RowIndex, RowValues
from tidegauge.report.formats import clean, count, percent
from tidegauge.report.model import example

Kind = Literal["new", "gained", "lost", "not moved"]

LETTERS: Mapping[Kind, str] = {"new": "N", "gained": "G", "lost": "L", "not moved": ""}


@dataclass(frozen=True, slots=True)
class Group:
    """One cluster for people: its ``key`` on the map, its shares of both sides, how many of its rows are on the map,
    and the rates of its outcomes there. ``place`` is its place in ``view.clusters``, -1 where it has no rows.
    """

    place: int
    key: str
    name: str
    kind: Kind
    shade: int
    about: str
    before: str
    after: str
    rows_before: int
    rows_after: int
    rates: tuple[str, ...]
    position: tuple[float, float] | None


def groups(c: Comparison) -> tuple[Group, ...]:
    """Every cluster that moved, then every other one that has rows on the map, largest first."""
    names = c.view.clusters or ("all rows",)
    sizes = _sizes(c, len(names))
    found: list[Group] = []
    moved: list[tuple[Kind, str, tuple[Example, ...], float, float, tuple[float, float]]] = [
        *(("new", k.name, k.examples, k.share_before, k.share, k.position) for k in c.novelty.clusters),
        *(("gained", r.cell, r.examples, r.share_before, r.share_after, r.position) for r in c.gained),
        *(("lost", r.cell, r.examples, r.share_before, r.share_after, r.position) for r in c.lost),
    ]
    seen: dict[str, int] = {}
    for kind, name, examples, before, after, position in moved:
        if name in (group.name for group in found):
            continue
        seen[kind] = seen.get(kind, 0) + 1
        place = names.index(name) if name in names else -1
        found.append(
            _group(
                c,
                place,
                f"{LETTERS[kind]}{seen[kind]}",
                name,
                kind,
                seen[kind] - 1,
                examples,
                (before, after),
                position,
                sizes,
            )
        )
    taken = {group.place for group in found}
    rest = sorted((i for i in range(len(names)) if i not in taken), key=lambda i: (-sizes[:, i].sum(), i))
    totals = np.maximum(sizes.sum(axis=1), 1)
    for shade, place in enumerate(rest):
        shares = (float(sizes[0, place] / totals[0]), float(sizes[1, place] / totals[1]))
        found.append(_group(c, place, "", names[place], "not moved", shade, _first(c, place), shares, None, sizes))
    return tuple(found)


def _sizes(c: Comparison, names: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Rows on the map of each cluster, (2, names): before, after."""
    view = c.view
    sides = ((view.before, view.before_clusters), (view.after, view.after_clusters))
    counts = [
        np.bincount(places, minlength=names) if len(places) else np.array([len(rows)] + [0] * (names - 1))
        for rows, places in sides
    ]
    return np.stack(counts).astype(np.int64)


def _group(
    c: Comparison,
    place: int,
    key: str,
    name: str,
    kind: Kind,
    shade: int,
    examples: tuple[Example, ...],
    shares: tuple[float, float],
    position: tuple[float, float] | None,
    sizes: np.ndarray[tuple[int, int], np.dtype[np.int64]],
) -> Group:
    rows = (int(sizes[0, place]), int(sizes[1, place])) if place >= 0 else (0, 0)
    about = clean(example(examples[0]), 70) if examples else ""
    before, after = map(percent, shares)
    return Group(place, key, clean(name, 60), kind, shade, about, before, after, *rows, _rates(c, place), position)


def _first(c: Comparison, place: int) -> tuple[Example, ...]:
    """The first row of a cluster that has a text, from the window if it can be."""
    view = c.view
    for places, ids, texts in (
        (view.after_clusters, view.after_ids, view.after_texts),
        (view.before_clusters, view.before_ids, view.before_texts),
    ):
        inside = np.flatnonzero(places == place)
        if len(inside) and inside[0] < min(len(ids), len(texts)):
            return (Example(ids[inside[0]], texts[inside[0]]),)
    return ()


def _rates(c: Comparison, place: int) -> tuple[str, ...]:
    """Each outcome's mean among a cluster's rows on the map, before and after."""
    view = c.view
    return tuple(
        f"{clean(name, 40)}: {_rate(values, view.before_clusters == place)} before, "
        f"{_rate(view.after_outcomes.get(name), view.after_clusters == place)} after"
        for name, values in view.before_outcomes.items()
    )


def _rate(values: RowValues | None, inside: RowIndex | np.ndarray[tuple[int], np.dtype[np.bool_]]) -> str:
    if values is None or len(values) != len(inside):
        return "none"
    known = values[inside]
    known = known[~np.isnan(known)]
    if not len(known):
        return "none"
    return f"{percent(float(known.mean()))} of {count(len(known))}"
