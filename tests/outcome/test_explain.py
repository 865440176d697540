"""Who and what: against sums over pairs of rows, a decomposition, and stories with known truth."""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt
import pytest

from tidegauge.errors import DataError, UsageError
from tidegauge.outcome import explain
from tidegauge.outcome.decompose import parts
from tidegauge.outcome.explain import change_of, explained, languages_of, lengths_of
from tidegauge.outcome.groups import of_values
from tidegauge.records import Outcome

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
SUCCESS = Outcome("success")


def rows(rng: np.random.Generator, n: int) -> Float32:
    return rng.standard_normal((n, 6)).astype(np.float32)


def shares(found: tuple[explain.Explained, ...], what: str = "drift") -> dict[str, float]:
    return {e.value: getattr(e, what) for e in found}


def by_pairs(one: npt.NDArray[np.int64], two: npt.NDArray[np.int64], count: int, x: Float64, y: Float64) -> Float64:
    """Each value's share by the mean kernel over pairs of different rows."""

    def mean(a: Float64, b: Float64, same: bool) -> float:
        kernel = a @ b.T
        return float((kernel.sum() - np.trace(kernel)) / (len(a) * (len(a) - 1))) if same else float(kernel.mean())

    out = []
    for k in range(count):
        s0, s1 = (one == k).mean(), (two == k).mean()
        # <mean y - mean x, s1 (y_k - x) - s0 (x_k - x)>, every product of a side with itself over different rows
        total = 0.0
        for sign, side, codes, share in ((1, y, two, s1), (-1, x, one, s0)):
            inside = codes == k
            if not inside.any():
                continue
            for other, z in ((1, y), (-1, x)):
                if z is side:
                    kernel = side @ side[inside].T
                    pairs = kernel.sum() - (side[inside] ** 2).sum()
                    product = pairs / (inside.sum() * (len(side) - 1))
                else:
                    product = float((z @ side[inside].T).mean())
                total += sign * share * other * product
            total -= sign * share * (mean(y, x, False) - mean(x, x, True))
        out.append(total)
    return np.array(out) / sum(out)


def test_drift_shares_are_those_over_pairs_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, y = rows(rng, 150), rows(rng, 120)
    one, two = rng.integers(3, size=150), rng.integers(4, size=120)
    y[two == 3] += 1.5
    y[two == 1] += 0.7
    names = np.array(["a", "b", "c", "d"])
    seen: list[Float64] = []
    features = explain._features

    def kept(vectors: tuple[Float32, Float32], seed: int) -> tuple[Float32, Float32]:
        made = features(vectors, seed)
        seen.extend(side.astype(np.float64) for side in made)
        return made

    monkeypatch.setattr(explain, "_features", kept)
    found = shares(explained("client", (names[one], names[two]), (x, y)))
    slow = by_pairs(one, two, 4, seen[0], seen[1])
    assert [found[name] for name in names] == pytest.approx(slow, abs=0.01)
    assert sum(found.values()) == pytest.approx(1)


def test_a_language_that_came_holds_the_drift() -> None:
    rng = np.random.default_rng(1)
    x, y = rows(rng, 500), rows(rng, 600)
    y[:200] += 1.5
    values = np.full(500, "en"), np.repeat(["de", "en"], [200, 400])
    first, second = explained("language", values, (x, y))
    assert (first.value, first.share_before, round(first.share_after, 3)) == ("de", 0.0, 0.333)
    assert first.drift == pytest.approx(1, abs=0.1)
    assert second.drift == pytest.approx(0, abs=0.1)
    every = explained("language", (values[0], np.full(200, "de")), (x, y[:200]))
    assert shares(every)["de"] == pytest.approx(1, abs=0.05)


def test_a_property_that_has_nothing_to_do_with_it_holds_as_much_as_it_has_traffic() -> None:
    rng = np.random.default_rng(2)
    x, y = rows(rng, 1500), rows(rng, 1500) + 0.5
    values = tuple(np.where(rng.random(1500) < 0.7, "web", "app") for _ in range(2))
    found = shares(explained("client", (values[0], values[1]), (x, y)))
    assert found["web"] == pytest.approx(0.7, abs=0.1)
    assert found["app"] == pytest.approx(0.3, abs=0.1)


def test_noise_is_not_explained() -> None:
    rng, told = np.random.default_rng(3), 0
    for _ in range(30):
        x, y = rows(rng, 200), rows(rng, 200)
        good = [np.stack([rng.random(200) < 0.8, np.ones(200)], axis=1).astype(float) for _ in range(2)]
        values = tuple(rng.choice(["a", "b"], 200) for _ in range(2))
        found = explained("client", (values[0], values[1]), (x, y), (SUCCESS, good[0], good[1]))
        told += np.isfinite(found[0].drift) + np.isfinite(found[0].loss)
    assert told <= 5


def test_a_loss_adds_up_and_is_that_of_a_decomposition() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        one, two = rng.choice(list("abcd"), 60), rng.choice(list("bcde"), 50)
        groups, first, second = of_values(one.tolist(), two.tolist())
        good = [rng.integers(0, 2, n).astype(float) for n in (60, 50)]
        sides = [
            np.stack([np.bincount(place, hits, len(groups)), np.bincount(place, minlength=len(groups))]).astype(float)
            for place, hits in ((first, good[0]), (second, good[1]))
        ]
        assert change_of(*sides) == pytest.approx(parts(sides[0], sides[1], groups).sum(0))
        assert change_of(*sides).sum() == pytest.approx(good[1].mean() - good[0].mean())


def test_a_loss_sits_where_it_happened_and_only_where_it_is_one() -> None:
    client = np.repeat(["web", "app"], 300)
    before = np.stack([np.arange(600) % 10 > 0, np.ones(600)], axis=1).astype(float)
    after = before.copy()
    after[300:450, 0] = 0
    found = explained("client", (client, client), None, (SUCCESS, before, after))
    assert shares(found, "loss") == {"app": pytest.approx(1), "web": pytest.approx(0)}
    assert np.isnan(found[0].drift)
    assert (found[0].value, found[0].outcome) == ("app", "success")
    better = explained("client", (client, client), None, (Outcome("success", "rises"), before, after))
    assert np.isnan([e.loss for e in better]).all()


def test_rare_values_are_taken_together() -> None:
    values = np.array([f"v{k}" for k in range(40)] + ["a"] * 60), np.array(["a"] * 90 + [""] * 30)
    found = explained("client", values)
    assert {e.value: round(e.share_before, 2) for e in found} == {"a": 0.6, "none": 0.0, "other": 0.4}
    many = np.repeat([f"v{k}" for k in range(30)], 20)
    assert len(explained("client", (many, many))) == 13


def test_values_of_other_rows_are_refused() -> None:
    x = np.ones((20, 3), np.float32)
    with pytest.raises(DataError, match="values after: got 19 rows, want 20, as of the vectors"):
        explained("client", (np.full(20, "a"), np.full(19, "a")), (x, x))


def test_lengths() -> None:
    texts = ["x" * n for n in (0, 1, 10, 11, 320, 321)] + ["   "]
    buckets = ["", "1 to 10 characters", "1 to 10 characters", "11 to 20 characters"]
    assert lengths_of(texts).tolist() == [*buckets, "161 to 320 characters", "over 320 characters", ""]
    assert lengths_of([]).tolist() == []


def test_languages_of_short_texts_are_those_that_are_about() -> None:
    english = ["play my music", "set an alarm for six", "what is the weather like today", "remind me to call mum", "ok"]
    german = ["Spiele meine Musik", "stelle einen Wecker auf sechs", "wie ist das Wetter heute", "ok"]
    assert languages_of(english * 10).tolist() == ["en"] * 50
    both = languages_of([*english[:4] * 3, *german[:3] * 3])
    assert both.tolist() == ["en"] * 12 + ["de"] * 9
    assert languages_of(german * 10).tolist() == ["de"] * 40, "a word of both is put down to the language that is about"
    assert languages_of(["", "  "]).tolist() == ["", ""]
    assert languages_of([]).tolist() == []


def test_a_missing_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    explain._identifier.cache_clear()
    with pytest.raises(UsageError, match=r"pip install 'tidegauge\[language\]'"):
        languages_of(["what is it"])
    explain._identifier.cache_clear()
