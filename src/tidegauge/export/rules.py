"""Rules for Prometheus: what is recorded, and when somebody is told, each with a section of the runbook.

Alarms that tidegauge raises have their own budget of false alarms, so their rules fire at once. What is read beside
them, such as an outcome that falls, waits until it lasts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

import yaml

Severity = Literal["critical", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A series that is computed once for all who ask; its name says level, metric and operation."""

    name: str
    expr: str


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule that tells somebody.

    Attributes
    ----------
    name : str
        The section of the runbook has the same name.
    expr : str
    lasts : str
        For how long ``expr`` has to have an answer, such as ``"15m"``.
    severity : str
        Empty where the series say it.
    summary, description : str
        May hold ``{{ $labels.stream }}`` and ``{{ $value }}``.
    """

    name: str
    expr: str
    lasts: str
    severity: Severity | Literal[""]
    summary: str
    description: str

    @property
    def anchor(self) -> str:
        """Of its section in the runbook.

        Examples
        --------
        >>> ALERTS[0].anchor
        'tidegaugedriftalarm'
        """
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated together."""

    name: str
    interval: str
    rules: tuple[Recorded | Alert, ...] = field(repr=False)


def _open(kind: str) -> str:
    """Alarms that last and that nobody looks after, told once however many replicas say so."""
    active, answered = (
        f'max by (stream, severity) (tidegauge_alarm_{each}{{kind="{kind}"}})' for each in ("active", "acknowledged")
    )
    return f"({active} > 0) unless ({answered} >= {active})"


_DRIFTS: Final = 'sum by (stream) (max by (stream, severity) (tidegauge_alarm_active{kind="drift"})) > 0'
_REJECTED: Final = "stream:tidegauge_rejected_rows:ratio_rate15m"
_COVERAGE: Final = "stream_documents:tidegauge_coverage_ratio:max"
_OUTCOME: Final = "stream_outcome:tidegauge_outcome:ratio_rate1d"

RECORDED: Final = (
    Recorded("stream_window:tidegauge_drift:max", 'max by (stream, window) (tidegauge_drift{segment="all"})'),
    Recorded(
        _REJECTED,
        "sum by (stream) (max by (stream, reason) (rate(tidegauge_rejected_rows_total[15m]))) / "
        "(sum by (stream) (max by (stream, reason) (rate(tidegauge_rejected_rows_total[15m]))) + "
        "max by (stream) (rate(tidegauge_rows_total[15m])) > 0)",
    ),
    Recorded(
        _OUTCOME,
        'avg by (stream, outcome) (rate(tidegauge_outcome_numerator_total{segment="all"}[1d]) / '
        '(rate(tidegauge_outcome_denominator_total{segment="all"}[1d]) > 0))',
    ),
    Recorded(_COVERAGE, "max by (stream, documents) (tidegauge_coverage_ratio)"),
)

ALERTS: Final = (
    Alert(
        "TidegaugeDriftAlarm",
        _open("drift"),
        "0m",
        "",
        "{{ $labels.stream }} drifted",
        "{{ $value }} alarm(s) of drift in {{ $labels.stream }} last, and nobody has acknowledged them.",
    ),
    Alert(
        "TidegaugeDriftSustained",
        'max by (stream, window) (tidegauge_window_state{segment="all",state="drift"}) == 1',
        "1d",
        "warning",
        "{{ $labels.stream }} has drifted for a day",
        "Every window of {{ $labels.window }} of {{ $labels.stream }} has been drift for a day: mend what moved, or "
        "say by 'tidegauge rebaseline' that it is what is normal now.",
    ),
    Alert(
        "TidegaugeDataQualityAlarm",
        _open("data quality"),
        "0m",
        "",
        "the rows of {{ $labels.stream }} are damaged or repeated",
        "More rows of {{ $labels.stream }} are set aside or repeated than its settings allow.",
    ),
    Alert(
        "TidegaugeModelChanged",
        "max by (stream) (tidegauge_model_changed) == 1",
        "0m",
        "critical",
        "{{ $labels.stream }} comes from another embedding model",
        "Rows of {{ $labels.stream }} come from another embedding model than the reference, and are not measured.",
    ),
    Alert(
        "TidegaugeSilence",
        "max by (stream) (tidegauge_silence) == 1",
        "0m",
        "critical",
        "no rows of {{ $labels.stream }}",
        "No row of {{ $labels.stream }} has come for longer than its settings allow.",
    ),
    Alert(
        "TidegaugeIngestLag",
        "max by (stream) (tidegauge_ingest_lag_seconds) > 6 * 3600 "
        "unless on (stream) max by (stream) (tidegauge_silence) == 1",
        "15m",
        "warning",
        "the newest row of {{ $labels.stream }} is old",
        "The newest row of {{ $labels.stream }} happened {{ $value | humanizeDuration }} ago.",
    ),
    Alert(
        "TidegaugeRejectedRows",
        f"{_REJECTED} > 0.05",
        "15m",
        "warning",
        "rows of {{ $labels.stream }} are set aside",
        "{{ $value | humanizePercentage }} of the rows of {{ $labels.stream }} are set aside, and not measured.",
    ),
    Alert(
        "TidegaugeOutcomeFalling",
        f"({_OUTCOME} < 0.9 * avg_over_time({_OUTCOME}[7d] offset 1d)) and on (stream) ({_DRIFTS})",
        "1h",
        "critical",
        "{{ $labels.outcome }} falls while {{ $labels.stream }} drifts",
        '{{ $labels.outcome }} of {{ $labels.stream }} was {{ $value | printf "%.3g" }} in the last day, a tenth or '
        "more below the week before, and an alarm of drift lasts. That both happen at once is no proof of a cause.",
    ),
    Alert(
        "TidegaugeOutcomeLinked",
        f"(max by (stream, outcome) (tidegauge_link) == 1) and on (stream) ({_DRIFTS})",
        "15m",
        "warning",
        "{{ $labels.outcome }} is known to get worse when {{ $labels.stream }} drifts",
        "Drift of {{ $labels.stream }} is associated with harm to {{ $labels.outcome }}, and an alarm of drift lasts.",
    ),
    Alert(
        "TidegaugeCoverageFalling",
        f"{_COVERAGE} < 0.9 * (max by (stream, documents) (tidegauge_coverage_expected_ratio) "
        f"or avg_over_time({_COVERAGE}[7d] offset 1d))",
        "1h",
        "warning",
        "{{ $labels.documents }} cover less of {{ $labels.stream }}",
        "{{ $labels.documents }} cover {{ $value | humanizePercentage }} of the traffic of {{ $labels.stream }}, a "
        "tenth or more below what is expected, or what it was in the week before.",
    ),
    Alert(
        "TidegaugePromiseBroken",
        "max by (stream) (tidegauge_achieved_seconds_between_false_alarms_upper) < "
        "max by (stream) (tidegauge_promised_seconds_between_false_alarms)",
        "1h",
        "warning",
        "alarms of {{ $labels.stream }} come too often by chance",
        "The threshold of {{ $labels.stream }} holds {{ $value | humanizeDuration }} between two false alarms at most, "
        "less than its budget promises.",
    ),
    Alert(
        "TidegaugeCalibrationProvisional",
        "max by (stream) (tidegauge_calibration_provisional) == 1",
        "30d",
        "info",
        "the threshold of {{ $labels.stream }} is still provisional",
        "For 30 days {{ $labels.stream }} has had too little history for what its budget promises.",
    ),
    Alert(
        "TidegaugeMessagesWaiting",
        "max by (endpoint) (tidegauge_messages_waiting) > 0",
        "1h",
        "warning",
        "alarms do not reach {{ $labels.endpoint }}",
        "{{ $value }} message(s) to {{ $labels.endpoint }} wait, for an hour or longer.",
    ),
    Alert(
        "TidegaugeRefusing",
        "sum by (stream, reason) (rate(tidegauge_ingest_refused_total[5m])) > 0",
        "15m",
        "warning",
        "batches of {{ $labels.stream }} are refused",
        "Batches of {{ $labels.stream }} have been refused for a quarter of an hour: {{ $labels.reason }}.",
    ),
    Alert(
        "TidegaugeUnreadable",
        "min by (stream) (tidegauge_stream_readable) == 0",
        "10m",
        "warning",
        "{{ $labels.stream }} cannot be read",
        "Something of {{ $labels.stream }} could not be read, or its settings do not fit what is kept.",
    ),
    Alert(
        "TidegaugeDown",
        'up{job="tidegauge"} == 0',
        "5m",
        "critical",
        "tidegauge does not answer",
        "{{ $labels.instance }} has not answered Prometheus for five minutes: drift is not watched there.",
    ),
    Alert(
        "TidegaugeAbsent",
        "absent(tidegauge_build_info)",
        "10m",
        "critical",
        "nothing is heard of tidegauge",
        "No tidegauge has been scraped, pushed or read from a text file for ten minutes.",
    ),
)

GROUPS: Final = (Group("tidegauge-recorded", "1m", RECORDED), Group("tidegauge-alerts", "1m", ALERTS))


def rules(docs: str = "docs") -> dict[str, Any]:
    """Build the file of rules, with links to the runbook under ``docs``.

    Examples
    --------
    >>> rules("https://docs.example.org")["groups"][1]["rules"][0]["annotations"]["runbook_url"]
    'https://docs.example.org/runbook.md#tidegaugedriftalarm'
    """
    return {
        "groups": [
            {"name": group.name, "interval": group.interval, "rules": [_rule(rule, docs) for rule in group.rules]}
            for group in GROUPS
        ]
    }


def said(alert: Alert, docs: str) -> dict[str, str]:
    """What is said with an alert."""
    return {
        "summary": alert.summary,
        "description": alert.description,
        "runbook_url": f"{docs}/runbook.md#{alert.anchor}",
    }


def rules_yaml(docs: str = "docs") -> str:
    """Write the file of rules."""
    return as_yaml(rules(docs))


def as_yaml(content: Any) -> str:
    """Write YAML as people do: in order, and no wider than a page."""
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)


def _rule(rule: Recorded | Alert, docs: str) -> dict[str, Any]:
    if isinstance(rule, Recorded):
        return {"record": rule.name, "expr": rule.expr}
    labels = {"labels": {"severity": rule.severity}} if rule.severity else {}
    return {"alert": rule.name, "expr": rule.expr, "for": rule.lasts, **labels, "annotations": said(rule, docs)}
