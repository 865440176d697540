"""The table of associations: histories are what they are called, and so are the methods beside ours."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr

from quality import link
from quality.harness import Cell


def test_histories_respond_where_they_say() -> None:
    for name, truth in link.TRUTHS.items():
        one = truth(np.random.default_rng(0))
        panes, many = one.numerators.shape
        assert (len(one.drift), many, int(one.responds.sum())) == (panes, link.OUTCOMES, link.RESPOND), name
        assert one.denominators.shape == one.numerators.shape
        given = {"moments", "events", "rows"} & set(one.given)
        assert all(len(one.given[key]) == panes for key in given)


def test_an_autoregression_has_its_persistence_and_unit_innovations() -> None:
    x = link.autoregressive(0.9, 20_000, 2, np.random.default_rng(1))
    assert (x[1:] * x[:-1]).sum() / (x**2).sum() == pytest.approx(0.9, abs=0.01)
    assert (x[1:] - 0.9 * x[:-1]).std() == pytest.approx(1, abs=0.02)


def test_pearson_is_that_of_scipy() -> None:
    rng = np.random.default_rng(2)
    drift, outcomes = rng.standard_normal(50), rng.standard_normal((50, 3))
    centred = drift - drift.mean(), outcomes - outcomes.mean(0)
    r = link.correlations(centred[0][None], centred[1])[0, 0]
    for j in range(3):
        truth = pearsonr(drift, outcomes[:, j])
        assert (r[j], link.pearson_p(r[j], np.array(50))) == (
            pytest.approx(truth.statistic), pytest.approx(truth.pvalue),
        )  # fmt: skip


def test_surrogates_of_others_keep_what_they_keep() -> None:
    x = link.autoregressive(0.6, 56, 1, np.random.default_rng(3))[:, 0]
    spectrum = np.abs(np.fft.rfft(link.phases(x - x.mean(), np.random.default_rng(4)), axis=1))
    np.testing.assert_allclose(spectrum[:, 1:-1], np.tile(np.abs(np.fft.rfft(x))[1:-1], (len(spectrum), 1)), rtol=1e-6)
    moved = link.blocks(x, np.random.default_rng(5))
    assert (np.sort(moved, axis=1) == np.sort(x)).all()
    assert moved[0, 1:14].tolist() in [x[k + 1 : k + 14].tolist() for k in (0, 14, 28, 42)]


def test_false_discoveries_are_counted_among_discoveries() -> None:
    true = np.array([True, True, False, False])
    assert link._discoveries(np.array([True, False, True, False]), true) == (0.5, 0.5)
    assert link._discoveries(np.zeros(4, np.bool_), true) == (0.0, 0.0)


def test_a_quick_table_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "TOGETHER", 3)
    names = ("AR 0.9", "shared step", link.COMMON)
    results = {n: [link.measure(Cell(n, 1, {"truth": n}), np.random.default_rng(6))] for n in names}
    rows = {row.what: row for row in link.rows(results)}
    assert rows["AR 0.9: called at 0.05 without response"].reps == 3
    power = rows["AR 0.9: responses discovered"]
    assert power.ours > 0.6
    assert power.target == pytest.approx(max(0.98, *(power.beside["others"][m] for m in link.HONEST)) - 0.03)
    assert rows["shared step: responses discovered"].target is None
    (common,) = (row for what, row in rows.items() if what.startswith("common cause that nobody annotated"))
    assert common.ours > 0.5
    assert common.holds is None


def test_rows_of_nannyml() -> None:
    found = {"NannyML: AR 0.9": [{"histories": [{link.NANNYML: [0.5, 0.7, 0.8]}, {link.NANNYML: [0.3, 0.5, 0.6]}]}]}
    (row,) = link.rows(found)
    assert row.what == "AR 0.9: NannyML's CorrelationRanker itself, called at 0.05 without response"
    assert (row.ours, row.beside["FDR"], row.beside["power"]) == pytest.approx((0.4, 0.6, 0.7))
