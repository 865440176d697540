"""A comparison as plain text for the terminal: about 45 lines, 20 more with outcomes, the verdict first."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

from tidegauge.records import Comparison
from tidegauge.report import model
from tidegauge.report.formats import clean, plain

WIDTH = 92
_SCORES = 8
_BOLD, _RESET = "\x1b[1m", "\x1b[0m"
_COLOURS = {"alert": "\x1b[1;31m", "calm": "\x1b[1;32m", "unknown": "\x1b[1;33m"}


def _wrap(text: str, first: str = "", rest: str | None = None) -> list[str]:
    """Wrap at ordinary spaces only, so that a number stays with its unit."""
    indent = first if rest is None else rest
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False)


def _bullets(texts: Iterable[str], limit: int, most: int = 260) -> list[str]:
    rows = list(texts)
    more = [f"  - and {len(rows) - limit} more, in report.html"] if len(rows) > limit else []
    return [line for text in rows[:limit] for line in _wrap(clean(text, most), "  - ", "    ")] + more


def _section(heading: str, lines: list[str]) -> list[str]:
    return ["", f"{heading}:", *lines] if lines else []


def _columns(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> list[str]:
    """Align a table's columns; ``right`` says which of them are flush right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(right))]
    cells = [
        [cell.rjust(w) if flush else cell.ljust(w) for cell, w, flush in zip(row, widths, right, strict=True)]
        for row in rows
    ]
    return [f"  {'  '.join(row)}".rstrip() for row in cells]


def _verdict(page: model.Page) -> list[str]:
    before, after = page.sides
    sides = f"{before.label} ({before.rows} rows) against {after.label} ({after.rows} rows)."
    told = ["", *_wrap(page.impact)] if page.impact else []
    return [*_wrap(page.verdict), *told, "", *_wrap(page.drift.sentence), *_wrap(f"{sides} {page.decided}")]


def _answer(answer: model.Answer) -> list[str]:
    return _wrap(f"{answer.sentence} [{answer.p}]", "  - ", "    ")


def _seen(examples: tuple[str, ...]) -> str:
    return f', such as "{clean(examples[0], 46)}"' if examples else ""


def _cluster(row: model.ClusterRow) -> str:
    return f"new: {row.name}, {row.share} ({row.rows} rows){_seen(row.examples)}"


def _region(row: model.RegionRow, verb: str) -> str:
    return f"{verb}: {row.cell}, {row.before} to {row.after}{_seen(row.examples)}"


def _moved(page: model.Page) -> list[str]:
    return [
        *_bullets(map(_cluster, page.clusters), 3),
        *_bullets((_region(row, "gained") for row in page.gained), 2),
        *_bullets((_region(row, "lost") for row in page.lost), 2),
    ]


def _outcomes(page: model.Page) -> list[str]:
    rows = [
        (clean(row.name, 24), f"{row.before} before", f"{row.after} after", row.change, f"({row.interval})")
        for row in page.outcomes[:5]
    ]
    return _columns(rows, (False, True, True, True, False)) if rows else []


def _beside(page: model.Page) -> list[str]:
    """What else was asked: the coverage, and who it is that changed."""
    lines = [*_bullets([page.coverage.sentence], 1)] if page.coverage else []
    who = [
        f"{row.property} {row.value}: {row.shares} of the traffic, {row.drift} of the drift"
        + (f", {row.loss} of the loss of {row.outcome}" if row.outcome else "")
        for row in page.explained
    ]
    return [*lines, *_bullets(who, 4)]


def _changes(page: model.Page) -> list[str]:
    return _bullets((change.sentence for change in page.changes), 5, 520)


def _scores(page: model.Page) -> list[str]:
    shown = page.scores[:_SCORES]
    rows = [("", "z", "p", "effect", "")]
    for row in shown:
        mark = "decides" if row.decides else "on the panel" if row.member else "shown only"
        if not row.refused:
            rows.append((clean(row.label, 26), row.z, row.p, clean(row.effect, 36), mark))
    rest = len(page.scores) - len(shown)
    table = _columns(rows, (False, True, True, False, False)) if rows[1:] else []
    return [*table, *_refused(shown), *([f"  and {rest} more, in report.html"] if rest else [])]


def _refused(rows: Sequence[model.ScoreRow]) -> list[str]:
    """Say each reason once, with the scores that it kept from being computed."""
    reasons = dict.fromkeys(row.refused for row in rows if row.refused)
    told = (f"not computed ({why}): {', '.join(row.label for row in rows if row.refused == why)}" for why in reasons)
    return [line for text in told for line in _wrap(text, "  ", "    ")]


def _rejections(side: model.SideRow) -> list[str]:
    parts = [f"{row.rows} {row.reason}" + (f" (first at {row.first})" if row.first else "") for row in side.rejected]
    return [f"Set aside in {side.label}: {'; '.join(parts)}."] if parts else []


def _paint(lines: list[str], tone: model.Tone, verdict: int) -> list[str]:
    """Colour the verdict's own lines, and embolden the headings."""
    heads = [f"{_COLOURS[tone]}{line}{_RESET}" for line in lines[:verdict]]
    tail = [f"{_BOLD}{line}{_RESET}" if re.fullmatch(r"[A-Z][^:]*:", line) else line for line in lines[verdict:]]
    return heads + tail


def render(c: Comparison, *, color: bool = False) -> str:
    """Render a comparison as text of at most 92 columns.

    Parameters
    ----------
    c : Comparison
        What to say. Control characters and terminal escapes in its texts are left out.
    color : bool
        Whether to colour the verdict and embolden headings with ANSI escapes.

    Returns
    -------
    str
        Lines ending in a newline, the verdict's sentence first.
    """
    page = model.page(c)
    lines = [
        *_verdict(page),
        *_section("Answers", [line for answer in page.answers for line in _answer(answer)]),
        *_section("What moved", _moved(page)),
        *_section("Outcomes (associated with the change, not explained by it)", _outcomes(page)),
        *_section("Where the change lies", _changes(page)),
        *_section("Coverage, and who changed", _beside(page)),
        *_section("Scores", _scores(page)),
        *_section("Notes", _bullets((*(line for side in page.sides for line in _rejections(side)), *page.notes), 4)),
        *_section("What to do next", _bullets(page.next, 3)),
    ]
    lines = [plain(line) for line in lines]
    return "\n".join(_paint(lines, page.tone, len(_wrap(page.verdict))) if color else lines) + "\n"
