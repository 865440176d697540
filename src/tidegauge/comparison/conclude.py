"""From evidence to a verdict: the joint decision, the three answers, and one sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from tidegauge.basis import FAR_SHARES
from tidegauge.comparison.clusters import Group, new_groups
from tidegauge.comparison.decomposed import decompositions
from tidegauge.comparison.evidence import Evidence
from tidegauge.comparison.regions import EXAMPLES, changed_spread, changed_traffic, farthest, pointed_at, shift_in_sd
from tidegauge.comparison.settings import Settings
from tidegauge.comparison.view import view
from tidegauge.comparison.wording import (
    Findings,
    drift_sentence,
    insufficient_sentence,
    no_drift_sentence,
    novelty_sentence,
    share,
    shift_sentence,
    spread_sentence,
    what_next,
)
from tidegauge.records import (
    Comparison,
    Drift,
    Example,
    MeanShift,
    NewCluster,
    Novelty,
    Panel,
    Score,
    Scores,
    SpreadChange,
    Verdict,
)
from tidegauge.reference.calibration import SIZES
from tidegauge.score.drift import drift
from tidegauge.score.panel import Decision, decide, describe
from tidegauge.score.parts import average, rows
from tidegauge.score.registry import MEMBERS, evaluate
from tidegauge.score.sample import domain_classifier, knn_kl

State = Literal["no drift", "drift", "insufficient data"]

FEWEST_ROWS = 30
FEWEST_UNITS = 10
LEAST_TELLING = 50.0
TELLING = 25.0
SAMPLE_ROWS = 2000


def measure(e: Evidence, settings: Settings) -> Scores:
    """What the sums alone say: no row is looked at."""
    null = np.stack([e.null[name] for name in MEMBERS], axis=1)
    decision = decide(evaluate(MEMBERS, e.basis, e.window, e.reference), null, settings.alpha)
    headline = drift(e.basis, e.window, e.reference, e.null["mmd"])
    needed = rows_needed(e, headline)
    state = _state(e, decision, headline, needed, settings)
    return Scores(
        state,
        headline,
        Panel(decision.p, settings.alpha, decision.members, decision.critical, len(null), e.unit, e.units),
        describe(e.basis, e.window, e.reference, e.null),
        int(rows(e.window)),
        needed if state == "insufficient data" else None,
    )


def conclude(e: Evidence, settings: Settings) -> Comparison:
    """Everything that one comparison says."""
    seen = measure(e, settings)
    scores = (*seen.scores, *_sample_scores(e, settings.seed))
    by_name = {s.name: s for s in scores}
    groups = new_groups(e, settings.alpha, settings.seed) if seen.state == "drift" else ()
    found = _findings(e, by_name, settings, groups, seen.state == "drift")
    sentence = {
        "drift": lambda: drift_sentence(seen.drift, seen.panel, found),
        "no drift": lambda: no_drift_sentence(seen.panel.p, seen.drift),
        "insufficient data": lambda: insufficient_sentence(
            int(min(rows(e.window), rows(e.reference))), seen.needed or 0
        ),
    }[seen.state]()
    notes = (*e.notes, *_notes(e, seen.drift, seen.panel.p, settings))
    steps = what_next(seen.state, found.shift, found.novelty, e)
    return Comparison(
        Verdict(seen.state, sentence, notes, steps, seen.needed),
        seen.drift,
        seen.panel,
        scores,
        found.shift,
        found.spread,
        found.novelty,
        found.gained,
        found.lost,
        e.outcomes,
        e.before,
        e.after,
        view(e, settings.seed, (*found.gained, *found.lost), groups),
        e.door,
        e.basis.width,
        settings.seed,
        settings.min_effect,
        e.basis.profile,
        e.reference_hash,
        e.model_id,
        decompositions(e, groups, settings),
    )


def _findings(
    e: Evidence, scores: dict[str, Score], settings: Settings, groups: tuple[Group, ...], drifted: bool
) -> Findings:
    """The three answers; clusters and regions are named only where the panel found drift."""
    clusters = tuple(group.cluster for group in groups)
    gained, lost = changed_traffic(e, settings.alpha) if drifted else ((), ())
    spread = _spread(e, scores, settings.alpha if drifted else 0.0)
    far = farthest(e, EXAMPLES) if drifted and not clusters else ()
    return Findings(_mean_shift(e, scores), spread, _novelty(scores, clusters, far), gained, lost)


def _state(e: Evidence, decision: Decision, headline: Drift, needed: int | None, settings: Settings) -> State:
    believed = e.door == "two samples" or rows(e.window) >= SIZES[0]  # p is exact at any size, or calibrated from there
    if needed is not None and not (believed and decision.p <= settings.alpha):
        return "insufficient data"
    effect = max(headline.value, 0.0)
    return "drift" if decision.p <= settings.alpha and effect >= settings.min_effect else "no drift"


def _fewest(e: Evidence) -> int:
    """Fewest rows on a side: a convention for two samples, and where the calibration of a reference begins."""
    return FEWEST_ROWS if e.door == "two samples" else SIZES[0]


def rows_needed(e: Evidence, headline: Drift) -> int | None:
    """Rows wanted on each side where these are too few to tell, else None.

    Too few: under 30 rows (50 against a frozen reference) or ten independent units on a side, or so much noise that
    half the traffic could move unseen. The answer is the number at which a quarter would be found, by the law that
    noise falls with the square root of n.
    """
    smaller = int(min(rows(e.window), rows(e.reference)))
    if smaller >= _fewest(e) and e.smallest_units >= FEWEST_UNITS and headline.detectable <= LEAST_TELLING:
        return None
    by_noise = smaller * (headline.detectable / TELLING) ** 2
    by_units = smaller * FEWEST_UNITS / max(e.smallest_units, 1)
    return int(np.ceil(max(by_noise, by_units, _fewest(e)) / 10) * 10)


def _sample_scores(e: Evidence, seed: int) -> tuple[Score, ...]:
    sides = []
    for i, shown in enumerate((e.shown_before, e.shown_after)):
        keep = np.sort(np.random.default_rng([seed, 7, i]).permutation(len(shown.x))[:SAMPLE_ROWS])
        y = (shown.x[keep] - e.basis.centre) @ e.basis.axes / e.basis.deviations.astype(np.float32)
        sides.append((y, np.unique(shown.group[keep], return_inverse=True)[1] if len(keep) else shown.group[keep]))
    (before, groups_before), (after, groups_after) = sides
    return domain_classifier(before, after, groups_before, groups_after, seed), knn_kl(before, after, seed)


def _mean_shift(e: Evidence, scores: dict[str, Score]) -> MeanShift:
    gap = average(e.window, "mean")[:-1] - average(e.reference, "mean")[:-1]
    sd, p = shift_in_sd(e, gap), scores["mean_shift"].p
    towards, away = pointed_at(e, gap) if p <= 0.05 else ((), ())
    return MeanShift(sd, p, towards, away, shift_sentence(sd, p, towards))


def _spread(e: Evidence, scores: dict[str, Score], alpha: float) -> SpreadChange:
    overall = scores["spread"]
    ratio = float(np.exp(overall.value - overall.null_mean)) if not overall.refused else float("nan")
    where = changed_spread(e, alpha) if alpha else ()
    return SpreadChange(ratio, overall.p, where, spread_sentence(ratio, overall.p, where))


def _novelty(scores: dict[str, Score], clusters: tuple[NewCluster, ...], far: tuple[Example, ...]) -> Novelty:
    """The largest excess of far rows over the reference's own share of them, and the named clusters."""
    beyond = [scores[f"novel_{round(100 * q)}"] for q in FAR_SHARES]
    excess = max([0.0, *(each.effect / 100 for each in beyond if not each.refused)])
    p = scores["novelty"].p
    return Novelty(excess, p, clusters, novelty_sentence(excess, p, clusters, far))


def _notes(e: Evidence, headline: Drift, p: float, settings: Settings) -> tuple[str, ...]:
    notes: list[str] = []
    for side in (e.before, e.after):
        if side.duplicates > 0.01 * side.rows:
            repeated = share(side.duplicates / side.rows)
            notes.append(
                f"About {repeated} of the rows of {side.label} repeat a vector; if they are retries, drop them."
            )
    if e.basis.variance > 0 and e.explained[0] > 0.8 and e.basis.width > 2:
        carried = share(e.explained[0])
        notes.append(f"One direction carries {carried} of the reference's variance; unwhitened scores see little else.")
    unknown = [name for name in settings.outcomes if all(name != change.name for change in e.outcomes)]
    if unknown:
        notes.append(f"Not compared, as not both sides have it: {', '.join(unknown)}.")
    if p <= settings.alpha and max(headline.value, 0) < settings.min_effect:
        least = f"the smallest effect of interest, {settings.min_effect:g} %"
        notes.append(f"The change is beyond chance (p = {p:.3g}) but smaller than {least}.")
    return tuple(notes)


def relabelled(comparison: Comparison, before: str, after: str) -> Comparison:
    """The same comparison with other names for the sides."""
    sides = (replace(comparison.before, label=before), replace(comparison.after, label=after))
    return replace(comparison, before=sides[0], after=sides[1])
