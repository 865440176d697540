"""``tidegauge watch [STREAM ...]``: read sources as they grow, until told to stop."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from tidegauge.cli import options
from tidegauge.cli.landing import STDIN
from tidegauge.cli.monitored import opened, recorder_of
from tidegauge.cli.options import PlainForm
from tidegauge.cli.output import note
from tidegauge.errors import UsageError

if TYPE_CHECKING:
    from tidegauge.contracts import Feed
    from tidegauge.run import Recorder
    from tidegauge.spec import Spec, StreamSpec

NAME = "watch"
HELP = options.help_text(
    "Read the streams' sources as they grow, and print a line for each window that closes, for each event, and for "
    "each alarm that opens or is resolved; send the messages of alarms meanwhile. Without STREAM, all streams of the "
    "settings that have a source.\n\n"
    "SIGTERM and Ctrl-C finish the batch in hand, and leave with status 0; a second Ctrl-C leaves at once, with 130. "
    "Started again, it goes on where it was: each row counts once. An error of one stream ends all, with status 2.",
    "tidegauge watch",
    "tidegauge watch queries --format json >> windows.jsonl",
    "tidegauge watch --once",
    "my-service | tidegauge watch queries --source - --source-name my-service",
)


class _Job(NamedTuple):
    """A stream and what feeds it."""

    recorder: Recorder
    feed: Feed


class _Word(NamedTuple):
    """What the main thread hears: of jobs that are ``done``, and why they ended, or that it is to ``stop``."""

    done: int = 0
    fault: BaseException | None = None
    stop: bool = False


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
    from tidegauge.cli.telling import AlarmNews, News, Teller
    from tidegauge.run.answer import let_go
    from tidegauge.run.delivery import deliver_once, keep_delivering
    from tidegauge.run.patience import patiently
    from tidegauge.run.watch import Progress, note_silence, watch

    with opened(config, make=True) as at:
        chosen = _chosen(at.spec, streams or [], source, source_name)
        recorders = [recorder_of(at, each, ignore_model_id=ignore_model_id) for each in chosen]
        jobs = [_Job(recorder, _feed(recorder, source_name)) for recorder in recorders]
        tell, alarms = Teller(chosen, form, at.spec.alarms), at.spec.alarms

        def work(job: _Job, stop: threading.Event) -> None:
            name = job.recorder.spec.name
            news, changed = News(at.store, name), AlarmNews(at.store, name)

            def told(done: Progress) -> None:
                landing = job.recorder.landing
                happened = done.windows or done.events or (landing is not None and landing.events)
                tell(replace(done, events=patiently(news, stop) if happened else ()))
                if happened or not done.rows:
                    tell.alarms(patiently(changed, stop))

            watch(job.recorder, job.feed, stop, told, poll=at.spec.poll, once=once)
            if once and not job.feed.ended and not stop.is_set():
                note_silence(job.recorder, stop, told)

        def beside(stop: threading.Event) -> None:
            keep_delivering(at.store, alarms, clock=time.time, stop=stop, tell=tell.aside)

        ever = threading.Event()
        for gone in patiently(lambda: let_go(at.store, at.spec, at=time.time()), ever, tell.aside):
            tell.aside(f"alarm {gone.id} of {gone.stream} resolved: {gone.why}")
        try:
            told_to_stop = _run(jobs, work, beside if alarms.endpoints and not once else None)
            if alarms.endpoints and not told_to_stop:
                last = partial(deliver_once, at.store, alarms, clock=time.time, stop=ever, tell=tell.aside)
                patiently(last, ever, tell.aside)
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
    return open_feed(stream.source, recorder.columns, table=stream.table, key=stream.key, name=name)


def _run(
    jobs: Sequence[_Job],
    work: Callable[[_Job, threading.Event], None],
    beside: Callable[[threading.Event], None] | None = None,
) -> bool:
    """Work on each in a thread of its own, until all are done, one fails, or a signal says stop, which is returned;
    what goes on ``beside`` ends with them.
    """
    stop, over, asked = threading.Event(), threading.Event(), False
    said: SimpleQueue[_Word] = SimpleQueue()

    def run(act: Callable[[], None], done: int) -> None:
        try:
            act()
        except BaseException as error:  # raised again where a person can see it
            said.put(_Word(done, error))
        else:
            said.put(_Word(done))

    acts = {job.recorder.spec.name: (partial(work, job, stop), 1) for job in jobs}
    if beside is not None:
        acts["beside"] = partial(beside, over), 0
    threads = [threading.Thread(target=run, args=each, name=name, daemon=True) for name, each in acts.items()]
    fault: BaseException | None = None
    left = len(jobs)
    with signals(lambda: said.put(_Word(stop=True))):
        for thread in threads:
            thread.start()
        while left:
            word = said.get()
            left, fault, asked = left - word.done, fault or word.fault, asked or word.stop
            if word.stop or word.fault:
                stop.set()
                over.set()
            if word.stop:
                note("finishing the batch in hand")
        over.set()
        for thread in threads:
            thread.join()
    if fault is not None:
        raise fault
    return asked


@contextmanager
def signals(told: Callable[[], None]) -> Generator[None]:
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
