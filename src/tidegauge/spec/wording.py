"""What a validator found, in a person's words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from tidegauge.errors import UsageError
from tidegauge.spec.alarms import Alarms, AlarmSettings, Endpoint
from tidegauge.spec.fault import Refused, said
from tidegauge.spec.model import Canary, ColumnNames, Quality, Samples, Spec, StoreTable, StreamSpec
from tidegauge.spec.outcomes import OutcomeSettings

_INNER: Final[dict[str, type[BaseModel]]] = {
    "columns": ColumnNames,
    "samples": Samples,
    "quality": Quality,
    "canary": Canary,
    "alarm": AlarmSettings,
}
_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)

Path = tuple[str | int, ...]

_WANTED: Final[dict[str, Callable[[dict[str, Any]], str]]] = {
    "bool_parsing": lambda context: "true or false",
    "bool_type": lambda context: "true or false",
    "dict_type": lambda context: "a table",
    "finite_number": lambda context: "a finite number",
    "float_parsing": lambda context: "a number",
    "float_type": lambda context: "a number",
    "greater_than": lambda context: f"more than {context['gt']:,.12g}",
    "greater_than_equal": lambda context: f"at least {context['ge']:,.12g}",
    "int_from_float": lambda context: "a whole number",
    "int_parsing": lambda context: "a whole number",
    "int_parsing_size": lambda context: "a smaller number",
    "int_type": lambda context: "a whole number",
    "less_than": lambda context: f"less than {context['lt']:,.12g}",
    "less_than_equal": lambda context: f"at most {context['le']:,.12g}",
    "list_type": lambda context: "a list",
    "literal_error": lambda context: str(context["expected"]),
    "mapping_type": lambda context: "a table",
    "missing": lambda context: "a value: it has no default",
    "model_attributes_type": lambda context: "a table",
    "model_type": lambda context: "a table",
    "path_type": lambda context: "a path",
    "string_too_short": lambda context: "some text",
    "string_type": lambda context: "text",
    "tuple_type": lambda context: "a list",
}


def worded(error: ValidationError, file: str, by: Mapping[Path, str]) -> list[UsageError]:
    """Say each thing that a validator found: where in the file, or which variable set it, what came, what is wanted.

    Parameters
    ----------
    error : ValidationError
        What pydantic found.
    file : str
        The file's name.
    by : mapping of path to variable
        What the environment set.
    """
    return [
        _fault(each, file, by)
        for each in error.errors(include_url=False)
        # A default that hangs on a setting which is wrong itself: that one is told already.
        if each["type"] != "default_factory_not_called"
    ]


def path_text(path: Path) -> str:
    """Write a path as TOML does.

    Examples
    --------
    >>> path_text(("streams", "my queries", "columns", "outcomes", 1))
    "streams.'my queries'.columns.outcomes, item 2"
    """
    keys = ".".join(key if _BARE.fullmatch(key) else repr(key) for key in path if isinstance(key, str))
    return keys + "".join(f", item {key + 1}" for key in path if isinstance(key, int))


def _fault(error: Mapping[str, Any], file: str, by: Mapping[Path, str]) -> UsageError:
    loc: Path = tuple(error["loc"])
    # What is wrong with a stream's name is wrong with the table's own.
    path = loc[:2] if loc[:1] == ("streams",) and loc[2:] == ("name",) else loc
    refused = error.get("ctx", {}).get("error")
    if isinstance(refused, Refused):
        path = (*path, *refused.below)
        got, want, hint = refused.got, refused.want, refused.hint
    elif error["type"] == "extra_forbidden":
        got, want, hint = "an unknown setting", *_known(path)
    else:
        wanted = _WANTED.get(error["type"], lambda context: "another kind of value; see the manual")
        got = "nothing" if error["type"] == "missing" else said(error["input"])
        want, hint = wanted(error.get("ctx", {})), ""
    what = f"{file}: {path_text(path)}"
    variable = next((by[path[:n]] for n in range(len(path), 0, -1) if path[:n] in by), None)
    return UsageError(f"{what} (set by {variable})" if variable else what, got=got, want=want, hint=hint)


def _known(path: Path) -> tuple[str, str]:
    """What may stand where an unknown setting stands, and a hint where it belongs elsewhere."""
    key = str(path[-1])
    names = _names(_table(path[:-1]))
    for inner, model in _INNER.items():
        if key in model.model_fields and len(path) == 3 and path[0] == "streams":
            return f"it in [{path_text((*path[:-1], inner))}]", ""
    near = difflib.get_close_matches(key.lower(), names, n=1)
    if near:
        return f"{near[0]!r}, the nearest known one", ""
    hint = f"{key!r} is a setting of a stream" if len(path) == 1 and key in StreamSpec.model_fields else ""
    return f"one of {', '.join(names)}", hint


def _table(path: Path) -> type[BaseModel]:
    if not path:
        return Spec
    if len(path) == 2 and path[0] == "streams":
        return StreamSpec
    if len(path) == 4 and path[2] == "outcomes":
        return OutcomeSettings
    if path[0] == "alarms":
        return Endpoint if len(path) == 3 else Alarms
    return _INNER.get(str(path[-1]), StoreTable)


def _names(model: type[BaseModel]) -> list[str]:
    named = [field.alias or name for name, field in model.model_fields.items()]
    return [name for name in named if not (model is StreamSpec and name == "name")]
