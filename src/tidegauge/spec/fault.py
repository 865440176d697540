"""What is wrong with a file of settings, told by path, in a person's words, and all of it at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from tidegauge.errors import UsageError

_LONGEST: Final = 60
_PASSWORD = re.compile(r"(:/+[^:/@\s]*):\S*@")
_SECRET = re.compile(r"(pass\w*=)[^&\s]*", re.IGNORECASE)


class Refused(ValueError):
    """Raised by validators: what came, what is wanted, what to do, and where below the setting itself; ``got`` says
    what came where the value may not be shown.
    """

    def __init__(self, value: Any, want: str, hint: str = "", below: tuple[str, ...] = (), got: str = "") -> None:
        self.got, self.want, self.hint, self.below = got or said(value), want, hint, below
        super().__init__(f"got {self.got}, want {want}")


class SpecError(UsageError):
    """All that is wrong with a file of settings; ``faults`` has one error each, and the first gives what/got/want.

    Examples
    --------
    >>> faults = [UsageError(f"a.toml: {name}", got="1", want="2") for name in ("x", "y")]
    >>> print(SpecError(faults))
    a.toml: x: got 1, want 2; a.toml: y: got 1, want 2
    """

    def __init__(self, faults: Sequence[UsageError]) -> None:
        first = faults[0]
        super().__init__(first.what, got=first.got, want=first.want, hint=first.hint)
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return "; ".join(map(str, self.faults))


def said(value: Any) -> str:
    """Say a value of a file in a few words, without the password of an address.

    Examples
    --------
    >>> [said(value) for value in (True, "5x", [1], {}, 0.5, None)]
    ['true', "'5x'", 'a list', 'a table', '0.5', 'nothing']
    >>> said("postgresql://me:secret@host/db")
    "'postgresql://me:***@host/db'"
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    text = masked(value) if isinstance(value, str) else str(value)
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return repr(text) if isinstance(value, str) else text


def masked(url: str) -> str:
    """Return an address with its password hidden, even one that is malformed."""
    return _SECRET.sub(r"\1***", _PASSWORD.sub(r"\1:***@", url))
