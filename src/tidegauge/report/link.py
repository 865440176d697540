"""What ties outcomes to drift, as text, JSON, a page and pictures: pure functions of a ``Linked``."""

from __future__ import annotations

import base64
import json
import math
import os
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegauge.records import (
    ALL,
    Alarm,
    Contribution,
    Coverage,
    Decomposition,
    Explained,
    ImpactState,
    Link,
    Outcome,
    Study,
)
from tidegauge.report.alarms import annotation_json
from tidegauge.report.backtest import WORDS, annotation_said, score_said
from tidegauge.report.formats import (
    between,
    clean,
    count,
    number,
    p_clause,
    p_value,
    percent,
    plain,
    points,
    points_between,
    rough_percent,
    signed,
)
from tidegauge.report.model import ChangeView, Fact, Tone, change_view
from tidegauge.report.windows import Unit, end_said, finite, length_said, place_json, start_said, unit_of
from tidegauge.run.link import Courses, Linked, end_of
from tidegauge.spec.length import length_text

SCHEMA = "tidegauge.link/1"
PICTURE = "link"
TONES: Mapping[ImpactState, Tone] = {
    "harmful drift": "alert",
    "failure without drift": "alert",
    "harmless drift": "calm",
    "no drift": "calm",
    "trend alone": "unknown",
    "not enough data": "unknown",
}

_WIDTH = 100
_TEXT_ROWS, _PAGE_ROWS, _LINES, _DRAWN = 24, 200, 40, 4


@dataclass(frozen=True, slots=True)
class LinkRow:
    """Whether an outcome goes with drift, as it is shown."""

    outcome: str
    segment: str
    harm: str
    state: str
    associated: bool
    lag: str
    strength: str
    slope: str
    interval: str
    p: str
    q: str
    panes: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StudyRow:
    """What an outcome did around the onsets of alarms, as it is shown."""

    outcome: str
    segment: str
    state: str
    sentence: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PropertyRow:
    """What one value of a property has to do with it, as it is shown."""

    name: str
    value: str
    shares: str
    drift: str
    outcome: str
    loss: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the page: its name, and what it shows in words."""

    name: str
    alt: str


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that is said of what ties outcomes to drift, formatted and cleaned."""

    title: str
    tone: Tone
    state: str
    sentence: str
    notes: tuple[str, ...]
    next: tuple[str, ...]
    links: tuple[LinkRow, ...]
    more: int
    studies: tuple[StudyRow, ...]
    changes: tuple[ChangeView, ...]
    unchanged: tuple[str, ...]
    spans: str
    coverage: str
    gaps: tuple[str, ...]
    properties: tuple[PropertyRow, ...]
    alarms: tuple[str, ...]
    annotations: tuple[str, ...]
    facts: tuple[Fact, ...]
    course: Picture
    study: Picture


# ---------------------------------------------------------------- words


def span_said(length: int, unit: Unit) -> str:
    """Say how long some windows are, exactly.

    Examples
    --------
    >>> span_said(3600, "seconds"), span_said(10_800, "seconds"), plain(span_said(2000, "rows"))
    ('1 hour', '3 hours', '2 000 rows')
    """
    if unit == "rows":
        return f"{count(length)} rows"
    said = length_text(length)
    n = int(said[:-1])
    return f"{count(n)} {WORDS[said[-1]]}{'s' * (n != 1)}"


def lag_said(lag: int | None, linked: Linked | Courses) -> str:
    """By how much an outcome follows drift."""
    if lag is None:
        return ""
    return f"{span_said(lag * linked.length, unit_of(linked.spec))} later" if lag else "at the same time"


def rate_said(outcome: Outcome, rate: float) -> str:
    """An outcome in its own unit.

    Examples
    --------
    >>> plain(rate_said(Outcome("success"), 0.884)), rate_said(Outcome("seconds", unit="number"), 2.5)
    ('88.4 %', '2.5')
    """
    return percent(rate) if outcome.unit == "share" else number(rate)


def step_said(outcome: Outcome, change: float) -> str:
    """A change of an outcome in its own unit.

    Examples
    --------
    >>> plain(step_said(Outcome("success"), -0.042)), plain(step_said(Outcome("clicks", unit="count"), 0.5))
    ('-4.2 points', '+0.5')
    """
    return points(change) if outcome.unit == "share" else signed(change)


def steps_said(outcome: Outcome, low: float, high: float) -> str:
    """An interval of changes."""
    return points_between(low, high) if outcome.unit == "share" else between(signed(low), signed(high))


def segment_said(segment: str) -> str:
    """What a segment is called: all rows together have no name."""
    return "all rows" if segment == ALL else clean(segment, 40)


def link_row(each: Link, linked: Linked) -> LinkRow:
    """Format whether an outcome goes with drift."""
    asked = math.isfinite(each.p)
    tied = asked and each.state != "not associated"
    return LinkRow(
        clean(each.outcome.name, 40),
        segment_said(each.segment),
        f"harm: it {each.outcome.harmful}",
        each.state,
        each.state == "associated",
        lag_said(each.lag, linked) if tied else "",
        number(each.strength) if asked else "",
        step_said(each.outcome, each.slope) if tied else "",
        steps_said(each.outcome, each.low, each.high) if tied else "",
        p_value(each.p) if asked else "",
        p_value(each.q) if asked else "",
        count(each.panes),
        tuple(clean(reason, 300) for reason in each.reasons),
    )


def study_sentence(study: Study, linked: Linked) -> str:
    """What an outcome did around the onsets of alarms, in one sentence."""
    name, n = clean(study.outcome.name, 40), study.events
    alarms = f"{count(n)} alarm{'s' * (n != 1)}"
    if not n:
        return f"{name}: no alarm has enough windows around it to compare."
    if not math.isfinite(study.effect):
        return f"{name}: {alarms}, too little around them to compare."
    over = span_said(study.after * linked.length, unit_of(linked.spec))
    moved = f"{step_said(study.outcome, study.effect)} ({steps_said(study.outcome, study.low, study.high)})"
    against = f"against {count(study.controls)} windows like theirs without an alarm"
    said = f"{name}: {moved} over the {over} from the onset of {alarms}, {against}; {p_clause(study.p)}"
    if study.state == "pre-trend":
        return f"{said}. It had begun before ({p_clause(study.before)}), so that the alarms do not date it."
    if study.state == "anecdote":
        return f"{said}. Fewer than five alarms are an anecdote."
    return f"{said}."


def study_row(study: Study, linked: Linked) -> StudyRow:
    """Format what an outcome did around the onsets of alarms."""
    return StudyRow(
        clean(study.outcome.name, 40),
        segment_said(study.segment),
        study.state,
        study_sentence(study, linked),
        tuple(clean(reason, 300) for reason in study.reasons),
    )


def coverage_said(coverage: Coverage, documents: str) -> str:
    """How much of the queries the documents cover, in one sentence."""
    before = f", {percent(coverage.before)} before" if math.isfinite(coverage.before) else ""
    how = "by their nearest document" if coverage.by == "similarity" else "cell by cell"
    interval = between(percent(coverage.low), percent(coverage.high))
    return (
        f"{clean(documents, 60)} covers {percent(coverage.share)} of the queries ({interval}){before}, {how}; "
        f"{p_clause(coverage.p)}."
    )


def _gap_said(gap: Contribution) -> str:
    examples = "; ".join(f"“{clean(each.text or each.id, 80)}”" for each in gap.examples[:3])
    return (
        f"{clean(gap.group, 60)}: {percent(gap.share_after)} of the queries{f', such as {examples}' * bool(examples)}"
    )


def property_row(each: Explained) -> PropertyRow:
    """Format what one value of a property has to do with it."""
    return PropertyRow(
        clean(each.property, 40),
        clean(each.value, 60),
        f"{percent(each.share_before)} to {percent(each.share_after)}",
        rough_percent(each.drift) if math.isfinite(each.drift) else "",
        clean(each.outcome, 40),
        rough_percent(each.loss) if math.isfinite(each.loss) else "",
    )


def spans_said(linked: Linked) -> str:
    """Which two spans the change lies between."""
    unit, changed = unit_of(linked.spec), linked.changed
    after = f"{start_said(changed.after[0], unit)} to {end_said(changed.after[1], unit)}"
    if changed.before is None:
        return f"From the reference to {after}."
    return f"From {start_said(changed.before[0], unit)} to {end_said(changed.before[1], unit)}, to {after}."


def alarm_said(alarm: Alarm, linked: Linked) -> str:
    """One alarm of the span."""
    unit = unit_of(linked.spec)
    end = "lasts" if alarm.lasts else f"resolved {end_said(end_of(alarm), unit)}"
    score = f", by {score_said(alarm.score)}" if alarm.score else ""
    of = "" if alarm.segment == ALL else f" in {segment_said(alarm.segment)}"
    return f"{alarm.id}{of}: began {start_said(alarm.onset, unit)}, {end}{score}. {clean(alarm.title, 200)}"


def _name(linked: Linked) -> str:
    name = clean(linked.spec.name, 60)
    return name if linked.segment == ALL else f"{name}/{clean(linked.segment, 40)}"


def _ordered(links: Iterable[Link]) -> list[Link]:
    """Those that are associated first, the surest at the top; what was not asked at the end."""
    return sorted(links, key=lambda each: (each.state != "associated", not math.isfinite(each.q), each.q, each.p))


def page(linked: Linked) -> Page:
    """Everything that is said of ``linked``."""
    found, unit, changed = linked.found, unit_of(linked.spec), linked.changed
    links, notes = _ordered(linked.links), linked.annotations
    windows = f"{count(len(linked.starts))} of {span_said(linked.length, unit)}"
    asked = sum(math.isfinite(each.p) for each in linked.links)
    facts = (
        Fact("Stream", _name(linked)),
        Fact("Span", f"{start_said(linked.since, unit)} to {end_said(linked.until, unit)}"),
        Fact("Windows", windows),
        Fact("Reference", linked.reference[:12]),
        Fact("Longest lag asked", lag_said(linked.lags, linked)),
        Fact("Tests asked at once", count(asked)),
    )
    outcomes = ", ".join(clean(each.outcome.name, 40) for each in linked.courses if each.segment == linked.segment)
    alarms = f"{count(len(linked.alarms))} alarm{'s' * (len(linked.alarms) != 1)}"
    return Page(
        f"tidegauge: outcomes and drift, {_name(linked)}",
        TONES[found.state],
        found.state,
        _sentence(clean(found.sentence, 1200)),
        tuple(_sentence(clean(note, 600)) for note in found.notes),
        tuple(_sentence(clean(step, 600)) for step in found.next),
        tuple(link_row(each, linked) for each in links[:_PAGE_ROWS]),
        max(len(links) - _PAGE_ROWS, 0),
        tuple(study_row(each, linked) for each in linked.studies[:_PAGE_ROWS]),
        tuple(
            change_view(each, f"{PICTURE}-change-{i + 1}" if i < _DRAWN else "")
            for i, each in enumerate(filter(is_clear, changed.decompositions))
        ),
        tuple(change_view(each).sentence for each in changed.decompositions if not is_clear(each)),
        spans_said(linked),
        "" if changed.coverage is None else coverage_said(changed.coverage, changed.documents),
        () if changed.coverage is None else tuple(map(_gap_said, changed.coverage.gaps[:5])),
        tuple(map(property_row, changed.explained[:_LINES])),
        tuple(alarm_said(each, linked) for each in linked.alarms[:_LINES]),
        tuple(
            f"{start_said(each.since, unit)} to {end_said(each.until, unit)}, {annotation_said(each)}"
            for each in notes[:_LINES]
        ),
        facts,
        Picture(PICTURE, f"Drift, and below it {outcomes or 'no outcome'}, on the same time; {alarms}."),
        Picture(f"{PICTURE}-study", " ".join(study_sentence(each, linked) for each in drawn_studies(linked))),
    )


def is_clear(change: Decomposition) -> bool:
    """Whether an outcome changed beyond chance: only then it is worth a picture where the change lies."""
    return change.low > 0 or change.high < 0


def drawn_studies(linked: Linked) -> tuple[Study, ...]:
    """Studies that have a curve, of what was asked for."""
    return tuple(each for each in linked.studies if each.segment == linked.segment and len(each.curve))[:6]


def _sentence(text: str) -> str:
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


# ---------------------------------------------------------------- forms


def text(linked: Linked) -> str:
    """As plain text, the answer first."""
    said = page(linked)
    lines = [*_wrap(said.sentence)]
    for note in said.notes:
        lines += _wrap(f"- {note}", "  ", "    ")
    lines += _listed("What to do next", said.next)
    lines += ["", "Association over time (associated, never caused):", *_link_table(said, linked)]
    lines += _listed("Around the onsets of alarms", (f"{_of(each.segment)}{each.sentence}" for each in said.studies))
    changes = [*(change.sentence for change in said.changes), *said.unchanged]
    lines += ["", "Where the change lies:", *_wrap(said.spans, "  ", "  ")] if changes else []
    lines += [line for each in changes for line in _wrap(f"- {each}", "  ", "    ")]
    lines += _listed("Coverage", (said.coverage, *said.gaps) if said.coverage else ())
    lines += _listed("Who and what", map(_property_said, said.properties))
    lines += _listed("Alarms", said.alarms) + _listed("Marked by people", said.annotations)
    return "".join(f"{plain(line)}\n" for line in lines)


def _of(segment: str) -> str:
    return "" if segment == "all rows" else f"in {segment}, "


def _property_said(row: PropertyRow) -> str:
    parts = (
        f"{row.drift} of the drift" if row.drift else "",
        f"{row.loss} of the loss of {row.outcome}" if row.loss else "",
    )
    told = ", ".join(part for part in parts if part) or "nothing beyond chance to explain"
    return f"{row.name} {row.value}, {row.shares} of the traffic: {told}"


def _wrap(line: str, first: str = "", rest: str = "") -> list[str]:
    return textwrap.wrap(plain(line), _WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def _listed(heading: str, rows: Iterable[str]) -> list[str]:
    every = list(rows)
    some = [line for row in every[:_TEXT_ROWS] for line in _wrap(f"- {row}", "  ", "    ")]
    more = [f"  - and {len(every) - _TEXT_ROWS} more, with --out"] if len(every) > _TEXT_ROWS else []
    return ["", f"{heading}:", *some, *more] if some else []


def _link_table(said: Page, linked: Linked) -> list[str]:
    shown = said.links[:_TEXT_ROWS]
    rows = [("outcome", "of", "", "follows", "strength", "per % of drift", "p", "q")]
    rows += [(r.outcome, r.segment, r.state, r.lag, r.strength, r.slope, r.p, r.q) for r in shown]
    widths = [max(len(row[at]) for row in rows) for at in range(8)]
    lines = ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    reasons = dict.fromkeys(reason for row in shown for reason in row.reasons)
    lines += [line for reason in reasons for line in _wrap(f"- {_sentence(reason)}", "  ", "    ")]
    more = len(linked.links) - _TEXT_ROWS
    return lines + ([f"  and {count(more)} more, with --out and --format json"] if more > 0 else [])


def to_dict(linked: Linked) -> dict[str, Any]:
    """As what JSON knows, with ``schema`` first; numbers that cannot be given are null."""
    unit, found, changed = unit_of(linked.spec), linked.found, linked.changed
    return {
        "schema": SCHEMA,
        "state": found.state,
        "sentence": plain(found.sentence),
        "notes": list(map(plain, found.notes)),
        "next": list(map(plain, found.next)),
        "stream": linked.spec.name,
        "segment": linked.segment,
        "reference": linked.reference,
        "window": length_said(linked.length, unit),
        "since": place_json(linked.since, unit),
        "until": place_json(linked.until, unit),
        "lags": linked.lags,
        "links": [_link_json(each) for each in linked.links],
        "studies": [_study_json(each) for each in linked.studies],
        "before": None if changed.before is None else [place_json(each, unit) for each in changed.before],
        "after": [place_json(each, unit) for each in changed.after],
        "drifted": changed.drifted,
        "drift": None if changed.drift is None else _figures(changed.drift, "value", "low", "high", "level"),
        "decompositions": [_decomposition_json(each) for each in changed.decompositions],
        "coverage": None if changed.coverage is None else _coverage_json(changed.coverage, changed.documents),
        "explained": [_explained_json(each) for each in changed.explained],
        "alarms": [
            {
                "id": each.id,
                "segment": each.segment,
                "onset": place_json(each.onset, unit),
                "opened": place_json(each.opened, unit),
                "resolved": None if each.resolved is None else place_json(each.resolved, unit),
                "title": each.title,
            }
            for each in linked.alarms
        ],
        "annotations": [annotation_json(each, unit) for each in linked.annotations],
        "windows": {
            "start": [place_json(each, unit) for each in linked.starts.tolist()],
            "series": [
                {
                    "segment": segment,
                    "drift": [finite(round(each, 4)) for each in drift.tolist()],
                    "outcomes": {
                        each.outcome.name: {
                            "numerator": each.numerators.tolist(),
                            "denominator": each.denominators.tolist(),
                        }
                        for each in linked.courses
                        if each.segment == segment
                    },
                }
                for segment, drift in linked.drift.items()
            ],
        },
    }


def _figures(record: object, *names: str) -> dict[str, float | None]:
    return {name: finite(getattr(record, name)) for name in names}


def _outcome_json(outcome: Outcome) -> dict[str, str]:
    return {"name": outcome.name, "harmful": outcome.harmful, "unit": outcome.unit}


def _link_json(each: Link) -> dict[str, Any]:
    return {
        "outcome": _outcome_json(each.outcome),
        "segment": each.segment,
        "state": each.state,
        "windows": each.panes,
        "lag": each.lag,
        **_figures(each, "strength", "slope", "low", "high", "p", "q"),
        "reasons": list(each.reasons),
    }


def _study_json(each: Study) -> dict[str, Any]:
    return {
        "outcome": _outcome_json(each.outcome),
        "segment": each.segment,
        "state": each.state,
        "events": each.events,
        "controls": each.controls,
        "after": each.after,
        **_figures(each, "effect", "low", "high", "p", "before"),
        "offsets": list(each.offsets),
        "curve": [finite(value) for value in each.curve],
        "reasons": list(each.reasons),
    }


def _contribution_json(each: Contribution) -> dict[str, Any]:
    figures = ("change", "low", "high", "share_before", "share_after", "rate_before", "rate_after")
    return {
        "kind": each.kind,
        "group": each.group,
        **_figures(each, *figures),
        "examples": [{"id": example.id, "text": example.text} for example in each.examples],
    }


def _decomposition_json(each: Decomposition) -> dict[str, Any]:
    return {
        "outcome": _outcome_json(each.outcome),
        "by": each.by,
        **_figures(each, "before", "after", "change", "low", "high"),
        **{name: _contribution_json(getattr(each, name)) for name in ("mix", "within", "new")},
        "groups": [_contribution_json(part) for part in each.groups],
        "resampled": each.resampled,
        "guess": each.guess,
        "note": each.note,
    }


def _coverage_json(each: Coverage, documents: str) -> dict[str, Any]:
    return {
        "documents": documents,
        **_figures(each, "share", "low", "high", "before", "p"),
        "rows": {"queries": each.queries, "documents": each.documents},
        "by": each.by,
        "gaps": [_contribution_json(gap) for gap in each.gaps],
    }


def _explained_json(each: Explained) -> dict[str, Any]:
    told = {"property": each.property, "value": each.value, "outcome": each.outcome or None}
    return {**told, **_figures(each, "share_before", "share_after", "drift", "loss")}


def render(linked: Linked) -> str:
    """As JSON, one top-level key a line."""
    pairs = (
        f"{json.dumps(name)}: {json.dumps(item, ensure_ascii=False, allow_nan=False)}"
        for name, item in to_dict(linked).items()
    )
    return ("{\n" + ",\n".join(pairs) + "\n}\n").encode("utf-8", "replace").decode("utf-8")


def html(linked: Linked, figures: Mapping[str, str]) -> str:
    """As one self-contained page; ``figures`` are SVG by name, and one that is missing is left out."""
    from tidegauge.report.html import template

    said = page(linked)
    alts = {each.name: each.alt for each in (said.course, said.study)}
    alts |= {change.picture: change.sentence for change in said.changes}
    pictures = {
        name: {"alt": alts[name], "uri": f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode('ascii')}"}
        for name, svg in figures.items()
    }
    told = template("link.html.j2").render(page=said, pictures=pictures)
    return told.encode("utf-8", "replace").decode("utf-8")


def write(linked: Linked, out_dir: str | os.PathLike[str]) -> list[Path]:
    """Write every form into a folder: ``link.html``, ``.json``, ``.txt``, then SVG and PNG of every picture.

    The same answer gives the same bytes; all are rendered before the first is written.
    """
    from tidegauge.report.files import replace_file

    made = forms(linked)
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    return [replace_file(folder / name, data) for name, data in made.items()]


def forms(linked: Linked) -> dict[str, bytes]:
    """Every form, by the name of its file."""
    from tidegauge.report.canvas import png, svg
    from tidegauge.report.link_figure import course_figure, study_figure
    from tidegauge.report.waterfall import waterfall_figure

    drawn = {PICTURE: course_figure(linked)}
    if drawn_studies(linked):
        drawn[f"{PICTURE}-study"] = study_figure(linked)
    drawn |= {each.picture: waterfall_figure(each) for each in page(linked).changes if each.picture}
    vector = {name: svg(figure) for name, figure in drawn.items()}
    pages = {
        "html": html(linked, {name: data.decode() for name, data in vector.items()}),
        "json": render(linked),
        "txt": text(linked),
    }
    made = {f"{PICTURE}.{kind}": said.encode("utf-8", "replace") for kind, said in pages.items()}
    for name, figure in drawn.items():
        made |= {f"{name}.svg": vector[name], f"{name}.png": png(figure)}
    return made
