from __future__ import annotations

import numpy as np
import pytest

from tidegauge.numeric.surrogates import reordered


@pytest.mark.parametrize("block", [1.0, 4.0])
def test_every_value_comes_once_and_orders_differ(block: float) -> None:
    orders = reordered(50, 40, block, 1)
    assert (np.sort(orders, axis=1) == np.arange(50)).all()
    assert len({tuple(order) for order in orders.tolist()}) == 40
    assert (orders == reordered.__wrapped__(50, 40, block, 1)).all()
    assert not (orders == reordered(50, 40, block, 2)).all()


def test_blocks_have_their_mean_length_and_every_place_is_as_likely() -> None:
    orders = reordered(60, 4000, 5.0, 3).astype(np.int64)
    goes_on = ((np.diff(orders, axis=1) % 60) == 1).mean()
    assert goes_on == pytest.approx(0.8, abs=0.02)
    assert np.abs(orders.mean(0) - 29.5).max() < 5 * 60 / 12**0.5 / 4000**0.5


def test_nobody_writes_to_what_is_shared() -> None:
    with pytest.raises(ValueError, match="read-only"):
        reordered(5, 2, 1.0, 0)[0, 0] = 1
