"""A source of a ready series that does not answer, or not as it should."""

from __future__ import annotations

from tidegauge.errors import DataError


class SeriesError(DataError):
    """A source that gave no answer which can be used; ``transient`` says whether trying again later may help.

    Examples
    --------
    >>> error = SeriesError("Prometheus at metrics:9090", got="no such host", want="an answer", transient=True)
    >>> error.transient
    True
    """

    def __init__(self, what: str, *, got: str, want: str, hint: str = "", transient: bool = False) -> None:
        super().__init__(what, got=got, want=want, hint=hint)
        self.transient = transient
