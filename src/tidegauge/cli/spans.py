"""Options of spans, which every command takes in the same words."""

from __future__ import annotations

from typing import Annotated

import typer

Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="SPAN|DATE",
        help="From then on: 7d, counted back from the newest row, or an ISO 8601 date in UTC; a row number, or such as "
        "'5000 rows', where panes are of rows.",
    ),
]
Until = Annotated[str | None, typer.Option("--until", metavar="SPAN|DATE", help="Until then, in the same words.")]
