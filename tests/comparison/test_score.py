"""``score`` measures what ``compare`` explains: the same decision and figures, from the sums alone."""

from __future__ import annotations

import numpy as np
import pytest

from tests.sketch.cases import batch, normal, small
from tidegauge import DataError, MismatchError, Scores, UsageError, compare, score

SHIFTS = [0.0, 0.5]


def figures(scores: tuple[object, ...]) -> list[str]:
    return [repr(s) for s in scores]  # NaN equals itself here


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("alpha", [0.01, 0.2])
@pytest.mark.parametrize("rows", [20, 60, 300])
def test_score_says_what_compare_says(shift: float, alpha: float, rows: int) -> None:
    window = small().sketch(batch(normal(rows, 4, 7) + np.float32(shift)))
    measured = score(small(), window, alpha=alpha, min_effect=1.0)
    explained = compare(small(), window, alpha=alpha, min_effect=1.0)
    assert isinstance(measured, Scores)
    assert measured.state == explained.verdict.state
    assert (measured.drift, measured.panel, measured.needed) == (
        explained.drift,
        explained.panel,
        explained.verdict.needed,
    )
    assert measured.rows == rows
    by_sums = [s for s in explained.scores if s.scope != "sample"]
    assert figures(measured.scores) == figures(tuple(by_sums))


def test_score_needs_no_rows() -> None:
    x = normal(300, 4, 8) + np.float32(0.3)
    with_rows, without = (score(small(), small().sketch(x, samples=samples)) for samples in (True, False))
    assert figures(with_rows.scores) == figures(without.scores)
    assert with_rows.panel == without.panel


def test_compare_sketches_rows_under_the_reference() -> None:
    x = normal(300, 4, 9)
    assert compare(small(), x).panel == compare(small(), small().sketch(x)).panel


def test_what_a_reference_was_told_is_not_told_again() -> None:
    for told in ({"seed": 5}, {"exchangeable": True}, {"profile": "wide"}):
        with pytest.raises(UsageError, match="none of them: a reference was fitted with its own"):
            compare(small(), normal(100, 4, 1), **told)  # type: ignore[arg-type]


def test_a_sketch_of_another_reference_or_of_nothing_is_refused() -> None:
    for use in (score, compare):
        with pytest.raises(MismatchError, match="got a sketch made under reference"):
            use(small(), small(1).sketch(normal(100, 4, 1)))
        with pytest.raises(DataError, match="got no rows"):
            use(small(), small().empty())


def test_rows_where_a_sketch_belongs_are_refused_in_words() -> None:
    x = normal(100, 4, 1)
    with pytest.raises(UsageError, match=r"score: got ndarray, want a Sketch\. reference\.sketch"):
        score(small(), x)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="score: got ndarray, want a Reference"):
        score(x, small().sketch(x))  # type: ignore[arg-type]


def test_a_sketch_is_not_truncated_silently() -> None:
    with pytest.raises(UsageError, match="a sketch cannot be truncated any more"):
        compare(small(), small().sketch(normal(100, 4, 1)), truncate=3)
