"""``tidegauge token NAME``: a token for a caller of the service."""

from __future__ import annotations

import enum
import re
from typing import Annotated

import typer

from tidegauge.cli import options
from tidegauge.cli.output import emit, note
from tidegauge.errors import UsageError

NAME = "token"
HELP = options.help_text(
    "Make a token for a caller of 'tidegauge serve'. It is shown once, on stdout, and kept nowhere; the settings hold "
    "its digest only, in the lines that are said on stderr.",
    "tidegauge token search-service",
    "tidegauge token grafana --scope read > token",
)


class TokenScope(enum.StrEnum):
    """What a caller may do."""

    write = "write"
    read = "read"
    admin = "admin"


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the caller is called.")],
    scope: Annotated[
        TokenScope,
        typer.Option("--scope", help="write: send rows. read: see everything. admin: both, and answer alarms."),
    ] = TokenScope.write,
) -> None:
    """Print a new token, and the settings by which it is known."""
    from tidegauge.server.tokens import new_token
    from tidegauge.spec.table import NAME as NAMED
    from tidegauge.spec.table import NAME_WANTED

    if not re.fullmatch(NAMED, name):
        raise UsageError("NAME", got=repr(name), want=NAME_WANTED)
    token, digest = new_token()
    emit(f"{token}\n")
    note(f"put into the settings: server.tokens.{name}: {{scope: {scope.value}, sha256: {digest}}}")
