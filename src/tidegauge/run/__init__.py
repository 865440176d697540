"""The loop: feed to monitor to store, settling, and what people ask of the history."""

from tidegauge.run.recorder import Recorder

__all__ = ["Recorder"]
