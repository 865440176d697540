"""What the routes that show something answer, as JSON Schema: the documents of the commands."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any, Final, get_args

from tidegauge.records import AlarmKind, AlarmState, AnnotationKind, Change, Severity, WindowState

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
WHOLE: Final[Schema] = {"type": "integer", "minimum": 0}
NUMBER: Final[Schema] = {"type": "number"}
FLAG: Final[Schema] = {"type": "boolean"}
PLACE: Final[Schema] = {
    "type": ["string", "integer"],
    "description": "A moment in ISO 8601; where panes are of rows, the number of rows before it.",
}
_COUNTS: Final[Schema] = {"type": "object", "additionalProperties": WHOLE}


def obj(**properties: Schema) -> Schema:
    """An object that has all of these."""
    return {"type": "object", "required": list(properties), "properties": properties}


def many(item: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": item}


def maybe(schema: Schema) -> Schema:
    """Null, where there is none."""
    return {"anyOf": [schema, {"type": "null"}]}


def one_of(literal: Any) -> Schema:
    """One of the values of a ``Literal``."""
    return {"enum": list(get_args(literal))}


def named(schema: str) -> Schema:
    """The name of a document."""
    return {"const": schema}


_FIGURES: Final = {name: maybe(NUMBER) for name in ("value", "low", "high", "level", "detectable")}
_SCORE: Final = {name: maybe(NUMBER) for name in ("value", "z", "p", "effect")}
_EXAMPLES: Final = many(obj(id=TEXT, text=TEXT))

WINDOW: Final = obj(
    schema=named("tidegauge.window/1"),
    stream=TEXT,
    segment=TEXT,
    reference=TEXT,
    length=TEXT,
    start=PLACE,
    end=PLACE,
    rows=WHOLE,
    state=one_of(WindowState),
    reasons=many(TEXT),
    drift=maybe(obj(**_FIGURES)),
    p=maybe(NUMBER),
    aside=_COUNTS,
    duplicates=WHOLE,
    first_time=maybe(TEXT),
    last_time=maybe(TEXT),
    scores={"type": "object", "additionalProperties": obj(**_SCORE)},
)
EVENT: Final = obj(schema=named("tidegauge.event/1"), stream=TEXT, kind=TEXT, at=PLACE, until=maybe(PLACE), text=TEXT)
CLUSTER: Final = obj(
    schema=named("tidegauge.cluster/1"),
    stream=TEXT,
    reference=TEXT,
    name=TEXT,
    born=PLACE,
    gone=maybe(PLACE),
    share_before=maybe(NUMBER),
    p=maybe(NUMBER),
    shares=many(obj(start=PLACE, inside=WHOLE, sampled=WHOLE)),
    examples=_EXAMPLES,
)
ANNOTATION: Final = obj(
    schema=named("tidegauge.annotation/1"),
    id=WHOLE,
    stream={**maybe(TEXT), "description": "Null where it is of all streams."},
    kind=one_of(AnnotationKind),
    since=PLACE,
    until=PLACE,
    text=TEXT,
    by=TEXT,
    alarm=maybe(TEXT),
)
ANNOTATIONS: Final = obj(annotations=many(ANNOTATION))

_NEXT: Final[Schema] = {
    **maybe(PLACE),
    "description": "What to say as 'until' for what came before; null where there is no more.",
}


def page_of(name: str, item: Schema) -> Schema:
    """A part of a stream's history."""
    return obj(schema=named("tidegauge.history/1"), stream=TEXT, **{name: many(item)}, next=_NEXT)


_PROMISE: Final = obj(
    segment=TEXT,
    promised_panes=maybe(NUMBER),
    pane_seconds=maybe(NUMBER),
    threshold=maybe(NUMBER),
    achieved=maybe(obj(**{name: maybe(NUMBER) for name in ("panes", "low", "high", "level")})),
    learned_panes=maybe(WHOLE),
    known_panes=WHOLE,
    provisional=FLAG,
    missing_panes=maybe(NUMBER),
)
_LASTING: Final = obj(
    id=TEXT, state=one_of(AlarmState), kind=one_of(AlarmKind), severity=one_of(Severity), segment=TEXT
)
_UNKNOWN: Final = {"stream": TEXT, "in_settings": FLAG, "recorded": FLAG}
STREAM: Final[Schema] = {
    "type": "object",
    "required": list(_UNKNOWN),
    "description": "Where a stream stands. All but the first three are left out where nothing was recorded of it yet.",
    "properties": {
        **_UNKNOWN,
        "kind": {"enum": ["stream", "snapshot"]},
        "pane": maybe(TEXT),
        "refused": maybe(TEXT),
        "reference": maybe(obj(hash=TEXT, since=TEXT, by=TEXT, why=TEXT)),
        "rows": WHOLE,
        "aside": _COUNTS,
        "newest_row": maybe(TEXT),
        "age_seconds": maybe(NUMBER),
        "settled_until": maybe(PLACE),
        "open_parts": WHOLE,
        "segments": many(TEXT),
        "model": maybe(TEXT),
        "silence": maybe(TEXT),
        "windows": many(WINDOW),
        "outcomes": {
            "type": "object",
            "additionalProperties": obj(start=PLACE, numerator=NUMBER, denominator=NUMBER),
        },
        "alarms": obj(budget=maybe(TEXT), promises=many(_PROMISE), lasting=many(_LASTING)),
        "sources": many(obj(source=TEXT, rows=WHOLE)),
    },
}
STATUS: Final = obj(schema=named("tidegauge.status/1"), store=obj(name=TEXT, bytes=WHOLE), streams=many(STREAM))

_OF_ALARM: Final = {
    "id": TEXT,
    "stream": TEXT,
    "segment": TEXT,
    "reference": TEXT,
    "kind": one_of(AlarmKind),
    "state": one_of(AlarmState),
    "severity": one_of(Severity),
    **{name: {"type": "integer"} for name in ("opened", "onset", "updated")},
    "at": NUMBER,
    "title": TEXT,
    "resolved": maybe({"type": "integer"}),
    "score": TEXT,
    "panes": WHOLE,
    "value": maybe(NUMBER),
    "threshold": maybe(NUMBER),
    "drift": maybe(NUMBER),
    "calm": WHOLE,
    "reasons": many(TEXT),
    "examples": many({"type": "object"}),
    "by": TEXT,
    "why": TEXT,
    "snoozed_until": maybe(NUMBER),
    "report": TEXT,
    "provisional": FLAG,
}
_ALARM: Final = {
    "schema": named("tidegauge.alarm/1"),
    "change": one_of(Change),
    "text": TEXT,
    "unit": {"enum": ["seconds", "rows"]},
    "alarm": obj(**_OF_ALARM),
    "times": {"type": "object", "additionalProperties": maybe(TEXT)},
    "links": obj(report=maybe(TEXT), runbook=maybe(TEXT)),
    "advice": TEXT,
}
ALARM: Final = obj(**_ALARM)
ALARMS: Final = obj(
    schema=named("tidegauge.alarms/1"),
    alarms=many(ALARM),
    next={**maybe(TEXT), "description": "What to say as 'until' for those that were opened before; null where none."},
)
_MESSAGE: Final = obj(endpoint=TEXT, change=one_of(Change), delivered=maybe(NUMBER), fault=TEXT)
KNOWN: Final = obj(**_ALARM, promise=maybe(_PROMISE), annotations=many(ANNOTATION), messages=many(_MESSAGE))


def published(name: str) -> Schema:
    """A schema that is published beside the report, with its definitions where they are used."""
    text = resources.files("tidegauge.report").joinpath(f"schema/{name}.json").read_text("utf-8")
    whole = json.loads(text)
    definitions = whole.pop("$defs", {})

    def filled(part: Any) -> Any:
        if isinstance(part, dict):
            if "$ref" in part:
                return filled(definitions[part["$ref"].removeprefix("#/$defs/")])
            return {key: filled(value) for key, value in part.items() if key not in ("$id", "$schema")}
        return [filled(each) for each in part] if isinstance(part, list) else part

    return filled(whole)
