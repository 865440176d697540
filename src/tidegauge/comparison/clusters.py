"""New clusters: named on one half of the rows that may be shown, counted and tested on the other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tidegauge.basis import Basis, nearest_cell
from tidegauge.comparison.evidence import Evidence, Shown
from tidegauge.comparison.regions import members, new_cells, newcomers
from tidegauge.numeric.codebook import squared_distances
from tidegauge.numeric.ranks import wilson
from tidegauge.records import NewCluster
from tidegauge.score.parts import Sums, cell_rows, rows

Float32 = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.int64]

MOST_ROWS = 3000
MOST_CANDIDATES = 600
NEIGHBOUR = 3
FAR = 0.95
FAR_INSIDE = 0.25
FEWEST = 3
EXAMPLES = 5
MOST_CLUSTERS = 8
ENRICHED = 3.0
LEVEL = 3
FEWEST_IN_CELL = 8
HOME_LEVEL = 2
HOME_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Ball:
    """Where a new cluster lies: a centre (d,) and a squared radius."""

    centre: Float32
    square: float


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """A new cluster, and where its rows are found: in a ball about which the window's rows are taken back by the
    common ``shift`` (d,), or in a cell.
    """

    cluster: NewCluster
    place: Ball | int
    shift: Float32

    def before(self, e: Evidence, shown: Shown) -> Int:
        """Which of the reference's shown rows lie there."""
        return self._inside(e, shown, 0.0)

    def after(self, e: Evidence, shown: Shown) -> Int:
        """Which of the window's shown rows lie there."""
        return self._inside(e, shown, self.shift)

    def _inside(self, e: Evidence, shown: Shown, shift: Float32 | float) -> Int:
        if isinstance(self.place, Ball):
            return np.flatnonzero(_within(shown.x - shift, self.place))
        return members(e, shown, self.place)


def new_groups(e: Evidence, alpha: float, seed: int) -> tuple[Group, ...]:
    """Groups of the window's rows that lie where the reference has almost nothing.

    Rows of one half whose third neighbour among the reference's rows is farther than 95 % of those rows have it
    among themselves are grouped by average linkage; each group's ball is then counted in the other half and in
    the reference, and kept where a hypergeometric test, corrected for the number of groups, finds it in excess
    at ``alpha``.
    """
    from scipy.stats import hypergeom

    rng = np.random.default_rng([seed, 5])
    before, after = _some(e.shown_before, rng), _some(e.shown_after, rng)
    if min(len(before.x), len(after.x)) < 20:
        return ()
    seen = after
    shift = common_shift(e.basis, before.x, seen.x)
    after = Shown(seen.x - shift, seen.ids, seen.texts, seen.group)
    home = coarse_cell(e.basis, after.x)
    half = rng.permutation(int(after.group.max()) + 1)[after.group] % 2 == 0
    far = _far(before.x, after.x)
    balls = balls_of(before.x, after.x[half & far], rng)
    found: list[Group] = []
    fresh = after.x[~half]
    n, m = len(fresh), len(before.x)
    claimed = np.zeros(n, np.bool_)
    for inside, ball in sorted(((_within(fresh, b), b) for b in balls), key=lambda pair: -int(pair[0].sum())):
        k, old = int(inside.sum()), int(_within(before.x, ball).sum())
        p = min(1.0, len(balls) * float(hypergeom.sf(k - 1, n + m, k + old, n))) if k else 1.0
        if p > alpha or k / n < ENRICHED * old / m or (inside & claimed).sum() > k / 2:
            continue
        if _traffic_came(e, home[~half][inside], k / n):
            claimed |= inside
            found.append(Group(_cluster(e, after, ball, k, n, old / m, p), ball, shift))
    for cell, p in new_cells(e, alpha):
        rows_in = members(e, seen, cell)
        inside = np.isin(np.flatnonzero(~half), rows_in)
        if (
            len(rows_in) >= FEWEST
            and far[rows_in].mean() >= FAR_INSIDE
            and (inside & claimed).sum() <= inside.sum() / 2
        ):
            claimed |= inside
            found.append(Group(_of_cell(e, seen, rows_in, cell, p), cell, shift))
    found.sort(key=lambda group: -group.cluster.share)
    return tuple(_renamed(group, i) for i, group in enumerate(found[:MOST_CLUSTERS]))


def coarse_cell(basis: Basis, x: Float32) -> Int:
    """The cell of each row on a level of about 16, (n,)."""
    return basis.ancestors[min(HOME_LEVEL, len(basis.ancestors) - 1)][nearest_cell(basis, x)]


def _traffic_came(e: Evidence, homes: Int, share: float) -> bool:
    """Did the coarse cells that hold the group gain its share of traffic, to two standard errors, or half of it?

    A known group that moved within its neighbourhood looks new where it arrives; but the neighbourhood gained nothing.
    """
    gain, error, _ = traffic_gain(e.basis, e.window, e.reference, homes)
    return gain >= max(share / 2, share - 2 * error)


def traffic_gain(basis: Basis, window: Sums, reference: Sums, homes: Int) -> tuple[float, float, float]:
    """What share of the traffic the coarse cells gained that hold a group, its standard error, and what they held."""
    cells, counts = np.unique(homes, return_counts=True)
    cells = cells[counts >= HOME_SHARE * len(homes)]
    n, m = float(rows(window)), float(rows(reference))
    after, before = (float(cell_rows(basis, s)[cells].sum() / rows(s)) for s in (window, reference))
    both = (n * after + m * before) / (n + m)
    return after - before, float(np.sqrt(max(both * (1 - both), 1 / (n + m)) * (1 / n + 1 / m))), before


def common_shift(basis: Basis, before: Float32, after: Float32, leaf: Int | None = None) -> Float32:
    """What all cells moved by, (d,): the median over coarse cells of the shift of their means.

    A shift of everything would make every group look new; a new group moves few cells, and leaves the median alone.
    The cells are those of the finest level, of at most about 64, of which most hold enough rows of both sides;
    ``leaf`` is the fine cell of each row before, where it is known.
    """
    leaves = [nearest_cell(basis, before) if leaf is None else leaf, nearest_cell(basis, after)]
    for level in basis.ancestors[min(LEVEL, len(basis.ancestors) - 1) :: -1]:
        sides = []
        for x, cell in zip((before, after), leaves, strict=True):
            one_hot = np.eye(int(level.max() - level.min()) + 1, dtype=np.float32)[level[cell] - level.min()]
            sides.append((one_hot.T @ x, one_hot.sum(0)))
        enough = (sides[0][1] >= FEWEST_IN_CELL) & (sides[1][1] >= FEWEST_IN_CELL)
        if enough.mean() > 0.5 and enough.sum() > 2:
            means = [total[enough] / count[enough, None] for total, count in sides]
            return np.median(means[1] - means[0], axis=0).astype(np.float32)
    return np.zeros(before.shape[1], np.float32)


def _some(shown: Shown, rng: np.random.Generator) -> Shown:
    keep = np.sort(rng.permutation(len(shown.x))[:MOST_ROWS])
    return Shown(shown.x[keep], shown.ids[keep], shown.texts[keep], shown.group[keep])


def _neighbour(x: Float32, y: Float32, rank: int) -> Float32:
    """Squared distance of each row of ``x`` to its ``rank``-th nearest row of ``y``."""
    rank = min(rank, len(y)) - 1
    parts = [np.partition(squared_distances(x[i : i + 512], y), rank, axis=1)[:, rank] for i in range(0, len(x), 512)]
    return np.concatenate(parts)


def _far(before: Float32, after: Float32) -> Bool:
    """Rows whose third neighbour before is farther than 95 % of the rows before have it among themselves."""
    shift = before.mean(0)
    before, after = before - shift, after - shift
    own = _neighbour(before, before, NEIGHBOUR + 1)
    return _neighbour(after, before, NEIGHBOUR) > np.quantile(own, FAR)


def balls_of(before: Float32, far: Float32, rng: np.random.Generator, reach: float | None = None) -> list[Ball]:
    """Balls around groups of far rows that are near each other: within ``reach``, the typical distance of the rows
    before, where it is known.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(far) < FEWEST:
        return []
    if len(far) > MOST_CANDIDATES:
        far = far[rng.choice(len(far), MOST_CANDIDATES, replace=False)]
    shift = before.mean(0)
    before, far = before - shift, far - shift
    reach = typical_distance(before, rng) if reach is None else reach
    label = fcluster(linkage(far, "average"), reach, "distance")
    balls: list[Ball] = []
    for name in np.unique(label):
        group = far[label == name]
        if len(group) >= FEWEST:
            centre = group.mean(0)
            square = squared_distances(group, centre[None])[:, 0]
            balls.append(Ball(centre + shift, float(np.quantile(square, 0.9)) * 1.1 * (1 + 1 / len(group)) ** 2))
    return balls


def typical_distance(before: Float32, rng: np.random.Generator) -> float:
    """Lower-middle distance of two reference rows: closer than most pairs, farther than neighbours."""
    some = before[rng.permutation(len(before))[:600]]
    squares = squared_distances(some, some)
    return float(np.sqrt(np.quantile(squares[np.triu_indices(len(some), 1)], 0.10)))


def _within(x: Float32, ball: Ball) -> Bool:
    return squared_distances(x - ball.centre, np.zeros((1, x.shape[1]), np.float32))[:, 0] <= ball.square


def _cluster(e: Evidence, after: Shown, ball: Ball, k: int, n: int, before: float, p: float) -> NewCluster:
    inside = np.flatnonzero(_within(after.x, ball))
    near = inside[np.argsort(squared_distances(after.x[inside], ball.centre[None])[:, 0], kind="stable")]
    plane = (after.x[inside] - e.basis.centre) @ e.axes
    middle = plane.mean(0)
    radius = float(np.quantile(np.sqrt(((plane - middle) ** 2).sum(1)), 0.9))
    low, high = wilson(k, n)
    examples = tuple(after.example(i) for i in near[:EXAMPLES])
    total = round(k / n * e.after.rows)
    return NewCluster("", total, k / n, low, high, before, p, (float(middle[0]), float(middle[1])), radius, examples)


def _of_cell(e: Evidence, after: Shown, inside: Int, cell: int, p: float) -> NewCluster:
    n, m = float(rows(e.window)), float(rows(e.reference))
    new, old = (float(cell_rows(e.basis, s)[cell]) for s in (e.window, e.reference))
    plane = (after.x[inside] - e.basis.centre) @ e.axes
    middle = plane.mean(0)
    radius = float(np.quantile(np.sqrt(((plane - middle) ** 2).sum(1)), 0.9))
    place = (float(middle[0]), float(middle[1]))
    return NewCluster("", round(new), new / n, *wilson(new, n), old / m, p, place, radius, newcomers(e, cell))


def _renamed(group: Group, place: int) -> Group:
    return replace(group, cluster=replace(group.cluster, name=f"new cluster {place + 1}"))
