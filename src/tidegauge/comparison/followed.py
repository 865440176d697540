"""New clusters of a stream, from window to window: born, counted, gone. Pure functions.

What a window may be read for is settled row by row, by a hash of the row's id: a third of the ids name candidates, the
others test them, whichever of the two samples a row stands in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tidegauge.basis import KNOTS, Basis, nearest_cell
from tidegauge.comparison.clusters import (
    ENRICHED,
    EXAMPLES,
    FEWEST,
    MOST_CLUSTERS,
    Ball,
    balls_of,
    coarse_cell,
    common_shift,
    traffic_gain,
    typical_distance,
)
from tidegauge.errors import MismatchError, UsageError
from tidegauge.numeric.codebook import squared_distances
from tidegauge.numeric.ranks import wilson
from tidegauge.records import ClusterShare, Event, Example, FollowedCluster, PaneKey, StrArray
from tidegauge.reference import Reference
from tidegauge.score.scans import mass_z
from tidegauge.sketch.hashing import mix, text_hash, unit_interval
from tidegauge.sketch.samples import Sample
from tidegauge.sketch.sketch import Sketch, sample_rows

Float32 = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.int64]

NAMING = 1 / 3
FAR = 0.90
FEWEST_ROWS = 20
GAINED = 3.5
WINDOWS_ABSENT = 3
LEFT = 0.25
MISSED = 0.05
ONE_SIDED = 1.644854
FEWEST_FOR_PEAK = 50
MOST_SHARES = 1000


@dataclass(frozen=True, slots=True)
class Followed:
    """What a window says of new clusters: those that changed, the newborn among them, and what there is to tell."""

    clusters: tuple[FollowedCluster, ...]
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Sampled rows of a window, taken back by what everything moved by: ``x`` (n, d), and who they are."""

    x: Float32
    ids: StrArray
    texts: StrArray

    def only(self, keep: Bool) -> _Rows:
        return _Rows(self.x[keep], self.ids[keep], self.texts[keep])


@dataclass(frozen=True, slots=True, eq=False)
class _Ground:
    """The reference's sampled rows (n, d), the fine cell of each, and how far apart rows typically are."""

    x: Float32
    leaf: Int
    reach: float


@lru_cache(maxsize=4)
def _ground(reference: Reference) -> _Ground:
    """Found once for a reference, which never changes: half of what following a window would cost."""
    x = sample_rows(reference.basis, reference.base.uniform)
    reach = typical_distance(x - x.mean(0), np.random.default_rng(reference.seed))
    return _Ground(x, nearest_cell(reference.basis, x), reach)


@dataclass(frozen=True, slots=True, eq=False)
class _Birth:
    """A candidate that passed: ``inside`` of ``tested`` rows, ``before`` of the reference's, and its p."""

    ball: Ball
    inside: int
    tested: int
    before: float
    p: float


def follow(
    reference: Reference,
    sketch: Sketch,
    window: PaneKey,
    known: Sequence[FollowedCluster],
    *,
    alpha: float = 0.001,
    seed: int = 0,
) -> Followed:
    """Count the followed clusters in a closed window, end those that are gone, and find those that are born in it.

    Parameters
    ----------
    reference : Reference
    sketch : Sketch
        Of the window, under this reference, with samples; without any, nothing is said.
    window : PaneKey
    known : sequence of FollowedCluster
        All that were ever followed in this stream under this reference, in any order: those that are gone keep their
        names. Windows of a stream are to come in order of time, and of one length.
    alpha : float
        At most this share of windows that are like the reference may give birth to a cluster. It is spent anew on every
        window, and within a window divided by the number of candidates: at 0.001 a false birth comes once in a thousand
        windows or more, which is six weeks of hourly ones.
    seed : int
        Which rows name candidates.

    Returns
    -------
    Followed
        A cluster is gone once it was absent from three windows in a row that were large enough to tell: at most a
        quarter is left, at 95 % confidence, of what it had at its peak above its share of the reference; or no row is,
        where its peak share would have shown one at that confidence. Then ``gone`` is the start of the first of them.

    Raises
    ------
    MismatchError
        Where the sketch was made under another reference.

    Examples
    --------
    >>> from tidegauge.gate import admit
    >>> rng = np.random.default_rng(0)
    >>> reference = Reference.fit(rng.standard_normal((1500, 8)))
    >>> rows = np.concatenate([rng.standard_normal((900, 8)), 0.3 * rng.standard_normal((100, 8)) + 3])
    >>> sketch = reference.sketch(admit(rows, ids=[f"q{i}" for i in range(1000)], texts=["new"] * 1000))
    >>> found = follow(reference, sketch, PaneKey("queries", reference.hash, 3600, 7200), ())
    >>> [(c.name, c.born, c.gone, c.before) for c in found.clusters], found.events[0].kind
    ([('c1', 7200, None, 0.0)], 'cluster born')
    """
    if not 0 < alpha <= 0.5:
        raise UsageError("alpha", got=f"{alpha:g}", want="a number above 0, at most 0.5")
    if not sketch.reference == window.reference == reference.hash:
        got = f"a sketch under {sketch.reference[:12]}, a window under {window.reference[:12]}"
        raise MismatchError("following clusters", got=got, want=f"reference {reference.hash[:12]}")
    basis = reference.basis
    alive = [c for c in known if c.gone is None]
    kept = min(len(reference.base.uniform.keys), len(sketch.uniform.keys))
    looked = kept >= FEWEST_ROWS and worth_a_look(reference, sketch)
    if not kept or not (alive or looked):
        return Followed((), ())
    ground = _ground(reference)
    shift = common_shift(basis, ground.x, sample_rows(basis, sketch.uniform), ground.leaf)
    fair, novel = (_shown(basis, sample, shift) for sample in (sketch.uniform, sketch.novel))
    living = [_counted(c, fair, window) for c in alive]
    events = [_gone_event(c) for c in living if c.gone is not None]
    new: list[FollowedCluster] = []
    if looked:
        balls = [_ball(c) for c in living if c.gone is None]
        every = _together(fair, novel)
        for birth in _births(reference, sketch, ground, fair, every, balls, alpha, seed):
            new.append(_newborn(birth, _name(known, len(new)), window, every))
            events.append(_born_event(new[-1], birth))
    return Followed((*living, *new), tuple(events))


def _shown(basis: Basis, sample: Sample, shift: Float32) -> _Rows:
    return _Rows(sample_rows(basis, sample) - shift, sample.ids, sample.texts)


def _together(fair: _Rows, novel: _Rows) -> _Rows:
    """The rows of both samples, each once."""
    more = novel.only(~np.isin(np.asarray(novel.ids, np.str_), np.asarray(fair.ids, np.str_)))
    x = np.concatenate([fair.x, more.x])
    ids, texts = ([*a, *b] for a, b in ((fair.ids, more.ids), (fair.texts, more.texts)))
    return _Rows(x, np.array(ids, np.str_), np.array(texts, np.str_))


def names_candidates(ids: StrArray, seed: int) -> Bool:
    """Which rows name candidates, by their id alone, (n,); the others test them.

    Examples
    --------
    >>> ids = np.array([f"q{i}" for i in range(3000)])
    >>> names_candidates(ids, 0)[:4].tolist(), round(float(names_candidates(ids, 0).mean()), 1)
    ([True, True, False, True], 0.3)
    """
    salt = mix(np.array([seed + 1], np.uint64))
    return unit_interval(mix(text_hash(ids) ^ salt)) < NAMING


def worth_a_look(reference: Reference, sketch: Sketch) -> bool:
    """Whether more rows lie far from every cell than in the reference, by a standard error at any of three distances,
    or a cell clearly gained traffic: else hardly a cluster would be found, and looking costs as much as scoring.
    """
    ours, base = sketch.sums, reference.base.sums
    if not sketch.rows:
        return False
    shares = ours["novelty"][1:] / ours["count"], base["novelty"][1:] / base["count"]
    both = np.clip(shares[1], 1e-3, 1 - 1e-3)
    error = np.sqrt(both * (1 - both) * (1 / sketch.rows + 1 / reference.base.rows))
    gained = mass_z(reference.basis, ours, base).max() > GAINED
    return bool(gained or (shares[0] - shares[1] > error).any())


def _births(
    reference: Reference,
    sketch: Sketch,
    ground: _Ground,
    fair: _Rows,
    every: _Rows,
    living: Sequence[Ball],
    alpha: float,
    seed: int,
) -> Iterator[_Birth]:
    """Candidates that hold more of the fresh rows than of the reference's, largest first.

    Candidates are named by distance to the cells, which other rows of the reference made: its own sample is looked at
    once, by the test.
    """
    from scipy.stats import hypergeom

    basis = reference.basis
    naming = every.x[names_candidates(every.ids, seed)]
    naming = naming[_far(basis, naming)]
    naming = naming[~_in_each(naming, living).any(1)]
    if len(naming) < FEWEST:
        return
    balls = balls_of(ground.x, naming, np.random.default_rng([seed, 6]), ground.reach)
    balls = [ball for ball in balls if not _in_each(ball.centre[None], living).any()]
    fresh = fair.x[~names_candidates(fair.ids, seed)]
    fresh, old = (x[~_in_each(x, living).any(1)] for x in (fresh, ground.x))
    n, m = len(fresh), len(old)
    inside, was = _in_each(fresh, balls), _in_each(old, balls).sum(0)
    held = inside.sum(0)
    p = np.minimum(1, len(balls) * hypergeom.sf(held - 1, n + m, held + was, n))
    claimed, born = np.zeros(n, np.bool_), 0
    for i in np.argsort(-held, kind="stable"):
        k, mine = int(held[i]), inside[:, i]
        if p[i] > alpha or k / n < ENRICHED * was[i] / m or (mine & claimed).sum() > k / 2:
            continue
        if _traffic_came(reference, sketch, fresh[mine], k / n) and born < MOST_CLUSTERS:
            claimed, born = claimed | mine, born + 1
            yield _Birth(balls[i], k, n, int(was[i]) / m, float(p[i]))


def _far(basis: Basis, x: Float32) -> Bool:
    """Rows farther from every cell than FAR of the reference's rows are."""
    near = np.sqrt(squared_distances(x - basis.centre, basis.centres[basis.fine]).min(1))
    return near > np.interp(FAR, (np.arange(KNOTS) + 0.5) / KNOTS, basis.near_knots)


def _in_each(x: Float32, balls: Sequence[Ball]) -> Bool:
    """Which rows lie in which balls, (n, balls)."""
    if not balls:
        return np.zeros((len(x), 0), np.bool_)
    centres = np.stack([ball.centre for ball in balls])
    middle = centres.mean(0)
    return squared_distances(x - middle, centres - middle) <= np.array([ball.square for ball in balls], np.float32)


def _traffic_came(reference: Reference, sketch: Sketch, inside: Float32, share: float) -> bool:
    """Did the neighbourhood gain what a group that came from elsewhere brings, to two standard errors?

    It brings its share, less that share of what was there: all other traffic is diluted. A large known group that moved
    within its neighbourhood brings nothing.
    """
    homes = coarse_cell(reference.basis, inside)
    gain, error, was = traffic_gain(reference.basis, sketch.sums, reference.base.sums, homes)
    return gain >= share * (1 - was) - 2 * error


def _ball(cluster: FollowedCluster) -> Ball:
    return Ball(cluster.centre, cluster.square)


def _newborn(birth: _Birth, name: str, window: PaneKey, every: _Rows) -> FollowedCluster:
    away = squared_distances(every.x - birth.ball.centre, np.zeros((1, every.x.shape[1]), np.float32))[:, 0]
    nearest = [i for i in np.argsort(away, kind="stable")[:EXAMPLES] if away[i] <= birth.ball.square]
    return FollowedCluster(
        window.stream,
        window.reference,
        name,
        window.start,
        None,
        birth.ball.centre.astype(np.float32),
        birth.ball.square,
        birth.before,
        birth.p,
        examples=tuple(Example(str(every.ids[i]), str(every.texts[i])) for i in nearest),
        shares=(ClusterShare(window.start, window.length, birth.inside, birth.tested),),
    )


def _name(known: Iterable[FollowedCluster], born: int) -> str:
    numbers = (int(c.name[1:]) for c in known if c.name[:1] == "c" and c.name[1:].isdecimal())
    return f"c{max(numbers, default=0) + born + 1}"


def _counted(cluster: FollowedCluster, fair: _Rows, window: PaneKey) -> FollowedCluster:
    """The cluster with this window's share, in place of one that the window had before."""
    inside = int(_in_each(fair.x, [_ball(cluster)]).sum())
    others = tuple(s for s in cluster.shares if (s.start, s.length) != (window.start, window.length))
    shares = (*others, ClusterShare(window.start, window.length, inside, len(fair.x)))[-MOST_SHARES:]
    absent = absences(shares, cluster.before)
    gone = absent[0].start if len(absent) >= WINDOWS_ABSENT else None
    return replace(cluster, shares=shares, absent=len(absent), gone=gone)


def peak_share(shares: Sequence[ClusterShare]) -> float:
    """The largest share of a window; one of few rows is shrunk, as it is large by chance."""
    return max(share.inside / max(share.sampled, FEWEST_FOR_PEAK) for share in shares)


def absences(shares: Sequence[ClusterShare], before: float) -> list[ClusterShare]:
    """The newest windows, oldest first, from which a cluster was absent that held ``before`` of the reference's rows;
    those too small to tell do not count.

    Examples
    --------
    >>> shares = [ClusterShare(start, 60, inside, 1000) for start, inside in ((0, 40), (60, 0), (120, 30), (180, 2))]
    >>> [share.start for share in absences(shares, 0.0)]
    [180]
    """
    peak = peak_share(shares)
    bound = before + LEFT * max(peak - before, 0.0)
    found: list[ClusterShare] = []
    for share in reversed(shares):
        if not share.inside and (1 - peak) ** share.sampled > MISSED:
            continue
        if share.inside and wilson(share.inside, share.sampled, ONE_SIDED)[1] >= bound:
            break
        found.append(share)
    return found[::-1]


def _born_event(cluster: FollowedCluster, birth: _Birth) -> Event:
    low, high = wilson(birth.inside, birth.tested)
    share = f"{birth.inside / birth.tested:.1%} of the rows ({low:.1%} to {high:.1%}), {birth.before:.1%} before"
    # Examples stay with the cluster, where they can be forgotten: the words of an event cannot.
    text = f"A new cluster, {cluster.name}: {share}."
    return Event(cluster.stream, "cluster born", float(cluster.born), text)


def _gone_event(cluster: FollowedCluster) -> Event:
    last = absences(cluster.shares, cluster.before)
    inside, sampled = sum(s.inside for s in last), sum(s.sampled for s in last)
    held = (
        f"{inside} of {sampled:,} sampled rows in {len(last)} windows, after {peak_share(cluster.shares):.1%} at most"
    )
    return Event(cluster.stream, "cluster gone", float(last[0].start), f"Cluster {cluster.name} is gone: {held}.")
