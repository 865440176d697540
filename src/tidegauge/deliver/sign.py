"""Signatures by which a receiver knows that a message is ours, and of now."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

HEADER: Final = "Tidegauge-Signature"
_TIME = re.compile(r"t=([0-9]{1,15})", re.ASCII)


def signature(body: bytes, secret: bytes, at: int) -> str:
    """Return the value of the header that signs a body at a moment in epoch seconds.

    Examples
    --------
    >>> signature(b"{}", b"key", 1_700_000_000)
    't=1700000000,v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae'
    """
    return f"t={at},v1={_digest(body, secret, str(at))}"


def verify(body: bytes, header: str, secret: bytes, *, now: float, tolerance: float = 300) -> bool:
    """Say whether a message is signed by this key, at most ``tolerance`` seconds ago; for receivers.

    The body is the bytes as they came, before anything reads them as JSON. A message may come twice, with the same
    ``Idempotency-Key``: a receiver keeps the keys that it has seen, and answers 200 to the second as well.

    Examples
    --------
    >>> import time
    >>> body, key = b'{"schema": "tidegauge.alarm/1"}', b"of DRIFT_SECRET"
    >>> headers = {"Tidegauge-Signature": signature(body, key, int(time.time()))}
    >>> verify(body, headers["Tidegauge-Signature"], key, now=time.time())
    True
    >>> verify(body + b" ", headers["Tidegauge-Signature"], key, now=time.time())
    False
    """
    parts = header.split(",")
    times = [found[1] for part in parts if (found := _TIME.fullmatch(part.strip()))]
    if len(times) != 1 or not secret or abs(now - int(times[0])) > tolerance:
        return False
    right = _digest(body, secret, times[0]).encode()
    given = [part.strip().removeprefix("v1=") for part in parts if part.strip().startswith("v1=")]
    return any(hmac.compare_digest(right, each.encode()) for each in given)


def _digest(body: bytes, secret: bytes, at: str) -> str:
    return hmac.new(secret, b".".join((at.encode(), body)), hashlib.sha256).hexdigest()
