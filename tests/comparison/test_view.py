"""Rows of the view: which are shown, to which cluster each belongs, and the outcomes that are theirs."""

from __future__ import annotations

import numpy as np
import pytest

from tidegauge.comparison import compare
from tidegauge.comparison.view import LEADING, MOST_POINTS
from tidegauge.records import Comparison
from tidegauge.reference import Reference
from tidegauge.testing import Product


@pytest.fixture(scope="module")
def weeks() -> Comparison:
    product = Product(1)
    return compare(product.week(0, rows=900), product.week(8, rows=900), seed=1)


def test_every_row_has_a_cluster_in_the_words_of_the_findings(weeks: Comparison) -> None:
    view = weeks.view
    assert len(view.before_clusters) == len(view.before) == 900
    assert set(np.concatenate([view.before_clusters, view.after_clusters])) == set(range(len(view.clusters)))
    assert weeks.novelty.clusters[0].name == view.clusters[0] == "new cluster 1"
    moved = {k.name for k in weeks.novelty.clusters} | {r.cell for r in (*weeks.gained, *weeks.lost)}
    others = [name for name in view.clusters if name not in moved]
    assert all(name.endswith((" of 16", " of 16, the rest")) for name in others)


def test_shares_of_clusters_are_those_of_the_findings(weeks: Comparison) -> None:
    view = weeks.view
    share = {name: float((view.after_clusters == i).mean()) for i, name in enumerate(view.clusters)}
    new = weeks.novelty.clusters[0]
    assert share[new.name] == pytest.approx(new.share, abs=0.02)
    for region in weeks.lost:
        # Rows of a new cluster are its own, so that a region can only have fewer.
        assert share.get(region.cell, 0.0) <= region.share_after + 1e-9


def test_new_cluster_holds_the_new_topic(weeks: Comparison) -> None:
    view = weeks.view
    inside = [text for text, place in zip(view.after_texts, view.after_clusters, strict=True) if place == 0]
    gift = [("gift card" in text) for text in view.after_texts]
    assert sum("gift card" in text for text in inside) / len(inside) > 0.9
    assert sum("gift card" in text for text in inside) / sum(gift) > 0.7
    assert (view.before_clusters == 0).mean() < 0.01


def test_outcomes_of_rows_are_their_own(weeks: Comparison) -> None:
    view, week = weeks.view, Product(1).week(8, rows=900)
    at = {name: i for i, name in enumerate(week.ids if week.ids is not None else ())}
    order = [at[name] for name in view.after_ids]
    np.testing.assert_array_equal(view.after_outcomes["success"], week.outcomes["success"][order, 0])


def test_leading_rows_are_a_fair_choice_in_their_own_order() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((6000, 3))
    view = compare(rows, rows[:400] + 2, seed=3).view
    places = np.array([int(name.removeprefix("row ")) for name in view.before_ids])
    assert len(set(places.tolist())) == 6000 <= MOST_POINTS
    assert (np.diff(places[:LEADING]) > 0).all()
    assert (np.diff(places[LEADING:]) > 0).all()
    assert abs(places[:LEADING].mean() - 3000) < 5 * 6000 / np.sqrt(12 * LEADING)


def test_frozen_door_names_clusters_too() -> None:
    product = Product(1)
    reference = Reference.fit(product.week(0))
    view = compare(reference, reference.sketch(product.week(8))).view
    assert len(view.after_clusters) == len(view.after) > 100
    assert view.clusters[0] == "new cluster 1"
    assert set(view.after_outcomes) == set(product.week(8).outcomes)
    empty = compare(reference, reference.sketch(product.week(8), samples=False)).view
    assert empty.after_clusters.shape == (0,)
