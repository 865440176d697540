"""``tidegauge backfill STREAM SOURCE``: the past of a stream, in its own time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from tidegauge.cli import options
from tidegauge.cli.landing import Tally, digest_of, files_of, numbered, whole_batches
from tidegauge.cli.monitored import Opened, opened, recorder_of
from tidegauge.cli.options import PlainForm
from tidegauge.cli.output import note
from tidegauge.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from tidegauge.records import Batch, Columns, Window
    from tidegauge.run import Recorder
    from tidegauge.spec import StreamSpec

NAME = "backfill"
HELP = options.help_text(
    "Put the past into a stream, before it is watched: each row goes to the window of its own time, which the "
    "settings' column of times gives.\n\n"
    "Files are taken in the order of their first rows, and about 8,000 rows at a time in the order of their times. "
    "What comes later than newer rows by more than the stream's lateness, or falls into windows that are closed, is "
    "set aside as late; --lateness keeps windows open for longer meanwhile. A backfill that was interrupted goes on "
    "when it is run again.\n\n"
    "Alarms that the past raises are kept, and teach calibration what to leave out; no message is sent of them.",
    "tidegauge backfill queries 'logs/2026-*.parquet'",
    "tidegauge backfill queries old.jsonl --lateness 1d --settle",
)
_SETTLE_EVERY = 8


def command(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="A stream of the settings.")],
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A file, folder or pattern, or -.")],
    settle: Annotated[
        bool, typer.Option("--settle", help="Close all at the end, the newest windows too: nothing is to follow.")
    ] = False,
    lateness: Annotated[
        str | None,
        typer.Option("--lateness", metavar="SPAN", help="How long windows wait for rows while the past is read."),
    ] = None,
    ignore_model_id: options.IgnoreModelId = False,
    config: options.Config = None,
    form: Annotated[PlainForm, typer.Option("--format", help="What stdout gets.")] = PlainForm.text,
) -> None:
    """Land the past, close what is due, and say what became of the rows."""
    from tidegauge.cli.telling import AlarmNews, News, Teller
    from tidegauge.run.watch import Progress

    with opened(config, make=True) as at:
        spec = _patient(at.stream(stream), lateness, settle=settle)
        recorder, tally = recorder_of(at, spec, ignore_model_id=ignore_model_id, quiet=True), Tally()
        tell, news = Teller([spec], form, at.spec.alarms), News(at.store, stream)
        changed = AlarmNews(at.store, stream)
        try:
            with files_of(source) as paths:
                for rows, windows in _land(recorder, paths, tally):
                    tell(Progress(stream, rows, windows, news() if windows else ()))
                    tell.alarms(changed() if windows else ())
            tell(Progress(stream, windows=recorder.settle(whole=settle), events=news()))
            tell.alarms(changed())
            tell.say(tally.told(stream), f"{stream}: {tally.line()}.")
        finally:
            tell.close()
        _advise_of_alarms(at, stream)
    _advise(stream, tally)


def _patient(spec: StreamSpec, lateness: str | None, *, settle: bool) -> StreamSpec:
    """The stream as it is backfilled; refused where its rows have no times of their own."""
    if spec.kind == "snapshot":
        hint = "'tidegauge observe' gives it its content"
        raise UsageError(f"stream {spec.name}", got="a snapshot, which has no past", want="a stream", hint=hint)
    timed = spec.pane.unit == "seconds"
    if timed and not spec.columns.time:
        hint = f"Set streams.{spec.name}.columns.time"
        raise UsageError(f"stream {spec.name}", got="no column of times", want="one for the past", hint=hint)
    if settle and not timed:
        raise UsageError("--settle", got="panes of rows, which close when they are full", want="panes of time")
    if lateness is None:
        return spec
    if not timed:
        raise UsageError("--lateness", got="panes of rows, which no row is late for", want="panes of time")
    from tidegauge.window.spans import length_of

    return spec.model_copy(update={"lateness": length_of("--lateness", lateness, spec)})


def _land(recorder: Recorder, paths: list[Path], tally: Tally) -> Iterator[tuple[int, tuple[Window, ...]]]:
    """Land files, and yield the rows of each batch and what closes with it."""
    columns, landed = recorder.columns, 0
    for path in _by_first_time(paths, columns):
        for name, batch in numbered(digest_of(path), whole_batches(path, columns)):
            if _is_settled(recorder, batch):
                tally.settled += batch.rows
                yield batch.rows, ()
                continue
            tally.land(recorder, name, _sorted(batch))
            landed += 1
            yield batch.rows, recorder.settle() if landed % _SETTLE_EVERY == 0 else ()


def _by_first_time(paths: Sequence[Path], columns: Columns) -> Sequence[Path]:
    """Files in the order of their first rows; as they are called where these have no time."""
    if len(paths) < 2 or columns.time is None:
        return paths
    from tidegauge.read.files import open_source

    def first(path: Path) -> float:
        batch = next(open_source(path, columns).batches(1))
        return -math.inf if batch.times is None or not batch.rows else float(batch.times[0])

    return sorted(paths, key=first)


def _is_settled(recorder: Recorder, batch: Batch) -> bool:
    """Whether all rows fall into closed windows, as when a backfill is run again: they are then not counted late."""
    settled = recorder.store.state(recorder.spec.name).settled
    if settled is None or recorder.spec.pane.unit == "rows" or batch.times is None or not batch.rows:
        return False
    return bool(batch.times.max() < settled)


def _sorted(batch: Batch) -> Batch:
    from tidegauge.reference.reference import in_time_order

    return in_time_order(batch)


def _advise_of_alarms(at: Opened, stream: str) -> None:
    if at.spec.alarms.endpoints and at.store.alarms(stream, lasting=True):
        note(f"alarms last that no message tells of, as they are of the past: see 'tidegauge alarms {stream}'")


def _advise(stream: str, tally: Tally) -> None:
    if tally.settled and not (tally.changed or tally.repeated):
        got = f"{tally.settled:,} rows, all older than what is settled"
        hint = "They were backfilled before, or come too late: the past goes in before a stream is watched"
        raise UsageError(f"stream {stream}", got=got, want="newer ones", hint=hint)
    if tally.aside["late"]:
        note(
            f"{tally.aside['late']:,} rows came too long after newer ones: sort the files by time, or say --lateness, "
            "into a stream that does not have them yet"
        )
