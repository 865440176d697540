"""A comparison as one interactive HTML page that asks no network for anything: the map and what is on it.

Everything that it says is also in its text and tables; the canvases add hovering, colours and clicks.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from itertools import zip_longest
from typing import Any

import numpy as np
from markupsafe import Markup

from tidegauge.records import Comparison
from tidegauge.report import frame, interactive, model, payload
from tidegauge.report.formats import between, clean, count, number, percent, z_value
from tidegauge.report.groups import Group, groups
from tidegauge.report.html import template

MOST_BYTES = 2_995_000
IDS_ROOM = 600_000
_MARGIN = 1.5
_TITLES = {"new": "New", "gained": "Gained traffic", "lost": "Lost traffic", "not moved": "Did not move"}


def render(c: Comparison) -> str:
    """Render a comparison as one interactive HTML file of less than 3 MB.

    Parameters
    ----------
    c : Comparison
        What to say. Its texts are escaped, and control characters in them are left out. All rows of ``c.view`` are on
        the map; where ids or texts would take the page beyond its size they are cut, and the page says so.

    Returns
    -------
    str
        The page. The same comparison gives the same bytes.

    Raises
    ------
    UsageError
        Where Bokeh is not installed.
    """
    interactive.require()
    page, rows = model.page(c), groups(c)
    pictures = {picture.name: picture for picture in page.pictures}
    figures = {
        "map": interactive.item(interactive.map_figure(c, interactive.empty_source(), interactive.empty_source())),
        "pc1": interactive.item(interactive.pc1_figure(c)),
        "scores": interactive.item(interactive.scores_figure(c)),
    }
    library = _library()
    data = _data(c, rows, page.sides, figures)
    said: dict[str, Any] = {
        "page": page,
        "pictures": pictures,
        "outcomes": [outcome["name"] for outcome in data["outcomes"]],
        "kinds": [
            (kind, title, [row for row in rows if row.kind == kind])
            for kind, title in _TITLES.items()
            if any(row.kind == kind for row in rows)
        ],
        "keys": _keys(c, rows),
        "line": frame.is_line(c),
        "bins": _bins(c),
        "medians": _medians(c),
        "members": _members(page),
        "threshold": z_value(frame.threshold(c)) if np.isfinite(frame.threshold(c)) else "",
        "chart_height": figures["scores"]["doc"]["roots"][0]["attributes"]["height"],
        "library": library,
        "script": _script(),
    }
    shell = template("explore.html.j2").render(said | {"data": "", "shown": ""})
    cuts = _add_words(c, data, MOST_BYTES - len(shell.encode("utf-8", "replace")) - len(_json(data)))
    text = template("explore.html.j2").render(said | {"data": _json(data), "shown": _shown(c, data, cuts)})
    return text.encode("utf-8", "replace").decode("utf-8")


def _json(data: dict[str, Any]) -> Markup:
    """JSON that cannot leave its script element."""
    return Markup(json.dumps(data, separators=(",", ":")).replace("<", "\\u003c").replace("&", "\\u0026"))


@cache
def _library() -> Markup:
    return Markup(payload.pack(interactive.library().encode()))


@cache
def _script() -> Markup:
    return Markup(resources.files("tidegauge.report").joinpath("templates/explore.js").read_text("utf-8"))


def _data(
    c: Comparison, rows: tuple[Group, ...], sides: tuple[model.SideRow, model.SideRow], figures: dict[str, Any]
) -> dict[str, Any]:
    """What the page's script reads, ids and texts not yet filled in."""
    shown = payload.points(frame.in_lanes(c))
    total = sum(len(side.xy) for side in shown)
    span = interactive.map_span(c)
    x, y = (_widened(limits) for limits in span)
    names = [name for name in shown[0].outcomes if name in shown[1].outcomes]
    levels = {name: payload.levels_of(*(side.outcomes[name] for side in shown)) for name in names}
    packed: list[dict[str, Any]] = []
    for side, row, told in zip(shown, sides, (c.before, c.after), strict=True):
        places, beyond = payload.encode_places(side.xy, x, y)
        packed.append(
            {
                "label": row.label,
                "legend": model.side_label(told),
                "rows": len(side.xy),
                "beyond": beyond,
                "places": places,
                "clusters": payload.encode_clusters(side.clusters),
                "outcomes": [payload.encode_values(side.outcomes[name], levels[name]) for name in names],
                "ids": "",
                "texts": "",
            }
        )
    return {
        "x": x,
        "y": y,
        "span": span,
        "steps": payload.STEPS,
        "size": interactive.point_size(total),
        "alpha": interactive.point_alpha(total),
        "palette": interactive.PALETTE,
        "outcomes": [{"name": clean(name, 40), "levels": levels[name]} for name in names],
        "groups": [
            {
                "place": row.place, "key": row.key, "name": row.name, "kind": row.kind, "shade": row.shade,
                "rates": row.rates,
            }
            for row in rows
        ],
        "sides": packed,
        "figures": figures,
    }  # fmt: skip


def _widened(limits: tuple[float, float]) -> tuple[float, float]:
    """The limits within which positions are kept: room to pan and zoom out; what lies beyond is drawn in."""
    low, high = limits
    return low - _MARGIN * (high - low), high + _MARGIN * (high - low)


def _add_words(c: Comparison, data: dict[str, Any], room: int) -> tuple[int, int]:
    """Fill in ids and texts as long as they fit, and tell at which lengths they were cut."""
    shown = payload.points(c.view)
    ids, id_limit = payload.encode_words([side.ids for side in shown], min(IDS_ROOM, room), payload.ID_LIMITS)
    room -= sum(map(len, ids))
    texts, text_limit = payload.encode_words([side.texts for side in shown], room, payload.TEXT_LIMITS)
    for side, packed_ids, packed_texts in zip(data["sides"], ids, texts, strict=True):
        side["ids"], side["texts"] = packed_ids, packed_texts
    return id_limit, text_limit


def _shown(c: Comparison, data: dict[str, Any], cuts: tuple[int, int]) -> str:
    """What the map shows of all there is, in words."""
    rows = [side["rows"] for side in data["sides"]]
    parts = [f"The map shows {count(rows[0])} and {count(rows[1])} rows"]
    whole = (c.before.rows, c.after.rows)
    parts[0] += (
        f", a sample of all {count(whole[0])} and {count(whole[1])}."
        if any(n < w for n, w in zip(rows, whole, strict=True))
        else "."
    )
    beyond = sum(side["beyond"] for side in data["sides"])
    if beyond:
        parts.append(f"{count(beyond)} of them lie far outside and are drawn in to the edge of the space.")
    if any(len(text) > cuts[0] for side in (c.view.before_ids, c.view.after_ids) for text in side) and cuts[0] < max(
        payload.ID_LIMITS
    ):
        parts.append(
            f"To keep this page small, ids are cut to {cuts[0]} characters."
            if cuts[0]
            else "To keep this page small, it has no ids."
        )
    if cuts[1] < max(payload.TEXT_LIMITS):
        parts.append(
            f"To keep this page small, texts are cut to {cuts[1]} characters."
            if cuts[1]
            else "To keep this page small, it has no texts."
        )
    return " ".join(parts)


def _keys(c: Comparison, rows: tuple[Group, ...]) -> str:
    used = {row.key[:1] for row in rows if row.key}
    ring = "" if frame.is_line(c) else " and a ring"
    said = {"N": f"N{ring}: a new cluster, with its share", "G": "G: gained traffic", "L": "L: lost traffic"}
    return "; ".join(text for letter, text in said.items() if letter in used) + "." if used else ""


def _bins(c: Comparison) -> list[tuple[str, str, str]]:
    edges = [number(float(edge)) for edge in c.view.pc1_edges]
    sides = [[percent(float(v)) for v in frame.shares(counts)] for counts in (c.view.pc1_before, c.view.pc1_after)]
    return [
        (between(low, high), before, after)
        for low, high, before, after in zip_longest(edges[:-1], edges[1:], *sides, fillvalue="")
    ]


def _members(page: model.Page) -> str:
    """The panel's members with their z, in one sentence."""
    members = [row for row in page.scores if row.member and not row.refused]
    if not members:
        return "No score could be computed."
    past = sum(row.decides for row in members)
    passed = f"{past or 'None'} of the panel's {len(members)} members {'is' if past == 1 else 'are'} past the threshold"
    said = ", ".join(f"{row.label} {row.z}" for row in members)
    return f"{passed}. z: {said}. All scores are in the table below."


def _medians(c: Comparison) -> str:
    edges = np.asarray(c.view.pc1_edges, np.float64)
    middle = [frame.median(edges, frame.shares(counts)) for counts in (c.view.pc1_before, c.view.pc1_after)]
    return (
        f"The medians, {number(middle[0])} and {number(middle[1])}, are upright lines."
        if all(map(np.isfinite, middle))
        else ""
    )
