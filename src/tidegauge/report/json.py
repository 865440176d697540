"""A comparison as JSON and back: the records' own fields, field by field, under a version that is checked.

NaN and infinities become null, and null becomes NaN again. Arrays are kept at the precision of float32.
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

from tidegauge.errors import ArtefactError
from tidegauge.records import Comparison
from tidegauge.report.frame import leading

SCHEMA = "tidegauge.comparison/1"


def _own_version() -> str:
    try:
        return version("tidegauge")
    except PackageNotFoundError:
        return "unknown"


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _array(values: np.ndarray[Any, Any]) -> Any:
    """Nest an array as lists whose numbers are the shortest that give the same float32."""
    if values.dtype.kind == "i":
        return values.tolist()
    with np.errstate(over="ignore"):
        flat = [_number(float(str(value))) for value in values.astype(np.float32).ravel()]
    if values.ndim < 2:
        return flat
    width = values.shape[1]
    return [flat[at : at + width] for at in range(0, len(flat), width)]


def _plain(value: Any) -> Any:
    """Turn a record, and all that it holds, into what JSON knows."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, np.ndarray):
        return _array(cast("np.ndarray[Any, Any]", value))
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in cast("tuple[Any, ...]", value)]
    if isinstance(value, float | np.floating):
        return _number(float(value))
    return int(value) if isinstance(value, np.integer) else value


def to_dict(c: Comparison) -> dict[str, Any]:
    """Turn a comparison into a dict that ``json`` can write, with ``schema`` and tidegauge's ``version`` first.

    Of the view's rows only the first 2,000 of each side are kept.
    """
    return {"schema": SCHEMA, "version": _own_version(), **_plain(replace(c, view=leading(c.view)))}


def render(c: Comparison) -> str:
    """Render a comparison as JSON, one top-level key a line.

    A lone surrogate, which UTF-8 cannot hold, is written as its escape.
    """
    pairs = (f"{json.dumps(name)}: {json.dumps(item, ensure_ascii=False)}" for name, item in to_dict(c).items())
    text = "{\n" + ",\n".join(pairs) + "\n}\n"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


# ---------------------------------------------------------------- and back


def _refuse(where: str, value: object, want: str) -> ArtefactError:
    shown = repr(value)
    return ArtefactError(f"comparison JSON, {where}", got=shown if len(shown) <= 60 else f"{shown[:57]}...", want=want)


@cache
def _hints(record: type) -> dict[str, Any]:
    return get_type_hints(record)


def _read_record(record: type, value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise _refuse(where, value, "an object")
    given = cast("Mapping[str, Any]", value)
    arguments: dict[str, Any] = {}
    for field in fields(record):
        if field.name in given:
            arguments[field.name] = _read(_hints(record)[field.name], given[field.name], f"{where}.{field.name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ArtefactError(f"comparison JSON, {where}", got=f"no {field.name!r}", want="every field of its schema")
    return record(**arguments)


def _read_array(value: Any, where: str) -> np.ndarray[Any, Any]:
    try:
        array = np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise _refuse(where, value, "numbers in one shape") from error
    # An empty list has lost its width; only the two samples of rows can be empty.
    return array.reshape(0, 2) if array.size == 0 else array


def _read_row_values(hint: Any, value: Any, where: str) -> np.ndarray[Any, Any]:
    """Read one value per row, of the type that the hint names."""
    kind = get_args(get_args(hint)[1])[0]
    try:
        array = np.asarray(value, dtype=kind)
    except (TypeError, ValueError, OverflowError) as error:
        raise _refuse(where, value, f"{kind.__name__} numbers") from error
    if array.ndim != 1:
        raise _refuse(where, value, "one number per row")
    return array


def _read_scalar(hint: Any, value: Any, where: str) -> Any:
    if get_origin(hint) is np.ndarray:
        return _read_row_values(hint, value, where)
    if hint is float and value is None:
        return math.nan
    wanted = (int, float) if hint is float else hint
    if not isinstance(value, wanted) or (isinstance(value, bool) and hint is not bool):
        raise _refuse(where, value, f"{hint.__name__}")
    return float(value) if hint is float else value


def _read_tuple(hints: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _refuse(where, value, "a list")
    items = cast("list[Any]", value)
    if hints[1:] == (...,):
        hints = hints[:1] * len(items)
    if len(hints) != len(items):
        raise _refuse(where, items, f"{len(hints)} items")
    return tuple(_read(hint, item, f"{where}[{at}]") for at, (hint, item) in enumerate(zip(hints, items, strict=True)))


def _read_union(hints: tuple[Any, ...], value: Any, where: str) -> Any:
    if any(get_origin(hint) is np.ndarray for hint in hints):
        return _read_array(value, where)
    if value is None and type(None) in hints:
        return None
    return _read(next(hint for hint in hints if hint is not type(None)), value, where)


def _read_mapping(hint: Any, value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _refuse(where, value, "an object")
    return {name: _read(hint, item, f"{where}.{name}") for name, item in cast("dict[str, Any]", value).items()}


def _read(hint: Any, value: Any, where: str) -> Any:
    """Read a value as its type hint says, or refuse it with the path at which it stands."""
    origin, arguments = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        return _read_record(cast("type", hint), value, where)
    if origin is Literal:
        if value not in arguments:
            raise _refuse(where, value, f"one of {', '.join(map(repr, arguments))}")
        return value
    if origin is tuple:
        return _read_tuple(arguments, value, where)
    if origin in (Union, types.UnionType):
        return _read_union(arguments, value, where)
    if origin is Mapping:
        return _read_mapping(arguments[1], value, where)
    return _read_scalar(hint, value, where)


def from_dict(d: Mapping[str, Any]) -> Comparison:
    """Read a comparison back from what ``to_dict`` made, or from its parsed JSON.

    Fields that this version does not know are ignored; fields that it can do without may be missing.

    Parameters
    ----------
    d : mapping
        As parsed by ``json.loads``.

    Returns
    -------
    Comparison
        Equal to the one written, at the precision of the JSON.

    Raises
    ------
    ArtefactError
        Where the schema is another one, or a field is missing or of the wrong kind.

    Examples
    --------
    >>> from_dict({"schema": "tidegauge.comparison/9"})
    Traceback (most recent call last):
    tidegauge.errors.ArtefactError: comparison JSON, schema: got 'tidegauge.comparison/9', want 'tidegauge.comparison/1'
    """
    if d.get("schema") != SCHEMA:
        raise _refuse("schema", d.get("schema"), repr(SCHEMA))
    return _read_record(Comparison, d, "comparison")
