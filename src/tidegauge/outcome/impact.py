"""What drift does to the product, in one sentence.

Neither drift nor a loss alone tells harm: the same drift is harmless where the index covers it, and an index that loses
documents ruins success without any. So the verdict is of both: was there drift, and did an outcome get worse?
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tidegauge.outcome.decompose import REST
from tidegauge.records import Contribution, Coverage, Decomposition, Drift, Explained, Impact, ImpactState, Link, Study

ALPHA = 0.01
MOST_MISSED = 0.2
MOST_MISSED_OF_RATE = 0.5
MOSTLY = 0.5
STANDS_OUT, BEYOND_ITS_SHARE = 0.5, 0.25
EXAMPLES = 3
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")
Z95 = 1.959964
NOT_PROVEN = "Associated, not proven to be the cause."


def impact(
    drifted: bool | None,
    drift: Drift | None,
    decompositions: Sequence[Decomposition],
    coverage: Coverage | None = None,
    explained: Sequence[Explained] = (),
    links: Sequence[Link] = (),
    studies: Sequence[Study] = (),
    *,
    alpha: float = ALPHA,
) -> Impact:
    """Tell harmful drift from harmless drift, a failure without drift, a mere trend, and too little data.

    Parameters
    ----------
    drifted : bool or None
        Whether there is drift; None where that cannot be told.
    drift : Drift or None
        How much.
    decompositions : sequence of Decomposition
        Of every outcome; the first of each says whether it got worse.
    coverage : Coverage, optional
        Of the queries by the present documents.
    explained : sequence of Explained
        Who and what: told where a value holds half of the drift, far more than its share of the traffic before.
    links, studies : sequence of Link, of Study
        What is known over time.
    alpha : float
        How often any outcome may be called worse where none is: one-sided, Holm's (1979) over all outcomes, by the
        normal law with the standard error of the interval. Coverage has fallen where its p is at most this.

    Returns
    -------
    Impact
        ``harmful drift``: drift, and an outcome got worse. ``trend alone``: both, but most of the loss is neither new
        nor in the mix, and over time no outcome that got worse goes with drift. ``harmless drift``: none got worse, and
        the sentence says how large a loss could have been missed; where that is more than 20 points of a share, or half
        of another rate, for every outcome, it is ``not enough data``. ``failure without drift``: points to the index
        where coverage has fallen, else to the ranker and releases.

    Examples
    --------
    >>> from tidegauge.records import Outcome
    >>> whole = ("all", -0.15, -0.18, -0.12, 1.0, 1.0, 0.89, 0.74)
    >>> nothing = ("all", 0.0, 0.0, 0.0, 0.0, 0.0, 0.9, 0.9)
    >>> parts = Contribution("mix", *nothing), Contribution("within", *whole), Contribution("new", *nothing)
    >>> fell = Decomposition(Outcome("success"), "clusters", 0.89, 0.74, -0.15, -0.18, -0.12, *parts, (), "days", False)
    >>> index = Coverage(0.89, 0.87, 0.91, 0.95, 1e-6, 2400, 12000)
    >>> impact(False, None, [fell], index).sentence
    'No drift was found, but success fell from 89 % to 74 %; the documents cover 89 % of the queries, 95 % before: look
    at the index.'
    """
    told = _first_of_each(decompositions)
    worse = worsened(told, alpha)
    facts = _Facts(drifted, drift, told, worse, _fell(coverage, alpha), tuple(explained), tuple(links), tuple(studies))
    state = _state(facts)
    sentence = {
        "harmful drift": _harmful,
        "harmless drift": _harmless,
        "failure without drift": _failure,
        "no drift": _no_drift,
        "trend alone": _trend,
        "not enough data": _not_enough,
    }[state](facts)
    return Impact(state, sentence, _notes(facts, state, coverage), _next(facts, state, coverage))


@dataclass(frozen=True, slots=True)
class _Facts:
    """All that a verdict is of; ``coverage`` is None where it has not fallen."""

    drifted: bool | None
    drift: Drift | None
    outcomes: tuple[Decomposition, ...]
    worse: tuple[Decomposition, ...]
    coverage: Coverage | None
    explained: tuple[Explained, ...]
    links: tuple[Link, ...]
    studies: tuple[Study, ...]


def _first_of_each(decompositions: Sequence[Decomposition]) -> tuple[Decomposition, ...]:
    first: dict[str, Decomposition] = {}
    for d in decompositions:
        first.setdefault(d.outcome.name, d)
    return tuple(first.values())


def worsened(decompositions: Sequence[Decomposition], alpha: float = ALPHA) -> tuple[Decomposition, ...]:
    """Those whose outcome got worse, in the order given: Holm's procedure at ``alpha``, one-sided."""
    known = [(_p_of(d), i) for i, d in enumerate(decompositions) if not math.isnan(_p_of(d))]
    worse: set[int] = set()
    for rank, (p, i) in enumerate(sorted(known)):
        if p > alpha / (len(known) - rank):
            break
        worse.add(i)
    return tuple(d for i, d in enumerate(decompositions) if i in worse)


def _p_of(d: Decomposition) -> float:
    """One-sided, that the outcome did not get worse."""
    half = (d.high - d.low) / 2
    if math.isnan(half):
        return math.nan
    z = Z95 * _harm(d, d.change) / max(half, 1e-12)
    return math.erfc(z / math.sqrt(2)) / 2


def _harm(d: Decomposition, change: float) -> float:
    """A change as harm: above 0 where it is for the worse."""
    return -change if d.outcome.harmful == "falls" else change


def _fell(coverage: Coverage | None, alpha: float) -> Coverage | None:
    return coverage if coverage is not None and coverage.p <= alpha and coverage.share < coverage.before else None


def _missed(d: Decomposition) -> float:
    """The largest loss that the interval does not rule out."""
    return max(_harm(d, d.low), _harm(d, d.high), 0.0)


def _precise(d: Decomposition) -> bool:
    limit = MOST_MISSED if d.outcome.unit == "share" else MOST_MISSED_OF_RATE * abs(d.before)
    return _missed(d) <= limit  # not so where it is NaN


def _state(f: _Facts) -> ImpactState:
    if f.drifted is None or not f.outcomes:
        return "no drift" if f.drifted is False else "not enough data"
    if f.worse:
        if not f.drifted:
            return "failure without drift"
        return "trend alone" if _only_trend(f) else "harmful drift"
    if not f.drifted:
        return "no drift"
    return "harmless drift" if any(_precise(d) for d in f.outcomes) else "not enough data"


def _only_trend(f: _Facts) -> bool:
    """Whether nothing ties the loss to the drift: it is not where traffic moved, and over time it does not follow."""
    names = {d.outcome.name for d in f.worse}
    asked = [link for link in f.links if link.outcome.name in names and link.state != "not enough history"]
    apart = asked and all(link.state == "not associated" for link in asked)
    return bool(apart) and all(_harm(d, d.mix.change + d.new.change) < MOSTLY * _harm(d, d.change) for d in f.worse)


def _harmful(f: _Facts) -> str:
    first = f.worse[0]
    where = _where(first)
    if f.coverage is not None and _largest(first).kind != "new":
        where = f"; the documents cover {_covered(f.coverage)}"
    also = _also(f.worse[1:])
    by = _who(f.explained, first)
    return f"The traffic drifted{_size(f.drift)} and {_moved(first)}{where}{also}. {by}{NOT_PROVEN}"


def _harmless(f: _Facts) -> str:
    told = " and ".join(_stayed(d) for d in f.outcomes if _precise(d))
    return f"The traffic drifted{_size(f.drift)}, and no outcome got worse: {told}."


def _failure(f: _Facts) -> str:
    first = f.worse[0]
    if f.coverage is not None:
        told = f"; the documents cover {_covered(f.coverage)}: look at the index"
    else:
        told = ": look at the ranker, at releases and at the index"
    return f"No drift was found, but {_moved(first)}{_also(f.worse[1:])}{told}."


def _no_drift(f: _Facts) -> str:
    if not f.outcomes:
        return "No drift was found; no outcome is known."
    told = " and ".join(_stayed(d) for d in f.outcomes if not math.isnan(d.change))
    return f"No drift was found, and no outcome got worse: {told}."


def _trend(f: _Facts) -> str:
    names = _listed([d.outcome.name for d in f.worse])
    first = f"The traffic drifted{_size(f.drift)} and {_moved(f.worse[0])}"
    return (
        f"{first}, but nothing ties them: over time {names} did not follow drift, and the loss is not where it moved."
    )


def _not_enough(f: _Facts) -> str:
    if f.drifted is None:
        lost = f"; {_moved(f.worse[0])}{_also(f.worse[1:])}" if f.worse else ""
        return f"Not enough data to tell whether the traffic drifted{lost}."
    if not f.outcomes:
        return f"The traffic drifted{_size(f.drift)}; without an outcome nothing tells whether that does harm."
    least = min(f.outcomes, key=lambda d: math.inf if math.isnan(_missed(d)) else _missed(d))
    missed = f", where a loss of {_size_of(least, _missed(least))} could be missed" if _missed(least) > 0 else ""
    return (
        f"The traffic drifted{_size(f.drift)}; there is not enough data to tell whether an outcome got worse{missed}."
    )


def _size(drift: Drift | None) -> str:
    return "" if drift is None or drift.value <= 0 else f" (as if {drift.value:.1f} % of it had moved)"


def _moved(d: Decomposition) -> str:
    """What an outcome did."""
    verb = "fell" if d.change < 0 else "rose"
    return f"{_clip(d.outcome.name)} {verb} from {_rate(d, d.before)} to {_rate(d, d.after)}"


def _also(more: Sequence[Decomposition]) -> str:
    return "".join(f"; {_moved(d)}" for d in more[:2]) + (f"; and {len(more) - 2} more got worse" * (len(more) > 2))


def _stayed(d: Decomposition) -> str:
    missed, kind = _missed(d), "fall" if d.outcome.harmful == "falls" else "rise"
    from_to = f"{_clip(d.outcome.name)} went from {_rate(d, d.before)} to {_rate(d, d.after)}"
    if math.isnan(d.low) or math.isnan(d.high):
        return f"{from_to} (no interval is known)"
    return f"{from_to} (a {kind} of more than {_size_of(d, missed)} is ruled out at 95 %)"


def _rate(d: Decomposition, rate: float) -> str:
    return _per_cent(rate) if d.outcome.unit == "share" else f"{rate:.3g}"


def _size_of(d: Decomposition, change: float) -> str:
    """The size of a change in the outcome's unit."""
    if d.outcome.unit != "share":
        return f"{abs(change):.2g}"
    return f"{100 * abs(change):.{0 if abs(change) >= 0.095 else 1}f} points"


def _per_cent(fraction: float) -> str:
    """A fraction as per cent.

    Examples
    --------
    >>> _per_cent(0.876), _per_cent(0.0312)
    ('88 %', '3.1 %')
    """
    return f"{100 * fraction:.{0 if fraction >= 0.0995 or fraction == 0 else 1}f} %"


def _clip(text: str, most: int = 60) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1].rstrip() + "…"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(map(_clip, names[:-1])), _clip(names[-1])]))


def _where(d: Decomposition) -> str:
    """In which kind of traffic most of a loss sits."""
    verb = "fall" if d.change < 0 else "rise"
    points = f"{100 * abs(d.change):.0f}-point {verb}" if d.outcome.unit == "share" else f"{verb}"
    kind = _largest(d)
    if _harm(d, kind.change) < MOSTLY * _harm(d, d.change):
        return f"; the {points} is spread over new, moved and ordinary traffic"
    change, place = {"new": _new_place, "mix": _mix_place, "within": _within_place}[kind.kind](d)
    return f"; of the {points} {_size_of(d, change).removesuffix(' points')} sit in {place}"


def _largest(d: Decomposition) -> Contribution:
    return max((d.new, d.mix, d.within), key=lambda c: _harm(d, c.change))


def _new_place(d: Decomposition) -> tuple[float, str]:
    """New clusters, where they hold most of what is new, and how much; else what is far from everything known."""
    groups = [c for c in d.groups if c.kind == "new" and _harm(d, c.change) > 0 and c.group != REST]
    clusters = [c for c in groups if not c.group.startswith("far from")]
    change = sum(c.change for c in clusters)
    if _harm(d, change) < MOSTLY * _harm(d, d.new.change):
        held = _per_cent(d.new.share_after)
        return d.new.change, f"rows far from everything known, {held} of the traffic{_examples(groups)}"
    many = COUNTS[len(clusters)] if len(clusters) < len(COUNTS) else str(len(clusters))
    held = _per_cent(sum(c.share_after for c in clusters))
    plural = "s that hold" if len(clusters) > 1 else " that holds"
    return change, f"{many} new cluster{plural} {held} of the traffic{_examples(clusters)}"


def _mix_place(d: Decomposition) -> tuple[float, str]:
    return d.mix.change, "the mix of known traffic"


def _within_place(d: Decomposition) -> tuple[float, str]:
    """The one group in which most of it sits, or ordinary traffic all over."""
    groups = [c for c in d.groups if c.kind == "within" and c.group != REST]
    worst = max(groups, key=lambda c: _harm(d, c.change), default=None)
    if worst is None or _harm(d, worst.change) < MOSTLY * _harm(d, d.within.change):
        return d.within.change, "ordinary traffic"
    return worst.change, f"{_clip(worst.group)}{_examples([worst])}"


def _examples(groups: Sequence[Contribution]) -> str:
    """A few rows that show what groups are, one of each first."""
    rows = [c.examples[k] for k in range(EXAMPLES) for c in groups if len(c.examples) > k][:EXAMPLES]
    shown = ", ".join(f"“{_clip(row.text)}”" if row.text else _clip(row.id) for row in rows)
    return f" (examples: {shown})" if shown else ""


def _who(explained: Sequence[Explained], d: Decomposition) -> str:
    """The values of properties that hold far more of the drift than of the traffic before, the first of each."""
    out: dict[str, str] = {}
    for e in explained:
        told = e.outcome in ("", d.outcome.name) and e.property not in out
        if told and e.drift >= STANDS_OUT and e.drift - e.share_before >= BEYOND_ITS_SHARE:
            loss = f" and {_part(e.loss)} of the loss" if e.loss > 0 else ""
            shares = f"{_per_cent(e.share_after)} of the traffic now, {_per_cent(e.share_before)} before"
            what = f"{_clip(e.property)} {_clip(e.value)}"
            out[e.property] = f"{what[0].upper()}{what[1:]} ({shares}) holds {_part(e.drift)} of the drift{loss}. "
    return "".join(out.values())


def _part(fraction: float) -> str:
    return "all" if fraction >= 0.995 else _per_cent(fraction)


def _covered(coverage: Coverage) -> str:
    return f"{_per_cent(coverage.share)} of the queries, {_per_cent(coverage.before)} before"


def _notes(f: _Facts, state: ImpactState, coverage: Coverage | None) -> tuple[str, ...]:
    notes: list[str] = []
    if f.coverage is not None and state != "failure without drift":
        notes.append(f"Coverage fell: the documents cover {_covered(f.coverage)}.")
    if state == "harmful drift":
        even = [d for d in f.worse if _harm(d, d.within.change) >= MOSTLY * _harm(d, d.change)]
        if even:
            names = _listed([d.outcome.name for d in even])
            reason = "strangers among it, or not drift at all but a release, the ranker or the index"
            notes.append(f"Most of the loss of {names} sits within ordinary traffic: {reason}.")
    for d in f.outcomes:
        if d not in f.worse and state in ("harmless drift", "no drift", "not enough data"):
            if math.isnan(d.low) or math.isnan(d.high):
                notes.append(f"Of {_clip(d.outcome.name)} no interval is known.")
            elif not _precise(d):
                notes.append(f"Of {_clip(d.outcome.name)} a loss of {_size_of(d, _missed(d))} could be missed.")
            elif min(_harm(d, d.low), _harm(d, d.high)) > 0:
                notes.append(f"{_moved(d)}, which is not beyond chance among {len(f.outcomes)} outcomes.")
    notes += _over_time(f)
    if any(d.guess for d in f.outcomes):
        notes.append("Intervals take rows as independent, which is a guess: name sessions, or give 30 days.")
    if coverage is None and state == "failure without drift":
        notes.append("Coverage is not known: with the documents it says whether the index lost content.")
    return tuple(notes)


def _over_time(f: _Facts) -> list[str]:
    """What links and event studies say of the outcomes that got worse."""
    names = {d.outcome.name for d in f.worse}
    out: list[str] = []
    for link in (link for link in f.links if link.outcome.name in names):
        what = f"Over {link.panes} panes {_clip(link.outcome.name)}"
        if link.state == "associated":
            out.append(f"{what} goes with drift, {link.lag} panes later (q = {link.q:.2g}).")
        elif link.state == "not associated":
            out.append(f"{what} does not go with drift, trend and season removed (p = {link.p:.2g}).")
    for s in (s for s in f.studies if s.outcome.name in names):
        if s.state == "effect":
            out.append(f"{_clip(s.outcome.name)} got worse after {s.events} alarms more than at other dates.")
        elif s.state == "pre-trend":
            out.append(
                f"{_clip(s.outcome.name)} had moved before the alarms began: they came late, or after its cause."
            )
    return out


def _next(f: _Facts, state: ImpactState, coverage: Coverage | None) -> tuple[str, ...]:
    gaps = _examples(coverage.gaps) if coverage is not None else ""
    lost = f"Look for what the index lost{gaps}."
    steps = {
        "harmful drift": (
            f"Read what is new, and see whether the documents cover it{gaps if f.coverage else ''}.",
            "Check releases of that time: drift and loss may have one cause.",
        ),
        "harmless drift": ("Nothing to repair; if the change is permanent, fit a new reference.",),
        "failure without drift": (lost,)
        if f.coverage is not None
        else ("Check the ranker and the releases of that time.", *([] if coverage else [lost])),
        "no drift": (lost,) if f.coverage is not None else (),
        "trend alone": ("Look for what else changed over that time.",),
        "not enough data": ("Collect more rows, or compare longer windows.",)
        if f.outcomes
        else ("Name an outcome, such as success or clicked.",),
    }
    return steps[state]
