"""Typed errors that carry what was looked at, what came, what was wanted, and what to do.

Every error a person can meet is one of these; the command line prints its one-line form and exits with status 2.
"""

from __future__ import annotations


class TidegaugeError(Exception):
    """Base of every error that tidegauge raises on purpose.

    Parameters
    ----------
    what : str
        The thing that was looked at: a file, a row, a column, a setting.
    got : str
        What came.
    want : str
        What was expected.
    hint : str
        What to do about it; may be empty.

    Examples
    --------
    >>> print(DataError("a.npy, row 3", got="width 4", want="width 3"))
    a.npy, row 3: got width 4, want width 3
    """

    def __init__(self, what: str, *, got: str, want: str, hint: str = "") -> None:
        self.what, self.got, self.want, self.hint = what, got, want, hint
        super().__init__(what, got, want, hint)

    def __str__(self) -> str:
        text = f"{self.what}: got {self.got}, want {self.want}"
        return f"{text}. {self.hint}" if self.hint else text


class UsageError(TidegaugeError):
    """A setting, option or argument that cannot be used."""


class DataError(TidegaugeError):
    """Input rows, columns or files that cannot be used."""


class ArtefactError(TidegaugeError):
    """Bytes of a reference or sketch that are damaged, truncated, foreign or of another version."""


class MismatchError(TidegaugeError):
    """Two things that may not be compared: other reference, other model, other width, other profile."""


class StoreError(TidegaugeError):
    """A store that could not do what it was asked: it is full, locked, damaged or out of reach.

    Nothing was half done. ``transient`` says whether trying again later may help.

    Examples
    --------
    >>> error = StoreError("drift.db", got="a full disk", want="room for more", transient=True)
    >>> error.transient
    True
    """

    def __init__(self, what: str, *, got: str, want: str, hint: str = "", transient: bool = False) -> None:
        super().__init__(what, got=got, want=want, hint=hint)
        self.transient = transient
