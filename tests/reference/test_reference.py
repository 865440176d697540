"""The reference: what it refuses, how it splits, its name, and how it is kept."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.sketch.cases import batch, light, normal, small, standard
from tidegauge import ArtefactError, Batch, DataError, Reference, UsageError, compare, score
from tidegauge.reference import reference as module
from tidegauge.reference.calibration import FEWER, FULL
from tidegauge.reference.reference import units_of


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(DataError, match="got 99 rows, want at least 100 rows"):
        Reference.fit(normal(99, 4, 0))
    with pytest.raises(DataError, match="want at least one row"):
        Reference.fit(iter([]))


def test_rows_that_are_all_alike_are_refused() -> None:
    with pytest.raises(DataError, match="got rows that are all alike, want rows that differ"):
        Reference.fit(np.full((200, 4), 3.0))


def test_too_few_independent_groups_are_refused() -> None:
    x = normal(300, 4, 1)
    with pytest.raises(DataError, match="got 9 independent groups of rows, want at least 10"):
        Reference.fit(batch(x, sessions=(np.arange(300) % 9).astype(np.str_)))
    walk = np.cumsum(x, axis=0)
    with pytest.raises(DataError, match="independent groups") as caught:
        Reference.fit(walk)
    assert "exchangeable" in caught.value.hint


def test_the_split_never_shares_a_session() -> None:
    sessions = np.random.default_rng(3).integers(0, 60, 400).astype(np.str_)
    units, unit = units_of(batch(normal(400, 4, 2), sessions=sessions), exchangeable=False)
    assert unit == "session"
    for seed in range(20):
        fit, rest = module._split(units, np.random.default_rng(seed))
        assert not set(sessions[fit]) & set(sessions[rest])
        assert np.sort(np.concatenate([fit, rest])).tolist() == list(range(400))
        assert 0.25 < len(fit) / 400 < 0.55


def test_sessions_make_the_calibration_and_other_rows_the_sums() -> None:
    sessions = np.array([f"s{i // 5}" for i in range(300)])
    with light(draws=49):
        reference = Reference.fit(batch(normal(300, 4, 2), sessions=sessions))
    assert (reference.calibration.unit, reference.calibration.units) == ("session", 36)
    assert reference.base.rows == reference.calibration.rows == 180
    kept = {int(name.removeprefix("id-")) // 5 for name in reference.base.uniform.ids}
    assert len(kept) == 36
    result = compare(reference, reference.sketch(normal(200, 4, 5)))
    assert any("Calibrated session by session" in note for note in result.verdict.notes)


def test_the_same_seed_gives_the_same_name_and_another_seed_another() -> None:
    x = normal(150, 3, 4)
    with light(draws=49):
        one, two, other = (Reference.fit(x, seed=seed, exchangeable=True) for seed in (0, 0, 1))
        unsampled = Reference.fit(x, seed=0, samples=False, exchangeable=True)
    assert one.to_bytes() == two.to_bytes()
    assert one.hash == two.hash
    assert one.hash == unsampled.hash
    assert one.hash != other.hash
    assert replace(one, model_id="another").hash != one.hash


def test_time_decides_the_order_and_not_the_file() -> None:
    whole = batch(normal(150, 3, 4))
    order = np.random.default_rng(0).permutation(150)
    assert whole.times is not None
    assert whole.ids is not None
    turned = Batch(whole.x[order], ids=whole.ids[order], times=whole.times[order])
    with light(draws=49):
        one, two = (Reference.fit(b, exchangeable=True) for b in (Batch(whole.x, whole.ids, times=whole.times), turned))
    assert one.hash == two.hash
    assert one.base.times == (min(one.base.times or ()), max(one.base.times or ()))


def test_input_is_not_changed() -> None:
    x = normal(150, 3, 4)
    before = x.copy()
    with light(draws=19):
        Reference.fit(x, exchangeable=True)
    np.testing.assert_array_equal(x, before)


def test_rejected_rows_are_told() -> None:
    x = normal(150, 3, 4)
    x[7] = np.nan
    with light(draws=19):
        reference = Reference.fit(x, exchangeable=True)
    assert reference.rows == 149
    assert reference.base.side("reference").rejected == {"nan": 1}
    assert "row 8" in reference.base.side("reference").first_rejected["nan"]


def test_a_file_comes_back(tmp_path: Path) -> None:
    path = small().save(tmp_path / "normal.tg")
    assert Reference.load(path).hash == Reference.load(str(path)).hash == small().hash
    assert os.listdir(tmp_path) == ["normal.tg"]


@pytest.mark.parametrize("step", ["write_bytes", "replace"])
def test_a_write_that_fails_leaves_the_old_file(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = small().save(tmp_path / "normal.tg")
    before = path.read_bytes()
    whole = Path.write_bytes

    def half(self: Path, data: bytes) -> int:
        whole(self, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    if step == "write_bytes":
        monkeypatch.setattr(Path, "write_bytes", half)
    else:
        monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(DataError, match=r"normal.tg: got (No space|Input/output)"):
        small(1).save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["normal.tg"]


def test_a_missing_file_or_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing\.tg: got No such file"):
        Reference.load(tmp_path / "missing.tg")
    with pytest.raises(DataError, match=r"got Is a directory"):
        Reference.load(tmp_path)
    with pytest.raises(DataError, match="a folder that does not exist"):
        small().save(tmp_path / "missing" / "normal.tg")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "normal.tg"
    path.write_bytes(small().to_bytes()[:-1])
    with pytest.raises(ArtefactError, match=r"normal\.tg: got damaged or truncated"):
        Reference.load(path)


def test_at_a_size_of_the_ladder_the_null_is_the_table() -> None:
    calibration = small().calibration
    for i, n in enumerate(calibration.sizes.tolist()):
        null = calibration.null(n)
        assert list(null) == [*FULL, *FEWER]
        for names, table in ((FULL, calibration.full), (FEWER, calibration.fewer)):
            for j, name in enumerate(names):
                np.testing.assert_allclose(null[name], table[i, :, j].astype(np.float64), rtol=1e-6, atol=1e-12)


def test_between_sizes_the_null_falls_with_the_rows() -> None:
    calibration = small().calibration
    sd = [float(calibration.null(n)["mmd"].std()) for n in (50, 70, 100, 150, 220, 350, 500, 900, 1500, 10_000, 10**6)]
    assert all(b <= a for a, b in pairwise(sd))
    assert sd[0] > 1.3 * sd[-1]


def test_beyond_the_ladder_the_null_is_that_of_its_ends() -> None:
    calibration = small().calibration
    for inside, beyond in ((50, 3), (10**6, 10**9)):
        one, two = calibration.null(inside), calibration.null(beyond)
        assert all(np.array_equal(one[name], two[name], equal_nan=True) for name in one)


def test_the_null_keeps_the_members_joint() -> None:
    """Between two sizes every draw stays one draw: the order of the nearer size's draws, in each score."""
    calibration = small().calibration
    null = calibration.null(60)
    for j, name in enumerate(FULL):
        if np.isfinite(calibration.full[0, :, j]).all():
            np.testing.assert_array_equal(
                np.argsort(null[name], kind="stable"), np.argsort(calibration.full[0, :, j], kind="stable")
            )


def test_unchanged_windows_seldom_alarm() -> None:
    """At most 8 of 40 windows of 200 rows at 5 %: the 99.9 % binomial limit. A smoke test; ``quality/`` measures it."""
    reference = standard()
    found = [score(reference, reference.sketch(normal(200, 8, 100 + i), samples=False)) for i in range(40)]
    assert sum(r.state == "drift" for r in found) <= 8
    assert all(r.state != "insufficient data" for r in found)
    assert np.mean([r.panel.p for r in found]) > 0.25
    inside = sum(r.drift.low <= 1e-9 for r in found)
    assert inside >= 32


def test_a_shift_of_one_sd_is_found() -> None:
    reference = standard()
    for seed in range(3):
        shift = np.zeros(8, np.float32)
        shift[seed] = 1
        result = compare(reference, reference.sketch(normal(200, 8, 200 + seed) + shift))
        assert result.verdict.state == "drift"
        assert result.panel.p <= 0.002
        assert result.mean_shift.sd == pytest.approx(1, abs=0.25)


# ------------------------------------------------------------------------------------------------------------- privacy


def traces(x: np.ndarray, reference: Reference) -> list[bytes]:
    """Rows as they could be kept: plain, centred and scaled, in three types, and pieces of each."""
    centred = x - reference.basis.centre
    scaled = centred / np.float32(np.sqrt(reference.basis.variance / x.shape[1]))
    out = [r.astype(t).tobytes() for rows in (x, centred, scaled) for t in ("<f2", "<f4", "<f8") for r in rows]
    return [*out, *(each[: len(each) // 2] for each in out)]


def test_without_samples_nothing_of_a_row_is_kept() -> None:
    x = normal(300, 4, 0)
    reference, window = small(samples=False), normal(200, 4, 6)
    sketch = reference.sketch(batch(window, 5000), samples=False)
    assert reference.base.rows == 180
    for data, rows in ((reference.to_bytes(), x), (sketch.to_bytes(), window)):
        assert b"text of" not in data
        assert b"id-" not in data
        assert "text of".encode("utf-32-le") not in data
        assert not any(trace in data for trace in traces(rows, reference) if len(trace) >= 8)


def test_the_search_for_traces_finds_them_where_samples_are_kept() -> None:
    sketch = small().sketch(batch(normal(200, 4, 6), 5000))
    data = sketch.to_bytes()
    assert b"text of 5000" in data
    assert b"id-5000" in data
    kept = [row.tobytes() for row in sketch.uniform.x]
    assert all(row in data for row in kept)
    assert len(set(kept) & set(traces(normal(200, 4, 6), small()))) > 150


def test_one_row_leaves_no_trace_but_its_sums() -> None:
    """The sums of a single row are that row's own mean: a sketch hides rows among others, not one alone."""
    reference = small(samples=False)
    sketch = reference.sketch(batch(normal(1, 4, 6)), samples=False)
    assert (len(sketch.uniform.keys), len(sketch.novel.keys)) == (0, 0)
    assert b"text of" not in sketch.to_bytes()


def test_without_samples_scores_are_the_same_and_the_notes_say_what_is_missing() -> None:
    window = batch(normal(200, 4, 6) + np.float32(0.7), 5000)
    bare = compare(small(samples=False), small(samples=False).sketch(window, samples=False))
    full = compare(small(), small().sketch(window))
    assert bare.panel == full.panel
    assert bare.drift == full.drift
    assert bare.verdict.state == "drift"
    missing = "No rows were kept, so that there are no examples, no named clusters and no points in the pictures."
    assert missing in bare.verdict.notes
    assert missing not in full.verdict.notes
    assert len(bare.view.after) == 0
    assert bare.novelty.clusters == ()
    assert all(not region.examples for region in (*bare.gained, *bare.lost, *bare.mean_shift.towards))
    for one, two in zip(bare.scores, full.scores, strict=True):
        assert one.name == two.name
        assert one.scope == "sample" or one == two or (np.isnan(one.value) and np.isnan(two.value))
        assert one.scope != "sample" or one.refused
    assert compare(normal(100, 4, 0), window).verdict.state == "drift"


def test_settings_are_checked_at_this_door_too() -> None:
    sketch = small().sketch(normal(60, 4, 1))
    for wrong in ({"alpha": 0.0}, {"min_effect": 101.0}, {"alpha": float("nan")}):
        with pytest.raises(UsageError):
            score(small(), sketch, **wrong)
    with pytest.raises(DataError, match="got no rows, want at least one row"):
        score(small(), small().empty())
