"""Settings of the service: where it listens, whom it lets in, and how much it takes at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import Field, WithJsonSchema, field_validator

from tidegauge.spec.fault import Refused
from tidegauge.spec.table import NAME, NAME_WANTED, PLAIN, Names, Seconds, Table

Scope = Literal["write", "read", "admin"]

DIGEST_PATTERN: Final = "^[0-9a-f]{64}$"
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_DIGEST = re.compile(DIGEST_PATTERN)
_DIGEST_WANTED: Final = "the 64 hexadecimal digits that 'tidegauge token' prints"


class Token(Table):
    """What one caller of the service may do.

    Examples
    --------
    >>> Token(sha256="ab" * 32).scope
    'write'
    """

    scope: Scope = "write"
    """write: send rows, outcomes and annotations. read: all that is shown. admin: both, and answer alarms."""
    sha256: Annotated[str, WithJsonSchema({"type": "string", "pattern": DIGEST_PATTERN})] = Field(
        repr=False, examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]
    )
    """Digest of the token, as 'tidegauge token' prints it; never the token itself."""

    @field_validator("sha256")
    @classmethod
    def _a_digest(cls, digest: str) -> str:
        if not _DIGEST.fullmatch(digest):
            raise Refused(None, _DIGEST_WANTED, "Put the digest here, and give the token to its caller", got="another")
        return digest


class Server(Table):
    """Where the service listens, whom it lets in, and how much it takes at once.

    Examples
    --------
    >>> server = Server()
    >>> server.host, server.port, server.is_loopback
    ('127.0.0.1', 8765, True)
    """

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address to listen on. Elsewhere than on this machine, tokens are needed."""
    port: Annotated[int, Field(ge=0, le=65_535), PLAIN] = 8765
    """Port to listen on; 0 takes one that is free."""
    tokens: dict[str, Token] = Field(default={})
    """Who may do what, by name. Unset: everybody on this machine may do everything, and nobody else comes in."""
    unguarded: bool = False
    """Listen elsewhere than on this machine without any token: only behind something that lets no stranger in."""
    names: Names = Field(default=(), examples=[["gauge.example.org"]])
    """Host names under which it may be asked without tokens, besides those of this machine: a page of the web cannot
    then reach it under a name of its own."""
    body: Annotated[int, Field(ge=1024, le=1 << 30), PLAIN] = 32 << 20
    """Bytes that one request may hold, compressed or not."""
    rows: Annotated[int, Field(ge=1, le=1_048_576), PLAIN] = 65_536
    """Rows that one batch may hold."""
    waiting: Annotated[int, Field(ge=1, le=16_777_216), PLAIN] = 65_536
    """Rows of one stream that may wait to be kept; beyond, callers are asked to come again later."""
    timeout: Annotated[Seconds, Field(ge=1, le=600)] = 30
    """How long a request may take to arrive, and its rows may wait to be kept."""

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in LOOPBACK

    @field_validator("tokens")
    @classmethod
    def _named(cls, tokens: Mapping[str, Token]) -> Mapping[str, Token]:
        for name in tokens:
            if not re.fullmatch(NAME, name):
                raise Refused(name, NAME_WANTED, below=(name,))
        return tokens
