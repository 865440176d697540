"""``tidegauge import FILE``: streams of an export, into the store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tidegauge.cli import options
from tidegauge.cli.monitored import opened
from tidegauge.cli.output import emit, note, progress
from tidegauge.errors import DataError

NAME = "import"
HELP = options.help_text(
    "Copy the streams of an export, with all that is kept of them, into the store: all of them, or none where one is "
    "there with other content.",
    "tidegauge import backup.db",
    "TIDEGAUGE_STORE__URL=postgresql://me@host/drift tidegauge import backup.db",
)


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What 'tidegauge export' made.")],
    config: options.Config = None,
) -> None:
    """Copy streams into the store."""
    from tidegauge.store import copy_store, open_store

    if not file.is_file():
        raise DataError(str(file), got="no such file", want="what 'tidegauge export' made")
    with opened(config, make=True) as at, progress():
        export = open_store(str(file))
        try:
            copied = copy_store(export, at.store)
        finally:
            export.close()
    emit(f"imported: {', '.join(copied) or 'nothing, as all is there already'}\n")
    for name in copied:
        if name not in at.spec.streams:
            note(f"{name} is not in the settings: add it to watch it, or to see its history")
