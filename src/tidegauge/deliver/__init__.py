"""Telling of alarms: what is said, how it is signed, and that it arrives."""

from tidegauge.deliver.outbox import deliver, drop, repeat
from tidegauge.deliver.payload import messages, woken
from tidegauge.deliver.sign import verify

__all__ = ["deliver", "drop", "messages", "repeat", "verify", "woken"]
