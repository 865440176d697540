"""``compare`` explains, by either of two doors: two samples, or a frozen reference; ``score`` only measures."""

from tidegauge.comparison.doors import compare, score

__all__ = ["compare", "score"]
