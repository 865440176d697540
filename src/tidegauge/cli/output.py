"""Where words go: results to stdout, notes and progress to stderr, files into folders that can be written."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tidegauge.errors import ArtefactError, DataError

if TYPE_CHECKING:
    from rich.progress import Progress

    from tidegauge.records import Batch, Comparison


def emit(text: str) -> None:
    """Write a result to stdout; a reader that has gone away, such as ``head``, has had enough."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # What the interpreter flushes on leaving has to go somewhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def emit_paths(paths: Iterable[Path]) -> None:
    """Write paths to stdout, one a line."""
    emit("".join(f"{path}\n" for path in paths))


def note(text: str) -> None:
    """Write one line to stderr."""
    print(f"tidegauge: {text}", file=sys.stderr)


def coloured() -> bool:
    """Whether stdout takes colour: a terminal, and nobody said NO_COLOR."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


@contextmanager
def progress() -> Generator[Progress]:
    """Show progress on stderr while inside, if stderr is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    shown = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    look = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[rows]}"),
        TimeElapsedColumn(),
    )
    with Progress(
        *look,
        console=Console(stderr=True),
        transient=True,
        disable=not shown,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as bar:
        yield bar


def busy(bar: Progress, what: str) -> None:
    """Say what goes on now, for work whose length is not known."""
    for task in bar.task_ids:
        bar.remove_task(task)
    bar.add_task(what, total=None, rows="")


def counted(bar: Progress, what: str, batches: Iterable[Batch], total: int | None) -> Iterator[Batch]:
    """Pass batches on, and show how many rows went by."""
    for task in bar.task_ids:
        bar.remove_task(task)
    task, done, began = bar.add_task(what, total=total, rows=""), 0, time.monotonic()
    for batch in batches:
        done += batch.rows + sum(batch.rejected.values())
        bar.update(task, completed=done, rows=pace(done, total, time.monotonic() - began))
        yield batch


def pace(done: int, total: int | None, seconds: float) -> str:
    """How far a reading is, how fast, and when it will be over where the total is known.

    Examples
    --------
    >>> pace(40_000, 160_000, 2.0)
    '40,000 rows, 20,000 rows/s, 25 %, 6 s left'
    >>> pace(40_000, None, 2.0)
    '40,000 rows, 20,000 rows/s'
    """
    rate = done / max(seconds, 1e-3)
    said = f"{done:,} rows, {rate:,.0f} rows/s"
    if not total or not done:
        return said
    return f"{said}, {100 * done / total:.0f} %, {max(total - done, 0) / rate:,.0f} s left"


def check_folder(path: Path) -> None:
    """Refuse a folder that could not be made or written, before any work is done for it."""
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    if not there.is_dir():
        raise DataError(str(path), got=f"{there}, which is a file", want="a folder to write into")
    if not os.access(there, os.W_OK | os.X_OK):
        raise DataError(str(path), got=f"no permission to write in {there}", want="a folder to write into")


def check_new_artefact(path: Path) -> None:
    """Refuse to write an artefact where it cannot go, or over a file that is none."""
    from tidegauge.cli.inputs import kind_of_file

    if path.is_dir():
        raise DataError(str(path), got="a folder", want="a file name")
    if not path.absolute().parent.is_dir():
        raise DataError(str(path), got="a folder that does not exist", want="an existing folder")
    check_folder(path.absolute().parent)
    if path.exists() and not kind_of_file(path):
        raise ArtefactError(
            str(path), got="a file that tidegauge did not make", want="a new name", hint="It would be overwritten"
        )


@contextmanager
def writing(path: Path) -> Generator[None]:
    """Turn what goes wrong while writing into an error that names the folder."""
    try:
        yield
    except OSError as error:
        raise DataError(str(path), got=error.strerror or str(error), want="a folder that can be written") from error


def write_whole_report(c: Comparison, folder: Path, *, interactive: bool = False) -> list[Path]:
    """Write the report of a comparison into a folder, and the interactive page where it is asked for."""
    from tidegauge.report import write_report

    with writing(folder):
        return write_report(c, folder, interactive=interactive)
