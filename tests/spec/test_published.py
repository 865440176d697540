"""What is published of the settings is what the code says: the JSON Schema, and the tables of the manual."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tidegauge.spec import Spec, load_spec
from tidegauge.spec.schema import json_schema

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "config.md").read_text("utf-8")
SCHEMA = json_schema()
TABLES = {"Spec": SCHEMA, **SCHEMA["$defs"]}
BLOCK = re.compile(r"^```(toml|yaml)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def rows(table: str) -> list[str]:
    """The lines of the manual's table of some settings."""
    lines = ["| setting | is | may be | default |", "|---|---|---|---|"]
    required = TABLES[table].get("required", [])
    for name, about in TABLES[table]["properties"].items():
        if "description" not in about:
            continue
        default = "needed" if name in required else written(about.get("default"))
        lines.append(f"| `{name}` | {about['description']} | {allowed(about)} | {default} |")
    return lines


def written(value: Any) -> str:
    return "unset" if value in (None, "", [], {}) else f"`{json.dumps(value)}`"


def allowed(about: dict[str, Any]) -> str:
    options = [each for each in about.get("anyOf", [about]) if each.get("type") != "null"]
    patterns = " ".join(each.get("pattern", "") for each in options)
    if "smhdwy" in patterns:
        timed = "false alarms in a time, or in panes" if "panes" in patterns else "a span of time"
        return "a span of time, or rows" if "rows" in patterns else timed
    [only] = options
    if "enum" in only:
        return " or ".join(f"`{each}`" for each in only["enum"])
    if only["type"] in {"integer", "number"}:
        kind = "a whole number" if only["type"] == "integer" else "a number"
        limits = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
        return " ".join([kind, *(f"{word} {only[limit]:,}" for limit, word in limits.items() if limit in only)])
    if only["type"] == "object":
        return "a table"
    if only["type"] == "array":
        return f"a list of {listed(only['items'])}"
    return {"boolean": "true or false", "string": "a path" if only.get("format") == "path" else "text"}[only["type"]]


def listed(items: dict[str, Any]) -> str:
    if "enum" in items:
        return ", ".join(f"`{each}`" for each in items["enum"])
    return "names" if items.get("type") == "string" else "spans of time, or of rows"


@pytest.mark.parametrize("table", TABLES)
def test_manual_has_every_setting(table: str) -> None:
    assert "\n".join(rows(table)) + "\n" in PAGE


def test_schema_is_published_and_shipped() -> None:
    shipped = resources.files("tidegauge.spec").joinpath("tidegauge.schema.json").read_text("utf-8")
    assert json.loads(shipped) == SCHEMA
    assert (DOCS / "tidegauge.schema.json").read_text("utf-8") == shipped


def test_every_setting_is_described() -> None:
    inner = {"store", "alarms", "server", "columns", "samples", "quality", "canary", "alarm"}
    bare = {
        name for table in TABLES.values() for name, each in table["properties"].items() if "description" not in each
    }
    assert bare == inner
    assert all(table["description"] and ">>>" not in table["description"] for table in TABLES.values())


@pytest.mark.parametrize("block", BLOCK.findall(PAGE), ids=lambda block: block[1][:20].strip())
def test_examples_of_the_manual_load(block: tuple[str, str], tmp_path: Path) -> None:
    file = tmp_path / f"tidegauge.{block[0]}"
    file.write_text(block[1])
    assert load_spec(file, {}).streams
    jsonschema.validate(tomllib.loads(block[1]) if block[0] == "toml" else yaml.safe_load(block[1]), SCHEMA)


@pytest.mark.parametrize(
    "tables",
    [
        {"streams": {"a": {"pane": "5x"}}},
        {"streams": {"a": {"canary": {}}}},
        {"streams": {"a": {"alpha": 2}}},
        {"streams": {"a b": {}}},
        {"streams": {"a": {"columns": {"outcomes": [""]}}}},
        {"pol": "10s"},
        {"alarms": {"budget": "1 in 90 rows"}},
        {"alarms": {"endpoints": {"pager": {}}}},
        {"alarms": {"endpoints": {"pager": {"url": "ftp://host/"}}}},
        {"alarms": {"endpoints": {"pager": {"url": "https://host/", "secret": "hunter2"}}}},
        {"alarms": {"endpoints": {"a b": {"url": "https://host/"}}}},
        {"streams": {"a": {"alarm": {"calm": 0}}}},
        {"streams": {"a": {"outcomes": {"success": {"unit": "percent"}}}}},
        {"streams": {"a": {"outcomes": {"success": {"source": "a.csv", "token": "hunter2"}}}}},
        {"streams": {"a": {"outcomes": {"": {}}}}},
    ],
    ids=str,
)
def test_schema_refuses_what_the_code_refuses(tables: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.check_schema(SCHEMA)
    assert not validator.is_valid(tables)
    with pytest.raises(ValueError):
        Spec.model_validate(tables)
