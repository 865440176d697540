"""Sentences: what a person reads first. Numbers here are the ones of the records, rounded for reading."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tidegauge.comparison.evidence import Evidence
from tidegauge.records import Drift, Example, MeanShift, NewCluster, Novelty, Panel, Region, SpreadChange

CLEAR = 0.05
NOTABLE = 0.01


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
