"""Holds JSON against the types that Grafana generates from its own schema: is it a field, is it such a value."""

from __future__ import annotations

import enum
import sys
import types
import typing
import warnings
from collections.abc import Iterator
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # the classic dashboard is the one that every Grafana imports
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard, Panel, RowPanel

register_default_plugins()

EXPORTED = {"__inputs", "__elements", "__requires"}
"""What an exported dashboard has besides, for whoever imports it."""


def faults(dashboard: dict[str, Any]) -> list[str]:
    """All that Grafana's types do not know of a dashboard, by its place."""
    given = {name: value for name, value in dashboard.items() if name not in EXPORTED}
    return list(_of_object(Dashboard.from_json(given), given, "dashboard"))


def _of_object(found: Any, given: dict[str, Any], at: str) -> Iterator[str]:
    known = found.to_json()
    strange = [name for name, value in given.items() if name not in known and value is not None]
    yield from (f"{at}.{name}: no field of {type(found).__name__}" for name in strange)
    hints = typing.get_type_hints(type(found), vars(sys.modules[type(found).__module__]))
    for name, hint in hints.items():
        # As Python calls a field, and as JSON does: schema_version and schemaVersion, type_val and type.
        key = {key.lower(): key for key in given}.get(name.removesuffix("_val").replace("_", ""))
        if key in known:
            yield from _of_value(getattr(found, name), given[key], hint, f"{at}.{key}")


def _of_value(value: Any, given: Any, hint: Any, at: str) -> Iterator[str]:
    if isinstance(given, list) and isinstance(value, list):
        inner = next((typing.get_args(each)[0] for each in _choices(hint) if typing.get_origin(each) is list), Any)
        for i, (one, raw) in enumerate(zip(value, given, strict=True)):
            yield from _of_value(one, raw, inner, f"{at}[{i}]")
    elif hasattr(value, "to_json"):
        if isinstance(hint, type) and not isinstance(value, hint) and not isinstance(value, Panel | RowPanel):
            yield f"{at}: got {type(value).__name__}, want {hint.__name__}"
        yield from _of_object(value, given, at)
    elif isinstance(given, dict) and (shape := next((e for e in _choices(hint) if hasattr(e, "from_json")), None)):
        yield from _of_object(shape.from_json(given), given, at)
    elif isinstance(given, dict) and typing.get_origin(hint) is dict:
        for key, raw in given.items():
            yield from _of_value(value[key], raw, typing.get_args(hint)[1], f"{at}.{key}")
    elif not _fits(given, hint):
        yield f"{at}: got {given!r}, want {hint}"


def _choices(hint: Any) -> tuple[Any, ...]:
    """The types of which a value may be."""
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value without fields of its own is of a type."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if len(_choices(hint)) > 1:
        return any(_fits(value, each) for each in inner)
    if origin is typing.Literal:
        return value in inner
    if origin in (list, dict):
        held = value.values() if isinstance(value, dict) else value
        return isinstance(value, origin) and all(_fits(each, inner[-1]) for each in held)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return value in [each.value for each in hint]
    if isinstance(value, bool) and hint in (int, float):
        return False
    wanted = {float: (int, float), Any: object}.get(hint, hint)
    return isinstance(value, wanted)
