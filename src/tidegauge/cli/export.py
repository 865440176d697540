"""``tidegauge export FILE``: streams with their whole history, as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tidegauge.cli import options
from tidegauge.cli.monitored import file_of, opened
from tidegauge.cli.output import emit, progress
from tidegauge.errors import UsageError

NAME = "export"
HELP = options.help_text(
    "Copy streams, with all that is kept of them, into one SQLite file: to move to another store, or as a backup. What "
    "the file has already with the same content stays as it is.",
    "tidegauge export backup.db",
    "tidegauge export queries.db --stream queries",
)


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")],
    stream: Annotated[
        list[str] | None, typer.Option("--stream", metavar="NAME", help="Which; all if not said. May be repeated.")
    ] = None,
    config: options.Config = None,
) -> None:
    """Copy streams out of the store."""
    from tidegauge.store import copy_store, open_store

    with opened(config) as at, progress():
        if file_of(at.spec.store) and Path(file_of(at.spec.store)).resolve() == file.resolve():
            raise UsageError(str(file), got="the store itself", want="another file")
        for name in stream or ():
            at.store.state(name)
        export = open_store(str(file))
        try:
            copied = copy_store(at.store, export, stream)
        finally:
            export.close()
    emit(f"exported: {', '.join(copied) or 'nothing, as all is there already'}\n{file}\n")
