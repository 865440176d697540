"""``tidegauge forget STREAM ID ...``: remove what is stored of rows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from tidegauge.cli import options
from tidegauge.cli.monitored import opened
from tidegauge.cli.output import emit, note, progress
from tidegauge.errors import DataError, UsageError

NAME = "forget"
HELP = options.help_text(
    "Remove the rows of these ids from every sample, reference and example that the store keeps of a stream. Sums "
    "stay: they tell of no single row, except in a window of one or very few.\n\n"
    "Files and reports outside the store are not touched: sources, references, exports, what was written elsewhere.",
    "tidegauge forget queries q-1203 q-1777",
    "tidegauge forget queries --ids-file erased.txt",
)
_MOST_BYTES: Final = 64 << 20


def command(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="A stream of the settings.")],
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID ...]", help="The rows' own ids.")] = None,
    ids_file: Annotated[
        Path | None, typer.Option("--ids-file", metavar="FILE", help="A file of ids, one a line, in UTF-8.")
    ] = None,
    config: options.Config = None,
) -> None:
    """Forget rows, and say in how many places they were held."""
    from tidegauge.run.forget import forget

    wanted = set(ids or ())
    if ids_file is not None:
        wanted.update(_ids(ids_file))
    if not wanted:
        raise UsageError("ids", got="none", want="at least one", hint="Give them, or say --ids-file FILE")
    with opened(config) as at, progress():
        at.state(stream)
        held = forget(at.store, stream, wanted, at=time.time())
    rows = f"{len(wanted):,} id{'s' * (len(wanted) != 1)}"
    places = f"{held:,} place{'s' * (held != 1)}"
    emit(f"{stream}: {rows} given, held in {places}{', which are gone' if held else ''}.\n")
    note("files and reports outside the store are not touched: sources, references, exports")


def _ids(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise DataError(str(path), got=error.strerror or "an error", want="a file of ids, one a line") from None
    if len(data) > _MOST_BYTES:
        raise DataError(str(path), got="more than 64 MiB", want="a smaller file of ids, or several")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(str(path), got="bytes that are no UTF-8", want="a file of ids, one a line") from None
    yield from (line for line in (each.rstrip("\r") for each in text.split("\n")) if line)
