"""The settings themselves: what each means, its unit, its default, and what it may be.

The texts below the fields are what the JSON Schema, ``tidegauge init`` and the manual say of them.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    field_serializer,
    field_validator,
    model_validator,
)

from tidegauge.records import Columns, Outcome, OutcomeColumns, OutcomeUnit, StreamKind
from tidegauge.spec.alarms import Alarms, AlarmSettings, check_budget
from tidegauge.spec.fault import Refused, masked
from tidegauge.spec.length import (
    PANE_PATTERN,
    ROWS_PATTERN,
    Pane,
    length_text,
    read_length,
    read_pane,
)
from tidegauge.spec.outcomes import NAME as OUTCOME_NAME
from tidegauge.spec.outcomes import NAME_WANTED as OUTCOME_NAME_WANTED
from tidegauge.spec.outcomes import OutcomeSettings
from tidegauge.spec.server import Server
from tidegauge.spec.table import (
    NAME,
    NAME_WANTED,
    PLAIN,
    SPAN_SCHEMA,
    Name,
    Names,
    Seconds,
    Table,
    address_beside,
    beside,
    listed,
    plain_name,
)

STDIN: Final = "-"
STORES: Final = ("sqlite", "postgres", "postgresql", "postgresql+psycopg")
_STORE_WANTED: Final = "sqlite:///FILE, or postgresql://USER:PASSWORD@HOST/DATABASE"
_WINDOWS: Final = (3600, 86_400, 604_800)
_KEPT: Final = {0: 2 * 86_400, 3600: 30 * 86_400, 86_400: 400 * 86_400, 604_800: 3650 * 86_400}
_KEPT_PANES: Final = 1000
_SILENT_PANES: Final = 12
_LENGTH_SCHEMA: Final[dict[str, Any]] = {"anyOf": [*SPAN_SCHEMA["anyOf"], {"type": "string", "pattern": ROWS_PATTERN}]}


def _located(value: Any, info: ValidationInfo) -> Any:
    """Take a relative path as one beside the file of settings."""
    return beside(str(value), info) if value and isinstance(value, str | Path) else value


File = Annotated[Path, BeforeValidator(_located)]


class StoreTable(Table):
    """Where the history is kept."""

    url: str = Field(default="sqlite:///tidegauge.db", validate_default=True)
    """Address of the store: sqlite:///FILE, or postgresql://USER:PASSWORD@HOST/DATABASE, which several writers share.
    A password is better set as TIDEGAUGE_STORE__URL than written here."""

    @field_validator("url")
    @classmethod
    def _known(cls, url: str, info: ValidationInfo) -> str:
        scheme, separator, rest = url.partition("://")
        if not separator or not rest or scheme not in STORES:
            hint = "" if "://" in url else f"For a file, say sqlite:///{masked(url) or 'tidegauge.db'}"
            raise Refused(url, _STORE_WANTED, hint)
        path = url.partition(":///")[2]
        if scheme == "sqlite" and (path in ("", ":memory:") or "?" in path):
            raise Refused(url, _STORE_WANTED, "A store lasts in a file, and has no options")
        return address_beside(url, info)


class ColumnNames(Table):
    """Which columns of the source hold what."""

    vector: Name | None = Field(default=None, examples=["embedding"])
    """Column of the vectors, or a pattern such as dim_* with one column per dimension. Unset: found by itself where
    only one can be it."""
    id: Name | None = Field(default=None, examples=["id"])
    """Column of the rows' own ids, by which rows are sampled alike everywhere, and can be forgotten."""
    text: Name | None = Field(default=None, examples=["text"])
    """Column of the texts, shown as examples."""
    time: Name | None = Field(default=None, examples=["time"])
    """Column of event times, which put rows into panes."""
    session: Name | None = Field(default=None, examples=["session"])
    """Column of sessions."""
    segment: Name | None = Field(default=None, examples=["locale"])
    """Column of a slice of few values, such as the locale; each gets windows of its own."""
    outcomes: Names = Field(default=(), examples=[["success"]])
    """Columns of product metrics beside the vectors, each an outcome of any unit of which it is harm that it falls; a
    table streams.NAME.outcomes.COLUMN says more of it."""
    scale: Annotated[float, Field(gt=0), PLAIN] | None = Field(default=None, examples=[0.007874])
    """What int8 vectors are multiplied by. Unset: as the reference's were, or 1/127."""

    @property
    def columns(self) -> Columns:
        """The record by which readers know the columns."""
        scale = Columns().scale if self.scale is None else self.scale
        names = {name: getattr(self, name) for name in ("vector", "id", "text", "time", "session", "segment")}
        return Columns(**names, outcomes=self.outcomes, scale=scale)

    @property
    def of_canaries(self) -> Columns:
        """The same for a file of canaries, which has vectors and what they are known again by."""
        return replace(self.columns, time=None, session=None, segment=None, outcomes=())


class Samples(Table):
    """Which rows are kept as examples."""

    keep: bool = True
    """Whether any are; if not, no vector, id or text is ever stored."""
    uniform: Annotated[int, Field(ge=0, le=65_536), PLAIN] = 512
    """Rows of a window kept at random."""
    novel: Annotated[int, Field(ge=0, le=65_536), PLAIN] = 128
    """Rows of a window kept because they are far from all that the reference knows."""
    half_life: Seconds = 0
    """How fast older rows give way to newer ones within a window; 0 means not at all."""


class Quality(Table):
    """When the data are not fit to be judged."""

    max_rejected: Annotated[float, Field(ge=0, le=1), PLAIN] = 0.05
    """Share of a window's rows that may be set aside as unusable."""
    max_duplicates: Annotated[float, Field(ge=0, le=1), PLAIN] = 0.5
    """Share of a window's rows that may repeat others."""
    silence: Seconds | None = Field(default=None, examples=["1h"])
    """How long no row may come before it is called silence; 0 means for ever. Unset: twelve panes."""


class Canary(Table):
    """Rows whose vectors must not change: where they do, the model did."""

    file: File = Field(examples=["canaries.parquet"])
    """File of the canaries' ids and vectors, as they were when the reference was fitted."""
    tolerance: Annotated[float, Field(ge=0, le=2), PLAIN] = 0.01
    """Cosine distance by which a canary may move."""


def _default_windows(data: Mapping[str, Any]) -> tuple[int, ...]:
    pane = data.get("pane")
    if pane is None or pane.unit == "rows" or data.get("kind") == "snapshot":
        return ()
    return tuple(length for length in _WINDOWS if length > pane.length and length % pane.length == 0)


def _default_keep(data: Mapping[str, Any]) -> dict[int, int]:
    """Keep each length for a time that goes with it, and long enough for the next longer one to be made of it."""
    if data.get("kind") == "snapshot":
        return {0: _KEPT[604_800]}
    pane, windows = data.get("pane"), data.get("windows", ())
    if pane is None:
        return {}
    lengths = (pane.length, *windows)
    return {length: _kept(length, pane, 2 * longer) for length, longer in zip(lengths, (*windows, 0), strict=True)}


def _kept(length: int, pane: Pane, least: int) -> int:
    if pane.unit == "rows":
        return max(_KEPT_PANES * length, least)
    return max(next(kept for size, kept in reversed(_KEPT.items()) if length >= size), least)


class StreamSpec(Table):
    """One monitored flow of embeddings, or the present content of an index.

    Examples
    --------
    >>> stream = StreamSpec(name="queries", pane="15m")
    >>> stream.windows, stream.silence_after, stream.keep_for(3600) // 86_400
    ((3600, 86400, 604800), 10800, 30)
    """

    name: str
    """Name of the stream: letters, digits, - and _."""
    kind: StreamKind = "stream"
    """stream: rows that keep coming. snapshot: the present content of an index, replaced whole."""
    source: str = Field(default="", examples=["queries/*.parquet", "-", "postgresql://reader@host/search"])
    """Where rows come from: a file, folder or pattern of .npy, .npz, Parquet, Arrow IPC, CSV or JSONL; - for standard
    input; or the SQLAlchemy address of a database. Unset: from 'tidegauge observe' only."""
    table: str = Field(default="", validate_default=True, examples=["queries"])
    """Table to read, where the source is a database."""
    key: str = Field(default="", validate_default=True, examples=["id"])
    """Column of that table that only rises, by which new rows are told from old ones."""
    reference: File | None = Field(default=None, examples=["normal.tg"])
    """What is normal: the file that 'tidegauge fit' made. Unset: given later by 'tidegauge rebaseline'."""
    model_id: str = Field(default="", examples=["my-encoder-1"])
    """The embedding model of these vectors; the reference of another model is refused. Unset: not checked."""
    truncate: Annotated[int, Field(ge=1), PLAIN] | None = Field(default=None, examples=[256])
    """Keep only the first so many dimensions, and make every vector unit length again: for Matryoshka models."""
    columns: ColumnNames = ColumnNames()
    pane: Annotated[
        Pane,
        BeforeValidator(read_pane),
        PlainSerializer(str, when_used="json"),
        WithJsonSchema({"type": "string", "pattern": PANE_PATTERN}),
    ] = Pane("seconds", 300)
    """The smallest window: a span of event time such as 5m, or a number of rows such as 1000 rows. Of a stream that has
    windows it is changed by setting it and giving a reference, the same or another, to tidegauge rebaseline: what is
    open is closed as it was cut, and windows are counted anew from there. Until then the stream is refused."""
    windows: Annotated[tuple[int, ...], WithJsonSchema({"type": "array", "items": _LENGTH_SCHEMA})] = Field(
        default_factory=_default_windows,
    )
    """Longer windows, rising, each a whole multiple of the one before and of the pane. Unset: those of 1h, 1d and 1w
    that are; none where panes are of rows."""
    lateness: Seconds = 600
    """How long a window waits after its end for rows that come late, in event time."""
    future: Seconds = 300
    """How far ahead of the clock a row's time may be; beyond, it is set aside."""
    keep: Annotated[Mapping[int, int], WithJsonSchema({"type": "object", "additionalProperties": _LENGTH_SCHEMA})] = (
        Field(default_factory=_default_keep)
    )
    """How long panes and windows are kept, by length, in event time; in rows where panes are of rows. Unset: under an
    hour 2d, under a day 30d, under a week 400d, else 10y; 1000 panes where they are of rows."""
    segments: Annotated[int, Field(ge=1, le=1000), PLAIN] = 20
    """How many segments get windows of their own; those that come later share one, called other."""
    samples: Samples = Samples()
    share: Annotated[float, Field(gt=0, le=1), PLAIN] = 1.0
    """Work budget: the share of rows that is sketched, chosen by a hash of their ids; all are counted."""
    alpha: Annotated[float, Field(gt=0, lt=1), PLAIN] = 0.05
    """Share of unchanged windows that may be called drift."""
    min_effect: Annotated[float, Field(ge=0, le=100), PLAIN] = 0.0
    """Smallest drift of interest, in per cent of the traffic."""
    quality: Quality = Quality()
    canary: Canary | None = None
    alarm: AlarmSettings = AlarmSettings()
    outcomes: Mapping[str, OutcomeSettings] = Field(default={}, validate_default=True)
    """Product metrics, by name: beside the vectors, late by the rows' ids, or as ready series."""
    documents: str = Field(default="", examples=["documents"])
    """The snapshot among the streams that answers these queries: 'tidegauge link' says how much of them it covers."""
    batch_rows: Annotated[int, Field(ge=1, le=1_048_576), PLAIN] = 16_384
    """Rows read and stored in one go."""

    @property
    def declared(self) -> tuple[Outcome, ...]:
        """The outcomes: those that have a table, then plain columns."""
        plain = [name for name in self.columns.outcomes if name not in self.outcomes]
        return (*(each.of(name) for name, each in self.outcomes.items()), *(Outcome(n, unit="number") for n in plain))

    @property
    def units(self) -> dict[str, OutcomeUnit]:
        """What each outcome may be, by name."""
        return {each.name: each.unit for each in self.declared}

    @property
    def late(self) -> int:
        """Seconds after a row in which outcomes of it may come; 0 where none come late."""
        return max((each.late or 0 for each in self.outcomes.values()), default=0)

    @property
    def sides(self) -> Columns:
        """The record by which readers know the columns, outcomes beside the vectors among them."""
        beside = {name: each.columns(name) for name, each in self.outcomes.items() if each.is_beside}
        for name in self.columns.outcomes:
            known = self.outcomes.get(name)
            beside.setdefault(name, OutcomeColumns(name, name) if known is None else known.columns(name))
        measures = tuple(beside.values())
        needed = dict.fromkeys(each for m in measures for each in (m.column, m.denominator) if each)
        return replace(self.columns.columns, outcomes=tuple(needed), measures=measures)

    @property
    def silence_after(self) -> int:
        """Seconds without a row after which the stream is silent; 0 means never."""
        if self.quality.silence is not None:
            return self.quality.silence
        timed = self.kind == "stream" and self.pane.unit == "seconds"
        return _SILENT_PANES * self.pane.length if timed else 0

    @property
    def is_database(self) -> bool:
        """Whether the source is the address of a database."""
        return "://" in self.source

    def keep_for(self, length: int) -> int:
        """How long windows of a length are kept: seconds, or rows where panes are of rows.

        A length that is none of the stream's own is kept as the next shorter one is.
        """
        known = sorted(self.keep)
        return self.keep[max((each for each in known if each <= length), default=known[0])]

    @field_validator("name")
    @classmethod
    def _plain(cls, name: str) -> str:
        if not re.fullmatch(NAME, name):
            raise Refused(name, NAME_WANTED)
        return name

    @field_validator("source")
    @classmethod
    def _source_beside(cls, source: str, info: ValidationInfo) -> str:
        if not source or source == STDIN:
            return source
        if "://" in source:
            return address_beside(source, info)
        # Of a pattern, only what the user wrote is one: the folder of the file may have a bracket in its name.
        folder = str(info.context["folder"]) if info.context else ""
        path = beside(source, info)
        widened = glob.has_magic(source) and glob.has_magic(folder) and path.startswith(folder)
        return glob.escape(folder) + path[len(folder) :] if widened else path

    @field_validator("table", "key")
    @classmethod
    def _of_database(cls, value: str, info: ValidationInfo) -> str:
        source = info.data.get("source")
        if source is None:
            return value
        if value and "://" not in source:
            raise Refused(value, "nothing, as the source is no database", "Only a database has tables and keys")
        needed = info.field_name == "table" or info.data.get("kind") == "stream"
        if not value and needed and "://" in source:
            what = "a table to read" if info.field_name == "table" else "a column that only rises, such as 'id'"
            raise Refused(None, f"the name of {what}, as the source is a database")
        return value

    @field_validator("pane", "windows", "lateness", "future", "keep", mode="before")
    @classmethod
    def _timed(cls, value: Any, info: ValidationInfo) -> Any:
        if info.data.get("kind") == "snapshot":
            raise Refused(value, "nothing, as a snapshot has no panes", "Leave it out, or say kind = 'stream'")
        return value

    @field_validator("windows", mode="before")
    @classmethod
    def _rising(cls, value: Any, info: ValidationInfo) -> Any:
        pane: Pane | None = info.data.get("pane")
        value = listed(value)
        if pane is None or not isinstance(value, list | tuple):
            return value if pane else ()
        lengths = tuple(read_length(each, pane.unit) for each in value)
        for shorter, length in zip((pane.length, *lengths), lengths, strict=False):
            if length <= shorter or length % shorter:
                before = "the pane" if shorter == pane.length else "the window before"
                want = f"a whole multiple of {length_text(shorter, pane.unit)}, {before}"
                raise Refused(length_text(length, pane.unit), want)
        return lengths

    @field_validator("keep", mode="before")
    @classmethod
    def _long_enough(cls, value: Any, info: ValidationInfo) -> Any:
        pane: Pane | None = info.data.get("pane")
        windows: tuple[int, ...] | None = info.data.get("windows")
        if pane is None or windows is None or not isinstance(value, Mapping):
            return {} if isinstance(value, Mapping) else value
        given = {_length_named(str(key), pane, windows): (str(key), each) for key, each in value.items()}
        kept = _default_keep(info.data)
        waits = info.data.get("lateness", 0) if pane.unit == "seconds" else 0
        for length, longer in zip((pane.length, *windows), (*windows, 0), strict=True):
            if length not in given:
                continue
            key, each = given[length]
            try:
                kept[length] = read_length(each, pane.unit)
            except Refused as refused:
                raise Refused(each, refused.want, below=(key,)) from None
            least = longer + waits if longer else length
            if kept[length] < least:
                raise Refused(each, _least_said(length, longer, waits, pane), below=(key,))
        return kept

    @field_validator("outcomes")
    @classmethod
    def _fit_the_stream(cls, outcomes: Mapping[str, OutcomeSettings], info: ValidationInfo) -> Any:
        kind, pane, columns = (info.data.get(name) for name in ("kind", "pane", "columns"))
        for name, each in outcomes.items():
            if not re.fullmatch(OUTCOME_NAME, name):
                raise Refused(name, OUTCOME_NAME_WANTED, below=(name,))
            if each.late is not None and kind == "snapshot":
                raise Refused(each.late, "nothing, as rows of a snapshot leave it", below=(name, "late"))
            if each.late is not None and columns is not None and not columns.id:
                hint = "Name the column of ids as columns.id"
                raise Refused(each.late, "nothing, as rows have no ids by which to know them", hint, (name, "late"))
            if each.source and (kind == "snapshot" or (pane is not None and pane.unit == "rows")):
                raise Refused(each.source, "nothing, as the stream has no panes of time", below=(name, "source"))
        return outcomes

    @field_serializer("windows", when_used="json")
    def _windows_said(self, windows: tuple[int, ...]) -> list[str]:
        return [length_text(length, self.pane.unit) for length in windows]

    @field_serializer("keep", when_used="json")
    def _keep_said(self, keep: Mapping[int, int]) -> dict[str, str]:
        unit = self.pane.unit
        named = {length: length_text(length, unit) for length in keep}
        return {
            "pane" if length == self.pane.length else named[length]: length_text(keep[length], unit) for length in keep
        }


def _length_named(key: str, pane: Pane, windows: tuple[int, ...]) -> int:
    """The length that a key of ``keep`` names."""
    if key == "pane":
        return pane.length
    names = ["pane", *(length_text(length, pane.unit) for length in windows)]
    try:
        length = read_length(key, pane.unit)
    except Refused:
        length = -1
    if length not in (pane.length, *windows):
        raise Refused(key, f"one of {', '.join(names)}", "Only the stream's own windows are kept", below=())
    return length


def _least_said(length: int, longer: int, waits: int, pane: Pane) -> str:
    if not longer:
        return f"at least {length_text(length, pane.unit)}, its own length"
    late = f" and the lateness of {length_text(waits)}" if waits else ""
    return f"at least {length_text(longer, pane.unit)}{late}: the next longer window is made of these"


class Spec(Table):
    """All that is monitored, and where the history is kept.

    Examples
    --------
    >>> spec = Spec(streams={"queries": {"pane": "1h"}})
    >>> spec.store, str(spec.streams["queries"].pane)
    ('sqlite:///tidegauge.db', '1h')
    """

    model_config = ConfigDict(title="tidegauge settings", populate_by_name=True)

    database: StoreTable = Field(default=StoreTable(), alias="store", validate_default=True)
    poll: Annotated[Seconds, Field(ge=1)] = 10
    """How long to wait before looking for new rows again."""
    alarms: Alarms = Alarms()
    server: Server = Server()
    streams: dict[str, StreamSpec] = Field(default={})
    """What is monitored, by name."""

    @property
    def store(self) -> str:
        """Address of the store."""
        return self.database.url

    @field_validator("database", mode="before")
    @classmethod
    def _as_table(cls, value: Any) -> Any:
        if isinstance(value, StoreTable):  # the default, too, is a path beside the file
            return value.model_dump()
        return {"url": value} if isinstance(value, str) else value

    @field_validator("streams", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            str(name): {"name": str(name), **each} if isinstance(each, dict) else each for name, each in value.items()
        }

    @field_validator("streams")
    @classmethod
    def _apart(cls, streams: dict[str, StreamSpec]) -> dict[str, StreamSpec]:
        plain: dict[str, str] = {}
        for name, stream in streams.items():
            if stream.name != name:
                raise Refused(stream.name, f"{name!r}, the name of its table", "Leave it out", below=(name, "name"))
            other = plain.setdefault(plain_name(name), name)
            if other != name:
                raise Refused(name, f"a name that differs from {other!r} in more than case, - and _", below=(name,))
            answers = streams.get(stream.documents)
            if stream.documents and (answers is None or answers.kind != "snapshot"):
                known = ", ".join(each for each, some in streams.items() if some.kind == "snapshot")
                want = f"one of the snapshots: {known}" if known else "a snapshot, and the settings have none"
                raise Refused(stream.documents, want, below=(name, "documents"))
        return streams

    @model_validator(mode="after")
    def _budget_that_can_be_kept(self) -> Self:
        panes = {name: each.pane for name, each in self.streams.items() if each.alarm.enabled and each.kind == "stream"}
        if "budget" in self.alarms.model_fields_set:
            check_budget(self.alarms.budget, panes)
        return self
