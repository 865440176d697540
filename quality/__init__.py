"""Measures what tidegauge promises: false alarms and power. ``make quality``; the kept tables lie in ``results``."""
