"""The list of metrics, and what the manual says of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tidegauge.export.families import FAMILIES, Family

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(tidegauge_\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)
PROMQL = re.compile(r"^```promql\n(.*?)^```", re.MULTILINE | re.DOTALL)


def rows() -> dict[str, tuple[str, ...]]:
    return {match[1]: match.groups()[1:] for match in ROW.finditer(PAGE.read_text(encoding="utf-8"))}


def test_the_page_tells_every_metric_and_no_other() -> None:
    assert list(rows()) == list(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
def test_the_page_tells_it_as_it_is(family: Family) -> None:
    kind, labels, unit, meaning = rows()[family.name]
    assert kind == family.kind
    assert labels == ", ".join(f"`{label}`" for label in family.labels)
    assert unit
    assert family.unit in ("", "ratio", unit)
    assert meaning == family.help


def test_the_examples_ask_for_metrics_that_there_are() -> None:
    asked = set(re.findall(r"\btidegauge_\w+", "".join(PROMQL.findall(PAGE.read_text(encoding="utf-8")))))
    assert asked
    assert asked <= set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
def test_names_follow_the_rules(family: Family) -> None:
    assert re.fullmatch(r"tidegauge(_[a-z]+)+", family.name)
    assert family.name.endswith("_total") == (family.kind == "counter")
    assert family.name.endswith("_info") == (family.kind == "info")
    assert not family.unit or family.name.endswith(f"_{family.unit}")
    assert family.help.endswith((".", "1."))
    assert not {"id", "dimension", "text", "start"} & set(family.labels)
