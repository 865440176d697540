"""``tidegauge outcomes STREAM``: what outcomes a stream has, and those that come late or as ready series."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tidegauge.cli import options
from tidegauge.cli.monitored import Opened, opened
from tidegauge.cli.options import PlainForm
from tidegauge.cli.output import busy, emit, note, progress
from tidegauge.cli.spans import Since
from tidegauge.errors import UsageError
from tidegauge.window.spans import bounds

if TYPE_CHECKING:
    from tidegauge.records import Event, Measured, Outcome
    from tidegauge.run.outcomes import Added
    from tidegauge.spec import StreamSpec

NAME = "outcomes"
HELP = options.help_text(
    "List the product metrics of a stream: what of each is harm, where it comes from, how many panes have it, and what "
    "it is in the newest.\n\n"
    "--late adds outcomes that came by the ids of their rows, from CSV, Parquet or JSON lines: to the panes and "
    "windows in which the rows were counted. One that is given again counts once; what cannot be added is counted by "
    "reason. "
    "--read reads ready series now, as 'watch' does by itself.",
    "tidegauge outcomes queries",
    "tidegauge outcomes queries --late clicks.csv",
    "tidegauge outcomes queries --late 'late/*.parquet' --id query_id --time clicked_at",
    "tidegauge outcomes queries --read --since 30d",
)
_SCHEMA: Final = "tidegauge.outcomes/1"


def command(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="A stream of the settings.")],
    late: Annotated[
        str | None, typer.Option("--late", metavar="FILE", help="A file, folder or pattern of outcomes by id.")
    ] = None,
    id_column: Annotated[
        str | None, typer.Option("--id", metavar="COLUMN", help="Column of ids in FILE; columns.id if not said.")
    ] = None,
    time_column: Annotated[
        str, typer.Option("--time", metavar="COLUMN", help="Column of when each outcome came about.")
    ] = "",
    only: Annotated[
        list[str] | None, typer.Option("--outcome", metavar="NAME", help="Only this one; may be said again.")
    ] = None,
    read: Annotated[bool, typer.Option("--read", help="Read ready series now.")] = False,
    since: Since = None,
    config: options.Config = None,
    form: Annotated[PlainForm, typer.Option("--format", help="What stdout gets.")] = PlainForm.text,
) -> None:
    """Add, read, and list outcomes."""
    if late is not None and read:
        raise UsageError("--late", got="--read as well", want="one of the two")
    if since is not None and not read:
        raise UsageError("--since", got="no --read", want="it with --read")
    if late is None and (id_column or time_column):
        raise UsageError("--id" if id_column else "--time", got="no --late", want="it with --late FILE")
    with opened(config) as at:
        spec = at.stream(stream)
        chosen = _chosen(spec, only or [])
        at.state(stream)
        told: dict[str, Any] = {"schema": _SCHEMA, "stream": stream}
        if late is not None:
            added = _late(at, spec, chosen, late, id_column or spec.columns.id or "", time_column)
            told["late"] = _as_json(added)
            _say(added, late, form)
        if read:
            events = _read(at, spec, since)
            told["faults"] = [event.text for event in events]
        kept = [_measured(at, spec, outcome.name) for outcome in chosen]
    if form is PlainForm.json:
        told["outcomes"] = [_row(spec, *each) for each in zip(chosen, kept, strict=True)]
        emit(json.dumps(told, ensure_ascii=False) + "\n")
    elif late is None:
        none = f"{stream}: no outcomes. Name their columns as columns.outcomes, or set outcomes.NAME.\n"
        emit("".join(_line(spec, *each) for each in zip(chosen, kept, strict=True)) or none)


def _chosen(spec: StreamSpec, only: list[str]) -> list[Outcome]:
    declared = {outcome.name: outcome for outcome in spec.declared}
    for name in only:
        if name not in declared:
            known = ", ".join(declared) or "none"
            raise UsageError("--outcome", got=repr(name), want=f"one of the stream's outcomes: {known}")
    return [declared[name] for name in dict.fromkeys(only)] or list(declared.values())


def _late(at: Opened, spec: StreamSpec, chosen: list[Outcome], path: str, ids: str, times: str) -> Added:
    """Add what a file holds, block by block: those that landed before an error count once when it is given again."""
    from tidegauge.read.faults import Faults
    from tidegauge.read.late import late_rows
    from tidegauge.run.outcomes import Added, late

    columns = {
        outcome.name: (spec.outcomes[outcome.name].column or outcome.name, spec.outcomes[outcome.name].denominator)
        for outcome in chosen
        if outcome.name in spec.outcomes and spec.outcomes[outcome.name].late is not None
    }
    if not columns:
        hint = f"Set streams.{spec.name}.outcomes.NAME.late, such as '7d'"
        raise UsageError(f"stream {spec.name}", got="no outcome that comes late", want="one", hint=hint)
    if not ids:
        raise UsageError("--id", got="no column of ids", want="one", hint="Say --id COLUMN")
    total, faults = Added(), Faults()
    with progress() as bar:
        busy(bar, f"Reading {path}")
        for rows in late_rows(path, ids, columns, time_column=times, faults=faults):
            total += late(
                at.store,
                spec,
                rows.ids,
                rows.outcomes,
                times=rows.times,
                at=time.time(),
                source=rows.source,
                first_row=rows.first_row,
            )
    for fault in faults.listed():
        total.note(fault.reason, fault.first, fault.count)
    return total


def _read(at: Opened, spec: StreamSpec, since: str | None) -> tuple[Event, ...]:
    from tidegauge.run.series import ReadySeries

    series = ReadySeries(at.store, spec)
    if not series.names:
        hint = f"Set streams.{spec.name}.outcomes.NAME.source"
        raise UsageError(f"stream {spec.name}", got="no ready series", want="one to read", hint=hint)
    with progress() as bar:
        busy(bar, f"Reading {', '.join(series.names)}")
        first, _ = bounds(spec, at.state(spec.name), since, None, spec.pane.length)
        events = series.read(time.time(), since=first)
    for event in events:
        note(event.text)
    return events


def _measured(at: Opened, spec: StreamSpec, name: str) -> tuple[Measured, ...]:
    """What an outcome was in the panes of the reference in force, oldest first."""
    from tidegauge.records import ALL

    reference = at.store.state(spec.name).reference
    length = 0 if spec.kind == "snapshot" else spec.pane.length
    return at.store.measured(spec.name, reference=reference, length=length, outcome=name, segment=ALL)


def _row(spec: StreamSpec, outcome: Outcome, kept: Sequence[Measured]) -> dict[str, Any]:
    from tidegauge.report.windows import place_json, unit_of

    last = kept[-1] if kept else None
    return {
        "name": outcome.name,
        "harmful": outcome.harmful,
        "unit": outcome.unit,
        "from": _origin(spec, outcome.name),
        "panes": len(kept),
        "newest": None
        if last is None
        else {
            "start": place_json(last.key.start, unit_of(spec)),
            "numerator": last.numerator,
            "denominator": last.denominator,
            "rate": last.rate,
        },
    }


def _origin(spec: StreamSpec, name: str) -> str:
    """Where an outcome comes from, without what may be secret in an address."""
    from tidegauge.spec import length_text

    known = spec.outcomes.get(name)
    if known is None or known.is_beside:
        return "beside the vectors"
    if known.late is not None:
        beside = "beside the vectors, and " if name in spec.columns.outcomes else ""
        return f"{beside}late, within {length_text(known.late)}"
    if known.is_prometheus:
        return "a series from Prometheus"
    return f"a series from table {known.table}" if known.is_database else "a series from a file"


def _line(spec: StreamSpec, outcome: Outcome, kept: Sequence[Measured]) -> str:
    from tidegauge.report.windows import rate_said, start_said, unit_of

    known = f"{outcome.name}: harm where it {outcome.harmful}; {_origin(spec, outcome.name)}"
    if not kept:
        return f"{known}; no pane has it yet.\n"
    panes = f"{len(kept):,} pane{'s' * (len(kept) != 1)}"
    newest = f"{rate_said(kept[-1], outcome.unit)}, {start_said(kept[-1].key.start, unit_of(spec))}"
    return f"{known}; {panes}, the newest {newest}.\n"


def _say(added: Added, path: str, form: PlainForm) -> None:
    said = [f"{added.added:,} outcome{'s' * (added.added != 1)} added, to {added.panes:,} panes"]
    if added.repeated:
        said.append(f"{added.repeated:,} had come before")
    if form is PlainForm.text:
        emit(f"{path}: {'; '.join(said)}.\n")
    for reason, count in added.aside.items():
        note(f"{count:,} set aside as {reason} (first: {added.first[reason]})")


def _as_json(added: Added) -> dict[str, Any]:
    return {
        "added": added.added,
        "repeated": added.repeated,
        "aside": dict(added.aside),
        "first": added.first,
        "panes": added.panes,
    }
