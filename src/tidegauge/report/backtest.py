"""What budgets would have done, as text, JSON, a page and a picture: pure functions of a ``Backtest``."""

from __future__ import annotations

import base64
import json
import os
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegauge.records import ALL, Alarm, Annotation
from tidegauge.report.formats import clean, count, drift_value, plain
from tidegauge.report.model import Fact, Tone
from tidegauge.report.windows import Unit, end_said, finite, place_json, start_said, unit_of
from tidegauge.run.backtest import RAREST, Backtest, Gap, Raised, Tried
from tidegauge.spec.length import SECONDS, length_text

SCHEMA = "tidegauge.backtest/1"
PICTURE = "backtest"
LOUD = 20
"""Spans of unchanged traffic in one of which an alarm is as loud as one that is hardly chance."""

_WIDTH = 92
_TEXT_ALARMS, _PAGE_ALARMS, _LINES = 12, 200, 40
WORDS = {"y": "year", "w": "week", "d": "day", "h": "hour", "m": "minute", "s": "second"}
_SCORES = {
    "mmd": "mean",
    "whitened_mmd": "rare directions",
    "spread": "spread",
    "component_spread": "spread along components",
    "mass_scan": "mass scan",
    "spread_scan": "spread scan",
    "novelty": "novelty",
}


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """A budget as it is shown; ``asked`` is the one in question."""

    budget: str
    asked: bool
    threshold: str
    raised: str
    expected: str
    achieved: str
    known: str


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """An alarm as it is shown."""

    opened: str
    onset: str
    resolved: str
    lasted: str
    spoke: str
    drift: str
    peak: str
    rarity: str
    beside: tuple[str, ...]
    recorded: str
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that is said of a backtest, formatted and cleaned."""

    title: str
    tone: Tone
    sentence: str
    beside: tuple[str, ...]
    budgets: tuple[BudgetRow, ...]
    alarms: tuple[tuple[str, tuple[AlarmRow, ...], int], ...]
    annotations: tuple[str, ...]
    gaps: tuple[str, ...]
    facts: tuple[Fact, ...]
    clock: str
    alt: str


# ---------------------------------------------------------------- words


def duration(seconds: float) -> str:
    """Say a span of time in words, to two digits or so.

    Examples
    --------
    >>> [duration(seconds) for seconds in (7_776_000, 7_775_000, 129_600, 86_400, 5400, 90)]
    ['90 days', '90 days', '36 hours', '24 hours', '90 minutes', '90 seconds']
    >>> duration(1e8)
    '3 years'
    """
    unit = next((each for each in "ydhm" if seconds >= 2 * SECONDS[each] * (1 - 1e-3)), "s")
    n = round(seconds / SECONDS[unit])
    return f"{count(n)} {WORDS[unit]}{'s' * (n != 1)}"


def length(panes_or_rows: int, unit: Unit) -> str:
    """Say the length of a span in the unit of its panes."""
    return f"{count(panes_or_rows)} rows" if unit == "rows" else duration(panes_or_rows)


def budget_said(tried: Tried) -> str:
    """Say a budget in words, such as ``1 in 90 days``, to the second."""
    budget = tried.budget
    if budget.unit == "panes":
        return f"{budget.false_alarms} in {count(budget.length)} panes"
    said = length_text(budget.length)
    n, word = int(said[:-1]), WORDS[said[-1]]
    return f"{budget.false_alarms} in {count(n)} {word}{'s' * (n != 1)}"


def about(number: float) -> str:
    """Say how many are expected.

    Examples
    --------
    >>> [about(n) for n in (0.02, 0.31, 1.02, 2.96, 14.2)]
    ['fewer than 0.1', 'about 0.3', 'about 1', 'about 3', 'about 14']
    """
    if number < 0.05:
        return "fewer than 0.1"
    return f"about {count(round(number))}" if number >= 9.95 else f"about {number:.1f}".removesuffix(".0")


def sentence(b: Backtest, tried: Tried) -> str:
    """What a budget would have done, in one sentence."""
    n, expected = len(tried.raised), about(tried.expected)
    alarms = "no alarm" if not n else f"{count(n)} alarm{'s' * (n != 1)}"
    if b.min_effect:
        expected = f"at most {expected}"
    verb = "is" if expected.endswith(" 1") else "are"
    done = f"A budget of {budget_said(tried)} would have raised {alarms} {_when(b)}"
    return f"{done}; {expected} {verb} expected from unchanged traffic."


def _when(b: Backtest) -> str:
    unit = unit_of(b.spec)
    said = length(b.until - b.since, unit)
    return f"in the last {said}" if b.latest else f"in {said} from {start_said(b.since, unit)} on"


def _panes(b: Backtest, panes: float) -> str:
    """A run length, in time where panes are of time."""
    if b.spec.pane.unit == "seconds":
        return duration(panes * b.spec.pane.length)
    return f"{count(round(panes))} panes"


def _threshold(tried: Tried) -> str:
    low, high = min(tried.thresholds), max(tried.thresholds)
    return f"{low:.1f}" if f"{low:.1f}" == f"{high:.1f}" else f"{low:.1f} to {high:.1f}"


def _budget_row(b: Backtest, tried: Tried) -> BudgetRow:
    judged, achieved = len(b.starts), tried.achieved
    low, high = judged / achieved.high, judged / achieved.low
    return BudgetRow(
        budget_said(tried),
        tried is b.tried[0],
        _threshold(tried),
        count(len(tried.raised)),
        f"{_number(tried.expected)} ({_number(low)} to {_number(high)})",
        f"{_panes(b, achieved.panes)} ({_panes(b, achieved.low)} to {_panes(b, achieved.high)})",
        "firm" if tried.firm else "provisional",
    )


def _number(n: float) -> str:
    return about(n).removeprefix("about ").replace("fewer than ", "< ")


def annotation_said(note: Annotation) -> str:
    """Say an annotation: its kind, and its text.

    Examples
    --------
    >>> annotation_said(Annotation("", "deploy", 0, 60, "new catalogue"))
    'deploy: new catalogue'
    """
    text = clean(note.text, 80)
    return f"{note.kind}: {text}" if text else note.kind


def score_said(name: str) -> str:
    """What a score is called.

    Examples
    --------
    >>> score_said("mass_scan"), score_said("another")
    ('mass scan', 'another')
    """
    return _SCORES.get(name, name)


def _alarm_row(b: Backtest, raised: Raised) -> AlarmRow:
    alarm, unit = raised.alarm, unit_of(b.spec)
    over = f"{alarm.panes} pane{'s' * (alarm.panes != 1)}"
    return AlarmRow(
        _short(end_said(alarm.opened, unit)),
        _short(start_said(alarm.onset, unit)),
        "lasts" if alarm.resolved is None else _short(end_said(alarm.resolved, unit)),
        length(raised.end - alarm.onset, unit),
        f"{score_said(alarm.score)} over {over}",
        "" if alarm.drift is None else drift_value(alarm.drift),
        f"{alarm.value:.1f} of {alarm.threshold:.1f} sd",
        _panes(b, raised.rarity) if raised.rarity < 0.99 * RAREST else f"> {_panes(b, RAREST)}",
        tuple(map(annotation_said, raised.annotations)),
        ", ".join(raised.recorded),
        # The first reason says again what the columns do.
        tuple(clean(each, 260) for each in (alarm.title, *alarm.reasons[1:5]) if each),
    )


def _short(place: str) -> str:
    """A place in a table whose head says that all is UTC."""
    return place.removesuffix(" UTC")


def _gap_said(b: Backtest, gap: Gap) -> str:
    unit = unit_of(b.spec)
    why = f": {gap.why}" if gap.why else ""
    return f"{start_said(gap.since, unit)} to {end_said(gap.until, unit)}{why}"


def _note_said(b: Backtest, note: Annotation) -> str:
    unit = unit_of(b.spec)
    return f"{start_said(note.since, unit)} to {end_said(note.until, unit)}, {annotation_said(note)}"


def learned_said(b: Backtest) -> str:
    """From what it was learned what is normal."""
    if b.learned == "before":
        return f"Learned from {count(b.known)} panes before the span in which all was well."
    return (
        f"Cross-fitted, as there are fewer panes before the span than in it: each of its {len(b.folds)} parts is "
        f"judged by what was learned from the others and from outside of it, at least {count(b.known)} panes."
    )


def loud_of(b: Backtest, tried: Tried) -> int:
    """How many of a budget's alarms are so loud as unchanged traffic gets in one of LOUD such spans at most."""
    return sum(each.rarity >= LOUD * len(b.starts) or each.rarity >= 0.99 * RAREST for each in tried.raised)


def _beside(b: Backtest) -> list[str]:
    """What must be known to read the figures."""
    asked, out = b.tried[0], list[str]()
    n, loud = len(asked.raised), loud_of(b, asked)
    if n:
        told = "It is" if n == loud == 1 else "It is not" if n == 1 else f"{count(loud)} of them are"
        out.append(f"{told} louder than unchanged traffic gets in 19 of {LOUD} such spans.")
    out.append(learned_said(b))
    if not asked.firm:
        promise = count(round(asked.promise))
        out.append(f"Provisional: {count(b.known)} panes taught it, and {promise} lie between two false alarms.")
    if b.shared:
        out.append(
            "The budget is for all streams and segments together; this one's share is a false alarm in "
            f"{_panes(b, asked.promise)}."
        )
    if not b.whole:
        out.append(f"The history under the reference in force begins {start_said(b.since, unit_of(b.spec))}.")
    if b.unmarked:
        panes = f"{count(b.unmarked)} pane{'s' * (b.unmarked != 1)}"
        out.append(f"{panes} of the history did not teach, standing out although nobody marked them.")
    if b.min_effect:
        out.append(f"Alarms of less than {drift_value(b.min_effect)} of the traffic are left out.")
    return out


def page(b: Backtest) -> Page:
    """Everything that is said of ``b``."""
    asked = b.tried[0]
    name = clean(b.spec.name, 60) if b.segment == ALL else f"{clean(b.spec.name, 60)}/{clean(b.segment, 60)}"
    unit = unit_of(b.spec)
    facts = (
        Fact("Stream", name),
        Fact("Span", f"{start_said(b.since, unit)} to {end_said(b.until, unit)}"),
        Fact("Panes judged", f"{count(len(b.starts))} of {b.spec.pane}"),
        Fact("Reference", b.reference[:12]),
        Fact("Smallest effect of interest", drift_value(b.min_effect)),
        Fact("Quiet panes that resolve an alarm", count(b.spec.alarm.calm)),
    )
    top = f"{max(b.statistic):.1f}"
    alt = f"The statistic of {count(len(b.starts))} panes, {top} sd at most, with the threshold of each budget: "
    alt += "; ".join(f"{budget_said(each)}, {_threshold(each)} sd, {len(each.raised)} alarms" for each in b.tried)
    return Page(
        f"tidegauge: what a budget would have done, {name}",
        "alert" if asked.raised else "calm",
        sentence(b, asked),
        tuple(_beside(b)),
        tuple(_budget_row(b, each) for each in b.tried),
        tuple(
            (
                budget_said(each),
                tuple(_alarm_row(b, raised) for raised in each.raised[:_PAGE_ALARMS]),
                max(len(each.raised) - _PAGE_ALARMS, 0),
            )
            for each in b.tried
        ),
        tuple(_note_said(b, note) for note in b.annotations[:_LINES]),
        tuple(_gap_said(b, gap) for gap in b.gaps[:_LINES])
        + ((f"and {count(len(b.gaps) - _LINES)} more",) if len(b.gaps) > _LINES else ()),
        facts,
        ", UTC" if b.spec.pane.unit == "seconds" else "",
        f"{alt}.",
    )


# ---------------------------------------------------------------- forms


def text(b: Backtest) -> str:
    """As plain text of at most 92 columns, the sentence first."""
    said = page(b)
    heads = ("budget", "threshold", "alarms", "expected", "a false alarm in", "")
    rows = [heads, *((r.budget, r.threshold, r.raised, r.expected, r.achieved, r.known) for r in said.budgets)]
    lines = [*_wrap(said.sentence), "", *_table(rows), ""]
    for each in said.beside:
        lines += _wrap(each)
    name, alarms, _ = said.alarms[0]
    if alarms:
        lines += ["", f"Alarms of {name}{', in UTC' * (b.spec.pane.unit == 'seconds')}:"]
        for alarm in alarms[:_TEXT_ALARMS]:
            lines += _alarm_lines(alarm)
        more = len(b.tried[0].raised) - _TEXT_ALARMS
        lines += [f"  and {count(more)} more, with --out and --format json"] if more > 0 else []
    lines += _listed("Marked by people", said.annotations)
    lines += _listed("Not judged", said.gaps)
    return "".join(f"{plain(line)}\n" for line in lines)


def _wrap(line: str, first: str = "", rest: str = "") -> list[str]:
    return textwrap.wrap(plain(line), _WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return ["  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _alarm_lines(alarm: AlarmRow) -> list[str]:
    drift = f", drift {alarm.drift}" if alarm.drift else ""
    over = "lasts since" if alarm.resolved == "lasts" else f"resolved {alarm.resolved}, lasted"
    parts = (
        f"began {alarm.onset}, {over} {alarm.lasted}",
        f"{alarm.spoke}, {alarm.peak}{drift}",
        f"as loud in unchanged traffic once in {alarm.rarity.replace('> ', 'more than ')}",
        *alarm.beside,
        *((f"on record as {alarm.recorded}",) if alarm.recorded else ()),
    )
    lines = _wrap(f"- {alarm.opened}: {'; '.join(parts)}.", "  ", "    ")
    return lines + (_wrap(alarm.why[0], "    ", "    ") if alarm.why else [])


def _listed(heading: str, rows: Iterable[str]) -> list[str]:
    some = list(rows)[:_TEXT_ALARMS]
    return ["", f"{heading}:", *(line for row in some for line in _wrap(f"- {row}", "  ", "    "))] if some else []


def to_dict(b: Backtest) -> dict[str, Any]:
    """As what JSON knows, with ``schema`` first; numbers that cannot be given are null."""
    unit = unit_of(b.spec)
    return {
        "schema": SCHEMA,
        "sentence": plain(sentence(b, b.tried[0])),
        "stream": b.spec.name,
        "segment": b.segment,
        "reference": b.reference,
        "pane": str(b.spec.pane),
        "since": place_json(b.since, unit),
        "until": place_json(b.until, unit),
        "judged": len(b.starts),
        "whole": b.whole,
        "min_effect": b.min_effect,
        "learned": {
            "how": b.learned,
            "panes": b.known,
            "unmarked": b.unmarked,
            "parts": [place_json(each, unit) for each in b.folds],
        },
        "budgets": [_tried_json(b, each, unit) for each in b.tried],
        "recorded": [_alarm_json(each, unit) for each in b.recorded],
        "annotations": [_annotation_json(each, unit) for each in b.annotations],
        "gaps": [
            {"since": place_json(each.since, unit), "until": place_json(each.until, unit), "why": each.why}
            for each in b.gaps
        ],
        "panes": {
            "start": [place_json(each, unit) for each in b.starts.tolist()],
            "statistic": [finite(round(each, 3)) for each in b.statistic.tolist()],
            "drift": [finite(round(each, 3)) for each in b.drift.tolist()],
            "normal": [finite(round(each, 3)) for each in b.normal.tolist()],
        },
    }


def render(b: Backtest) -> str:
    """As JSON, one top-level key a line."""
    pairs = (f"{json.dumps(name)}: {json.dumps(item, ensure_ascii=False)}" for name, item in to_dict(b).items())
    return ("{\n" + ",\n".join(pairs) + "\n}\n").encode("utf-8", "replace").decode("utf-8")


def _tried_json(b: Backtest, tried: Tried, unit: Unit) -> dict[str, Any]:
    achieved, judged = tried.achieved, len(b.starts)
    figures = {name: finite(getattr(achieved, name)) for name in ("panes", "low", "high", "level")}
    return {
        "budget": str(tried.budget),
        "promise": tried.promise,
        "thresholds": list(tried.thresholds),
        "achieved": figures,
        "firm": tried.firm,
        "expected": {"value": tried.expected, "low": judged / achieved.high, "high": judged / achieved.low},
        "raised": len(tried.raised),
        "alarms": [
            {
                **_alarm_json(each.alarm, unit),
                "rarity": each.rarity,
                "annotations": [annotation_said(note) for note in each.annotations],
                "recorded": list(each.recorded),
            }
            for each in tried.raised
        ],
    }


def _alarm_json(alarm: Alarm, unit: Unit) -> dict[str, Any]:
    return {
        "id": alarm.id,
        "severity": alarm.severity,
        "opened": place_json(alarm.opened, unit),
        "onset": place_json(alarm.onset, unit),
        "updated": place_json(alarm.updated, unit),
        "resolved": None if alarm.resolved is None else place_json(alarm.resolved, unit),
        "score": alarm.score,
        "panes": alarm.panes,
        "value": finite(alarm.value),
        "threshold": finite(alarm.threshold),
        "drift": None if alarm.drift is None else finite(alarm.drift),
        "title": alarm.title,
        "reasons": list(alarm.reasons),
        "examples": [{"id": each.id, "text": each.text} for each in alarm.examples],
    }


def _annotation_json(note: Annotation, unit: Unit) -> dict[str, Any]:
    return {
        "kind": note.kind,
        "since": place_json(note.since, unit),
        "until": place_json(note.until, unit),
        "text": note.text,
        "by": note.by,
        "alarm": note.alarm,
    }


def html(b: Backtest, picture: str) -> str:
    """As one self-contained page; ``picture`` is SVG."""
    from tidegauge.report.html import template

    uri = f"data:image/svg+xml;base64,{base64.b64encode(picture.encode()).decode('ascii')}"
    said = template("backtest.html.j2").render(page=page(b), uri=uri)
    return said.encode("utf-8", "replace").decode("utf-8")


def write(b: Backtest, out_dir: str | os.PathLike[str]) -> list[Path]:
    """Write every form into a folder: ``backtest.html``, ``.json``, ``.txt``, ``.svg`` and ``.png``.

    The same backtest gives the same bytes; all are rendered before the first is written.
    """
    from tidegauge.report.backtest_figure import backtest_figure
    from tidegauge.report.canvas import png, svg
    from tidegauge.report.files import replace_file

    drawn = backtest_figure(b)
    vector = svg(drawn)
    pages = {"html": html(b, vector.decode()), "json": render(b), "txt": text(b)}
    files = {kind: said.encode("utf-8", "replace") for kind, said in pages.items()} | {"svg": vector, "png": png(drawn)}
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    return [replace_file(folder / f"{PICTURE}.{kind}", data) for kind, data in files.items()]
