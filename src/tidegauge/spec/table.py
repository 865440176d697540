"""What every table of settings is made of: the table itself, and values that a person writes."""

from __future__ import annotations

import os.path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationInfo, WithJsonSchema

from tidegauge.spec.fault import Refused
from tidegauge.spec.length import SPAN_PATTERN, length_text, read_seconds

NAME: Final = "[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
NAME_WANTED: Final = "letters, digits, - and _, at most 64, the first a letter or digit"
SPAN_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [{"type": "string", "pattern": SPAN_PATTERN}, {"type": "integer", "minimum": 0}]
}


class Table(BaseModel):
    """A table of the file: it does not change, and knows all its keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=(), use_attribute_docstrings=True
    )


def _number(value: Any) -> Any:
    """Refuse what Python takes for a number and a person does not."""
    if isinstance(value, bool):
        raise Refused(value, "a number")
    return value


def listed(value: Any) -> Any:
    """Take ``a, b`` of an environment variable as a list."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def beside(path: str, info: ValidationInfo) -> str:
    """Take a relative path as one beside the file of settings."""
    if not info.context:
        return path
    return os.path.normpath(os.path.join(info.context["folder"], os.path.expanduser(path)))


def address_beside(url: str, info: ValidationInfo) -> str:
    """Take the relative path of a SQLite address as one beside the file of settings."""
    scheme, _, path = url.partition(":///")
    if not (scheme.startswith("sqlite") and path) or path.startswith((":memory:", "file:", "/")):
        return url
    return f"{scheme}:///{beside(path, info)}"


def plain_name(name: str) -> str:
    """The form in which an environment variable names a stream or an endpoint.

    Examples
    --------
    >>> plain_name("Web-Queries")
    'web_queries'
    """
    return name.lower().replace("-", "_")


PLAIN: Final = BeforeValidator(_number)
Seconds = Annotated[
    int,
    BeforeValidator(read_seconds),
    PlainSerializer(length_text, when_used="json"),
    WithJsonSchema(SPAN_SCHEMA),
]
Name = Annotated[str, Field(min_length=1)]
Names = Annotated[tuple[Name, ...], BeforeValidator(listed)]
