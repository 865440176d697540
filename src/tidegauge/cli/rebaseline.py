"""``tidegauge rebaseline STREAM REF``: put another reference in force, on purpose."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from tidegauge.cli import options
from tidegauge.cli.inputs import load_reference
from tidegauge.cli.monitored import Opened, login, opened
from tidegauge.cli.output import emit, note, progress

if TYPE_CHECKING:
    from tidegauge.records import PaneKey, StreamState, Window
    from tidegauge.reference import Reference
    from tidegauge.spec import StreamSpec

NAME = "rebaseline"
HELP = options.help_text(
    "Put another reference in force for a stream. What is open is closed under the one before; from then on rows are "
    "measured against the new one, and alarms that last are resolved. Who did it, when and why is kept for ever.\n\n"
    "No reference ever moves by itself. A reference of another embedding model than the settings say is refused.",
    "tidegauge rebaseline queries normal-2.tg --why 'the new catalogue is what is normal now'",
)


def command(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="A stream of the settings.")],
    reference: Annotated[str, typer.Argument(metavar="REF", help="What 'tidegauge fit' made.")],
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, which is kept.")] = "",
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Who does it; the login name if not said.")
    ] = None,
    ignore_model_id: options.IgnoreModelId = False,
    config: options.Config = None,
) -> None:
    """Put a reference in force, and say what closed."""
    from tidegauge.cli.telling import AlarmNews
    from tidegauge.report.alarms import change_line
    from tidegauge.report.windows import unit_of, window_line
    from tidegauge.run.baseline import as_kept, rebaseline

    new = load_reference(reference)
    with opened(config, make=True) as at, progress():
        spec = at.stream(stream)
        before = at.store.register(stream, spec.kind)
        _note_width(at, before, new)
        asked = spec.model_copy(update={"model_id": ""}) if ignore_model_id else spec
        name = login() if by is None else by
        cut = as_kept(spec, before)
        known = _kept(at, before, cut)
        changed = AlarmNews(at.store, stream)
        baseline = rebaseline(at.store, asked, new, at=time.time(), by=name, why=why, alarms=at.spec.alarms)
        over = changed()
        closed = [w for key, w in _kept(at, before, cut).items() if key not in known or known[key].rows != w.rows]
    if baseline is None:
        emit(f"{stream}: reference {new.hash[:12]} is in force already; nothing changed.\n")
        return
    emit("".join(f"{window_line(window, unit_of(cut))}\n" for window in closed))
    emit("".join(f"{change_line(alarm, change, unit_of(cut))}\n" for alarm, change in over))
    was = f", in place of {before.reference[:12]}" if before.reference not in ("", new.hash) else ""
    was += f", with panes of {spec.pane} in place of {before.pane}" if cut.pane != spec.pane else ""
    emit(f"{stream}: reference {new.hash[:12]} is in force{was}.\n")
    if ignore_model_id and spec.model_id and new.model_id and new.model_id != spec.model_id:
        note(f"the settings say model {spec.model_id!r}: set model_id, or say --ignore-model-id to watch as well")


def _note_width(at: Opened, before: StreamState, new: Reference) -> None:
    if not before.reference:
        return
    from tidegauge.run.baseline import in_force

    width = in_force(at.store, before).width
    if width != new.width:
        note(f"the reference before has width {width}, this one {new.width}: rows must have that width from now on")


def _kept(at: Opened, before: StreamState, cut: StreamSpec) -> dict[PaneKey, Window]:
    """The windows under the reference before that end after all that was closed in its time."""
    if not before.reference or before.kind == "snapshot":
        return {}
    since = None if before.settled is None else before.settled - max(cut.pane.length, *cut.windows, 0)
    return {
        window.key: window
        for window in at.store.windows(before.stream, since=since)
        if window.key.reference == before.reference and (before.settled is None or window.key.end > before.settled)
    }
