"""What is asked beside the drift: whether the documents cover the window, who it is that changed, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegauge.comparison.decomposed import independent
from tidegauge.comparison.evidence import Evidence, Shown
from tidegauge.comparison.outcomes import outcome_of
from tidegauge.comparison.settings import Settings
from tidegauge.errors import MismatchError, UsageError
from tidegauge.outcome.coverage import coverage
from tidegauge.outcome.decompose import Units, decompose
from tidegauge.outcome.explain import explained, languages_of, lengths_of
from tidegauge.outcome.groups import of_values
from tidegauge.outcome.impact import impact
from tidegauge.records import Batch, Comparison, Coverage, Decomposition, Explained, StrArray
from tidegauge.reference.reference import as_batch

Float32 = npt.NDArray[np.float32]

LANGUAGE, LENGTH = "language", "length"


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Index snapshots, array-like or ``Batch``, and the name of a property of the rows; None where not asked."""

    documents: Any = None
    documents_before: Any = None
    by: str | None = None

    def __post_init__(self) -> None:
        if self.documents_before is not None and self.documents is None:
            raise UsageError("documents_before", got="no documents", want="the index as it is now, too")


def answered(
    c: Comparison, e: Evidence, settings: Settings, asked: Asked, sides: tuple[Batch, Batch] | None
) -> Comparison:
    """The comparison with what was asked beside; as it was where nothing was, and no outcome is known.

    Parameters
    ----------
    c, e, settings
        The comparison, what it rests on, and how it was made.
    asked : Asked
    sides : pair of Batch, optional
        The rows of ``e``'s both sides, where they are all at hand.
    """
    covered = _coverage(e, asked, settings.seed)
    who, by_property = _explained(e, settings, asked, sides)
    c = replace(c, coverage=covered, explained=who, decompositions=(*c.decompositions, *by_property))
    if not c.decompositions and covered is None:
        return c
    drifted = None if c.verdict.state == "insufficient data" else c.verdict.state == "drift"
    by_clusters = tuple(d for d in c.decompositions if d.by == "clusters")
    return replace(c, impact=impact(drifted, c.drift, by_clusters, covered, who))


def _coverage(e: Evidence, asked: Asked, seed: int) -> Coverage | None:
    """Of the window's rows; the reference's are held against the documents before, where these are known."""
    if asked.documents is None:
        return None
    if not len(e.shown_after.x):
        raise UsageError(
            "documents", got="a window of which no row was kept", want="rows, to look for in the documents"
        )
    now = _documents(asked.documents, e.basis.width)
    before = None
    if asked.documents_before is not None and len(e.shown_before.x):
        before = (e.shown_before.x, _documents(asked.documents_before, e.basis.width))
    return coverage(e.shown_after.x, now, before=before, ids=e.shown_after.ids, texts=e.shown_after.texts, seed=seed)


def _documents(given: Any, width: int) -> Float32:
    batch = as_batch(given, None)
    if batch.width != width:
        raise MismatchError(
            batch.source, got=f"documents of width {batch.width}", want=f"width {width}, as the queries"
        )
    return batch.x


def _explained(
    e: Evidence, settings: Settings, asked: Asked, sides: tuple[Batch, Batch] | None
) -> tuple[tuple[Explained, ...], tuple[Decomposition, ...]]:
    """Who it is that changed: of the drift, and of each outcome; and the decomposition of each by the same property."""
    if asked.by is None:
        return (), ()
    if sides is None:
        raise UsageError("by", got="a reference", want="two samples: of a reference no property of its rows is kept")
    values = _values(sides[0], asked.by), _values(sides[1], asked.by)
    vectors = (e.shown_before.x, e.shown_after.x)
    shown = (e.shown_before, e.shown_after)
    if not e.outcomes:
        return explained(asked.by, values, vectors, seed=settings.seed), ()
    who: list[Explained] = []
    told: list[Decomposition] = []
    for change in e.outcomes:
        measured = [side.measured[change.name] for side in shown]
        outcome = outcome_of(change.name, settings.outcomes, measured)
        who += explained(asked.by, values, vectors, (outcome, measured[0], measured[1]), seed=settings.seed)
        d = _by_property(e, change.name, values, shown, settings, asked.by)
        told += [] if d is None else [d]
    return tuple(who), tuple(told)


def _by_property(
    e: Evidence,
    name: str,
    values: tuple[StrArray, StrArray],
    shown: tuple[Shown, Shown],
    settings: Settings,
    by: str,
) -> Decomposition | None:
    measured = [side.measured[name] for side in shown]
    groups, *homes = of_values(values[0].tolist(), values[1].tolist())
    units, resampled, note = independent(e)
    first, second = (Units(v, home, unit, len(groups)) for v, home, unit in zip(measured, homes, units, strict=True))
    outcome = outcome_of(name, settings.outcomes, measured)
    guess = resampled == "rows"
    return decompose(
        outcome, first, second, groups, by=by, resampled=resampled, guess=guess, note=note, seed=settings.seed
    )


def _values(batch: Batch, by: str) -> StrArray:
    """The property of each row."""
    if by in (LANGUAGE, LENGTH) and batch.texts is not None:
        texts = [str(text) for text in batch.texts]
        return languages_of(texts) if by == LANGUAGE else lengths_of(texts)
    if by in (LANGUAGE, LENGTH):
        raise UsageError(f"by {by}", got=f"{batch.source} without texts", want="texts", hint="Name the column of texts")
    if batch.segments is None:
        raise UsageError(f"by {by}", got=f"{batch.source} without segments", want="the segment of each row")
    return np.array([str(value) for value in batch.segments], np.str_)
