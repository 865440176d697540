"""What the pictures draw, on the reference's own first two components."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tidegauge.basis import REACH, nearest_cell
from tidegauge.comparison.clusters import Group
from tidegauge.comparison.evidence import Evidence, Shown
from tidegauge.comparison.regions import LEVEL, cell_name
from tidegauge.records import Region, View
from tidegauge.score.parts import Float64, average, rows, total_variance

Float32 = npt.NDArray[np.float32]
Int = npt.NDArray[np.int32]

MOST_POINTS = 25_000
LEADING = 2000
BINS = 64
REST = ", the rest"


def view(e: Evidence, seed: int, moved: tuple[Region, ...] = (), groups: tuple[Group, ...] = ()) -> View:
    """Points, means, covariances and PC1 histograms of both sides, in the unit of the vectors, and each point's
    cluster: the new one or the region among ``moved`` that holds it, else its cell.
    """
    before, after = (_some(s, seed) for s in (e.shown_before, e.shown_after))
    flat = [_plane(e, s.x) for s in (before, after)]
    means = [average(s, "mean")[:-1] @ e.axes.astype(np.float64) for s in (e.reference, e.window)]
    all_rows = [_plane(e, s.x) for s in (e.shown_before, e.shown_after)]
    covariances = [np.cov(p.T) if len(p) > 1 else np.zeros((2, 2)) for p in all_rows]
    edges = _edges([p[:, 0] for p in all_rows], float(means[0][0]))
    counts = [np.histogram(p[:, 0], edges)[0].astype(np.float64) for p in all_rows]
    clusters, members = _clusters(e, before, after, moved, groups)
    return View(
        flat[0],
        flat[1],
        _texts(before.ids),
        _texts(after.ids),
        _texts(before.texts),
        _texts(after.texts),
        means[0],
        means[1],
        covariances[0],
        covariances[1],
        e.explained,
        visible_share(e),
        edges,
        counts[0],
        counts[1],
        clusters,
        members[0],
        members[1],
        before.outcomes,
        after.outcomes,
    )


def visible_share(e: Evidence) -> float:
    """Share of the mean's (squared, noise-corrected) shift that lies in the picture's plane; 1 where nothing
    shifted.
    """
    gap = average(e.window, "mean")[:-1] - average(e.reference, "mean")[:-1]
    noise = float(1 / rows(e.window) + 1 / rows(e.reference))
    whole = float(gap @ gap) - noise * float(total_variance(e.reference))
    plane = gap @ e.axes.astype(np.float64)
    inside = float(plane @ plane) - noise * float(sum(e.explained)) * float(total_variance(e.reference))
    return float(np.clip(inside / whole, 0, 1)) if whole > 0 else 1.0


def _some(shown: Shown, seed: int) -> Shown:
    """A random choice of the rows, of which the leading ones are a random choice as well, each in their own order."""
    order = np.random.default_rng([seed, 6]).permutation(len(shown.x))[:MOST_POINTS]
    keep = np.concatenate([np.sort(order[:LEADING]), np.sort(order[LEADING:])])
    outcomes = {name: values[keep] for name, values in shown.outcomes.items()}
    return Shown(shown.x[keep], shown.ids[keep], shown.texts[keep], shown.group[keep], outcomes)


def _clusters(
    e: Evidence, before: Shown, after: Shown, moved: tuple[Region, ...], groups: tuple[Group, ...]
) -> tuple[tuple[str, ...], tuple[Int, Int]]:
    """Names of the clusters that hold any of these rows, new ones and regions that moved first, and each row's place
    among them.
    """
    named = {cell_name(e.basis, cell): cell for cell in range(len(e.basis.centres))}
    regions = [named[region.cell] for region in moved]
    level = e.basis.ancestors[min(LEVEL, len(e.basis.ancestors) - 1)]
    owner = level.copy()  # the cell whose name each fine cell's rows get
    for cell in regions:
        owner[(e.basis.ancestors == cell).any(0)] = cell
    # A cell of the level that lost some of its fine cells to a smaller region keeps the rest.
    parted = {int(home) for home in level[owner != level] if (owner == home).any()}
    found = np.concatenate(
        [
            _owners(e, before, owner, [group.before(e, before) for group in groups]),
            _owners(e, after, owner, [group.after(e, after) for group in groups]),
        ]
    )
    new_first = [*(-1 - i for i in range(len(groups))), *regions, *np.unique(owner).tolist()]
    held = set(found.tolist())
    order = [o for o in dict.fromkeys(new_first) if o in held]
    names = tuple(
        groups[-1 - o].cluster.name if o < 0 else cell_name(e.basis, o) + (REST if o in parted else "") for o in order
    )
    place = {o: i for i, o in enumerate(order)}
    places = np.array([place[o] for o in found.tolist()], np.int32)
    return names, (places[: len(before.x)], places[len(before.x) :])


def _owners(
    e: Evidence, shown: Shown, owner: npt.NDArray[np.int64], groups: list[npt.NDArray[np.int64]]
) -> npt.NDArray[np.int64]:
    """The cell that names each row, (n,), or -1 - i for the i-th new cluster."""
    leaf = nearest_cell(e.basis, shown.x)
    found = owner[leaf]
    for i in reversed(range(len(groups))):
        found[groups[i]] = -1 - i
    return found


def _plane(e: Evidence, x: Float32) -> Float32:
    return ((x - e.basis.centre) @ e.axes).astype(np.float32, copy=False)


def _texts(values: npt.NDArray[np.generic]) -> tuple[str, ...]:
    return tuple(str(v) for v in values)


def _edges(sides: list[Float32], middle: float) -> Float64:
    """Bin edges that hold all but the farthest thousandth of both sides, and at most four standard deviations
    of more.
    """
    both = np.concatenate([*sides, np.array([middle], np.float32)]).astype(np.float64)
    spread = float(np.std(sides[0])) if len(sides[0]) else float(np.std(both))
    low, high = np.quantile(both, [0.001, 0.999])
    margin = max(0.05 * (high - low), 1e-6 * max(abs(middle), spread, 1e-30))
    return np.linspace(
        max(low - margin, middle - 4 * REACH * spread - margin),
        min(high + margin, middle + 4 * REACH * spread + margin),
        BINS + 1,
    )
