"""Rows and late outcomes as the bodies of messages."""

from __future__ import annotations

# pyarrow imports it, which nobody can do for the first time when the process is at its end.
import concurrent.futures.thread  # noqa: F401  # pyright: ignore[reportUnusedImport]
import json
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np

from tidegauge.client.rows import BESIDE, Late, Row
from tidegauge.errors import DataError

IMPORTING: Final = threading.Lock()
"""Held while pyarrow is imported: no process forks meanwhile, whose copy could never import it again."""
_ARROW: Final = "application/vnd.apache.arrow.stream"
_JSON: Final = "application/json"
_TEXTS: Final = ("id", "session", "segment", "text")


Group = Sequence[Row] | Sequence[Late]


@dataclass(frozen=True, slots=True)
class Message:
    """A body, and its headers with the key by which the service knows it again, however often it is sent."""

    path: str
    body: bytes
    headers: Mapping[str, str]


def groups(items: Iterable[Row | Late], most_bytes: int) -> list[Group]:
    """What may travel together, of at most so many bytes, rows before the outcomes that came after them.

    Rows of one model and one kind of number share a batch. Late outcomes of the same names do, as the service refuses a
    message that has one outcome which it does not expect.
    """
    rows: dict[tuple[str, str], list[Row]] = {}
    late: dict[tuple[str, ...], list[Late]] = {}
    for item in items:
        if isinstance(item, Row):
            rows.setdefault((item.model_id, item.vector.dtype.char), []).append(item)
        else:
            late.setdefault(tuple(sorted(item.outcomes)), []).append(item)
    return [part for group in (*rows.values(), *late.values()) for part in _parts(group, most_bytes)]


def message(items: Group) -> Message:
    """The message of a group, under a new key.

    Raises
    ------
    DataError
        Where it can be sent by pyarrow only, and that is missing.
    """
    headers = {"Content-Type": _JSON, "Idempotency-Key": uuid.uuid4().hex}
    rows = [item for item in items if isinstance(item, Row)]
    if not rows:
        return Message("outcomes", json_outcomes([item for item in items if isinstance(item, Late)]), headers)
    if rows[0].model_id:
        headers["Model-Id"] = rows[0].model_id
    pyarrow = _pyarrow()
    if pyarrow is not None:
        return Message("batches", arrow_rows(rows, pyarrow), {**headers, "Content-Type": _ARROW})
    if rows[0].vector.dtype == np.int8:
        raise DataError("vector", got="int8", want="pyarrow, without which they cannot be sent")
    return Message("batches", json_rows(rows), headers)


def smaller(items: Group, status: int) -> list[Group]:
    """What to send, under keys of their own, in place of a group that was refused as it is; nothing of it has arrived.

    Halves, where it was too large (413). Rows without their outcomes, where it was unusable (400, 422): the service
    refuses a batch with an outcome that its settings do not have.
    """
    middle = len(items) // 2
    if status == 413 and middle:
        return [items[:middle], items[middle:]]
    rows = [item for item in items if isinstance(item, Row)]
    if status in (400, 422) and any(row.outcomes for row in rows):
        return [[row._replace(outcomes={}) for row in rows]]
    return []


def arrow_rows(rows: Sequence[Row], pa: Any) -> bytes:
    """Rows as an Arrow IPC stream; columns of which nothing is known are left out.

    Parameters
    ----------
    rows : sequence of Row
        With vectors of one dtype.
    pa : module
        pyarrow.
    """
    columns: dict[str, Any] = {"vector": _arrow_vectors([row.vector for row in rows], pa)}
    columns["time"] = pa.array([row.time for row in rows], pa.float64())
    for name in _TEXTS:
        values: list[str | None] = [getattr(row, name) or None for row in rows]
        if any(values):
            columns[name] = _arrow_texts(values, pa)
    for name in _outcomes(rows):
        pairs = [row.outcomes.get(name) for row in rows]
        columns[name] = pa.array([None if pair is None else pair[0] for pair in pairs], pa.float64())
        if any(pair is not None and pair[1] != 1 for pair in pairs):
            columns[name + BESIDE] = pa.array([None if pair is None else pair[1] for pair in pairs], pa.float64())
    table = pa.RecordBatch.from_pydict(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_batch(table)
    return sink.getvalue().to_pybytes()


def json_rows(rows: Sequence[Row]) -> bytes:
    """Rows as JSON, for where pyarrow is missing; numbers that JSON has not are null."""
    columns: dict[str, Any] = {
        "vectors": [_json_vector(row.vector) for row in rows],
        "times": [row.time for row in rows],
    }
    for name in _TEXTS:
        values: list[str | None] = [getattr(row, name) or None for row in rows]
        if any(values):
            columns[f"{name}s"] = values
    names = _outcomes(rows)
    if names:
        columns["outcomes"] = {name: [_json_pair(row.outcomes.get(name)) for row in rows] for name in names}
    return json.dumps(columns).encode()


def json_outcomes(late: Sequence[Late]) -> bytes:
    """Late outcomes of the same names as JSON."""
    names = late[0].outcomes
    columns = {name: [_json_pair(each.outcomes[name]) for each in late] for name in names}
    return json.dumps({"ids": [each.id for each in late], "outcomes": columns}).encode()


def _parts(group: list[Row] | list[Late], most_bytes: int) -> Iterator[Group]:
    start = size = 0
    for i, item in enumerate(group):
        size += item.size
        if size > most_bytes and i > start:
            yield group[start:i]
            start, size = i, item.size
    yield group[start:]


def _outcomes(rows: Sequence[Row]) -> list[str]:
    return sorted({name for row in rows for name in row.outcomes})


def _arrow_vectors(vectors: list[Any], pa: Any) -> Any:
    """Lists of one fixed width where all have it; else the service tells which are wrong."""
    kind = pa.from_numpy_dtype(vectors[0].dtype)
    flat = pa.array(np.concatenate(vectors), kind)
    widths = [len(vector) for vector in vectors]
    if min(widths) == max(widths):
        return pa.FixedSizeListArray.from_arrays(flat, widths[0])
    return pa.ListArray.from_arrays(pa.array(np.cumsum([0, *widths]), pa.int32()), flat)


def _arrow_texts(values: list[str | None], pa: Any) -> Any:
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:  # half a character, as text that was cut has it
        return pa.array([_whole(value) for value in values], pa.string())


def _whole(value: str | None) -> str | None:
    return value if value is None else value.encode("utf-8", "replace").decode()


def _json_vector(vector: Any) -> list[float | None]:
    values: list[float | None] = vector.tolist()
    if np.isfinite(vector).all():
        return values
    return [value if np.isfinite(value) else None for value in vector.tolist()]


def _json_pair(pair: tuple[float, float] | None) -> float | tuple[float, float] | None:
    return pair if pair is None or pair[1] != 1 else pair[0]


@cache
def _pyarrow() -> Any:
    """pyarrow, or None where it is missing or broken. Its import takes a while: it is the sending thread's alone."""
    with IMPORTING:
        try:
            import pyarrow as pa
        except Exception:  # of another numpy, or no memory: rows go as JSON
            return None
        return pa
