"""Every option that more than one command takes, declared once, and how help is laid out."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tidegauge.records import Columns, Harmful


class Form(StrEnum):
    """How a result is printed."""

    text = "text"
    json = "json"
    html = "html"


class PlainForm(StrEnum):
    """How a result without pictures is printed."""

    text = "text"
    json = "json"


VectorColumn = Annotated[
    str | None,
    typer.Option(
        "--column",
        metavar="NAME",
        help="Column (or array of an .npz) that holds the vectors; found by itself where only one can be it. "
        "A pattern such as 'dim_*' names one column per dimension.",
    ),
]
IdColumn = Annotated[str | None, typer.Option("--id-column", metavar="NAME", help="Column of the rows' own ids.")]
TextColumn = Annotated[
    str | None, typer.Option("--text-column", metavar="NAME", help="Column of the texts, shown as examples.")
]
TimeColumn = Annotated[
    str | None,
    typer.Option("--time-column", metavar="NAME", help="Column of event times; rows are put in their order."),
]
SessionColumn = Annotated[
    str | None,
    typer.Option("--session-column", metavar="NAME", help="Column of sessions, which change sides as a whole."),
]
Outcomes = Annotated[
    list[str] | None,
    typer.Option(
        "--outcome",
        metavar="NAME[:rises]",
        help="Column of a product metric, 0 or 1 or a number; may be repeated. Its fall is harm, or its rise where "
        "':rises' is said.",
    ),
]
Exchangeable = Annotated[
    bool,
    typer.Option("--exchangeable", help="Declare that the order of the rows means nothing; it is then not checked."),
]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", help="Fixes everything random (default 0).")]
Alpha = Annotated[
    float, typer.Option("--alpha", metavar="SHARE", help="Share of unchanged comparisons that may be called drift.")
]
MinEffect = Annotated[
    float,
    typer.Option("--min-effect", metavar="PERCENT", help="Smallest drift of interest, in per cent of the traffic."),
]
MaxRejected = Annotated[
    float | None,
    typer.Option(
        "--max-rejected",
        metavar="SHARE",
        min=0.0,
        max=1.0,
        help="Share of rows that may be set aside (default 0.05); above it a file is refused.",
    ),
]
ModelId = Annotated[
    str,
    typer.Option("--model-id", metavar="ID", help="The embedding model of these vectors; another model's are refused."),
]
IgnoreModelId = Annotated[bool, typer.Option("--ignore-model-id", help="Compare although the models differ.")]
NoSamples = Annotated[
    bool,
    typer.Option("--no-samples", help="Keep no vector, id or text of any row; examples and points are then missing."),
]
Scale = Annotated[
    float | None,
    typer.Option("--scale", metavar="NUMBER", help="What int8 vectors are multiplied by (default 1/127)."),
]
Truncate = Annotated[
    int | None,
    typer.Option(
        "--truncate",
        metavar="D",
        min=1,
        help="Keep the first D dimensions, and make every vector unit length again: for Matryoshka models.",
    ),
]
Share = Annotated[
    float,
    typer.Option(
        "--share",
        metavar="SHARE",
        help="Work budget: sum only this share of the rows, chosen by a hash of their ids; all are counted.",
    ),
]
Profile = Annotated[
    str | None,
    typer.Option("--profile", metavar="NAME", help="How much is looked at: standard (default), small or wide."),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        envvar="TIDEGAUGE_CONFIG",
        help="What to monitor (default: tidegauge.toml, .yaml or .yml of this folder).",
    ),
]
OutFile = Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Where to write it.")]


def columns(
    vector: str | None,
    row_id: str | None,
    text: str | None,
    time: str | None,
    session: str | None,
    outcomes: Sequence[str] | None,
    scale: float | None,
) -> Columns:
    """Gather the options that say how a table is read."""
    from tidegauge.gate import INT8_SCALE
    from tidegauge.records import Columns

    applied = INT8_SCALE if scale is None else scale
    return Columns(vector, row_id, text, time, session, outcomes=tuple(harms(outcomes)), scale=applied)


def harms(outcomes: Sequence[str] | None) -> dict[str, Harmful]:
    """What of each outcome is harm, by the name of its column.

    Examples
    --------
    >>> harms(["success", "escalated:rises", "a:b"])
    {'success': 'falls', 'escalated': 'rises', 'a:b': 'falls'}
    """
    said: dict[str, Harmful] = {}
    for each in outcomes or ():
        name, _, harm = each.rpartition(":")
        if name and harm in ("falls", "rises"):
            said[name] = harm
        else:
            said[each] = "falls"
    return said


def share_of_rejected(given: float | None) -> float:
    """Return the share of rows that may be set aside."""
    from tidegauge.gate import MAX_REJECTED

    return MAX_REJECTED if given is None else given


def help_text(what: str, *examples: str) -> str:
    r"""Lay out a command's help: what it does, then examples that keep their lines.

    Examples
    --------
    >>> print(help_text("Say hello.", "hello world").replace("\b", "|"))
    Say hello.
    <BLANKLINE>
    |
    Examples:
      $ hello world
    """
    return "\n".join([what, "", "\b", "Examples:", *(f"  $ {line}" for line in examples)])
