"""The rules: each alert has a section in the runbook, and unit tests in which it fires and in which it does not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.export import promql
from tidegauge.export.rule_tests import TRIALS, rule_tests_yaml
from tidegauge.export.rules import ALERTS, GROUPS, RECORDED, Alert, rules, rules_yaml

RUNBOOK = Path(__file__).resolve().parents[2] / "docs" / "runbook.md"
FIELDS = re.compile(r"\{\{ \$labels\.(\w+) \}\}")


def test_the_file_is_what_was_built() -> None:
    assert yaml.safe_load(rules_yaml()) == rules()
    assert [group["name"] for group in rules()["groups"]] == [group.name for group in GROUPS]
    names = [rule.get("alert", rule.get("record")) for group in rules()["groups"] for rule in group["rules"]]
    assert names == [rule.name for rule in (*RECORDED, *ALERTS)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_alert_says_what_it_is(alert: Alert) -> None:
    [built] = [rule for rule in rules()["groups"][1]["rules"] if rule["alert"] == alert.name]
    assert set(built["annotations"]) == {"summary", "description", "runbook_url"}
    assert all(built["annotations"].values())
    if alert.severity:
        assert built["labels"] == {"severity": alert.severity}
    else:
        assert "severity" in promql.grouped(alert.expr)
    assert alert.description.endswith(".")


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_texts_name_labels_that_the_alert_has(alert: Alert) -> None:
    kept = promql.grouped(alert.expr) | {"job", "instance"}
    recorded = {rule.name: promql.grouped(rule.expr) for rule in RECORDED}
    for metric, _ in promql.named(alert.expr):
        kept |= recorded.get(metric, set())
    assert set(FIELDS.findall(alert.summary + alert.description)) <= kept


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_the_runbook_has_a_section_for_every_alert(alert: Alert) -> None:
    headings = re.findall(r"^## (.+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings.count(alert.name) == 1
    assert rules("https://d")["groups"][1]["rules"][ALERTS.index(alert)]["annotations"]["runbook_url"] == (
        f"https://d/runbook.md#{alert.name.lower()}"
    )


def test_the_runbook_knows_no_other_alert() -> None:
    headings = re.findall(r"^## (Tidegauge\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted(alert.name for alert in ALERTS)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_alert_is_tried_both_ways(alert: Alert) -> None:
    mine = [trial for trial in TRIALS if trial.alert == alert.name]
    assert [trial for trial in mine if trial.labels is not None]
    assert [trial for trial in mine if trial.labels is None]


def test_trials_use_metrics_and_labels_that_there_are() -> None:
    known = promql.known()
    for trial in TRIALS:
        for series in trial.series:
            labels = set(re.findall(r'(\w+)="', series)) - {"instance"}
            name = series.partition("{")[0]
            assert labels <= known[name], series


def test_unit_tests_hold_every_trial_once() -> None:
    tests = [test for slow in (False, True) for test in yaml.safe_load(rule_tests_yaml("r.yml", slow=slow))["tests"]]
    assert len(tests) == len(TRIALS)
    assert len({test["name"] for test in tests}) == len(tests)
    for test in tests:
        [expected] = test["alert_rule_test"]
        assert bool(expected["exp_alerts"]) == (" fires: " in test["name"])


def test_nothing_is_left_unfilled_in_what_is_expected() -> None:
    text = rule_tests_yaml("r.yml") + rule_tests_yaml("r.yml", slow=True)
    assert "{{" not in text
    assert "$value" not in text
