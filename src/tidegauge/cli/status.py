"""``tidegauge status``: where every stream stands."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer

from tidegauge.cli import options
from tidegauge.cli.monitored import opened, settings, store_is_there
from tidegauge.cli.options import PlainForm
from tidegauge.cli.output import emit

NAME = "status"
HELP = options.help_text(
    "Say where every stream stands: reference, rows, newest row, what is closed, what was set aside, the last window "
    "of each length, and how far the sources were read; how often false alarms are promised and known to come, and "
    "the alarms that last.",
    "tidegauge status",
    "tidegauge status --format json",
)


def command(
    config: options.Config = None,
    form: Annotated[PlainForm, typer.Option("--format", help="What stdout gets.")] = PlainForm.text,
) -> None:
    """Print where every stream stands."""
    from tidegauge.report.status import Standing, lines, standings, to_dict

    spec, now = settings(config), time.time()
    if store_is_there(spec.store):
        with opened(config) as at:
            every, name, size = standings(at.store, spec, now), at.store.name, at.store.size()
    else:
        every, name, size = [Standing(name, stream) for name, stream in spec.streams.items()], spec.store, 0
    if form is PlainForm.json:
        emit(json.dumps(to_dict(every, name, size), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        return
    emit("".join(f"{line}\n" for each in every for line in lines(each, now)))
    emit(f"store {name}: {size:,} bytes\n")
