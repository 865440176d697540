"""Unit tests of the rules, as ``promtool test rules`` runs them: each alert fires in one, and keeps quiet in others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tidegauge.export.rules import ALERTS, GROUPS, Alert, as_yaml, said

_ALERTS: Final = {alert.name: alert for alert in ALERTS}
_QUERIES: Final = {"stream": "queries"}
_VALUE: Final = re.compile(r"\{\{ \$value[^}]*\}\}")


@dataclass(frozen=True, slots=True)
class Trial:
    """Series, and what becomes of an alert.

    Attributes
    ----------
    alert : str
    about : str
        What the series are like.
    series : mapping of str to str
        Values of each, as promtool writes them.
    at : str
        When to look.
    labels : mapping of str to str or None
        Of the one alert that fires; None where none does.
    value : str
        How the alert says its value.
    slow : bool
        Whether it takes days: its values are hours apart, not minutes.
    """

    alert: str
    about: str
    series: Mapping[str, str]
    at: str
    labels: Mapping[str, str] | None = None
    value: str = ""
    slow: bool = False


def _alarm(kind: str, active: str, acknowledged: str = "0x90", severity: str = "critical") -> dict[str, str]:
    labels = f'{{stream="queries",kind="{kind}",severity="{severity}"}}'
    return {f"tidegauge_alarm_active{labels}": active, f"tidegauge_alarm_acknowledged{labels}": acknowledged}


def _flag(metric: str, values: str) -> dict[str, str]:
    return {f'{metric}{{stream="queries"}}': values}


def _state(values: str) -> dict[str, str]:
    return {'tidegauge_window_state{stream="queries",segment="all",window="1h",state="drift"}': values}


def _outcome(numerator: str, alarm: str) -> dict[str, str]:
    """An outcome hour by hour over nine days, and alarms of drift."""
    of = '{stream="queries",segment="all",outcome="success"}'
    return {
        f"tidegauge_outcome_numerator_total{of}": numerator,
        f"tidegauge_outcome_denominator_total{of}": "0+100x260",
        **_alarm("drift", alarm, "0x260"),
    }


def _coverage(covered: str) -> dict[str, str]:
    of = '{stream="queries",documents="index"}'
    return {f"tidegauge_coverage_ratio{of}": covered, f"tidegauge_coverage_expected_ratio{of}": "0.9x90"}


def _rejected(rows: str) -> dict[str, str]:
    return {
        **_flag("tidegauge_rows_total", "0+900x90"),
        'tidegauge_rejected_rows_total{stream="queries",reason="nan"}': rows,
    }


def _promise(upper: str) -> dict[str, str]:
    return {
        **_flag("tidegauge_promised_seconds_between_false_alarms", "7776000x90"),
        **_flag("tidegauge_achieved_seconds_between_false_alarms_upper", upper),
    }


_UP: Final = 'up{job="tidegauge",instance="tidegauge:8765"}'
_WAITING: Final = 'tidegauge_messages_waiting{endpoint="pager"}'
_REFUSED: Final = 'tidegauge_ingest_refused_total{stream="queries",reason="full"}'
_LINK: Final = 'tidegauge_link{stream="queries",outcome="success"}'
_CRITICAL: Final = {**_QUERIES, "severity": "critical"}
_WARNING: Final = {**_QUERIES, "severity": "warning"}
_SUCCESS: Final = {**_QUERIES, "outcome": "success"}

TRIALS: Final = (
    Trial("TidegaugeDriftAlarm", "an alarm", _alarm("drift", "0x4 1x20"), "6m", _CRITICAL, "1"),
    Trial(
        "TidegaugeDriftAlarm",
        "two alarms, one of them acknowledged",
        _alarm("drift", "2x20", "1x20", "warning"),
        "6m",
        _WARNING,
        "2",
    ),
    Trial("TidegaugeDriftAlarm", "it is resolved", _alarm("drift", "1x4 0x20"), "6m"),
    Trial("TidegaugeDriftAlarm", "it is acknowledged", _alarm("drift", "1x20", "1x20"), "6m"),
    Trial("TidegaugeDriftAlarm", "an alarm of another kind", _alarm("silence", "1x20"), "6m"),
    Trial(
        "TidegaugeDriftAlarm",
        "two replicas tell of one alarm",
        {
            f'tidegauge_alarm_active{{stream="queries",kind="drift",severity="critical",instance="{each}"}}': "1x20"
            for each in ("a", "b")
        },
        "6m",
        _CRITICAL,
        "1",
    ),
    Trial("TidegaugeDriftSustained", "drift", _state("1x30"), "25h", {**_WARNING, "window": "1h"}, slow=True),
    Trial("TidegaugeDriftSustained", "a good window between", _state("1x10 0 1x30"), "25h", slow=True),
    Trial("TidegaugeDataQualityAlarm", "an alarm", _alarm("data quality", "1x20", "0x20", "warning"), "1m", _WARNING),
    Trial("TidegaugeDataQualityAlarm", "none", _alarm("data quality", "0x20"), "1m"),
    Trial("TidegaugeModelChanged", "another model", _flag("tidegauge_model_changed", "0 1x9"), "2m", _CRITICAL),
    Trial("TidegaugeModelChanged", "the right one again", _flag("tidegauge_model_changed", "0 1x3 0x9"), "8m"),
    Trial("TidegaugeSilence", "silence", _flag("tidegauge_silence", "0 1x9"), "2m", _CRITICAL),
    Trial("TidegaugeSilence", "rows again", _flag("tidegauge_silence", "1x3 0x9"), "8m"),
    Trial(
        "TidegaugeIngestLag",
        "rows as old as 7 hours",
        {**_flag("tidegauge_ingest_lag_seconds", "25200x90"), **_flag("tidegauge_silence", "0x90")},
        "20m",
        _WARNING,
        "7h 0m 0s",
    ),
    Trial("TidegaugeIngestLag", "rows as old as 5 hours", _flag("tidegauge_ingest_lag_seconds", "18000x90"), "20m"),
    Trial(
        "TidegaugeIngestLag",
        "silence says it already",
        {**_flag("tidegauge_ingest_lag_seconds", "25200x90"), **_flag("tidegauge_silence", "1x90")},
        "20m",
    ),
    Trial("TidegaugeRejectedRows", "one in ten", _rejected("0+100x90"), "40m", _WARNING, "10%"),
    Trial("TidegaugeRejectedRows", "one in a hundred", _rejected("0+9x90"), "40m"),
    Trial(
        "TidegaugeOutcomeFalling",
        "90 % for eight days, then 60 %, and drift",
        _outcome("0+90x192 17340+60x60", "0x200 1x60"),
        "9d",
        {**_SUCCESS, "severity": "critical"},
        "0.6",
        slow=True,
    ),
    Trial(
        "TidegaugeOutcomeFalling",
        "it falls without drift",
        _outcome("0+90x192 17340+60x60", "0x260"),
        "9d",
        slow=True,
    ),
    Trial("TidegaugeOutcomeFalling", "drift without a fall", _outcome("0+90x260", "0x200 1x60"), "9d", slow=True),
    Trial(
        "TidegaugeOutcomeLinked",
        "a link and an alarm of drift",
        {_LINK: "1x90", **_alarm("drift", "1x90")},
        "20m",
        {**_SUCCESS, "severity": "warning"},
    ),
    Trial("TidegaugeOutcomeLinked", "a link without drift", {_LINK: "1x90", **_alarm("drift", "0x90")}, "20m"),
    Trial("TidegaugeOutcomeLinked", "drift without a link", {_LINK: "0x90", **_alarm("drift", "1x90")}, "20m"),
    Trial(
        "TidegaugeCoverageFalling",
        "70 % where 90 % are expected",
        _coverage("0.7x90"),
        "70m",
        {**_WARNING, "documents": "index"},
        "70%",
    ),
    Trial(
        "TidegaugeCoverageFalling",
        "90 % for a week, then 70 %, and nothing is expected",
        {'tidegauge_coverage_ratio{stream="queries",documents="index"}': "0.9x192 0.7x60"},
        "198h",
        {**_WARNING, "documents": "index"},
        "70%",
        slow=True,
    ),
    Trial("TidegaugeCoverageFalling", "85 % where 90 % are expected", _coverage("0.85x90"), "70m"),
    Trial(
        "TidegaugePromiseBroken",
        "60 days where 90 are promised",
        _promise("5184000x90"),
        "70m",
        _WARNING,
        "60d 0h 0m 0s",
    ),
    Trial("TidegaugePromiseBroken", "the interval holds what is promised", _promise("9000000x90"), "70m"),
    Trial(
        "TidegaugeCalibrationProvisional",
        "for 31 days",
        _flag("tidegauge_calibration_provisional", "1x800"),
        "31d",
        {**_QUERIES, "severity": "info"},
        slow=True,
    ),
    Trial(
        "TidegaugeCalibrationProvisional",
        "firm after 20 days",
        _flag("tidegauge_calibration_provisional", "1x480 0x320"),
        "31d",
        slow=True,
    ),
    Trial(
        "TidegaugeMessagesWaiting",
        "two for an hour",
        {_WAITING: "2x90"},
        "70m",
        {"endpoint": "pager", "severity": "warning"},
        "2",
    ),
    Trial("TidegaugeMessagesWaiting", "they arrive now and then", {_WAITING: "2x30 0x5 2x90"}, "70m"),
    Trial(
        "TidegaugeRefusing",
        "too much waits",
        {_REFUSED: "0+10x90"},
        "25m",
        {**_WARNING, "reason": "full"},
    ),
    Trial("TidegaugeRefusing", "once", {_REFUSED: "0x5 10x90"}, "25m"),
    Trial("TidegaugeUnreadable", "unreadable", _flag("tidegauge_stream_readable", "0x90"), "15m", _WARNING),
    Trial("TidegaugeUnreadable", "for a moment", _flag("tidegauge_stream_readable", "1x5 0x3 1x90"), "15m"),
    Trial(
        "TidegaugeDown",
        "no answer",
        {_UP: "0x90"},
        "6m",
        {"job": "tidegauge", "instance": "tidegauge:8765", "severity": "critical"},
    ),
    Trial("TidegaugeDown", "an answer, and another job that is down", {_UP: "1x90", 'up{job="web"}': "0x90"}, "6m"),
    Trial("TidegaugeAbsent", "nothing", {'up{job="web"}': "1x90"}, "11m", {"severity": "critical"}),
    Trial("TidegaugeAbsent", "one of two", {'tidegauge_build_info{version="1"}': "1x90"}, "11m"),
)


def rule_tests_yaml(rules: str, docs: str = "docs", *, slow: bool = False) -> str:
    """Write the unit tests of the file of rules that is called ``rules``: those of minutes, or of days.

    Examples
    --------
    >>> print(rule_tests_yaml("a.yml", slow=True).partition("tests:")[0])
    rule_files:
    - a.yml
    evaluation_interval: 1h
    group_eval_order:
    - tidegauge-recorded
    - tidegauge-alerts
    <BLANKLINE>
    """
    content = {
        "rule_files": [rules],
        "evaluation_interval": _interval(slow=slow),
        "group_eval_order": [group.name for group in GROUPS],
        "tests": [_test(trial, docs) for trial in TRIALS if trial.slow == slow],
    }
    return as_yaml(content)


def _interval(*, slow: bool) -> str:
    return "1h" if slow else "1m"


def _test(trial: Trial, docs: str) -> dict[str, Any]:
    fires = trial.labels is not None
    return {
        "name": f"{trial.alert} {'fires' if fires else 'is quiet'}: {trial.about}",
        "interval": _interval(slow=trial.slow),
        "input_series": [{"series": name, "values": values} for name, values in trial.series.items()],
        "alert_rule_test": [
            {
                "eval_time": trial.at,
                "alertname": trial.alert,
                "exp_alerts": [_expected(_ALERTS[trial.alert], trial, docs)] if fires else [],
            }
        ],
    }


def _expected(alert: Alert, trial: Trial, docs: str) -> dict[str, Any]:
    labels = dict(trial.labels or {})

    def filled(text: str) -> str:
        for name, value in labels.items():
            text = text.replace(f"{{{{ $labels.{name} }}}}", value)
        return _VALUE.sub(trial.value, text)

    told = {name: filled(text) for name, text in said(alert, docs).items()}
    return {"exp_labels": labels, "exp_annotations": told}
