"""The two doors to one answer: ``compare`` for two samples, ``score`` for a sketch under a frozen reference."""

from tidegauge.comparison.doors import compare, score

__all__ = ["compare", "score"]
