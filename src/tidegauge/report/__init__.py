"""Reports of one comparison: text, page, pictures and JSON, all functions of the ``Comparison`` record alone."""

from __future__ import annotations

import os
from pathlib import Path

from tidegauge.records import Comparison

__all__ = ["write_report"]


def write_report(c: Comparison, out_dir: str | os.PathLike[str], *, interactive: bool = False) -> list[Path]:
    """Write every form of a comparison's report into a folder.

    The same comparison gives the same bytes every time. Each file is put in place whole, so that none is ever
    half-written; all are rendered before the first is written.

    Parameters
    ----------
    c : Comparison
        What to say.
    out_dir : path
        The folder; it is made where it does not exist. Files of the same names are replaced.
    interactive : bool
        Whether to write ``explore.html`` as well, which needs the extra ``tidegauge[interactive]``.

    Returns
    -------
    list of Path
        ``report.html``, ``report.json``, ``report.txt``, ``explore.html`` where asked for, then SVG and PNG of
        ``embedding-drift-pca``, ``pc1`` and ``scores``, and of ``change-1`` and so on, one for each decomposition
        (four at most).

    Raises
    ------
    UsageError
        Where the interactive page is asked for and Bokeh is not installed.
    """
    from tidegauge.report.files import replace_file

    made = forms(c, interactive=interactive)
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    return [replace_file(folder / name, data) for name, data in made.items()]


def forms(c: Comparison, *, interactive: bool = False) -> dict[str, bytes]:
    """Return every form of a comparison's report, by the name of its file, as ``write_report`` writes them."""
    # Here, so that to import one form of a report does not load what all the others stand on.
    from tidegauge.report import figures, html, json, text
    from tidegauge.report.model import change_views
    from tidegauge.report.waterfall import waterfall_figure

    drawn = {
        "embedding-drift-pca": figures.pca_figure(c),
        "pc1": figures.pc1_figure(c),
        "scores": figures.scores_figure(c),
        **{view.picture: waterfall_figure(view) for view in change_views(c) if view.picture},
    }
    vector = {name: figures.svg(figure) for name, figure in drawn.items()}
    pages = {
        "report.html": html.render(c, {name: svg.decode() for name, svg in vector.items()}),
        "report.json": json.render(c),
        "report.txt": text.render(c),
    }
    if interactive:
        from tidegauge.report import explore

        pages["explore.html"] = explore.render(c)
    # A lone surrogate in a person's text has no UTF-8 form.
    made = {name: page.encode("utf-8", "replace") for name, page in pages.items()}
    for name, figure in drawn.items():
        made |= {f"{name}.svg": vector[name], f"{name}.png": figures.png(figure)}
    return made
