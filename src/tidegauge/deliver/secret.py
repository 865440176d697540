"""The key of an endpoint, read where the settings say that it is, each time that it is needed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tidegauge.errors import UsageError

_MOST_BYTES: Final = 4096


def read_secret(place: str, environ: Mapping[str, str] | None = None) -> bytes:
    """Read ``env:NAME`` or ``file:PATH``, without the end of its line.

    Raises
    ------
    UsageError
        Where there is none; it never says any of it.

    Examples
    --------
    >>> read_secret("env:DRIFT_SECRET", {"DRIFT_SECRET": "s3cret"})
    b's3cret'
    >>> read_secret("env:DRIFT_SECRET", {})
    Traceback (most recent call last):
    tidegauge.errors.UsageError: secret env:DRIFT_SECRET: got nothing, want a key
    """
    kind, _, name = place.partition(":")
    if kind == "env":
        secret = (os.environ if environ is None else environ).get(name, "").encode("utf-8", "surrogateescape")
    else:
        try:
            with Path(name).open("rb") as stream:
                secret = stream.read(_MOST_BYTES + 1)
        except OSError as error:
            raise UsageError(f"secret {place}", got=error.strerror or "no such file", want="a key") from None
    secret = secret.rstrip(b"\r\n")
    if not secret or len(secret) > _MOST_BYTES:
        raise UsageError(f"secret {place}", got="more than 4096 bytes" if secret else "nothing", want="a key")
    return secret
