"""New clusters over time: born on fresh rows, counted, gone, and none where there is none."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tests.sketch.cases import Float32, light
from tidegauge import Batch, MismatchError, Reference, Sketch, UsageError
from tidegauge.comparison import followed
from tidegauge.comparison.clusters import Ball, balls_of
from tidegauge.comparison.followed import Followed, absences, follow, names_candidates, peak_share, worth_a_look
from tidegauge.records import ClusterShare, FollowedCluster, PaneKey, SampleSizes
from tidegauge.sketch.sketch import sample_rows

WIDTH = 8
CENTRES = (4 * np.random.default_rng(17).standard_normal((8, WIDTH))).astype(np.float32)
PLACES = (4 * np.random.default_rng(23).standard_normal((3, WIDTH))).astype(np.float32)
HOUR = 3600


def traffic(rng: np.random.Generator, rows: int) -> Float32:
    return (CENTRES[rng.integers(8, size=rows)] + rng.standard_normal((rows, WIDTH))).astype(np.float32)


@cache
def reference(seed: int = 0) -> Reference:
    with light():
        return Reference.fit(traffic(np.random.default_rng([seed, 1]), 2000), seed=seed, exchangeable=True)


def rows_of(hour: int, new: dict[int, int], rows: int = 1000) -> Batch:
    """A window of known traffic, and of so many rows at each of the new places; their ids say which."""
    rng = np.random.default_rng([hour, 2])
    parts = [traffic(rng, rows - sum(new.values()))]
    parts += [PLACES[k] + 0.5 * rng.standard_normal((n, WIDTH)).astype(np.float32) for k, n in new.items()]
    kinds = np.concatenate([["old"] * len(parts[0]), *([f"new{k}"] * n for k, n in new.items())])
    ids = np.array([f"{kind}-{hour}-{i}" for i, kind in enumerate(kinds)])
    return Batch(np.concatenate(parts), ids, np.array([f"text of {name}" for name in ids]))


def window(hour: int) -> PaneKey:
    return PaneKey("queries", reference().hash, HOUR, HOUR * hour)


def history(hours: list[dict[int, int]], rows: int = 1000) -> tuple[dict[str, FollowedCluster], list[Followed]]:
    known: dict[str, FollowedCluster] = {}
    every = []
    for hour, new in enumerate(hours):
        sketch = reference().sketch(rows_of(hour, new, rows))
        every.append(follow(reference(), sketch, window(hour), tuple(known.values())))
        known |= {cluster.name: cluster for cluster in every[-1].clusters}
    return known, every


def test_a_cluster_is_born_counted_and_gone() -> None:
    known, every = history([{}, {0: 50}, {0: 40}, {}, {}, {}, {}])
    (cluster,) = known.values()
    assert (cluster.stream, cluster.reference, cluster.name) == ("queries", reference().hash, "c1")
    assert (cluster.born, cluster.gone, cluster.absent) == (HOUR, 3 * HOUR, 3)
    assert [(s.start, s.length) for s in cluster.shares] == [(HOUR * h, HOUR) for h in (1, 2, 3, 4, 5)]
    assert cluster.shares[0].sampled == int((~names_candidates(rows_of(1, {0: 50}).ids, 0)).sum())  # type: ignore[arg-type]
    assert cluster.shares[1].sampled == 1000
    assert 30 <= cluster.shares[1].inside <= 40
    assert [s.inside for s in cluster.shares[2:]] == [0, 0, 0]
    assert np.linalg.norm(cluster.centre - PLACES[0]) < 0.7
    assert cluster.centre.dtype == np.float32
    assert cluster.p <= 0.001
    assert cluster.before == 0
    assert len(cluster.examples) == 5
    assert all(e.id.startswith("new0-1-") and e.text == f"text of {e.id}" for e in cluster.examples)
    assert [(e.kind, e.at) for found in every for e in found.events] == [
        ("cluster born", HOUR),
        ("cluster gone", 3 * HOUR),
    ]
    born, gone = (found.events[0].text for found in (every[1], every[5]))
    assert born.startswith("A new cluster, c1: ")
    assert cluster.examples[0].id not in born  # a row can be forgotten, the words of an event cannot
    assert gone.startswith("Cluster c1 is gone: 0 of 3,000 sampled rows in 3 windows, after ")
    assert every[6].clusters == ()


def test_names_are_never_used_again_and_two_topics_are_two_clusters() -> None:
    known, _ = history([{0: 60, 1: 60}, {0: 60}, {0: 60}, {0: 60}, {0: 60, 1: 60}])
    places = {name: int(np.argmin(((PLACES - c.centre) ** 2).sum(1))) for name, c in known.items()}
    assert sorted(known) == ["c1", "c2", "c3"]
    old = next(name for name in ("c1", "c2") if places[name] == 1)
    assert places["c3"] == 1
    assert (known[old].gone, known["c3"].born) == (HOUR, 4 * HOUR)
    still = next(c for name, c in known.items() if places[name] == 0)
    assert (still.gone, still.absent, len(still.shares)) == (None, 0, 5)


def test_a_living_cluster_is_not_born_again() -> None:
    known, every = history([{0: 60}] * 12)
    assert sorted(known) == ["c1"]
    assert sum(len(found.events) for found in every) == 1


def test_rows_of_a_living_cluster_name_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    (living,) = history([{0: 60}])[0].values()
    named: list[Float32] = []

    def watched(before: Float32, far: Float32, rng: np.random.Generator, reach: float) -> list[Ball]:
        named.append(far)
        return balls_of(before, far, rng, reach)

    monkeypatch.setattr(followed, "balls_of", watched)
    sketch = reference().sketch(rows_of(1, {0: 60, 1: 60}))
    for known in ((), (living,)):
        follow(reference(), sketch, window(1), known)
    inside = [int((((far - living.centre) ** 2).sum(1) <= living.square).sum()) for far in named]
    assert inside[0] > 10
    assert inside[1] == 0


def test_a_name_of_one_that_is_gone_is_not_given_again() -> None:
    (old,) = history([{1: 60}])[0].values()
    gone = replace(old, name="c41", gone=0)
    found = follow(reference(), reference().sketch(rows_of(1, {0: 60})), window(1), (gone,))
    assert [c.name for c in found.clusters] == ["c42"]


def test_unchanged_windows_give_birth_to_none() -> None:
    """At 0.05 a window, and here far fewer, as the test is discrete: 40 windows of two references."""
    births = 0
    for seed in (0, 1):
        for hour in range(100, 120):
            sketch = reference(seed).sketch(rows_of(hour, {}))
            at = PaneKey("queries", reference(seed).hash, HOUR, HOUR * hour)
            births += len(follow(reference(seed), sketch, at, (), alpha=0.05).events)
    assert births <= 5


def test_a_shift_of_everything_is_no_cluster_and_a_cluster_is_found_in_it() -> None:
    moved = np.float32(0.8)
    plain, new = (rows_of(3, n) for n in ({}, {0: 60}))
    found = [follow(reference(), reference().sketch(replace(b, x=b.x + moved)), window(3), ()) for b in (plain, new)]
    assert [len(f.clusters) for f in found] == [0, 1]
    assert np.linalg.norm(found[1].clusters[0].centre - PLACES[0]) < 1


def test_what_names_a_cluster_does_not_test_it() -> None:
    """New rows that all have ids which name candidates are never tested: no birth; and the other way round."""
    batch = rows_of(5, {0: 60}, 1060)
    assert batch.ids is not None
    name = np.array([f"n{i}" for i in range(1000)])
    naming = names_candidates(name, 0)
    for chosen in (name[naming][:60], name[~naming][:60]):
        ids = np.concatenate([batch.ids[:1000], chosen])
        found = follow(reference(), reference().sketch(replace(batch, ids=ids)), window(5), ())
        assert found.clusters == ()
    ids = np.concatenate([batch.ids[:1000], name[naming][:30], name[~naming][:30]])
    (cluster,) = follow(reference(), reference().sketch(replace(batch, ids=ids)), window(5), ()).clusters
    assert cluster.shares[0].inside <= 30


def test_the_same_rows_in_any_batching_and_the_same_window_again_say_the_same() -> None:
    batch = rows_of(1, {0: 50})
    whole = reference().sketch(batch)
    parts: Sketch = reference().empty()
    for some in np.array_split(np.arange(batch.rows), 4):
        parts += reference().sketch(Batch(batch.x[some], batch.ids[some], batch.texts[some]))  # type: ignore[index]
    one, two = (follow(reference(), sketch, window(1), ()) for sketch in (whole, parts))
    assert one.events == two.events
    again = follow(reference(), whole, window(1), one.clusters).clusters[0]
    assert len(again.shares) == 1


def test_absent_windows_are_told_by_their_counts() -> None:
    def told(*counts: tuple[int, int], before: float = 0.0) -> list[int]:
        return [s.start for s in absences([ClusterShare(i, 1, *c) for i, c in enumerate(counts)], before)]

    assert told((40, 1000), (0, 1000), (0, 1000)) == [1, 2]
    assert told((40, 1000), (0, 1000), (30, 1000), (2, 1000)) == [3]  # at most 0.6 % at 95 %, a quarter of 4 % is 1 %
    assert told((40, 1000), (8, 1000)) == []  # 0.8 %, but perhaps 1.4 %
    assert told((40, 1000), (0, 10), (0, 1000), (0, 0)) == [2]  # ten rows, or none, cannot tell
    assert told((40, 1000), (0, 80)) == [1]  # 0.96^80 = 0.04
    assert told((40, 1000), (0, 70)) == []
    assert told((40, 1000), (12, 1000)) == []
    assert told((40, 1000), (12, 1000), before=0.01) == []  # perhaps 1.95 %: above 1 % + 0.75 %
    assert told((40, 1000), (9, 1000), before=0.01) == [1]
    assert peak_share([ClusterShare(0, 1, 3, 6), ClusterShare(1, 1, 20, 1000)]) == 3 / 50


def test_without_samples_nothing_is_said() -> None:
    batch = rows_of(1, {0: 100})
    assert follow(reference(), reference().sketch(batch, samples=False), window(1), ()) == Followed((), ())
    assert follow(reference(), reference().empty(), window(1), ()) == Followed((), ())
    with light():
        bare = Reference.fit(traffic(np.random.default_rng(5), 400), samples=False, exchangeable=True)
    assert follow(bare, bare.sketch(batch), replace(window(1), reference=bare.hash), ()) == Followed((), ())
    few = follow(reference(), reference().sketch(batch, samples=SampleSizes(novel=0)), window(1), ())
    assert len(few.clusters) == 1


def test_a_look_for_clusters_needs_novel_rows_or_a_cell_that_gained() -> None:
    x = sample_rows(reference().basis, reference().base.uniform)
    assert not worth_a_look(reference(), reference().sketch(Batch(x)))
    assert not worth_a_look(reference(), reference().empty())
    assert worth_a_look(reference(), reference().sketch(rows_of(7, {0: 30})))
    cell = reference().basis.centres[reference().basis.fine[:1]] + reference().basis.centre
    crowded = reference().sketch(Batch(np.concatenate([x[:950], np.repeat(cell, 50, axis=0)])))
    assert crowded.sums["novelty"][1] / crowded.rows < 0.11  # the rows of one cell, not of far places
    assert worth_a_look(reference(), crowded)


def test_what_cannot_be_followed_is_refused() -> None:
    sketch = reference().sketch(rows_of(1, {}))
    for alpha in (0.0, 0.6, float("nan")):
        with pytest.raises(UsageError, match="alpha: got"):
            follow(reference(), sketch, window(1), (), alpha=alpha)
    with pytest.raises(MismatchError, match="want reference"):
        follow(reference(1), sketch, window(1), ())
    with pytest.raises(MismatchError, match="want reference"):
        follow(reference(), sketch, replace(window(1), reference="another"), ())


def test_nothing_given_is_changed() -> None:
    sketch = reference().sketch(rows_of(1, {0: 50}))
    before = sketch.to_bytes(), reference().to_bytes()
    first = follow(reference(), sketch, window(1), ())
    shares = first.clusters[0].shares
    follow(reference(), sketch, window(2), first.clusters)
    assert first.clusters[0].shares == shares
    assert (sketch.to_bytes(), reference().to_bytes()) == before
