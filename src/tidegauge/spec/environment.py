"""Environment variables in place of settings of the file: ``TIDEGAUGE_STREAMS__QUERIES__PANE=15m``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tidegauge.errors import UsageError
from tidegauge.spec.fault import said
from tidegauge.spec.model import Spec, plain_name

PREFIX: Final = "TIDEGAUGE_"
BETWEEN: Final = "__"
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
    """Find the stream that a variable means: there, case does not matter, and - is written as _."""
    if path[0] not in _TABLES:
        raise UsageError("", got=f"an unknown setting {path[0]!r}", want=f"one of {', '.join(_TABLES)}")
    if path[0] != "streams":
        return path
    streams = tables.get("streams")
    names = {plain_name(str(name)): str(name) for name in streams} if isinstance(streams, Mapping) else {}
    if len(path) < 3 or path[1] not in names:
        want = f"a setting of one of the file's streams: {', '.join(names.values()) or 'none'}"
        got = f"stream {path[1]!r}" if len(path) > 1 else "no stream"
        raise UsageError("", got=got, want=want, hint="Streams are named in the file")
    return ["streams", names[path[1]], *path[2:]]


def _put(tables: dict[str, Any], path: list[str], value: str) -> None:
    inner: Any = tables
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
        if not isinstance(inner, dict):
            raise UsageError("", got=f"{said(inner)} at {key}", want="a table there")
    inner[path[-1]] = value


def _copied(tables: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copied(value) if isinstance(value, dict) else value for key, value in tables.items()}
