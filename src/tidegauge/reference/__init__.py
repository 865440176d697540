"""Fit, split, freeze, hash, load: the artefact that says what is normal."""

from tidegauge.reference.reference import Reference

__all__ = ["Reference"]
