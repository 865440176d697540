"""What goes wrong inside a database becomes one `StoreError` that names the store."""

from __future__ import annotations

from tidegauge.errors import StoreError

# What was got, what is wanted, what to do, and whether trying again may help.
_Meaning = tuple[str, str, str, bool]

_FULL: _Meaning = ("a full disk", "room for what is to be kept", "Make room: what was kept is whole", True)
_BUSY: _Meaning = ("a store that others hold locked", "its lock", "Try again, or end what holds it", True)
_DAMAGED: _Meaning = ("a damaged database", "a whole one", "Restore a copy, or begin a new store from an export", False)
_FORBIDDEN: _Meaning = ("no permission to write", "a store that can be written", "", False)
_LOST: _Meaning = ("a lost connection", "one that lasts", "Nothing was half kept: try again", True)
_FAULTY: _Meaning = ("a fault of the disk", "a disk that reads and writes", "Look at the disk's own messages", False)
_LARGE: _Meaning = ("more bytes than the database takes in one piece", "fewer", "", False)

# Primary result codes of SQLite: https://www.sqlite.org/rescode.html
_SQLITE: dict[int, _Meaning] = {
    3: _FORBIDDEN,
    5: _BUSY,
    6: _BUSY,
    8: _FORBIDDEN,
    10: _FAULTY,
    11: _DAMAGED,
    13: _FULL,
    14: ("a file that cannot be opened", "one that can be read and written, with its folder", "", False),
    18: _LARGE,
    26: _DAMAGED,
}
# SQLSTATE, whole or its class: https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRES: dict[str, _Meaning] = {
    "53100": _FULL,
    "53200": ("a server without memory", "one that has some", "", True),
    "53300": ("a server with too many connections", "a free one", "", True),
    "55P03": _BUSY,
    "40001": _BUSY,
    "40P01": _BUSY,
    "42501": _FORBIDDEN,
    "25006": _FORBIDDEN,
    "54000": _LARGE,
    "58030": _FAULTY,
    "57P": _LOST,
    "08": _LOST,
    "XX": _DAMAGED,
}


def first_line(error: BaseException) -> str:
    r"""Return the first line of what a driver said.

    Examples
    --------
    >>> first_line(ValueError("no such table\nLINE 1"))
    'no such table'
    """
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def is_busy(error: BaseException | None) -> bool:
    """Whether a driver said that another holds what was wanted."""
    return error is not None and _meaning(error, lost=False) is _BUSY


def named(store: str, error: BaseException, *, lost: bool = False) -> StoreError:
    """Return what an error of a driver means for a person; ``lost`` where the connection went with it.

    Examples
    --------
    >>> print(named("drift.db", OSError("closed"), lost=True))
    drift.db: got a lost connection (closed), want one that lasts. Nothing was half kept: try again
    """
    meaning = _meaning(error, lost=lost)
    if meaning is None:
        return StoreError(store, got=first_line(error), want="a statement that the database takes")
    got, want, hint, transient = meaning
    return StoreError(store, got=f"{got} ({first_line(error)})", want=want, hint=hint, transient=transient)


def _meaning(error: BaseException, *, lost: bool) -> _Meaning | None:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return _SQLITE.get(code & 0xFF)
    state: str | None = getattr(error, "sqlstate", None)
    known = next((_POSTGRES[state[:n]] for n in (5, 3, 2) if state[:n] in _POSTGRES), None) if state else None
    return known or (_LOST if lost else None)
