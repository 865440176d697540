"""Which rows of a batch come from another embedding model."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tidegauge.monitor.canary import Canaries
from tidegauge.records import Batch

_OTHER_WIDTH = "the vectors have"


@dataclass(slots=True)
class Identity:
    """What is known of the model, row by row: ``refused``, bool (n,), are the rows of another one; ``wrong`` says what
    is wrong after the last row, empty where nothing is; ``turns`` are the rows at which that changed, and what then
    was said; ``canaries``, int64 (k,), are rows that are no traffic.
    """

    wrong: str
    refused: npt.NDArray[np.bool_]
    canaries: npt.NDArray[np.int64]
    turns: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def turn(self, row: int, wrong: str) -> None:
        """From this row on, this is wrong."""
        if bool(wrong) != bool(self.wrong):
            self.turns.append((row, wrong))
            self.wrong = wrong
        self.refused[row:] = bool(wrong)


def identify(
    batch: Batch, was: str, *, width: int, truncate: int | None, mine: str, theirs: str, canaries: Canaries | None
) -> Identity:
    """Tell the rows of another model.

    A width and a name tell of all rows of a batch, a canary of those from itself to the next one: so it does not
    matter how rows are cut into batches. Canaries outweigh a name, as the model behind it may have been swapped.

    Parameters
    ----------
    batch : Batch
    was : str
        What was wrong before the batch; empty where nothing was.
    width, truncate : int
        The reference's width, and to how many dimensions vectors are cut.
    mine, theirs : str
        Names of the reference's model and of the batch's, empty where they are not known.
    canaries : Canaries, optional

    Examples
    --------
    >>> from tidegauge.gate import admit
    >>> known = Canaries.of(admit([[1.0, 0.0]], ids=["one"]), tolerance=0.01)
    >>> batch = admit([[1, 1], [0, 1], [1, 2], [1, 0], [2, 2]], ids=["a", "one", "b", "one", "c"])
    >>> found = identify(batch, "", width=2, truncate=None, mine="", theirs="", canaries=known)
    >>> found.refused.tolist(), found.wrong, [row for row, _ in found.turns]
    ([False, True, True, False, False], '', [1, 3])
    """
    rows = np.empty(0, np.int64) if canaries is None else canaries.among(batch)
    found = Identity(was, np.full(batch.rows, bool(was)), rows)
    given = min(batch.width, truncate or batch.width)
    if mine and theirs and theirs != mine:
        found.turn(0, f"the vectors come from model {theirs!r}, the reference from {mine!r}")
    elif batch.rows and given != width:
        found.turn(0, f"{_OTHER_WIDTH} {given} dimensions, the reference {width}")
    else:
        if (batch.rows and was.startswith(_OTHER_WIDTH)) or (canaries is None and mine and theirs):
            found.turn(0, "")
        for row, wrong in () if canaries is None else canaries.heard(batch, rows):
            found.turn(row, wrong)
    return found
