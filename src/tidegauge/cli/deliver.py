"""``tidegauge deliver``: send the messages of alarms that wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from tidegauge.cli import options
from tidegauge.cli.monitored import Opened, opened
from tidegauge.cli.output import emit, note
from tidegauge.errors import UsageError

if TYPE_CHECKING:
    from tidegauge.records import Message

NAME = "deliver"
HELP = options.help_text(
    "Send the messages of alarms that wait to the endpoints of the settings, and tell each Alertmanager again what "
    "lasts. What does not arrive is tried again, longer and longer apart, for ever. 'tidegauge watch' does the same "
    "while it runs: this is for what 'observe' and people's answers leave waiting.\n\n"
    "Without --once it goes on until told to stop, by SIGTERM or Ctrl-C. With it, it says of each endpoint what still "
    "waits, until when, and why. Messages to an endpoint that is no longer in the settings are dropped.",
    "tidegauge deliver",
    "tidegauge deliver --once",
    "tidegauge deliver --once --now",
)


def command(
    once: Annotated[bool, typer.Option("--once", help="Try what is due once, and leave.")] = False,
    now: Annotated[
        bool, typer.Option("--now", help="Try at once what waits for its next try, as where an endpoint was mended.")
    ] = False,
    config: options.Config = None,
) -> None:
    """Deliver until told to stop, or once."""
    from tidegauge.deliver import drop
    from tidegauge.run.delivery import deliver_once

    with opened(config) as at:
        alarms = at.spec.alarms
        if not alarms.endpoints:
            drop(at.store, alarms, tell=note)
            hint = "Set alarms.endpoints.NAME.url"
            raise UsageError("alarms.endpoints", got="none", want="somebody to tell of alarms", hint=hint)
        if now:
            at.store.hasten(time.time())
        if not once:
            _keep_on(at)
            return
        stop = threading.Event()
        arrived = deliver_once(at.store, alarms, clock=time.time, stop=stop, tell=note)
        waiting = at.store.messages(waiting=True)
    emit(f"{_line(arrived, waiting)}\n")
    for line in _waits(waiting, time.time()):
        emit(f"  {line}\n")
    if waiting and not now:
        note("'tidegauge deliver --once --now' tries what waits at once")


def _keep_on(at: Opened) -> None:
    """Deliver in a thread beside the one that hears signals."""
    from tidegauge.cli.watch import signals
    from tidegauge.run.delivery import keep_delivering

    stop, over = threading.Event(), threading.Event()
    faults: list[BaseException] = []

    def run() -> None:
        try:
            keep_delivering(at.store, at.spec.alarms, clock=time.time, stop=stop, tell=note)
        except BaseException as error:  # raised again where a person can see it
            faults.append(error)
        finally:
            over.set()

    thread = threading.Thread(target=run, name="deliver", daemon=True)
    with signals(stop.set):
        thread.start()
        over.wait()
    if faults:
        raise faults[0]


def _line(arrived: int, waiting: tuple[Message, ...]) -> str:
    """Say what became of messages."""
    what = f"{arrived:,} message{'s' * (arrived != 1)} arrived"
    return f"{what}; {len(waiting):,} wait{'s' * (len(waiting) == 1)}." if waiting else f"{what}; none waits."


def _waits(waiting: tuple[Message, ...], now: float) -> Iterator[str]:
    """Say of each endpoint how many messages wait for it, until when, and what went wrong last."""
    from tidegauge.report.formats import clean
    from tidegauge.report.promise import long

    for name in dict.fromkeys(message.endpoint for message in waiting):
        mine = [message for message in waiting if message.endpoint == name]
        # Of each alarm the oldest is tried, and the others come after it.
        tried = {message.alarm: message for message in reversed(mine)}.values()
        first = min(tried, key=lambda message: message.due)
        pause = first.due - now
        when = f"next try in {long(pause, 1)}" if pause > 0 else "next try at once"
        fault = first.fault or next((message.fault for message in tried if message.fault), "")
        yield f"{clean(name, 60)}: {len(mine):,}, {when}" + (f"; {clean(fault, 200)}" if fault else "")
