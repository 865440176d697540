"""``tidegauge check``: are the settings right, and is what they name there?"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegauge.cli import options
from tidegauge.cli.inputs import load_reference, scaled_as
from tidegauge.cli.options import PlainForm
from tidegauge.cli.output import emit, note
from tidegauge.errors import DataError, MismatchError, TidegaugeError, UsageError

if TYPE_CHECKING:
    from tidegauge.records import Batch, Columns, StreamState
    from tidegauge.reference import Reference
    from tidegauge.spec import Spec, StreamSpec

NAME = "check"
HELP = options.help_text(
    "Check the settings, and whether the sources, references, keys and the store that they name are there and fit "
    "together. A store that is not there yet is not made, and nobody is told of anything.\n\n"
    "Exit status: 0 all is well, 2 something is not: all of it is told.",
    "tidegauge check",
    "tidegauge check --config monitoring/tidegauge.toml --format json",
    "tidegauge check --schema > tidegauge.schema.json",
)
_SCHEMA = "tidegauge.check/1"
_FIRST_ROWS = 256
_ERROR = 2


@dataclass
class Found:
    """What was found of the store, of alarms and of each stream, and everything that is wrong."""

    store: str = ""
    budget: str = ""
    endpoints: dict[str, str] = field(default_factory=dict[str, str])
    streams: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    faults: list[TidegaugeError] = field(default_factory=list[TidegaugeError])

    @contextmanager
    def of(self, where: str) -> Generator[None]:
        """Keep what goes wrong inside as a fault at a place of the file."""
        try:
            yield
        except TidegaugeError as error:
            self.faults.append(type(error)(f"{where}: {error.what}", got=error.got, want=error.want, hint=error.hint))


def command(
    config: options.Config = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of a file of settings, and leave.")
    ] = False,
    form: Annotated[PlainForm, typer.Option("--format", help="What stdout gets.")] = PlainForm.text,
) -> None:
    """Look at everything, print what was found, and leave with its status."""
    if schema:
        from tidegauge.spec.schema import json_schema

        emit(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
        return
    from tidegauge.spec import SpecError, find_file, load_spec

    found = Found()
    file = find_file() if config is None else config
    try:
        look(load_spec(file), str(file), found)
    except SpecError as error:
        found.faults += error.faults
    _print(found, str(file), form)
    if found.faults:
        raise typer.Exit(_ERROR)


def look(spec: Spec, file: str, found: Found) -> None:
    """Look at the store and at every stream."""
    from tidegauge.spec import length_text

    states: dict[str, StreamState] = {}
    with found.of(f"{file}: store.url"):
        found.store, states = _store(spec.store)
    _look_at_endpoints(spec, file, found)
    promised = _promised(spec, states)
    if not spec.streams:
        found.faults.append(UsageError(f"{file}: streams", got="none", want="at least one stream to monitor"))
    for name, stream in spec.streams.items():
        where = f"{file}: streams.{name}"
        facts = found.streams[name] = {"stream": _kept(stream)}
        if name in states:
            with found.of(f"{where}.pane"):
                _check_pane(stream, states[name])
        reference: Reference | None = None
        with found.of(f"{where}.reference"):
            reference = _reference(stream)
            facts["reference"] = _reference_said(stream, reference)
        with found.of(f"{where}.source"):
            facts["source"] = _source(stream, reference)
        for outcome, each in stream.outcomes.items():
            if each.source:
                with found.of(f"{where}.outcomes.{outcome}.source"):
                    facts[f"outcome {outcome}"] = _series(stream, outcome)
            elif each.late is not None:
                facts[f"outcome {outcome}"] = f"late, within {length_text(each.late)}, by 'tidegauge outcomes'"
        if stream.canary is not None:
            with found.of(f"{where}.canary.file"):
                facts["canaries"] = _canaries(stream, reference)
        if name in promised:
            facts["alarms"] = promised[name]


def _look_at_endpoints(spec: Spec, file: str, found: Found) -> None:
    """Say whom alarms are told to, and whether the keys are there by which messages are signed."""
    from tidegauge.deliver.secret import read_secret
    from tidegauge.run.alarms import sharing

    streams = sharing(spec)
    shared = f", shared by {streams} streams" if streams > 1 else ""
    found.budget = f"{spec.alarms.budget} may be false{shared}"
    for name, endpoint in spec.alarms.endpoints.items():
        signed = "" if endpoint.kind == "alertmanager" else ", signed" if endpoint.signed else ", unsigned"
        of = f", {', '.join(endpoint.kinds)} only" if endpoint.kinds else ""
        least = ", critical only" if endpoint.least == "critical" else ""
        found.endpoints[name] = f"{endpoint.kind} at {endpoint.host}{signed}{of}{least}"
        if endpoint.secret:
            with found.of(f"{file}: alarms.endpoints.{name}.secret"):
                read_secret(endpoint.secret)


def _promised(spec: Spec, states: Mapping[str, StreamState]) -> dict[str, str]:
    """What each stream is promised of false alarms, and what is known to be held where it is recorded."""
    from tidegauge.report.promise import promise_line, promised_said
    from tidegauge.run.alarms import lookout_of
    from tidegauge.run.promise import Promise, promises

    told: dict[str, str] = {}
    recorded = [name for name in spec.streams if name in states and states[name].reference]
    if recorded:
        from tidegauge.store import open_store

        store = open_store(spec.store)
        try:
            for name in recorded:
                for each in promises(store, lookout_of(spec, spec.streams[name]), states[name])[:1]:
                    told[name] = promise_line(each, spec.alarms.budget)
        finally:
            store.close()
    for name, stream in spec.streams.items():
        lookout = lookout_of(spec, stream)
        if name in told or not lookout.watches:
            continue
        segments = len(states[name].segments) if name in states else 0
        panes, timed = lookout.panes_promised("", segments, None), stream.pane.unit == "seconds"
        if panes is None and stream.columns.time:
            told[name] = f"{spec.alarms.budget}, in panes as fast as they will come"
        else:
            told[name] = promised_said(Promise("", panes, stream.pane.length if timed else None), spec.alarms.budget)
    return told


def _kept(stream: StreamSpec) -> str:
    from tidegauge.spec import length_text

    if stream.kind == "snapshot":
        return "a snapshot: what is there now, replaced whole"
    unit = stream.pane.unit
    windows = ", ".join(length_text(length, unit) for length in stream.windows) or "no longer ones"
    said = f"panes of {stream.pane}, windows of {windows}" if stream.windows else f"panes of {stream.pane}"
    if unit == "rows":
        return said
    waits = f"{said}; closed {length_text(stream.lateness)} after their end"
    silent = f"; silent after {length_text(stream.silence_after)}" if stream.silence_after else ""
    late = "" if stream.columns.time else "; no column of times, so rows belong to the moment they are read"
    return f"{waits}{silent}{late}"


def _check_pane(stream: StreamSpec, state: StreamState) -> None:
    from tidegauge.run.baseline import check_pane

    check_pane(stream, state)


def _reference(stream: StreamSpec) -> Reference | None:
    if stream.reference is None:
        return None
    reference = load_reference(str(stream.reference))
    if stream.model_id and reference.model_id and reference.model_id != stream.model_id:
        raise MismatchError(
            str(stream.reference),
            got=f"model {reference.model_id!r}",
            want=f"model {stream.model_id!r}, as model_id says",
        )
    if stream.truncate is not None and stream.truncate != reference.width:
        raise MismatchError(
            str(stream.reference), got=f"width {reference.width}", want=f"width {stream.truncate}, as truncate says"
        )
    return reference


def _reference_said(stream: StreamSpec, reference: Reference | None) -> str:
    if reference is None:
        return f"none: 'tidegauge rebaseline {stream.name} FILE' gives one"
    model = f", model {reference.model_id!r}" if reference.model_id else ", of an unnamed model"
    return (
        f"{_short(stream.reference)}: {reference.hash[:12]}, {reference.rows:,} rows of width {reference.width}{model}"
    )


def _source(stream: StreamSpec, reference: Reference | None) -> str:
    """Read the first rows, and say what is there; ``DataError`` where they cannot be measured."""
    if stream.source == "":
        return "none: rows come by 'tidegauge observe'"
    if stream.source == "-":
        return "standard input, which is not looked at"
    if stream.is_database:
        return _database(stream)
    from tidegauge.read.files import expand

    files = len(expand(stream.source))
    columns = stream.sides
    batch = _first_rows(stream.source, columns, stream, reference)
    _check_width(batch, stream, reference)
    sides = {
        "vector": columns.vector,
        "id": columns.id,
        "text": columns.text,
        "time": columns.time,
        "session": columns.session,
    }
    named = [f"{what} {name}" for what, name in {**sides, "segment": columns.segment}.items() if name]
    named += [f"outcome {each.name}" for each in columns.measures]
    count = f"{files:,} file{'s' * (files != 1)}"
    aside = sum(batch.rejected.values())
    said = f"{_short(stream.source)}: {count}; first {batch.rows:,} rows of width {batch.width}"
    unusable = f", {aside} more set aside" if aside else ""
    return f"{said}{unusable}; columns: {', '.join(named) or 'vectors only'}"


def _first_rows(path: str, columns: Columns, stream: StreamSpec, reference: Reference | None) -> Batch:
    from tidegauge.read.files import open_source

    if reference is not None:
        columns = scaled_as(reference, columns, stream.columns.scale)
    batch = next((each for each in open_source(path, columns).batches(_FIRST_ROWS)), None)
    if batch is None or not batch.rows:
        raise DataError(path, got="no row that can be measured among the first", want="some")
    return batch


def _check_width(batch: Batch, stream: StreamSpec, reference: Reference | None) -> None:
    width = stream.truncate or batch.width
    if batch.width < width:
        raise MismatchError(batch.source, got=f"width {batch.width}", want=f"at least {width}, as truncate says")
    if reference is not None and width != reference.width:
        from tidegauge.reference.reference import truncate_hint

        hint = truncate_hint(width, reference.width)
        raise MismatchError(
            batch.source, got=f"width {width}", want=f"width {reference.width}, as the reference", hint=hint
        )


def _canaries(stream: StreamSpec, reference: Reference | None) -> str:
    assert stream.canary is not None
    path = str(stream.canary.file)
    batch = _first_rows(path, stream.columns.of_canaries, stream, reference)
    if batch.ids is None and batch.texts is None:
        raise DataError(path, got="no column of ids or texts", want="one of them, by which canaries are known again")
    _check_width(batch, stream, reference)
    by = "texts" if batch.ids is None else "ids"
    return f"{_short(path)}: vectors of width {batch.width}, known again by their {by}"


def _database(stream: StreamSpec) -> str:
    """Connect, and look for the table and its columns."""
    import sqlalchemy as sa
    from sqlalchemy import exc

    from tidegauge.spec.fault import masked

    name = masked(stream.source)
    try:
        _check_sqlite_is_there(stream.source)
        engine = sa.create_engine(_driver(stream.source), poolclass=sa.NullPool)
        schema, _, table = stream.table.rpartition(".")
        there = [str(each["name"]) for each in sa.inspect(engine).get_columns(table, schema=schema or None)]
    except exc.NoSuchTableError:
        raise DataError(name, got=f"no table {stream.table}", want="the table that 'table' names") from None
    except (exc.SQLAlchemyError, ImportError, ValueError) as error:
        raise DataError(name, got=_reason(error), want="a database that can be read") from None
    columns = stream.sides
    sides = (columns.vector, stream.key, columns.id, columns.text, columns.time, columns.session, columns.segment)
    missing = [each for each in (*sides, *columns.outcomes) if each and "*" not in each and each not in there]
    if missing:
        raise DataError(
            f"{name}, table {stream.table}", got=f"no column {missing[0]}", want=f"one of {', '.join(there)}"
        )
    return f"{name}: table {stream.table}, columns {', '.join(there)}"


def _series(stream: StreamSpec, name: str) -> str:
    """Ask a ready series for its newest panes, and say how many points came."""
    from tidegauge.run.series import open_series, summed
    from tidegauge.window.panes import start_of

    now, length = time.time(), stream.pane.length
    until = start_of(now, length)
    source = open_series(stream, name)
    found = summed(source.points(until - 12 * length, until), stream, name, now)
    faults = (*source.faults(), *found.faults)
    aside = f"; left out: {', '.join(map(str, faults))}" if faults else ""
    where = getattr(source, "source", "a series")
    return f"{where}: {found.points:,} point{'s' * (found.points != 1)} in the newest 12 panes{aside}"


def _store(url: str) -> tuple[str, dict[str, StreamState]]:
    """Say what is there, and where its streams stand; a store that is not there yet is not made."""
    from tidegauge.spec.fault import masked

    if not url.startswith("sqlite"):
        return f"{masked(url)}: it answers", _states(url)[1] if _connected(url) else {}
    path = Path(url.partition(":///")[2])
    if not path.exists():
        if not path.parent.is_dir():
            raise DataError(str(path), got="a folder that is not there", want="a folder that is")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise DataError(str(path), got="no permission to write in its folder", want="a folder to write into")
        return f"{_short(path)}: not there yet, and will be made", {}
    said, states = _states(url)
    return f"{_short(path)}: {said}", states


def _states(url: str) -> tuple[str, dict[str, StreamState]]:
    """Open a store that is there, and count what it keeps."""
    from tidegauge.store import open_store

    store = open_store(url)
    try:
        states = {state.stream: state for state in store.streams()}
        return f"{store.size():,} bytes, streams {', '.join(states) or 'none yet'}", states
    finally:
        store.close()


def _connected(url: str) -> bool:
    """Connect, and say whether a store is there."""
    import sqlalchemy as sa
    from sqlalchemy import exc

    from tidegauge.spec.fault import masked
    from tidegauge.store.schema import VERSION_TABLE

    try:
        engine = sa.create_engine(_driver(url), poolclass=sa.NullPool, connect_args={"connect_timeout": 5})
        with engine.connect() as connection:
            return sa.inspect(connection).has_table(VERSION_TABLE)
    except (exc.SQLAlchemyError, ImportError, ValueError) as error:
        raise DataError(masked(url), got=_reason(error), want="a database that answers") from None


def _driver(url: str) -> str:
    """The address with the driver that tidegauge brings."""
    scheme, separator, rest = url.partition("://")
    return f"postgresql+psycopg{separator}{rest}" if scheme in ("postgres", "postgresql") else url


def _check_sqlite_is_there(url: str) -> None:
    path = url.partition(":///")[2].partition("?")[0]
    if url.startswith("sqlite") and path not in ("", ":memory:") and not Path(path).is_file():
        raise DataError(path, got="no such file", want="a SQLite database")


def _reason(error: Exception) -> str:
    """The first line of what a driver says, without addresses that may hold a password."""
    from tidegauge.spec.fault import masked

    if isinstance(error, ImportError):
        return f"no driver for it ({error.name} is not installed)"
    said = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    return masked(said)[:200] or type(error).__name__


def _short(path: str | Path | None) -> str:
    """A path as seen from here, where it lies below."""
    try:
        return str(Path(str(path)).relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _print(found: Found, file: str, form: PlainForm) -> None:
    if form is PlainForm.json:
        faults = [{"what": each.what, "got": each.got, "want": each.want, "hint": each.hint} for each in found.faults]
        told: dict[str, Any] = {
            "schema": _SCHEMA,
            "file": file,
            "ok": not faults,
            "store": found.store,
            "alarms": {"budget": found.budget, "endpoints": found.endpoints},
            "streams": found.streams,
            "faults": faults,
        }
        emit(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
        return
    emit("".join(_lines(found)))
    for fault in found.faults:
        note(" ".join(str(fault).split()))
    if not found.faults:
        emit(f"{file}: all is well.\n")


def _lines(found: Found) -> Iterator[str]:
    if found.store:
        yield f"store: {found.store}\n"
    if found.budget:
        yield f"alarms: {found.budget}\n"
        yield from (f"  {name}: {said}\n" for name, said in found.endpoints.items())
    for name, facts in found.streams.items():
        yield f"{name}: {facts['stream']}\n"
        yield from (f"  {what}: {fact}\n" for what, fact in facts.items() if what != "stream")
