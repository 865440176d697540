"""The settings as JSON Schema, for editors and for checks without tidegauge."""

from __future__ import annotations

from typing import Any, Final

from tidegauge.spec.alarms import Alarms, AlarmSettings, Endpoint
from tidegauge.spec.model import Canary, ColumnNames, Quality, Samples, Spec, StoreTable, StreamSpec
from tidegauge.spec.outcomes import NAME as OUTCOME_NAME
from tidegauge.spec.outcomes import OutcomeSettings
from tidegauge.spec.table import NAME

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_TITLE: Final = "tidegauge settings"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a file of settings: every setting, what it means, its default and its limits.

    Examples
    --------
    >>> json_schema()["$defs"]["StreamSpec"]["properties"]["lateness"]["default"]
    '10m'
    """
    schema = Spec.model_json_schema()
    tables = schema["$defs"]
    for table in (schema, *tables.values()):
        table.pop("title", None)
        # What follows an empty line is for those who read the code.
        table["description"] = _one_line(table["description"].partition("\n\n")[0])
    for model in (
        StoreTable,
        Alarms,
        Endpoint,
        ColumnNames,
        Samples,
        Quality,
        Canary,
        AlarmSettings,
        OutcomeSettings,
        StreamSpec,
        Spec,
    ):
        properties = (schema if model is Spec else tables[model.__name__])["properties"]
        if model is StreamSpec:
            del properties["name"]
            tables["StreamSpec"].pop("required")
        defaults = _defaults(model)
        for name, each in properties.items():
            each.pop("title", None)
            if "description" in each:
                each["description"] = _one_line(each["description"])
            if "default" in each:
                each["default"] = defaults[name]
            elif "examples" not in each and defaults.get(
                name
            ):  # one that goes with the pane: this is what it is for the default pane
                each["examples"] = [defaults[name]]
            if "$ref" in each:
                del each["default"]
    for named in (schema["properties"]["streams"], tables["Alarms"]["properties"]["endpoints"]):
        named["propertyNames"] = {"pattern": f"^{NAME}$"}
    tables["StreamSpec"]["properties"]["outcomes"]["propertyNames"] = {"pattern": f"^{OUTCOME_NAME}$"}
    return {"$schema": _DRAFT, "title": _TITLE, **schema}


def _defaults(model: type[Any]) -> dict[str, Any]:
    needed: dict[type[Any], dict[str, Any]] = {
        StreamSpec: {"name": "any"},
        Canary: {"file": "any"},
        Endpoint: {"url": "https://any"},
    }
    return model(**needed.get(model, {})).model_dump(mode="json", by_alias=True)


def _one_line(text: str) -> str:
    return " ".join(text.split())
