"""Records to view values: what a report says, in which order, in which words.

Everything here is pure. Text, page and pictures are made from these values alone, so that they cannot disagree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tidegauge.comparison.wording import change_sentence
from tidegauge.records import (
    ChangeKind,
    Comparison,
    Contribution,
    Coverage,
    Decomposition,
    Drift,
    Example,
    Explained,
    NewCluster,
    OutcomeChange,
    Region,
    Score,
    Side,
)
from tidegauge.report.formats import (
    ABSENT,
    between,
    clean,
    count,
    drift_value,
    number,
    p_clause,
    p_value,
    percent,
    points,
    points_between,
    rough_percent,
    signed,
    z_value,
)
from tidegauge.window.moment import moment

Tone = Literal["alert", "calm", "unknown"]
State = Literal["no drift", "drift", "insufficient data"]

TONES: Mapping[str, Tone] = {"drift": "alert", "no drift": "calm", "insufficient data": "unknown"}

_VISIBLE_ENOUGH = 0.25
_DRAWN, _TOLD = 4, 12


@dataclass(frozen=True, slots=True)
class WeekRow:
    """One week of a history: its label, drift with interval, state, and outcome rates as fractions in [0, 1]."""

    label: str
    drift: Drift
    state: State
    outcomes: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Fact:
    """A label and what is said of it."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class DriftView:
    """The headline number: value, interval with its level, and the smallest drift that these sizes can find."""

    value: str
    interval: str
    level: str
    unit: str
    detectable: str
    sentence: str


@dataclass(frozen=True, slots=True)
class RegionRow:
    """A region that moved, formatted."""

    cell: str
    before: str
    after: str
    spread: str
    z: str
    p: str
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClusterRow:
    """A new cluster, formatted."""

    name: str
    rows: str
    share: str
    interval: str
    before: str
    p: str
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the playbook's three questions, answered."""

    question: str
    sentence: str
    size: str
    p: str
    where: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """An outcome on both sides, formatted; ``clear`` says whether its interval excludes no change."""

    name: str
    before: str
    after: str
    change: str
    interval: str
    rows: str
    clear: bool


@dataclass(frozen=True, slots=True)
class PartRow:
    """What a group of rows adds to an outcome's change, formatted; ``start`` and ``end`` are where its step of the
    waterfall begins and ends, and ``low`` and ``high`` where it may end, as numbers.
    """

    kind: ChangeKind
    label: str
    change: str
    interval: str
    shares: str
    rates: str
    examples: tuple[str, ...]
    start: float
    end: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ChangeView:
    """Where an outcome's change lies: a sentence, its three kinds, and its groups in the order of the waterfall."""

    name: str
    by: str
    harm: str
    sentence: str
    before: str
    after: str
    change: str
    interval: str
    kinds: tuple[PartRow, ...]
    parts: tuple[PartRow, ...]
    resampled: str
    picture: str
    rate_before: float
    rate_after: float
    share: bool


@dataclass(frozen=True, slots=True)
class CoverageView:
    """How much of the window the documents cover, formatted, and where they do not."""

    sentence: str
    gaps: tuple[PartRow, ...]


@dataclass(frozen=True, slots=True)
class ExplainedRow:
    """How much of the drift and of an outcome's loss one value of a property accounts for, formatted."""

    property: str
    value: str
    shares: str
    drift: str
    loss: str
    outcome: str


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """A score, formatted; ``at`` is z as a number for the picture (NaN where refused)."""

    name: str
    label: str
    scope: str
    member: bool
    decides: bool
    value: str
    null: str
    z: str
    p: str
    effect: str
    meaning: str
    refused: str
    at: float


@dataclass(frozen=True, slots=True)
class Rejection:
    """Rows set aside for one reason, and where the first of them stands."""

    reason: str
    rows: str
    first: str


@dataclass(frozen=True, slots=True)
class SideRow:
    """One side of the comparison, formatted; ``role`` is ``reference`` or ``window``."""

    role: str
    label: str
    source: str
    rows: str
    duplicates: str
    span: str
    rejected: tuple[Rejection, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's file name without suffix, its heading, and its text for those who cannot see it."""

    name: str
    title: str
    alt: str


@dataclass(frozen=True, slots=True)
class Page:
    """All that a report says about one comparison, in the order in which it says it."""

    title: str
    verdict: str
    state: str
    tone: Tone
    headline: str
    drift: DriftView
    answers: tuple[Answer, ...]
    clusters: tuple[ClusterRow, ...]
    gained: tuple[RegionRow, ...]
    lost: tuple[RegionRow, ...]
    outcomes: tuple[OutcomeRow, ...]
    changes: tuple[ChangeView, ...]
    impact: str
    coverage: CoverageView | None
    explained: tuple[ExplainedRow, ...]
    scores: tuple[ScoreRow, ...]
    sides: tuple[SideRow, SideRow]
    notes: tuple[str, ...]
    next: tuple[str, ...]
    decided: str
    decision: tuple[Fact, ...]
    pictures: tuple[Picture, ...]


REASONS: Mapping[str, str] = {
    "nan": "NaN",
    "inf": "infinite value",
    "zero": "all zeros",
    "null": "missing",
    "width": "wrong width",
    "overflow": "too large for float32",
}


def _sentence(text: str) -> str:
    return clean(text, 600)


def example(row: Example) -> str:
    """Show an example by its text, or by its id where no text was given.

    Examples
    --------
    >>> example(Example("17", "where is my order?")), example(Example("17"))
    ('where is my order?', 'row 17')
    """
    text = clean(row.text, 110)
    return text or f"row {clean(row.id, 60)}"


def _examples(rows: tuple[Example, ...]) -> tuple[str, ...]:
    return tuple(example(row) for row in rows[:5])


def region_row(region: Region) -> RegionRow:
    """Format a region."""
    return RegionRow(
        cell=clean(region.cell, 60),
        before=percent(region.share_before),
        after=percent(region.share_after),
        spread=f"{number(region.spread_ratio)} times" if math.isfinite(region.spread_ratio) else ABSENT,
        z=z_value(region.z),
        p=p_value(region.p),
        examples=_examples(region.examples),
    )


def cluster_row(cluster: NewCluster) -> ClusterRow:
    """Format a new cluster."""
    return ClusterRow(
        name=clean(cluster.name, 60),
        rows=count(cluster.rows),
        share=percent(cluster.share),
        interval=between(percent(cluster.share_low), percent(cluster.share_high)),
        before=percent(cluster.share_before),
        p=p_value(cluster.p),
        examples=_examples(cluster.examples),
    )


def outcome_row(change: OutcomeChange, d: Decomposition | None = None) -> OutcomeRow:
    """Format an outcome's change, with the interval of its decomposition where that knows more."""
    share = d is None or d.outcome.unit == "share"
    low, high = (change.low, change.high) if d is None or (d.guess and share) else (d.low, d.high)
    rate = percent if share else number
    return OutcomeRow(
        name=clean(change.name, 60),
        before=rate(change.before),
        after=rate(change.after),
        change=points(change.change) if share else signed(change.change),
        interval=points_between(low, high) if share else between(signed(low), signed(high)),
        rows=f"{count(change.rows_before)} and {count(change.rows_after)}",
        clear=low > 0 or high < 0,
    )


def _by_clusters(c: Comparison, name: str) -> Decomposition | None:
    return next((d for d in c.decompositions if d.outcome.name == name and d.by == "clusters"), None)


KINDS: Mapping[ChangeKind, str] = {"new": "New", "mix": "Mix", "within": "Within"}
_RESAMPLED = {
    "sessions": "Intervals: whole sessions resampled.",
    "days": "Intervals: whole days resampled.",
    "rows": "Intervals: rows resampled.",
}


def change_views(c: Comparison) -> tuple[ChangeView, ...]:
    """Format where each outcome's change lies; the first few are drawn."""
    return tuple(
        change_view(d, f"change-{i + 1}" if i < _DRAWN else "") for i, d in enumerate(c.decompositions[:_TOLD])
    )


def change_view(d: Decomposition, picture: str = "") -> ChangeView:
    """Format where an outcome's change lies."""
    share = d.outcome.unit == "share"
    rate, step = (percent, points) if share else (number, signed)
    at, parts = d.before, list[PartRow]()
    for c in d.groups:
        parts.append(_part_row(c, at, share=share))
        at += c.change
    return ChangeView(
        name=clean(d.outcome.name, 60),
        by=clean(d.by, 60),
        harm=f"harm is that it {d.outcome.harmful}",
        sentence=_sentence(change_sentence(d)),
        before=rate(d.before),
        after=rate(d.after),
        change=step(d.change),
        interval=points_between(d.low, d.high) if share else between(signed(d.low), signed(d.high)),
        kinds=tuple(_part_row(c, d.before, share=share) for c in (d.new, d.mix, d.within)),
        parts=tuple(parts),
        resampled=f"{'A guess. ' if d.guess else ''}{_sentence(d.note) or _RESAMPLED[d.resampled]}",
        picture=picture,
        rate_before=d.before,
        rate_after=d.after,
        share=share,
    )


def _part_label(c: Contribution) -> str:
    if c.group == "all":
        return KINDS[c.kind]
    group = clean(c.group, 60)
    return f"N{group[1:]}" if c.kind == "new" and group.startswith("new cluster") else f"{KINDS[c.kind]}: {group}"


def coverage_view(coverage: Coverage) -> CoverageView:
    """Format how much of the window the documents cover."""
    interval = between(percent(coverage.low), percent(coverage.high))
    sizes = f"{count(coverage.queries)} rows against {count(coverage.documents)} documents"
    before = percent(coverage.before)
    was = "" if before == ABSENT else f" Before it was {before} ({p_clause(coverage.p)})."
    sentence = f"The documents cover {percent(coverage.share)} of the window (95 % interval {interval}; {sizes}).{was}"
    return CoverageView(sentence, tuple(_part_row(gap, 0.0, share=True) for gap in coverage.gaps[:5]))


def explained_row(explained: Explained) -> ExplainedRow:
    """Format how much one value of a property accounts for."""
    return ExplainedRow(
        property=clean(explained.property, 60),
        value=clean(explained.value, 60),
        shares=f"{percent(explained.share_before)} to {percent(explained.share_after)}",
        drift=rough_percent(explained.drift),
        loss=rough_percent(explained.loss),
        outcome=clean(explained.outcome, 60),
    )


def _part_row(c: Contribution, start: float, *, share: bool) -> PartRow:
    rate = percent if share else number
    return PartRow(
        kind=c.kind,
        label=_part_label(c),
        change=points(c.change) if share else signed(c.change),
        interval=points_between(c.low, c.high) if share else between(signed(c.low), signed(c.high)),
        shares=f"{percent(c.share_before)} to {percent(c.share_after)}",
        rates=f"{rate(c.rate_before)} to {rate(c.rate_after)}",
        examples=_examples(c.examples[:3]),
        start=start,
        end=start + c.change,
        low=start + c.low,
        high=start + c.high,
    )


def score_row(score: Score, critical: float) -> ScoreRow:
    """Format a score; ``critical`` is the member p at which the panel decides."""
    refused = clean(score.refused, 200) or ("" if math.isfinite(score.z) else "no figure could be computed")
    null = f"{number(score.null_mean)} ± {number(score.null_sd)}" if math.isfinite(score.null_sd) else ABSENT
    effect = f"{number(score.effect)} {clean(score.effect_unit, 60)}".strip() if math.isfinite(score.effect) else ABSENT
    return ScoreRow(
        name=clean(score.name, 60),
        label=clean(score.label, 60),
        scope=score.scope,
        member=score.member,
        decides=score.member and score.p <= critical,
        value=number(score.value),
        null=null,
        z=z_value(score.z),
        p=p_value(score.p),
        effect=effect,
        meaning=_sentence(score.meaning),
        refused=refused,
        at=score.z if not score.refused else math.nan,
    )


def score_rows(c: Comparison) -> tuple[ScoreRow, ...]:
    """Format all scores: the panel's members first, otherwise in the order given."""
    ordered = sorted(c.scores, key=lambda score: not score.member)
    return tuple(score_row(score, c.panel.critical) for score in ordered)


def side_row(side: Side, role: str) -> SideRow:
    """Format one side."""
    span = between(moment(side.first_time), moment(side.last_time))
    rejected = tuple(
        Rejection(REASONS.get(reason, clean(reason, 60)), count(rows), clean(side.first_rejected.get(reason, ""), 120))
        for reason, rows in sorted(side.rejected.items())
        if rows
    )
    return SideRow(
        role=role,
        label=clean(side.label, 60),
        source=clean(side.source, 160),
        rows=count(side.rows),
        duplicates=count(side.duplicates),
        span=span if span == ABSENT else f"{span} UTC",
        rejected=rejected,
    )


def drift_view(drift: Drift) -> DriftView:
    """Format the headline number and the sentence that says it."""
    value = drift_value(drift.value)
    interval = between(drift_value(drift.low), drift_value(drift.high))
    level = rough_percent(drift.level)
    detectable = drift_value(drift.detectable)
    within = "" if interval == ABSENT else f" ({level} interval {interval})"
    if value == ABSENT:
        sentence = "The drift could not be measured."
    elif drift.value > 0:
        sentence = f"As if {value} of the traffic had moved to a typical other cell{within}."
    else:
        sentence = f"Measured {value} of the traffic{within}; on unchanged data it is zero on average."
    if detectable != ABSENT:
        sentence += f" These sizes find a drift of {detectable} four times in five."
    return DriftView(value, interval, level, clean(drift.unit, 60), detectable, sentence)


def headline(c: Comparison) -> str:
    """Say the verdict in one short line, for a picture's title.

    Returns
    -------
    str
        Such as ``"Drift: as if 3.4 % of the traffic had moved"``.
    """
    if c.verdict.state == "insufficient data":
        needed = c.verdict.needed
        return "Insufficient data: no verdict" + (f" below {count(needed)} rows" if needed else "")
    value = drift_value(c.drift.value)
    if c.verdict.state == "no drift":
        return "No drift" if value == ABSENT else f"No drift: measured {value} of the traffic"
    return "Drift" if value == ABSENT else f"Drift: as if {value} of the traffic had moved"


def visible_warning(c: Comparison) -> str:
    """Say how little of a drift the first two components show; empty where there is nothing to warn of.

    Only a drift is warned of: where there is none, a share of it would contradict the verdict.
    """
    share = c.view.visible
    if c.verdict.state != "drift" or not share < _VISIBLE_ENOUGH:
        return ""
    return f"Only {rough_percent(share)} of the drift is visible on these two axes; see the scores."


def axis_label(component: int, explained: float) -> str:
    """Label a component's axis with its share of the reference's variance.

    Examples
    --------
    >>> from tidegauge.report.formats import plain
    >>> plain(axis_label(1, 0.12))
    "PC1 (12 % of the reference's variance)"
    """
    return f"PC{component} ({rough_percent(explained)} of the reference's variance)"


def side_label(side: Side) -> str:
    """Name a side with its number of rows, for legends."""
    return f"{clean(side.label, 40)} ({count(side.rows)} rows)"


def matchup(c: Comparison) -> str:
    """Say what is compared with what, for the line below a picture's title."""
    return f"{side_label(c.before)} against {side_label(c.after)}"


def cluster_label(cluster: NewCluster) -> str:
    """Name a new cluster with its share, for the picture."""
    return f"{clean(cluster.name, 28)}, {percent(cluster.share)}"


def _where(regions: tuple[Region, ...], lead: str) -> tuple[str, ...]:
    rows = [region_row(region) for region in regions[:3]]
    return tuple(f"{lead} {row.cell} ({row.before} before, {row.after} after)" for row in rows)


def _spread_where(regions: tuple[Region, ...]) -> tuple[str, ...]:
    rows = [region_row(region) for region in regions[:3]]
    return tuple(f"{row.cell}: distance to the centre {row.spread} what it was" for row in rows)


def _answers(c: Comparison) -> tuple[Answer, ...]:
    shift, spread, novelty = c.mean_shift, c.spread, c.novelty
    sd, ratio, excess = number(shift.sd), number(spread.ratio), percent(novelty.excess)
    return (
        Answer(
            "Did the mean shift?",
            _sentence(shift.sentence),
            ABSENT if sd == ABSENT else f"{sd} sd along its own direction",
            p_clause(shift.p),
            _where(shift.towards, "towards") + _where(shift.away_from, "away from"),
        ),
        Answer(
            "Did the spread change?",
            _sentence(spread.sentence),
            ABSENT if ratio == ABSENT else f"total sd {ratio} times what it was",
            p_clause(spread.p),
            _spread_where(spread.where),
        ),
        Answer(
            "Did new clusters emerge?",
            _sentence(novelty.sentence),
            ABSENT if excess == ABSENT else f"{excess} of the traffic beyond the usual share of far rows",
            p_clause(novelty.p),
            (),
        ),
    )


def _decided(c: Comparison) -> str:
    panel = c.panel
    if not math.isfinite(panel.p):
        return "The panel could not be computed."
    units = f"{count(panel.units)} units, {count(panel.draws)} draws"
    return f"Joint {p_clause(panel.p)} at alpha {number(panel.alpha)}, permuted by {clean(panel.unit, 60)} ({units})."


def _panel_facts(c: Comparison) -> tuple[Fact, ...]:
    panel = c.panel
    reason = f": {_sentence(panel.reason)}" if panel.reason else ""
    return (
        Fact("Joint p of the panel", p_value(panel.p)),
        Fact("Alpha", number(panel.alpha)),
        Fact("A member decides at", f"p at or below {number(panel.critical)}" if panel.critical > 0 else ABSENT),
        Fact("Unit of permutation", f"{clean(panel.unit, 60)} ({count(panel.units)} units){reason}"),
        Fact("Draws", count(panel.draws)),
        Fact("Smallest effect of interest", drift_value(c.min_effect)),
    )


def _decision(c: Comparison) -> tuple[Fact, ...]:
    named = (("Reference", clean(c.reference, 80)), ("Model", clean(c.model_id, 80)))
    return (
        Fact("Door", c.door),
        *_panel_facts(c),
        Fact("Width of the vectors", count(c.width)),
        Fact("Profile", clean(c.profile, 80)),
        Fact("Seed", str(c.seed)),
        *(Fact(label, value) for label, value in named if value),
    )


def _pictures(c: Comparison) -> tuple[Picture, ...]:
    before, after = side_label(c.before), side_label(c.after)
    warning = visible_warning(c)
    clusters = "; ".join(cluster_label(cluster) for cluster in c.novelty.clusters[:8])
    rings = f" New clusters are ringed: {clusters}." if clusters else ""
    z = ", ".join(f"{row.label} {'not computed' if row.refused else row.z}" for row in score_rows(c))
    return (
        Picture(
            "embedding-drift-pca",
            "Where the vectors lie",
            f"{before} and {after} on the first two principal components. {headline(c)}.{rings} {warning}".strip(),
        ),
        Picture("pc1", "Along the first component", f"Histograms of {before} and {after} on the same bins of PC1."),
        Picture("scores", "Every score against unchanged data", f"z of every score: {z or 'no scores'}."),
        *(
            Picture(each.picture, f"Where the change of {each.name} lies", each.sentence)
            for each in change_views(c)
            if each.picture
        ),
    )


def page(c: Comparison) -> Page:
    """Everything that a report says about ``c``, formatted and cleaned."""
    verdict = c.verdict
    return Page(
        title=f"tidegauge: {clean(c.before.label, 60)} against {clean(c.after.label, 60)}",
        verdict=_sentence(verdict.sentence),
        state=verdict.state,
        tone=TONES[verdict.state],
        headline=headline(c),
        drift=drift_view(c.drift),
        answers=_answers(c),
        clusters=tuple(map(cluster_row, c.novelty.clusters)),
        gained=tuple(map(region_row, c.gained)),
        lost=tuple(map(region_row, c.lost)),
        outcomes=tuple(outcome_row(change, _by_clusters(c, change.name)) for change in c.outcomes),
        changes=change_views(c),
        impact="" if c.impact is None else _sentence(c.impact.sentence),
        coverage=None if c.coverage is None else coverage_view(c.coverage),
        explained=tuple(map(explained_row, c.explained)),
        scores=score_rows(c),
        sides=(side_row(c.before, "reference"), side_row(c.after, "window")),
        notes=tuple(map(_sentence, (*verdict.notes, *(c.impact.notes if c.impact else ())))),
        next=tuple(map(_sentence, dict.fromkeys((*(c.impact.next if c.impact else ()), *verdict.next)))),
        decided=_decided(c),
        decision=_decision(c),
        pictures=_pictures(c),
    )
