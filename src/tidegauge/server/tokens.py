"""Tokens: made at random, kept as digests, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Final, NamedTuple

from tidegauge.spec.server import Scope, Token

PREFIX: Final = "tg_"
"""How a token begins, so that one that was published by mistake can be found."""
MOST: Final = 512
"""Characters of a token that are looked at."""
_GRANTS: Final[Mapping[Scope, frozenset[Scope]]] = {
    "write": frozenset({"write"}),
    "read": frozenset({"read"}),
    "admin": frozenset({"write", "read", "admin"}),
}


class Caller(NamedTuple):
    """Who asks, and what they may do."""

    name: str
    scope: Scope

    def may(self, scope: Scope) -> bool:
        """Whether they may do what needs a scope."""
        return scope in _GRANTS[self.scope]


def new_token() -> tuple[str, str]:
    """Make a token of 256 random bits, and the digest that is kept of it.

    Examples
    --------
    >>> token, digest = new_token()
    >>> token[:3], len(digest), digest == digest_of(token)
    ('tg_', 64, True)
    """
    token = PREFIX + secrets.token_urlsafe(32)
    return token, digest_of(token)


def digest_of(token: str) -> str:
    """Return what is kept of a token. It is random and long, so that a fast digest is as good as a slow one."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def caller_of(token: str, known: Mapping[str, Token]) -> Caller | None:
    """Return whose token it is; every digest is compared, whole, so that the time tells nothing.

    Examples
    --------
    >>> token, digest = new_token()
    >>> known = {"gateway": Token(scope="write", sha256=digest)}
    >>> caller_of(token, known), caller_of("guess", known)
    (Caller(name='gateway', scope='write'), None)
    """
    digest, found = digest_of(token[:MOST]), None
    for name, each in known.items():
        if hmac.compare_digest(digest, each.sha256) and found is None:
            found = Caller(name, each.scope)
    return found
