"""Sentences: what a person reads first. Numbers here are the ones of the records, rounded for reading."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tidegauge.comparison.evidence import Evidence
from tidegauge.records import (
    Contribution,
    Decomposition,
    Drift,
    Example,
    MeanShift,
    NewCluster,
    Novelty,
    Panel,
    Region,
    SpreadChange,
)

CLEAR = 0.05
NOTABLE = 0.01
WORTH = 0.1
COUNTS = {1: "a", 2: "two", 3: "three", 4: "four", 5: "five"}


def share(fraction: float) -> str:
    """A fraction as per cent.

    Examples
    --------
    >>> share(0.123), share(0.0123), share(0.0)
    ('12 %', '1.2 %', '0 %')
    """
    value = 100 * fraction
    return f"{value:.0f} %" if value == 0 or abs(value) >= 9.95 else f"{value:.1f} %"


def p_text(p: float) -> str:
    """A p-value.

    Examples
    --------
    >>> p_text(0.0314), p_text(0.001), p_text(0.6)
    ('p = 0.031', 'p = 0.001', 'p = 0.60')
    """
    return f"p = {p:.2f}" if p >= 0.1 else f"p = {p:.3f}"


def named(regions: tuple[Region, ...]) -> str:
    """Regions by the row nearest to their centre."""
    names = []
    for region in regions:
        first = region.examples[0] if region.examples else None
        names.append(
            f"“{clip(first.text)}”"
            if first and first.text
            else f"{region.cell}{f' (near {first.id})' if first else ''}"
        )
    return " and ".join(names)


def clip(text: str, most: int = 48) -> str:
    """A text short enough for a sentence."""
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1].rstrip() + "…"


def shift_sentence(sd: float, p: float, towards: tuple[Region, ...]) -> str:
    """Did the mean shift?"""
    if math.isnan(p) or p > CLEAR:
        return "The mean did not shift beyond chance."
    to = f", towards {named(towards)}" if towards else ""
    return f"The mean shifted by {sd:.2f} sd along its direction ({p_text(p)}){to}."


def spread_sentence(ratio: float, p: float, where: tuple[Region, ...]) -> str:
    """Did the spread change?"""
    if math.isnan(p) or (p > CLEAR and not where):
        return "The spread did not change beyond chance."
    wider = [r for r in where if r.spread_ratio > 1]
    parts = []
    if p <= CLEAR:
        size = f"{abs(100 * (ratio - 1)):.1f} % {'larger' if ratio > 1 else 'smaller'}"
        parts.append(f"the overall standard deviation is {size} ({p_text(p)})")
    if where:
        most = where[0]
        more = f"{counted(len(where), 'region')} changed width, {len(wider) or 'none'} of them wider"
        parts.append(f"{more}; most of all {named((most,))}, by {abs(100 * (most.spread_ratio - 1)):.0f} %")
    text = "; ".join(parts)
    return f"The spread changed: {text}."


def novelty_sentence(
    excess: float, p: float, clusters: tuple[NewCluster, ...], farthest: tuple[Example, ...] = ()
) -> str:
    """Did new clusters emerge?"""
    if clusters:
        total = share(sum(c.share for c in clusters))
        listed = ", ".join(
            f"{clip(c.examples[0].text) if c.examples and c.examples[0].text else c.name} ({share(c.share)})"
            for c in clusters[:3]
        )
        many = f"{counted(len(clusters), 'new cluster')} hold{'s' if len(clusters) == 1 else ''}"
        return f"{many} {total} of the traffic: {listed}{', …' if len(clusters) > 3 else ''}."
    if p <= CLEAR:
        texts = [f"“{clip(row.text)}”" for row in farthest if row.text][:2]
        such = f", such as {' and '.join(texts)}" if texts else ""
        risen = f"the share of rows far from everything known rose by {100 * excess:.1f} points"
        return f"No compact new cluster, but {risen} ({p_text(p)}){such}."
    return "No new clusters: no more rows than before lie far from everything known."


@dataclass(frozen=True, slots=True)
class Findings:
    """The three answers, and the regions that gained and lost traffic."""

    shift: MeanShift
    spread: SpreadChange
    novelty: Novelty
    gained: tuple[Region, ...]
    lost: tuple[Region, ...]


def no_drift_sentence(p: float, drift: Drift) -> str:
    """The sentence where nothing was found: what would have been."""
    seen = f"a drift of {drift.detectable:.1f} % of the traffic would be found at least four times in five"
    return f"No drift found ({p_text(p)}); {seen}."


def insufficient_sentence(smaller: int, needed: int) -> str:
    """The sentence where the rows are too few."""
    rows = counted(smaller, "row")
    return f"Insufficient data: {rows} on the smaller side cannot tell; about {needed} are needed on each side."


def drift_sentence(drift: Drift, panel: Panel, found: Findings) -> str:
    """The sentence where there is drift: how much, how sure, and of what kind."""
    interval = f"95 % interval {drift.low:.1f} to {drift.high:.1f} %"
    size = f"as if {max(drift.value, 0):.1f} % of the traffic had moved ({interval})"
    if drift.low == 0:
        size = f"by its mean as if at most {drift.high:.1f} % of the traffic had moved, but other scores see more"
    return f"Drift: {size}; {p_text(panel.p)}. What changed: {'; '.join(_kinds(panel, found))}."


def _kinds(panel: Panel, found: Findings) -> list[str]:
    """What kind of drift it is, by what stands out."""
    kinds: list[str] = []
    if found.novelty.clusters:
        many = counted(len(found.novelty.clusters), "new cluster")
        kinds.append(f"{many} ({share(found.novelty.share)} of the traffic)")
    elif panel.members["novelty"] <= panel.alpha:
        kinds.append("more rows far from everything known")
    if found.shift.p <= NOTABLE:
        kinds.append(f"the mean shifted by {found.shift.sd:.2f} sd")
    if found.spread.p <= NOTABLE or found.spread.where:
        kinds.append("the spread changed")
    if found.gained or found.lost:
        gained, lost = counted(len(found.gained), "region"), counted(len(found.lost), "region")
        kinds.append(f"{gained} gained traffic and {lost} lost it")
    return kinds or ["a change of shape in small directions"]


def counted(n: int, noun: str) -> str:
    """A number and its noun.

    Examples
    --------
    >>> counted(1, "row"), counted(2, "row"), counted(0, "region")
    ('1 row', '2 rows', 'no regions')
    """
    return f"{n or 'no'} {noun}{'' if n == 1 else 's'}"


def what_next(state: str, shift: MeanShift, novelty: Novelty, e: Evidence) -> tuple[str, ...]:
    """What to do about it."""
    if state == "insufficient data":
        return ("Collect more rows, or compare longer windows.",)
    if state == "no drift":
        moved = [o for o in e.outcomes if o.low > 0 or o.high < 0]
        if moved:
            said = " and ".join(f"{o.name} ({100 * o.before:.0f} % to {100 * o.after:.0f} %)" for o in moved)
            return (f"The queries did not drift, but {said} changed: look at the index, the ranker and releases.",)
        return ("Nothing to do.",)
    steps = []
    if novelty.clusters:
        steps.append("Read the examples of the new clusters; check whether the index covers them.")
    if shift.p <= NOTABLE and shift.sd > 1 and not novelty.clusters:
        steps.append("A large shift of everything at once often is a new embedding model or preprocessor: check that.")
    if not e.outcomes:
        steps.append(
            "Drift alone does not tell harm: name an outcome, such as success or clicked, to see if it suffers."
        )
    else:
        steps.append("Compare the outcomes before and after below; drift is harmful only where one of them suffers.")
    steps.append("If the change is wanted and permanent, fit a new reference; tidegauge never does that by itself.")
    return tuple(steps)


def change_sentence(d: Decomposition) -> str:
    """Where an outcome's change lies: what of it is new, what in the mix, what everywhere.

    Examples
    --------
    >>> all_rows = ("all", -0.01, -0.02, 0.0, 0.8, 0.8, 0.9, 0.9)
    >>> mix, within = Contribution("mix", *all_rows), Contribution("within", *all_rows)
    >>> new = Contribution("new", "all", -0.10, -0.13, -0.07, 0.0, 0.2, 0.9, 0.4)
    >>> from tidegauge.records import Outcome
    >>> success = Outcome("success")
    >>> change_sentence(Decomposition(
    ...     success, "clusters", 0.9, 0.78, -0.12, -0.15, -0.09, mix, within, new, (), "sessions", False))
    'Of the 12-point fall of success (95 % interval -15.0 to -9.0), 10 sit in rows far from everything known
    (20 % of the traffic), 1 in the mix and 1 everywhere.'
    """
    scale = 100.0 if d.outcome.unit == "share" else 1.0
    name, unit = clip(d.outcome.name), " points" if d.outcome.unit == "share" else ""
    guess = " The interval is a guess." if d.guess else ""
    if not (d.low > 0 or d.high < 0):
        interval = f"95 % interval {_signed(d, d.low)} to {_signed(d, d.high)}"
        return f"{name} did not change beyond chance: by {_signed(d, d.change)}{unit} ({interval}).{guess}"
    places = max(0, 1 - math.floor(math.log10(abs(scale * d.change))))

    def size(change: float) -> str:
        return f"{abs(scale * change):.{places}f}"

    told = [(change, where) for change, where in _pieces(d) if float(size(change)) > 0]
    along = [f"{size(change)} {where}" for change, where in told if change * d.change > 0]
    against = [f"{size(change)} {where}" for change, where in told if change * d.change < 0]
    first, *more = along
    first = first.replace(" in ", " sit in ", 1)
    said = ", ".join([first, *more[:-1]]) + (f" and {more[-1]}" if more else "")
    back = f", less {' and '.join(against)}" if against else ""
    verb = "fall" if d.change < 0 else "rise"
    whole = f"{size(d.change)}-point {verb}" if unit else f"{verb} by {size(d.change)}"
    interval = f"95 % interval {_signed(d, d.low)} to {_signed(d, d.high)}"
    return f"Of the {whole} of {name} ({interval}), {said}{back}.{guess}"


def _signed(d: Decomposition, change: float) -> str:
    """Percentage points of a share, else the outcome's own unit."""
    return f"{100 * change:+.1f}" if d.outcome.unit == "share" else f"{change:+.3g}"


def _pieces(d: Decomposition) -> list[tuple[float, str]]:
    """What the change is made of, and where that lies, the largest part of it first."""
    clusters = [c for c in d.groups if c.kind == "new" and abs(c.change) >= WORTH * abs(d.change) and c.examples]
    far = [c for c in clusters if c.group.startswith("far from")]
    clusters = [c for c in clusters if c not in far]
    held = sum(c.change for c in clusters)
    rest = d.new.share_after - sum(c.share_after for c in clusters)
    unknown = f"in {'other ' if clusters else ''}rows far from everything known ({share(rest)} of the traffic)"
    if d.by != "clusters":
        clusters, held, unknown = (
            [],
            0.0,
            f"in values of {d.by} that are new ({share(d.new.share_after)} of the traffic)",
        )
    within = f"within {_most(d)}" if _most(d) else "everywhere"
    pieces = [(d.new.change - held, unknown), (d.mix.change, "in the mix"), (d.within.change, within)]
    if clusters:
        pieces.append((held, f"in {_clusters(clusters)}"))
    return sorted(pieces, key=lambda piece: -piece[0] * d.change)


def _clusters(clusters: Sequence[Contribution]) -> str:
    """Some new clusters, with the traffic that they hold, and a row of each."""
    held = share(sum(c.share_after for c in clusters))
    many = f"{COUNTS.get(len(clusters), str(len(clusters)))} new cluster{'s' * (len(clusters) != 1)}"
    examples = [row for c in clusters for row in c.examples[: 3 if len(clusters) == 1 else 1]]
    shown = ", ".join(_example(row) for row in examples[:3])
    return f"{many} that hold{'s' * (len(clusters) == 1)} {held} of the traffic (examples: {shown})"


def _named(c: Contribution) -> str:
    """A group by a row of it."""
    return _example(c.examples[0]) if c.examples else c.group


def _example(row: Example) -> str:
    return f"“{clip(row.text)}”" if row.text else clip(row.id)


def _most(d: Decomposition) -> str:
    """The one group in which most of what is within lies; empty where there is none."""
    told = [c for c in d.groups if c.kind == "within" and c.examples and c.change * d.within.change > 0]
    largest = max(told, key=lambda c: abs(c.change), default=None)
    if largest is None or abs(largest.change) < abs(d.within.change) / 2:
        return ""
    return f"{largest.group} ({_named(largest)})"
