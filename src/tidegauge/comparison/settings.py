"""What a person may set, checked once."""

from __future__ import annotations

from dataclasses import dataclass, field

from tidegauge.comparison.outcomes import Declared
from tidegauge.errors import UsageError


@dataclass(frozen=True, slots=True)
class Settings:
    """``alpha`` the share of unchanged comparisons that may be called drift; ``min_effect`` the smallest drift
    of interest in per cent of the traffic; ``seed`` fixes everything random; ``exchangeable`` declares that
    the order of rows means nothing; ``outcomes`` says of each named outcome what of it is harm, and perhaps its unit.
    """

    alpha: float = 0.05
    min_effect: float = 0.0
    seed: int = 0
    exchangeable: bool = False
    outcomes: Declared = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0.001 <= self.alpha <= 0.5:
            raise UsageError("alpha", got=f"{self.alpha}", want="a number from 0.001 to 0.5")
        if not 0 <= self.min_effect <= 100:
            raise UsageError("min_effect", got=f"{self.min_effect}", want="per cent of the traffic, from 0 to 100")
        if not 0 <= self.seed < 2**31:
            raise UsageError("seed", got=f"{self.seed}", want="a whole number from 0 to 2147483647")
