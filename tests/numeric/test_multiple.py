from __future__ import annotations

from math import isnan

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tidegauge.numeric.multiple import benjamini_hochberg


@given(st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), max_size=12), st.floats(0.01, 0.5))
def test_what_is_found_at_a_rate_is_what_the_step_up_rule_finds(p: list[float], rate: float) -> None:
    q = benjamini_hochberg(np.array(p))
    asked = sorted(value for value in p if not isnan(value))
    passed = [value for k, value in enumerate(asked, 1) if value * len(asked) / k <= rate]
    limit = max(passed, default=-1.0)
    for value, at in zip(p, q.tolist(), strict=True):
        assert isnan(at) == isnan(value)
        if not isnan(value):
            assert (at <= rate) == (value <= limit)
