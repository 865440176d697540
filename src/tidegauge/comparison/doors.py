"""The two doors: two samples that both fit in memory, and a sketch under a frozen reference. Same scores, same
report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegauge.basis import Basis
from tidegauge.comparison.asked import Asked, answered
from tidegauge.comparison.conclude import conclude, measure
from tidegauge.comparison.evidence import Evidence, Shown
from tidegauge.comparison.outcomes import changes, declared, rates, totals
from tidegauge.comparison.settings import Settings
from tidegauge.comparison.stored import rounding_notes, stored_notes
from tidegauge.comparison.two_samples import Pooled, pool
from tidegauge.errors import ArtefactError, DataError, MismatchError, UsageError
from tidegauge.gate import pick, rounded_like
from tidegauge.numeric.permutation import blocks
from tidegauge.numeric.principal import principal_components
from tidegauge.outcome.panes import DAY
from tidegauge.records import Batch, Comparison, Harmful, Outcome, Scores, Side
from tidegauge.reference import Reference
from tidegauge.reference.calibration import DIAGNOSTIC_DRAWS, FEWER, FULL
from tidegauge.reference.reference import as_batch, block_length, in_time_order, truncate_hint, units_of
from tidegauge.score.draws import in_chunks, relabel
from tidegauge.score.parts import Float64
from tidegauge.score.registry import evaluate, pieces_of
from tidegauge.sketch.hashing import content_hash
from tidegauge.sketch.outcomes import outcome_totals
from tidegauge.sketch.pieces import with_coarse
from tidegauge.sketch.samples import Sample
from tidegauge.sketch.sketch import Sketch, sample_rows

Float32 = npt.NDArray[np.float32]
Int = npt.NDArray[np.int64]

MOST_ROWS = 40_000
FEWEST_ROWS = 2
PICTURE_ROWS = 5_000


def compare(
    before: Any,
    after: Any,
    *,
    alpha: float = 0.05,
    min_effect: float = 0.0,
    seed: int = 0,
    exchangeable: bool = False,
    truncate: int | None = None,
    profile: str = "standard",
    outcomes: Mapping[str, Harmful] | Sequence[Outcome] | None = None,
    documents: Any = None,
    documents_before: Any = None,
    by: str | None = None,
) -> Comparison:
    """Did the vectors drift, how, and by how much?

    Parameters
    ----------
    before : Reference, Batch, iterable of Batch, or array-like of shape (n, d)
        What is normal: a frozen reference, or a sample of rows. Anything array-like: numpy, torch, lists, columns of
        pandas, polars or pyarrow. A ``Batch`` brings ids, texts, sessions, times and outcomes along.
    after : Sketch, Batch, iterable of Batch, or array-like of shape (m, d)
        The rows to judge; of any size where ``before`` is a reference, and then a sketch of them does as well.
    alpha : float
        Share of unchanged comparisons that may be called drift: exact, by permutation, between two samples; on
        average over references of this size under a frozen one (see ``docs/verdict.md``).
    min_effect : float
        Smallest drift of interest, in per cent of the traffic.
    seed : int
        The same seed gives the same answer. A reference has its own.
    exchangeable : bool
        Declares that the order of the rows means nothing; otherwise rows that depend on those before them are
        permuted in blocks. A reference was told when it was fitted.
    truncate : int, optional
        Keep only the first so many dimensions of both sides, and make every row unit length again: for Matryoshka
        models.
    profile : str
        How much is looked at: ``"standard"``, ``"small"`` or ``"wide"`` (see ``docs/library.md``). A reference has its
        own.
    outcomes : mapping of name to {"falls", "rises"}, or sequence of Outcome, optional
        What of each outcome is harm, its fall where not said. Every outcome that both sides have is compared, and its
        change decomposed.
    documents, documents_before : Batch or array-like of shape (k, d), optional
        The index that the rows are looked for in, as it is now and as it was: how much of the window it covers.
    by : str, optional
        A property of the rows, of two samples: how much of the drift and of each outcome's loss sits in each value of
        it. ``"language"`` and ``"length"`` are those of a ``Batch``'s texts; any other name stands for its segments.

    Raises
    ------
    DataError, MismatchError, UsageError
        Where the input cannot be compared; each says what to do.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> result = compare(rng.standard_normal((300, 8)), rng.standard_normal((200, 8)) + 0.5)
    >>> result.verdict.state, result.panel.p
    ('drift', 0.001)
    """
    asked = Asked(documents, documents_before, by)
    if isinstance(before, Reference):
        if exchangeable or seed not in (0, before.seed) or profile not in ("standard", before.basis.profile):
            told = "seed, exchangeable or profile"
            raise UsageError("compare", got=told, want="none of them: a reference was fitted with its own")
        if isinstance(after, Sketch) and truncate is not None:
            raise UsageError("truncate", got="a sketch", want="rows: a sketch cannot be truncated any more")
        window = after if isinstance(after, Sketch) else before.sketch(after, truncate=truncate)
        settings = Settings(alpha, min_effect, before.seed, outcomes=declared(outcomes))
        evidence = _frozen_evidence(before, _made_under(before, window))
        return answered(conclude(evidence, settings), evidence, settings, asked, None)
    settings = Settings(alpha, min_effect, seed, exchangeable, declared(outcomes))
    sides = [in_time_order(as_batch(x, truncate)) for x in (before, after)]
    _check(sides[0], sides[1])
    sides, rounded = _rounded_alike(sides)
    seen = [_some(b, seed) for b in sides]
    units, unit, notes = _units(seen[0], seen[1], exchangeable)
    pooled = pool(seen[0].x, seen[1].x, units, seed=seed, profile=profile)
    stored = stored_notes((label, b.stored, b.width) for label, b in zip(("before", "after"), sides, strict=True))
    notes = (*stored, *rounded, *(_cut_note(b, s) for b, s in zip(sides, seen, strict=True) if s.rows < b.rows), *notes)
    evidence = _pooled_evidence(sides, seen, pooled, units, unit, notes, seed)
    return answered(conclude(evidence, settings), evidence, settings, asked, (seen[0], seen[1]))


def score(reference: Reference, sketch: Sketch, *, alpha: float = 0.05, min_effect: float = 0.0) -> Scores:
    """Score a window under a frozen reference, from its sums alone: what a monitor asks of every pane.

    Costs the same for a thousand vectors as for a billion, and less than sketching five thousand. No row is looked at:
    ``compare(reference, sketch)`` decides the same, and says what moved, with examples.

    Parameters
    ----------
    reference : Reference
    sketch : Sketch
        Made under this reference.
    alpha, min_effect : float
        As for ``compare``.

    Raises
    ------
    MismatchError
        Where the sketch was made under another reference.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((700, 8))
    >>> reference = Reference.fit(rows[:500])
    >>> scores = score(reference, reference.sketch(rows[500:]))
    >>> scores.rows, len(scores.scores), sorted(scores.panel.members)[:2]
    (200, 30, ['mass_scan', 'mmd'])
    """
    _check_is(Reference, reference)
    _check_is(Sketch, sketch)
    evidence = _frozen_evidence(reference, _made_under(reference, sketch))
    return measure(evidence, Settings(alpha, min_effect, reference.seed))


def _check_is(kind: type, given: object) -> None:
    if not isinstance(given, kind):
        hint = "reference.sketch(x) makes a sketch of rows; compare takes rows as they are"
        raise UsageError("score", got=type(given).__name__, want=f"a {kind.__name__}", hint=hint)


def _made_under(reference: Reference, sketch: Sketch) -> Sketch:
    """The sketch, if it was made under this reference and has rows."""
    if sketch.reference != reference.hash:
        raise MismatchError(
            sketch.source or "sketch",
            got=f"a sketch made under reference {sketch.reference[:12]}",
            want=f"reference {reference.hash[:12]}",
            hint="Sketch the window under this reference",
        )
    if sketch.shapes() != reference.base.shapes():
        raise ArtefactError(sketch.source or "sketch", got="pieces of other sizes", want="those of the reference")
    if not sketch.rows:
        raise DataError(sketch.source or "sketch", got="no rows", want="at least one row")
    return sketch


def _check(before: Batch, after: Batch) -> None:
    for batch in (before, after):
        if batch.rows < FEWEST_ROWS:
            raise DataError(
                batch.source, got=f"{batch.rows} usable row{'s' * (batch.rows != 1)}", want=f"at least {FEWEST_ROWS}"
            )
    if before.width != after.width:
        raise MismatchError(
            after.source,
            got=f"vectors of width {after.width}",
            want=f"width {before.width}, as in {before.source}",
            hint=truncate_hint(max(before.width, after.width), min(before.width, after.width)),
        )
    _check_stored(before, after)
    if (before.x == before.x[0]).all() and (after.x == before.x[0]).all():
        raise DataError(f"{before.source} and {after.source}", got="one vector, repeated", want="rows that differ")


def _check_stored(before: Batch, after: Batch) -> None:
    widths = [batch.stored.width for batch in (before, after)]
    if all(width > before.width for width in widths) and widths[0] != widths[1]:
        want = f"width {widths[0]}, as in {before.source}"
        raise MismatchError(after.source, got=f"vectors truncated from width {widths[1]}", want=want)


def _rounded_alike(sides: list[Batch]) -> tuple[list[Batch], list[str]]:
    """Both sides on the int8 grid of one, if only one is int8; and what to say about it."""
    before, after = (batch.stored for batch in sides)
    if bool(before.scale) == bool(after.scale) or before.width or after.width:
        return sides, []
    scale, label = max(before.scale, after.scale), "before" if after.scale else "after"
    return [rounded_like(batch, scale) for batch in sides], [f"{label}: rounded as the int8 vectors beside them are."]


def _some(batch: Batch, seed: int) -> Batch:
    """At most MOST_ROWS rows: a random choice where rows stand alone, else the first of them, whole sessions
    or blocks.
    """
    if batch.rows <= MOST_ROWS:
        return batch
    if batch.sessions is None and block_length(batch.x) == 1:
        return pick(batch, np.sort(np.random.default_rng([seed, 8]).choice(batch.rows, MOST_ROWS, replace=False)))
    return pick(batch, slice(0, MOST_ROWS))


def _cut_note(batch: Batch, seen: Batch) -> str:
    return f"The decision used {seen.rows} of the {batch.rows} rows of {batch.source}; fit a reference to use them all."


def _units(before: Batch, after: Batch, exchangeable: bool) -> tuple[Int, str, tuple[str, ...]]:
    """What swaps sides as a whole, over both sides, its name, and what to say about it."""
    if (before.sessions is None) == (after.sessions is None) and before.sessions is not None:
        parts = [units_of(b, exchangeable=exchangeable)[0] for b in (before, after)]
        return np.concatenate([parts[0], parts[1] + parts[0].max() + 1]), "session", ("Decided session by session.",)
    length = 1 if exchangeable else max(block_length(before.x), block_length(after.x))
    if length == 1:
        return np.arange(before.rows + after.rows), "row", ()
    parts = [blocks(b.rows, min(length, b.rows)) for b in (before, after)]
    note = (
        f"Successive rows resemble each other, so that they were permuted in blocks of {length}, which costs power. "
        "If their order means nothing, say --exchangeable; if they belong to sessions, name the session column."
    )
    return np.concatenate([parts[0], parts[1] + parts[0].max() + 1]), f"block of {length} rows", (note,)


def _pooled_evidence(
    sides: list[Batch], seen: list[Batch], pooled: Pooled, units: Int, unit: str, notes: tuple[str, ...], seed: int
) -> Evidence:
    basis, first = pooled.basis, pooled.labels[: DIAGNOSTIC_DRAWS + 1]
    rest = relabel(basis, in_chunks(basis, pooled.x), first, pieces_of(FEWER))
    null = _columns(FULL, evaluate(FULL, basis, pooled.draws.labelled, pooled.draws.others)[1:])
    null |= _columns(FEWER, evaluate(FEWER, basis, rest.labelled, rest.others)[1:])
    window = {n: s[0] for n, s in (rest.labelled | pooled.draws.labelled).items()}
    reference = {n: s[0] for n, s in (rest.others | pooled.draws.others).items()}
    axes, explained = _picture_axes(seen[0].x, seed)
    count = [len(np.unique(u)) for u in (units[: seen[0].rows], units[seen[0].rows :])]
    return Evidence(
        "two samples",
        basis,
        window,
        reference,
        null,
        _side(sides[0], "before"),
        _side(sides[1], "after"),
        _shown(seen[0], units[: seen[0].rows]),
        _shown(seen[1], units[seen[0].rows :]),
        axes,
        explained,
        changes(totals(sides[0].outcomes), totals(sides[1].outcomes)),
        unit,
        sum(count),
        min(count),
        notes,
    )


def _columns(names: tuple[str, ...], values: Float64) -> dict[str, Float64]:
    return {name: values[:, j] for j, name in enumerate(names)}


def _side(batch: Batch, label: str) -> Side:
    duplicates = batch.rows - len(np.unique(content_hash(batch.x)))
    times = (
        (None, None) if batch.times is None or not batch.rows else (float(batch.times.min()), float(batch.times.max()))
    )
    aside, first = {**batch.rejected, **batch.unfit}, {**batch.first_rejected, **batch.first_unfit}
    return Side(label, batch.source, batch.rows, aside, first, duplicates, *times)


def _shown(batch: Batch, units: Int) -> Shown:
    ids = batch.ids if batch.ids is not None else np.array([f"row {i + 1}" for i in range(batch.rows)])
    texts = batch.texts if batch.texts is not None else np.full(batch.rows, "", np.str_)
    group = np.unique(units, return_inverse=True)[1].astype(np.int64)
    days = None if batch.times is None else np.floor_divide(batch.times, DAY).astype(np.int64)
    outcomes = {name: rates(values) for name, values in batch.outcomes.items()}
    return Shown(batch.x, ids, texts, group, outcomes, batch.outcomes, days)


def _picture_axes(x: Float32, seed: int) -> tuple[Float32, tuple[float, float]]:
    """The reference's own first two axes (d, 2) and their shares of its variance."""
    some = (
        x if len(x) <= PICTURE_ROWS else x[np.random.default_rng([seed, 9]).choice(len(x), PICTURE_ROWS, replace=False)]
    )
    y = some - some.mean(0)
    total = float(np.einsum("ij,ij->", y, y, dtype=np.float64) / len(y))
    axes, variances = principal_components(y, 2)
    return _padded(axes, variances / max(total, 1e-30))


def _padded(axes: Float32, shares: Float64) -> tuple[Float32, tuple[float, float]]:
    whole = np.zeros((axes.shape[0], 2), np.float32)
    whole[:, : axes.shape[1]] = axes[:, :2]
    first, second = (*(float(s) for s in shares[:2]), 0.0, 0.0)[:2]
    return whole, (first, second)


def _frozen_evidence(reference: Reference, sketch: Sketch) -> Evidence:
    basis, calibration = reference.basis, reference.calibration
    axes, explained = _padded(basis.axes[:, :2], basis.deviations[:2] ** 2 / max(basis.variance, 1e-30))
    units = (
        max(1, round(sketch.rows * calibration.units / calibration.rows)) if calibration.unit != "row" else sketch.rows
    )
    sums = [with_coarse(basis, s.sums) for s in (sketch, reference.base)]
    outcomes = [_cell_totals(basis, s) for s in (reference.base, sketch)]
    return Evidence(
        "frozen reference",
        basis,
        sums[0],
        sums[1],
        calibration.null(sketch.rows),
        replace(reference.base.side("reference"), rows=reference.base.rows),
        sketch.side("window"),
        _shown_sample(basis, reference.base.uniform),
        _shown_sample(basis, sketch.uniform),
        axes,
        explained,
        changes(outcomes[0], outcomes[1]),
        calibration.unit,
        calibration.units + units,
        min(calibration.units, units),
        _frozen_notes(reference, sketch),
        reference.hash,
        reference.model_id,
        (reference.base, sketch),
    )


def _cell_totals(basis: Basis, sketch: Sketch) -> dict[str, tuple[float, float, float]]:
    """Totals of the outcomes, whose rows are as many as their denominator."""
    return {name: (above, below, below) for name, (above, below) in outcome_totals(basis, sketch).items()}


def _shown_sample(basis: Basis, sample: Sample) -> Shown:
    outcomes = {name: rates(values) for name, values in sample.outcomes.items()}
    return Shown(
        sample_rows(basis, sample), sample.ids, sample.texts, np.arange(len(sample.x)), outcomes, sample.outcomes
    )


def _frozen_notes(reference: Reference, sketch: Sketch) -> tuple[str, ...]:
    calibration = reference.calibration
    stored = (("reference", reference.stored, reference.width), ("window", sketch.stored, reference.width))
    notes = [*stored_notes(stored), *rounding_notes(reference.stored, sketch.stored)]
    notes += ["Provisional: calibrated for sampling noise only; how much weeks differ by themselves is not known yet."]
    if calibration.unit != "row":
        notes.append(
            f"Calibrated {calibration.unit} by {calibration.unit}, as the reference's rows depend on each other."
        )
    if sketch.rows > calibration.rows:
        sizes = f"The window has {sketch.rows} rows, the reference {calibration.rows}"
        notes.append(f"{sizes}: the reference limits the answer.")
    if sketch.rows < sketch.seen:
        m = calibration.rows
        wider = np.sqrt((1 / sketch.rows + 1 / m) / (1 / sketch.seen + 1 / m))
        notes.append(
            f"Work budget: {sketch.rows} of {sketch.seen} rows were summed, chosen by hash; the noise is {wider:.2g} "
            "times that of all rows."
        )
    if not len(sketch.uniform.x) or not len(reference.base.uniform.x):
        notes.append(
            "No rows were kept, so that there are no examples, no named clusters and no points in the pictures."
        )
    return tuple(notes)
