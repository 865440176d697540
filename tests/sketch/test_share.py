"""The work budget: rows chosen by hash, the same ones everywhere, and no less true for being fewer."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.sketch.cases import Float32, batch, normal, small
from tidegauge import ArtefactError, Batch, MismatchError, Reference, Sketch, UsageError, compare
from tidegauge.gate import pick
from tidegauge.numeric import threads
from tidegauge.sketch.codec import SKETCH, pack, unpack
from tidegauge.sketch.hashing import text_hash, unit_interval

SHARE = 0.3
ROWS = 6000


def rows() -> Batch:
    return batch(normal(ROWS, 4, 5))


def chosen(found: Batch, share: float = SHARE) -> np.ndarray:
    assert found.ids is not None
    return np.flatnonzero([float(unit_interval(text_hash(np.array([i])))[0]) < share for i in found.ids])


def test_the_sums_are_those_of_the_chosen_rows() -> None:
    found = rows()
    budget = small().sketch(found, share=SHARE)
    by_hand = small().sketch(pick(found, chosen(found)))
    assert (budget.seen, budget.rows) == (ROWS, len(chosen(found)))
    assert abs(budget.rows / ROWS - SHARE) < 4 * np.sqrt(SHARE * (1 - SHARE) / ROWS)
    for name, values in by_hand.sums.items():
        np.testing.assert_allclose(budget.sums[name], values, rtol=1e-6, atol=1e-6 * np.abs(values).max())
    for name, values in by_hand.outcomes.items():
        np.testing.assert_allclose(budget.outcomes[name], values)


def test_all_rows_are_counted_and_so_are_rejections_times_and_duplicates() -> None:
    found = replace(rows(), rejected={"nan": 7})
    whole, budget = small().sketch(found), small().sketch(found, share=SHARE)
    assert budget.side("window") == whole.side("window")
    np.testing.assert_array_equal(budget.distinct.hashes, whole.distinct.hashes)


def test_replicas_and_re_runs_choose_the_same_rows() -> None:
    found = rows()
    whole = small().sketch(found, share=SHARE)
    cuts = [0, 1, 700, 4096, 4097, ROWS]
    parts = [small().sketch(pick(found, slice(a, b)), share=SHARE) for a, b in pairwise(cuts)]
    merged = sum(parts[::-1], small().empty(share=SHARE))
    assert (merged.rows, merged.seen, merged.share) == (whole.rows, whole.seen, SHARE)
    np.testing.assert_array_equal(merged.sums["cells"].sum(), whole.sums["cells"].sum())
    np.testing.assert_array_equal(merged.uniform.ids, whole.uniform.ids)


def test_rows_without_an_id_are_chosen_by_content_and_position_whatever_the_batch() -> None:
    x = normal(ROWS, 4, 6)
    one = small().sketch(Batch(x), share=SHARE)
    many = small().sketch(iter([Batch(x[:10]), Batch(x[10:5000]), Batch(x[5000:])]), share=SHARE)
    assert one.rows == many.rows
    np.testing.assert_array_equal(one.uniform.ids, many.uniform.ids)


def test_the_uniform_sample_is_that_of_all_rows() -> None:
    found = rows()
    whole, budget = small().sketch(found), small().sketch(found, share=SHARE)
    np.testing.assert_array_equal(budget.uniform.ids, whole.uniform.ids)


def test_two_budgets_do_not_add_and_nothing_adds_to_any() -> None:
    found = rows()
    with pytest.raises(MismatchError, match=r"got work budgets of 0.3 and 1 of the rows, want one work budget"):
        small().sketch(found, share=SHARE) + small().sketch(found)
    empty = small().empty()
    assert (empty + small().sketch(found, share=SHARE)).share == SHARE
    assert (small().sketch(found, share=SHARE) + empty).share == SHARE


@pytest.mark.parametrize("share", [0, -0.1, 1.1, float("nan")])
def test_a_budget_is_a_share(share: float) -> None:
    with pytest.raises(UsageError, match="want a share of the rows above 0, at most 1"):
        small().sketch(rows(), share=share)


def test_bytes_keep_the_budget_and_refuse_an_impossible_one() -> None:
    budget = small().sketch(rows(), share=SHARE)
    again = Sketch.from_bytes(budget.to_bytes())
    assert (again.share, again.seen, again.rows) == (SHARE, ROWS, budget.rows)
    arrays, header = unpack(SKETCH, budget.to_bytes(), "sketch")
    for wrong in ({"share": 0.0}, {"share": 2.0}, {"seen": budget.rows - 1}):
        with pytest.raises(ArtefactError):
            Sketch.from_bytes(pack(SKETCH, arrays, {**header, **wrong}))


def test_the_verdict_says_what_the_budget_costs() -> None:
    reference = small()
    window = reference.sketch(rows(), share=SHARE)
    note = next(n for n in compare(reference, window).verdict.notes if n.startswith("Work budget"))
    m = reference.base.rows
    wider = np.sqrt((1 / window.rows + 1 / m) / (1 / ROWS + 1 / m))
    assert f"{window.rows} of {ROWS} rows were summed" in note
    assert f"the noise is {wider:.2g} times that of all rows" in note


def test_the_published_error_is_the_error_and_nothing_is_biased() -> None:
    """Mean shift along an axis by budget over 200 windows: centred on that of all rows, spread as the formula says."""
    reference, truth, error = small(), [], []
    for seed in range(200):
        x: Float32 = normal(400, 4, 1000 + seed)
        all_rows, budget = reference.sketch(Batch(x)), reference.sketch(Batch(x), share=SHARE)
        mean = [s.sums["mean"][0] / s.rows for s in (all_rows, budget)]
        truth.append(1 / budget.rows - 1 / 400)
        error.append(mean[1] - mean[0])
    z = np.array(error) / np.sqrt(np.array(truth) * x[:, 0].var())
    assert abs(z.mean()) < 4 / np.sqrt(len(z))
    assert 0.8 < z.std() < 1.2


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reference: Reference = small()
    alone = reference.sketch(rows()).to_bytes()
    monkeypatch.setattr(threads, "threads", lambda: 3)
    assert reference.sketch(rows()).to_bytes() == alone
