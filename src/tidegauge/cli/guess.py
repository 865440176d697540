"""Which columns of a source probably hold what, by their names and kinds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegauge.errors import TidegaugeError

if TYPE_CHECKING:
    from tidegauge.read.table import Kind

_BYTES = 1 << 20
_NAMES = {
    "id": ("id", "row_id", "query_id", "doc_id", "document_id", "event_id", "uuid", "key"),
    "text": ("text", "query", "question", "content", "document", "body", "title"),
    "time": ("time", "timestamp", "event_time", "created_at", "ts", "at", "datetime", "date"),
    "session": ("session", "session_id", "conversation_id", "visit", "visit_id"),
    "segment": ("segment", "locale", "language", "lang", "country", "tenant", "client"),
}
_OUTCOMES = ("success", "clicked", "click", "converted", "resolved", "escalated", "no_answer", "rating")


def guess(source: str) -> dict[str, Any]:
    """Guess the settings of ``columns`` from the first file of a source; nothing where it does not tell.

    What is returned can be read: the first rows were.
    """
    try:
        guessed = _named(_kinds(source))
        return guessed if guessed and _readable(source, guessed) else {}
    except TidegaugeError:
        return {}


def _named(kinds: Mapping[str, Kind]) -> dict[str, Any]:
    lower = {name.lower(): name for name in kinds}
    found: dict[str, Any] = {}
    lists = [name for name, kind in kinds.items() if kind == "list"]
    if len(lists) == 1:
        found["vector"] = lists[0]
    for column, names in _NAMES.items():
        match = _first(names, lower)
        if match is not None and match not in lists:
            found[column] = match
    outcomes = [lower[name] for name in _OUTCOMES if name in lower and lower[name] not in lists]
    return {**found, **({"outcomes": outcomes} if outcomes else {})}


def _first(names: Iterable[str], there: Mapping[str, str]) -> str | None:
    return next((there[name] for name in names if name in there), None)


def _kinds(source: str) -> dict[str, Kind]:
    """The kind of every column of a table's first file; none for arrays."""
    from tidegauge.read.failure import failing
    from tidegauge.read.files import expand
    from tidegauge.read.table import arrow_kinds

    path = expand(source)[0]
    with failing(str(path), "table"):
        schema = _schema(path)
    return {} if schema is None else arrow_kinds(schema, str(path))


def _schema(path: Path) -> Any:
    import pyarrow as pa
    from pyarrow import csv, ipc, json, parquet

    name = path.name.lower().removesuffix(".gz")
    if name.endswith((".parquet", ".pq")):
        return parquet.read_schema(path)
    if name.endswith((".arrow", ".ipc", ".feather", ".arrows")):
        with pa.OSFile(str(path)) as file:
            is_file = file.read(6) == b"ARROW1"
            file.seek(0)
            return (ipc.open_file if is_file else ipc.open_stream)(file).schema
    if name.endswith((".csv", ".tsv")):
        parse = csv.ParseOptions(delimiter="\t" if name.endswith(".tsv") else ",")
        return csv.open_csv(path, parse_options=parse).schema
    if name.endswith((".jsonl", ".ndjson")):
        with pa.input_stream(str(path), compression="detect") as stream:
            start = stream.read(_BYTES)
        whole = start[: start.rfind(b"\n") + 1] or start
        return json.read_json(pa.BufferReader(whole)).schema
    return None


def _readable(source: str, guessed: Mapping[str, Any]) -> bool:
    from tidegauge.read.files import open_source
    from tidegauge.spec import ColumnNames

    columns = ColumnNames(**guessed).columns
    return any(batch.rows for batch in open_source(source, columns).batches(64))
