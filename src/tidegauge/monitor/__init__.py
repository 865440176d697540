"""The chain from a batch to what is said of a window: pure, without I/O and without a clock."""

from tidegauge.monitor.canary import Canaries
from tidegauge.monitor.monitor import Monitor

__all__ = ["Canaries", "Monitor"]
