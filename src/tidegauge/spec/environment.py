"""Environment variables in place of settings of the file: ``TIDEGAUGE_STREAMS__QUERIES__PANE=15m``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tidegauge.errors import UsageError
from tidegauge.spec.fault import said
from tidegauge.spec.model import Spec
from tidegauge.spec.table import plain_name

PREFIX: Final = "TIDEGAUGE_"
BETWEEN: Final = "__"
_NAMED: Final = {("streams",): "stream", ("alarms", "endpoints"): "endpoint"}
_TABLES: Final = tuple(field.alias or name for name, field in Spec.model_fields.items())


def override(
    tables: Mapping[str, Any], environ: Mapping[str, str]
) -> tuple[dict[str, Any], dict[tuple[str | int, ...], str], list[UsageError]]:
    """Put variables in place of settings.

    Parameters
    ----------
    tables : mapping
        The file's tables; not changed.
    environ : mapping of str to str
        The environment; case does not matter, and empty variables count as unset.

    Returns
    -------
    The tables, the variable that set each path, and what is wrong with variables that fit nowhere.

    Examples
    --------
    >>> override({"streams": {"Web-Search": {}}}, {"TIDEGAUGE_STREAMS__WEB_SEARCH__PANE": "5m"})[:2]
    ({'streams': {'Web-Search': {'pane': '5m'}}},
     {('streams', 'Web-Search', 'pane'): 'TIDEGAUGE_STREAMS__WEB_SEARCH__PANE'})
    """
    changed: dict[str, Any] = _copied(tables)
    by: dict[tuple[str | int, ...], str] = {}
    faults: list[UsageError] = []
    for variable, value in sorted(environ.items()):
        if not variable.upper().startswith(PREFIX) or not value:
            continue
        path = variable[len(PREFIX) :].lower().split(BETWEEN)
        if len(path) == 1 and path[0] not in _TABLES:
            continue  # another's: a service called tidegauge brings TIDEGAUGE_PORT with it
        try:
            path = _resolved(path, changed)
            _put(changed, path, value)
        except UsageError as fault:
            faults.append(UsageError(variable, got=fault.got, want=fault.want, hint=fault.hint))
        else:
            by[tuple(path)] = variable
    return changed, by, faults


def _resolved(path: list[str], tables: Mapping[str, Any]) -> list[str]:
    """Find the stream or endpoint that a variable means: there, case does not matter, and - is written as _."""
    if path[0] not in _TABLES:
        raise UsageError("", got=f"an unknown setting {path[0]!r}", want=f"one of {', '.join(_TABLES)}")
    for above, what in _NAMED.items():
        at = len(above)
        if tuple(path[:at]) == above:
            path = [*above, _name(path[at:], _at(tables, above), what), *path[at + 1 :]]
    if path[0] == "streams" and path[2:3] == ["outcomes"]:
        inner = tuple(path[:3])
        path = [*inner, _name(path[3:], _at(tables, inner), "outcome"), *path[4:]]
    return path


def _name(path: list[str], named: Any, what: str) -> str:
    names = {plain_name(str(name)): str(name) for name in named} if isinstance(named, Mapping) else {}
    if len(path) < 2 or path[0] not in names:
        want = f"a setting of one of the file's {what}s: {', '.join(names.values()) or 'none'}"
        got = f"{what} {path[0]!r}" if path else f"no {what}"
        raise UsageError("", got=got, want=want, hint=f"{what.capitalize()}s are named in the file")
    return names[path[0]]


def _at(tables: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        tables = tables.get(key) if isinstance(tables, Mapping) else None
    return tables


def _put(tables: dict[str, Any], path: list[str], value: str) -> None:
    inner: Any = tables
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
        if not isinstance(inner, dict):
            raise UsageError("", got=f"{said(inner)} at {key}", want="a table there")
    inner[path[-1]] = value


def _copied(tables: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copied(value) if isinstance(value, dict) else value for key, value in tables.items()}
