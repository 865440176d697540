"""``tidegauge watch [STREAM ...]``: read sources as they grow, until told to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from tidegauge.cli import options
from tidegauge.cli.landing import STDIN
from tidegauge.cli.monitored import columns_of, opened, recorder_of
from tidegauge.cli.options import PlainForm
from tidegauge.cli.output import note
from tidegauge.errors import UsageError

if TYPE_CHECKING:
    from tidegauge.contracts import Feed
    from tidegauge.run import Recorder
    from tidegauge.spec import Spec, StreamSpec

NAME = "watch"
HELP = options.help_text(
    "Read the streams' sources as they grow, and print a line for each window that closes and for each event. Without "
    "STREAM, all streams of the settings that have a source.\n\n"
    "SIGTERM and Ctrl-C finish the batch in hand, and leave with status 0; a second Ctrl-C leaves at once, with 130. "
    "Started again, it goes on where it was: each row counts once. An error of one stream ends all, with status 2.",
    "tidegauge watch",
    "tidegauge watch queries --format json >> windows.jsonl",
    "tidegauge watch --once",
    "my-service | tidegauge watch queries --source - --source-name my-service",
)
_STOP: Final = "stop"


class _Job(NamedTuple):
    """A stream and what feeds it."""

    recorder: Recorder
    feed: Feed


def command(
    streams: Annotated[
        list[str] | None, typer.Argument(metavar="[STREAM ...]", help="Streams of the settings.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Leave when there is nothing more for now.")] = False,
    source: Annotated[
        str | None,
        typer.Option("--source", metavar="SOURCE", help="In place of the stream's source; - is standard input."),
    ] = None,
    source_name: Annotated[
        str,
        typer.Option(
            "--source-name",
            metavar="NAME",
            help="What standard input is called: under one name, the same rows given again count once.",
        ),
    ] = "",
    ignore_model_id: options.IgnoreModelId = False,
    config: options.Config = None,
    form: Annotated[PlainForm, typer.Option("--format", help="What stdout gets.")] = PlainForm.text,
) -> None:
    """Watch until told to stop, or once."""
    from tidegauge.cli.telling import News, Teller
    from tidegauge.run.patience import patiently
    from tidegauge.run.watch import Progress, watch

    with opened(config, make=True) as at:
        chosen = _chosen(at.spec, streams or [], source, source_name)
        recorders = [recorder_of(at.store, each, ignore_model_id=ignore_model_id) for each in chosen]
        jobs = [_Job(recorder, _feed(recorder, source_name)) for recorder in recorders]
        tell = Teller(chosen, form)

        def work(job: _Job, stop: threading.Event) -> None:
            news = News(at.store, job.recorder.spec.name)

            def told(done: Progress) -> None:
                landing = job.recorder.landing
                happened = done.windows or done.events or (landing is not None and landing.events)
                tell(replace(done, events=patiently(news, stop) if happened else ()))

            watch(job.recorder, job.feed, stop, told, poll=at.spec.poll, once=once)

        try:
            _run(jobs, work)
        finally:
            tell.close()


def _chosen(spec: Spec, names: Sequence[str], source: str | None, source_name: str) -> list[StreamSpec]:
    """The streams to watch, each with its source."""
    from tidegauge.cli.monitored import stream_of

    if source is not None and len(names) != 1:
        raise UsageError("--source", got=f"{len(names)} streams", want="the one stream that it feeds")
    chosen = [stream_of(spec, name) for name in dict.fromkeys(names)] or [s for s in spec.streams.values() if s.source]
    if source is not None:
        chosen = [chosen[0].model_copy(update={"source": source})]
    if not chosen:
        raise UsageError("streams", got="none with a source", want="a source to watch", hint="Set streams.NAME.source")
    for stream in chosen:
        if not stream.source:
            hint = f"Set streams.{stream.name}.source, or say --source"
            raise UsageError(f"stream {stream.name}", got="no source", want="one to watch", hint=hint)
    piped = [stream.name for stream in chosen if stream.source == STDIN]
    if len(piped) > 1:
        raise UsageError("standard input", got=f"streams {', '.join(piped)}", want="one stream that it feeds")
    if source_name and not piped:
        raise UsageError("--source-name", got="no standard input", want="a stream that it feeds", hint="Say --source -")
    return chosen


def _feed(recorder: Recorder, source_name: str) -> Feed:
    from tidegauge.read.feeds import open_feed

    stream = recorder.spec
    name = source_name if stream.source == STDIN else ""
    return open_feed(stream.source, columns_of(recorder), table=stream.table, key=stream.key, name=name)


def _run(jobs: Sequence[_Job], work: Callable[[_Job, threading.Event], None]) -> None:
    """Work on each in a thread of its own, until all are done, one fails, or a signal says stop."""
    stop = threading.Event()
    said: SimpleQueue[str | BaseException | None] = SimpleQueue()

    def run(job: _Job) -> None:
        try:
            work(job, stop)
        except BaseException as error:  # raised again where a person can see it
            said.put(error)
        else:
            said.put(None)

    threads = [threading.Thread(target=run, args=(job,), name=job.recorder.spec.name, daemon=True) for job in jobs]
    fault: BaseException | None = None
    left = len(threads)
    with _signals(lambda: said.put(_STOP)):
        for thread in threads:
            thread.start()
        while left:
            word = said.get()
            stop.set() if word is not None else None
            if word == _STOP:
                note("finishing the batch in hand")
            else:
                left -= 1
                fault = fault or (word if isinstance(word, BaseException) else None)
    if fault is not None:
        raise fault


@contextmanager
def _signals(told: Callable[[], None]) -> Generator[None]:
    """Tell of the first SIGTERM or Ctrl-C while inside, and let a second one do what it does to others.

    A handler runs between any two steps of the main thread, so that it may touch nothing that has a lock.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}

    def handle(_number: int, _frame: object) -> None:
        for each, handler in before.items():
            signal.signal(each, handler)
        told()

    for each in before:
        signal.signal(each, handle)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
