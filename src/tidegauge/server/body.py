"""Bodies of requests: read within their bounds of bytes and time, unpacked within them, and turned into rows."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request

from tidegauge.errors import DataError
from tidegauge.gate import Ratio, admit, is_outcome_name
from tidegauge.records import Batch
from tidegauge.server.arrow import read_table
from tidegauge.server.problem import Refusal

JSON, ARROW = "application/json", "application/vnd.apache.arrow.stream"
SIDES: Final = {"ids": "id", "times": "time", "sessions": "session", "segments": "segment", "texts": "text"}
"""Columns beside the vectors: what ``admit`` calls them, and what one row's is called."""
DENOMINATOR: Final = "_denominator"
_CHUNK: Final = 1 << 16


async def read_body(request: Request, most: int, timeout: float) -> bytes:
    """Read a body that is at most so large, packed and unpacked, and does not take longer than so many seconds.

    Raises
    ------
    Refusal
        408, 413 or 415.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise Refusal(415, "Content-Encoding", got=encoding[:40], want="gzip, or none")
    parts, size = list[bytes](), 0
    try:
        async with asyncio.timeout(timeout):
            async for chunk in request.stream():
                size += len(chunk)
                if size > most:
                    raise _too_large(most)
                parts.append(chunk)
    except TimeoutError:
        raise Refusal(408, "body", got=f"no end of it in {timeout:g} s", want="all of it") from None
    body = b"".join(parts)
    return body if encoding == "identity" else await asyncio.to_thread(unpacked, body, most)


def unpacked(body: bytes, most: int) -> bytes:
    """Unpack gzip, of which no more is made than ``most`` bytes."""
    unpack = zlib.decompressobj(wbits=31)
    try:
        plain = unpack.decompress(body, most + 1)
    except zlib.error:
        raise Refusal(400, "body", got="damaged gzip", want="what Content-Encoding says") from None
    if len(plain) > most:
        raise _too_large(most)
    if not unpack.eof or unpack.unused_data:
        raise Refusal(400, "body", got="gzip that is cut off, or more than one piece", want="one whole piece")
    return plain


def read_json(body: bytes) -> dict[str, Any]:
    """Read an object of JSON."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(400, "body", got="no JSON", want="an object of JSON") from None
    if not isinstance(found, dict):
        raise Refusal(422, "body", got=f"JSON of another kind, {type(found).__name__}", want="an object")
    return found


def batch_of(body: bytes, media: str, *, most: int, outcomes: Mapping[str, Any], scale: float, name: str) -> Batch:
    """Turn a body into rows that passed the gate.

    Parameters
    ----------
    body : bytes
    media : str
        Its Content-Type, without parameters.
    most : int
        Rows that it may hold.
    outcomes : mapping
        The stream's outcomes, by name.
    scale : float
        What int8 vectors are multiplied by.
    name : str
        What the batch is called, in messages.
    """
    if media not in (JSON, ARROW):
        raise Refusal(415, "Content-Type", got=media[:80] or "none", want=f"{JSON} or {ARROW}")
    columns = _of_json(read_json(body), most) if media == JSON else _of_arrow(body, most)
    vectors, measured = columns.pop("vectors"), columns.pop("outcomes")
    for outcome in measured:
        if not is_outcome_name(str(outcome)) or outcome not in outcomes:
            known = ", ".join(outcomes) or "none, as the settings have none"
            raise DataError(f"outcome {str(outcome)[:80]!r}", got="no such outcome", want=f"one of {known}")
    try:
        return admit(vectors, **columns, outcomes=measured, scale=scale, source=f"batch {name}", strict_times=False)
    except (TypeError, ValueError, OverflowError, MemoryError) as error:
        raise DataError(f"batch {name}", got=str(error).splitlines()[0][:200], want="vectors of numbers") from None


def _of_json(given: dict[str, Any], most: int) -> dict[str, Any]:
    unknown = sorted(set(given) - {"vectors", "outcomes", *SIDES})
    if unknown:
        want = f"vectors, outcomes, {', '.join(SIDES)}"
        raise DataError("body", got=f"{unknown[0][:80]!r}", want=want)
    vectors = given.get("vectors")
    if not isinstance(vectors, list):
        raise DataError("vectors", got="nothing" if vectors is None else type(vectors).__name__, want="a list of lists")
    rows = len(vectors)
    _check_rows(rows, most)
    outcomes = given.get("outcomes") or {}
    if not isinstance(outcomes, dict):
        raise DataError("outcomes", got=type(outcomes).__name__, want="an object of lists")
    sides = {name: given[name] for name in SIDES if given.get(name) is not None}
    for name, values in (*sides.items(), *((f"outcome {name}", each) for name, each in outcomes.items())):
        if not isinstance(values, list) or len(values) != rows:
            got = f"{len(values):,} values" if isinstance(values, list) else type(values).__name__
            raise DataError(str(name)[:100], got=got, want=f"a list of {rows:,}, as there are vectors")
    return {"vectors": vectors, **sides, "outcomes": {name: pairs(values, name) for name, values in outcomes.items()}}


def pairs(values: list[Any], name: str) -> list[tuple[float, float]]:
    """Numerators and denominators of a list of numbers, pairs of them, and nulls."""
    found = list[tuple[float, float]]()
    for row, value in enumerate(values, 1):
        if value is None:
            found.append((0.0, 0.0))
        elif isinstance(value, int | float):
            found.append((_real(value), 1.0))
        elif isinstance(value, list) and len(value) == 2 and all(isinstance(each, int | float) for each in value):
            found.append((_real(value[0]), _real(value[1])))
        else:
            got = type(value).__name__
            raise DataError(f"outcome {str(name)[:80]}, row {row}", got=got, want="a number, [number, number], or null")
    return found


def _real(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _of_arrow(body: bytes, most: int) -> dict[str, Any]:
    table = read_table(body)
    names = table.column_names
    if len(set(names)) < len(names):
        raise DataError("columns", got="two of one name", want="each once")
    if "vector" not in names:
        raise DataError("columns", got=", ".join(names)[:200] or "none", want="a column 'vector'")
    _check_rows(table.num_rows, most)
    sides = {name: table[column] for name, column in SIDES.items() if column in names}
    rest = [name for name in names if name not in ("vector", *SIDES.values())]
    below = {name for name in rest if name.endswith(DENOMINATOR) and name.removesuffix(DENOMINATOR) in rest}
    outcomes = {
        name: Ratio(table[name], table[name + DENOMINATOR]) if name + DENOMINATOR in below else table[name]
        for name in rest
        if name not in below
    }
    return {"vectors": table["vector"], **sides, "outcomes": outcomes}


def _check_rows(rows: int, most: int) -> None:
    if not rows:
        raise DataError("batch", got="no rows", want="at least one")
    if rows > most:
        raise Refusal(413, "batch", got=f"{rows:,} rows", want=f"at most {most:,}", hint="Send several batches")


def _too_large(most: int) -> Refusal:
    return Refusal(413, "body", got=f"more than {most:,} bytes", want="fewer", hint="Send several batches")


def media_of(request: Request) -> str:
    """The kind of a body."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def check_json(request: Request) -> None:
    """Refuse what says that it is no JSON: a form of another site could send it."""
    if media_of(request) != JSON:
        raise Refusal(415, "Content-Type", got=media_of(request)[:80] or "none", want=JSON)
