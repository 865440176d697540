from __future__ import annotations

import pytest

from tests.report.cases import CASES
from tidegauge.records import Comparison


@pytest.fixture(params=list(CASES))
def comparison(request: pytest.FixtureRequest) -> Comparison:
    return CASES[request.param]()
