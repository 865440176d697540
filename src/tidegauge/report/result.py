"""What ``tidegauge.compare`` returns: a comparison that can show itself.

The measuring floors know no surface, so that the record cannot draw; this is the same record with eyes. Pictures, pages
and Bokeh are loaded when they are first asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Literal, ParamSpec

from tidegauge import comparison
from tidegauge.errors import UsageError
from tidegauge.records import Comparison

if TYPE_CHECKING:
    from bokeh.plotting import figure as Map
    from matplotlib.figure import Figure

P = ParamSpec("P")


class Result(Comparison):
    """A ``Comparison`` that shows itself: in a notebook by itself, as pictures, as a map, as a whole report.

    Examples
    --------
    >>> import numpy as np, tidegauge
    >>> rng = np.random.default_rng(0)
    >>> result = tidegauge.compare(rng.standard_normal((60, 3)), rng.standard_normal((60, 3)) + 2)
    >>> isinstance(result, Comparison), result.verdict.state
    (True, 'drift')
    >>> result.figure("pc1").get_size_inches().tolist()
    [8.0, 4.0]
    """

    __slots__ = ()

    @classmethod
    def of(cls, c: Comparison) -> Result:
        """The same comparison, able to show itself."""
        return cls(**{field.name: getattr(c, field.name) for field in fields(Comparison)})

    def figure(self, name: Literal["map", "pc1", "scores"] = "map") -> Figure:
        """Draw one of the still pictures.

        Parameters
        ----------
        name : {"map", "pc1", "scores"}
            Both sides on the first two principal components; their histograms along the first; every score against
            unchanged data.

        Returns
        -------
        matplotlib.figure.Figure
            Shown by a notebook as it is; ``savefig`` writes it to a file.

        Raises
        ------
        UsageError
            Where there is no picture of this name.
        """
        from tidegauge.report import figures

        draw = {"map": figures.pca_figure, "pc1": figures.pc1_figure, "scores": figures.scores_figure}
        if name not in draw:
            raise UsageError("figure", got=repr(name), want=f"one of {', '.join(map(repr, draw))}")
        return draw[name](self)

    def map(self, colour: str = "window") -> Map:
        """Draw the map that can be pointed at: all rows of ``view``, with their texts.

        Parameters
        ----------
        colour : str
            ``"window"``, ``"cluster"``, or the name of an outcome.

        Returns
        -------
        bokeh.plotting.figure
            For ``bokeh.io.show``, after ``bokeh.io.output_notebook()`` in a notebook.

        Raises
        ------
        UsageError
            Where Bokeh is not installed, or nothing of this name can give the colours.
        """
        from tidegauge.report import interactive

        return interactive.filled_map(self, colour)

    def save(self, folder: str | os.PathLike[str], *, interactive: bool = False) -> list[Path]:
        """Write the whole report into a folder: page, pictures, JSON, text, and the interactive page where asked for.

        Returns
        -------
        list of Path
            What was written.
        """
        from tidegauge.report import write_report

        return write_report(self, folder, interactive=interactive)

    def _repr_html_(self) -> str:
        from tidegauge.report import html

        return html.inline(self)


def returning_result(measure: Callable[P, Comparison]) -> Callable[P, Result]:
    """The same function, its comparison able to show itself."""

    @wraps(measure)
    def measured(*args: P.args, **kwargs: P.kwargs) -> Result:
        return Result.of(measure(*args, **kwargs))

    return measured


compare = returning_result(comparison.compare)
