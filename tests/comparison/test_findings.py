"""What is named is there, and nothing is named where nothing is: new clusters, regions, and the law of the drift."""

from __future__ import annotations

import numpy as np
import pytest

from tests.sketch.cases import Float32, light_doors
from tidegauge import Batch, Comparison, compare

WIDTH = 8
CENTRES = (4 * np.random.default_rng(17).standard_normal((8, WIDTH))).astype(np.float32)
PLACE = (4 * np.random.default_rng(23).standard_normal(WIDTH)).astype(np.float32)


@pytest.fixture(autouse=True)
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    light_doors(monkeypatch)


def traffic(rng: np.random.Generator, rows: int, weights: tuple[float, ...] = (1.0,) * 8) -> tuple[Float32, np.ndarray]:
    share = np.asarray(weights) / np.sum(weights)
    which = rng.choice(8, rows, p=share)
    return (CENTRES[which] + rng.standard_normal((rows, WIDTH))).astype(np.float32), which


def found(before: Float32, after: Float32, seed: int = 0) -> Comparison:
    return compare(
        before, Batch(after, ids=np.array([f"row-{i}" for i in range(len(after))])), seed=seed, exchangeable=True
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_tight_new_cluster_is_named_with_its_share_and_its_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, after = traffic(rng, 900)[0], traffic(rng, 800)[0]
    new = rng.choice(800, 40, replace=False)
    after[new] = PLACE + np.float32(0.4) * rng.standard_normal((40, WIDTH)).astype(np.float32)
    result = found(before, after, seed)
    assert result.verdict.state == "drift"
    assert len(result.novelty.clusters) == 1
    (cluster,) = result.novelty.clusters
    assert cluster.share_low <= 0.05 <= cluster.share_high
    assert cluster.share_low <= cluster.share <= cluster.share_high
    assert cluster.share_before <= 0.005
    assert abs(cluster.rows - 40) <= 20
    assert {int(example.id.removeprefix("row-")) for example in cluster.examples} <= set(new.tolist())
    assert len(cluster.examples) == 5
    assert "new cluster" in result.verdict.sentence
    assert result.novelty.share == cluster.share


def test_no_cluster_is_named_on_unchanged_traffic_or_where_everything_moved() -> None:
    named = {"unchanged": 0, "shifted": 0}
    for seed in range(10):
        rng = np.random.default_rng(100 + seed)
        before, after = traffic(rng, 300)[0], traffic(rng, 250)[0]
        named["unchanged"] += bool(found(before, after, seed).novelty.clusters)
        shifted = found(before, after + np.float32(1), seed)
        assert shifted.verdict.state == "drift"
        named["shifted"] += bool(shifted.novelty.clusters)
    assert max(named.values()) <= 1, named


@pytest.mark.parametrize("seed", [0, 1])
def test_a_region_that_doubled_is_named(seed: int) -> None:
    rng = np.random.default_rng(200 + seed)
    before, (after, which) = traffic(rng, 900)[0], traffic(rng, 900, (1, 1, 1, 2, 1, 1, 1, 1))
    result = found(before, after, seed)
    assert result.verdict.state == "drift"
    assert result.gained
    examples = [int(example.id.removeprefix("row-")) for example in result.gained[0].examples]
    assert {int(which[i]) for i in examples} == {3}
    assert result.gained[0].share_after > 1.4 * result.gained[0].share_before
    assert result.gained[0].p <= 0.05
    assert result.gained[0].z > 0
    assert not result.novelty.clusters


def test_a_region_that_emptied_is_named_by_the_rows_it_had() -> None:
    rng = np.random.default_rng(300)
    (before, which), after = traffic(rng, 700), traffic(rng, 700, (1, 1, 1, 0, 1, 1, 1, 1))[0]
    result = found(before, after)
    lost = result.lost[0]
    assert lost.share_after < 0.02
    assert lost.share_before > 0.05
    assert {int(which[int(example.id.removeprefix("row ")) - 1]) for example in lost.examples} == {3}


def test_drift_is_linear_in_the_share_that_moved() -> None:
    rng = np.random.default_rng(400)
    ratios = []
    for seed in range(2):
        values = []
        for share in (0.1, 0.2):
            before, after = traffic(rng, 1000)[0], traffic(rng, 1000)[0]
            moved = round(share * 1000)
            after[:moved] = CENTRES[5] + rng.standard_normal((moved, WIDTH))
            values.append(found(before, after, seed).drift.value)
        ratios.append(values[1] / values[0])
    assert np.mean(ratios) == pytest.approx(2, abs=0.3), ratios
