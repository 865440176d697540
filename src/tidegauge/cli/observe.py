"""``tidegauge observe STREAM SOURCE``: one batch into a stream, or into a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tidegauge.cli import options
from tidegauge.cli.landing import STDIN, Tally, batches_of, digest_of, files_of, joint_digest, numbered, whole_batches
from tidegauge.cli.monitored import note_waiting, opened, recorder_of
from tidegauge.cli.options import PlainForm
from tidegauge.cli.output import busy, progress
from tidegauge.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tidegauge.records import Batch, Window
    from tidegauge.run import Recorder
    from tidegauge.spec import StreamSpec

NAME = "observe"
HELP = options.help_text(
    "Put one batch into a stream, from cron or a script: a file, a folder, a pattern, or - for standard input. Says "
    "what landed, and closes what is due. Messages of alarms wait for 'tidegauge watch' or 'tidegauge deliver'.\n\n"
    "A batch is named by what is in its files: to give a file again changes nothing, and is said. Each file lands "
    "whole, or not at all. Into a snapshot, rows are added; --remove takes them out, --replace puts them in place of "
    "all.",
    "tidegauge observe queries logs/2026-11-23.parquet",
    "tidegauge observe queries today.jsonl --name 2026-11-23",
    "tidegauge observe documents index.parquet --replace",
    "tidegauge observe documents deleted.parquet --remove",
)


def command(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="A stream of the settings.")],
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A file, folder or pattern, or -.")],
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="BATCH-ID", help="What the batch is called, in place of a digest of its files."),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the rows out of the snapshot.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Put the rows in place of all in the snapshot.")] = False,
    model_id: Annotated[
        str,
        typer.Option("--model-id", metavar="ID", help="The embedding model of this batch; another's is set aside."),
    ] = "",
    ignore_model_id: options.IgnoreModelId = False,
    config: options.Config = None,
    form: Annotated[PlainForm, typer.Option("--format", help="What stdout gets.")] = PlainForm.text,
) -> None:
    """Land a batch, settle, and print what closed."""
    from tidegauge.cli.telling import AlarmNews, News, Teller
    from tidegauge.run.watch import Progress

    with opened(config, make=True) as at:
        spec = at.stream(stream)
        _check(spec, remove=remove, replace=replace)
        recorder = recorder_of(at, spec, ignore_model_id=ignore_model_id)
        tally, news = Tally(what="removed" if remove else "landed"), News(at.store, stream)
        changed = AlarmNews(at.store, stream)
        with files_of(source) as paths, progress() as bar:
            busy(bar, f"Reading {'standard input' if source == STDIN else source}")
            if replace:
                windows = _replace(recorder, paths, name, tally)
            else:
                for each, batch in _batches(recorder, paths, name, remove=remove):
                    tally.land(recorder, each, batch, model_id=model_id, removed=remove)
                busy(bar, "Closing what is due")
                windows = recorder.settle() if tally.changed or spec.kind == "stream" else ()
        tell = Teller([spec], form, at.spec.alarms)
        tell(Progress(stream, windows=windows, events=news()))
        tell.alarms(changed())
        waits = "; no window is due" if tally.changed and not windows else ""
        tell.say(tally.told(stream), f"{stream}: {tally.line()}{waits}.")
        tell.close()
        note_waiting(at)


def _check(stream: StreamSpec, *, remove: bool, replace: bool) -> None:
    if remove and replace:
        raise UsageError("--replace", got="--remove as well", want="one of the two")
    if (remove or replace) and stream.kind != "snapshot":
        option = "--remove" if remove else "--replace"
        raise UsageError(option, got=f"{stream.name}, a stream, which only grows", want="a snapshot")


def _batches(recorder: Recorder, paths: list[Path], name: str | None, *, remove: bool) -> Iterator[tuple[str, Batch]]:
    columns, place = recorder.columns, 0
    for path in paths:
        batches = whole_batches(path, columns)
        if name is None:
            yield from numbered(_digest(recorder, path, remove=remove), batches)
            continue
        for each, batch in numbered(name, batches, place):
            yield each, batch
            place += 1


def _replace(recorder: Recorder, paths: list[Path], name: str | None, tally: Tally) -> tuple[Window, ...]:
    """Put the files' rows in place of all, unless they are there already."""
    from tidegauge.run.snapshot import replace_whole, replaced_by

    mark = name or joint_digest(paths)
    if replaced_by(recorder) == mark:
        tally.same = True
        return ()
    columns = recorder.columns
    return replace_whole(recorder, tally.counting(batches_of(paths, columns)), name=mark)


def _digest(recorder: Recorder, path: Path, *, remove: bool) -> str:
    """What a file is called by its content: of a snapshot, what leaves or comes in another generation is another."""
    if recorder.spec.kind == "stream":
        return digest_of(path)
    generation = recorder.store.state(recorder.spec.name).generation
    return f"{'removed' if remove else 'added'}:{generation}:{digest_of(path)}"
