from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tidegauge.records import NONE, OTHER
from tidegauge.window.segments import LONGEST, assign

some = st.lists(st.sampled_from(["", "a", "b", "c", "d", "e", "other", "none", "x" * (LONGEST + 1), "new\nline"]))


def slow(names, known, most):
    taken, new, out = list(known), [], []
    for given_name in names:
        name = given_name or NONE
        if name not in (NONE, OTHER) and name not in taken:
            own = [t for t in taken if t not in (NONE, OTHER)]
            name = name if len(own) < most and len(name) <= LONGEST and "\n" not in name else OTHER
        if name not in taken:
            taken.append(name)
            new.append(name)
        out.append(name)
    return out, tuple(new)


@given(some, st.integers(0, 4), st.integers(0, 20))
def test_as_one_row_after_the_other_however_it_is_cut(names, most, cut):
    want = slow(names, (), most)
    assigned, new = assign(np.array(names, np.str_), (), most)
    assert (assigned.tolist(), new) == want
    first, met = assign(np.array(names[:cut], np.str_), (), most)
    second, more = assign(np.array(names[cut:], np.str_), met, most)
    assert ([*first, *second], (*met, *more)) == want


def test_never_more_than_the_cap_and_two():
    assigned, new = assign(np.array([f"user {i}" for i in range(5000)]), (), 20)
    assert len(new) == 21
    assert len(set(assigned.tolist())) == 21
    assert (assigned == OTHER).sum() == 4980
