"""``tidegauge deliver``: send the messages of alarms that wait."""

from __future__ import annotations

import threading
import time
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
    "Without --once it goes on until told to stop, by SIGTERM or Ctrl-C.",
    "tidegauge deliver",
    "tidegauge deliver --once",
)


def command(
    once: Annotated[bool, typer.Option("--once", help="Try what is due once, and leave.")] = False,
    config: options.Config = None,
) -> None:
    """Deliver until told to stop, or once."""
    from tidegauge.run.delivery import deliver_once

    with opened(config) as at:
        alarms = at.spec.alarms
        if not alarms.endpoints:
            hint = "Set alarms.endpoints.NAME.url"
            raise UsageError("alarms.endpoints", got="none", want="somebody to tell of alarms", hint=hint)
        if not once:
            _keep_on(at)
            return
        stop = threading.Event()
        arrived = deliver_once(at.store, alarms, clock=time.time, stop=stop, tell=note)
        waiting = at.store.messages(waiting=True)
    emit(_line(arrived, waiting))


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
    if not waiting:
        return f"{what}; none waits.\n"
    said = f"{len(waiting):,} wait{'s' * (len(waiting) == 1)}"
    by = dict.fromkeys(message.endpoint for message in waiting)
    return f"{what}; {said}, for {', '.join(by)}.\n"
