"""Where the service is, and whether a token may travel there."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from tidegauge.errors import UsageError

_WANTED: Final = "http://HOST:PORT or https://HOST"
_STREAM: Final = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_TOKEN: Final = re.compile("[!-~]{1,4096}")


@dataclass(frozen=True, slots=True)
class Address:
    """A host, and the path of a stream on it."""

    secure: bool
    host: str
    port: int | None
    path: str


def address_of(url: str, stream: str, *, token: str, insecure: bool) -> Address:
    """Read the address of a stream.

    Raises
    ------
    UsageError
        Where there is none, or where the token would travel in the clear. It never says the token.

    Examples
    --------
    >>> address_of("http://127.0.0.1:8765", "queries", token="", insecure=False).path
    '/v1/streams/queries'
    >>> address_of("http://drift.example", "queries", token="s3cret", insecure=False)
    Traceback (most recent call last):
    tidegauge.errors.UsageError: url: got http:// to a host that is not this machine, want https:// where a token is
    sent. insecure=True sends it in the clear
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise UsageError("url", got="an address that cannot be read", want=_WANTED) from None
    if parts.username is not None:
        raise UsageError("url", got="an address with a user in it", want=_WANTED, hint="A token goes into token=")
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment or not url.isprintable():
        raise UsageError("url", got=repr(url[:80]), want=_WANTED)
    if not _STREAM.fullmatch(stream):
        raise UsageError("stream", got=repr(stream[:80]), want="the name of a stream in the service's settings")
    if token and not _TOKEN.fullmatch(token):
        raise UsageError("token", got="one with characters that no token has", want="printable ASCII without spaces")
    secure = parts.scheme == "https"
    if token and not secure and not insecure and not is_loopback(host):
        got, hint = "http:// to a host that is not this machine", "insecure=True sends it in the clear"
        raise UsageError("url", got=got, want="https:// where a token is sent", hint=hint)
    return Address(secure, host, port, f"{quote(parts.path.rstrip('/'), safe='/%')}/v1/streams/{stream}")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine.

    Examples
    --------
    >>> [is_loopback(host) for host in ("localhost", "127.8.0.1", "::1", "10.0.0.1", "localhost.example")]
    [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
