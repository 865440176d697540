"""The metrics: name, type, labels, unit and meaning of each, literal. Needs no library, so that all may read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["gauge", "counter", "info"]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric.

    Attributes
    ----------
    name : str
        As its samples are called: counters end in ``_total``, infos in ``_info``.
    kind : str
    labels : tuple of str
    help : str
        What it means, in one sentence.
    unit : str
        Base unit, by which the name ends where it has one.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    unit: str = ""


_STREAM: Final = ("stream",)
_WINDOW: Final = ("stream", "segment", "window")
_SCORE: Final = (*_WINDOW, "score")
_OUTCOME: Final = ("stream", "outcome")
_SUMS: Final = ("stream", "segment", "outcome")
_COVERED: Final = ("stream", "documents")
_ALARM: Final = ("stream", "kind", "severity")
_BETWEEN: Final = "between two false alarms"

_FAMILIES: Final = (
    Family("tidegauge_build_info", "info", ("version",), "The tidegauge that tells all this; 1."),
    Family(
        "tidegauge_stream_info",
        "info",
        ("stream", "kind", "reference", "model", "pane"),
        "A stream of the settings, the first digits of its reference's hash, its embedding model and its pane; 1.",
    ),
    Family(
        "tidegauge_stream_readable",
        "gauge",
        _STREAM,
        "0 where something of a stream could not be read, or its settings do not fit what is kept; else 1.",
    ),
    Family(
        "tidegauge_model_changed",
        "gauge",
        _STREAM,
        "1 while the vectors come from another embedding model than the reference's.",
    ),
    Family(
        "tidegauge_drift",
        "gauge",
        _WINDOW,
        "Drift of the newest closed window: as if this share of the traffic had moved to a typical other cluster, "
        "1 being all of it; unbiased, so that it may be below 0 where nothing changed.",
    ),
    Family(
        "tidegauge_drift_p_value",
        "gauge",
        _WINDOW,
        "Joint p-value of the panel in the newest closed window: how often unchanged traffic is as far off.",
    ),
    Family("tidegauge_score", "gauge", _SCORE, "A drift score of the newest closed window, in its own unit."),
    Family("tidegauge_score_null_mean", "gauge", _SCORE, "Mean of a score on unchanged traffic, of as many rows."),
    Family(
        "tidegauge_score_null_sd", "gauge", _SCORE, "Standard deviation of a score on unchanged traffic, of as many."
    ),
    Family(
        "tidegauge_score_threshold",
        "gauge",
        _SCORE,
        "What a score of the panel has to go beyond for the window to be called drift by it alone, at the stream's "
        "alpha; scores that are not on the panel decide nothing and have none.",
    ),
    Family("tidegauge_score_z", "gauge", _SCORE, "A score's distance from its null mean, in its null sd."),
    Family("tidegauge_score_effect", "gauge", _SCORE, "Size of a change by a score, free of bias, in its own unit."),
    Family("tidegauge_window_rows", "gauge", _WINDOW, "Rows of the newest closed window."),
    Family(
        "tidegauge_window_end_timestamp_seconds",
        "gauge",
        _WINDOW,
        "End of the newest closed window in event time; its newest row where windows are of rows, and the moment when "
        "a snapshot was judged.",
        "seconds",
    ),
    Family(
        "tidegauge_window_duplicate_ratio",
        "gauge",
        _WINDOW,
        "Share of the newest closed window's rows that repeat a vector, estimated.",
        "ratio",
    ),
    Family(
        "tidegauge_window_state",
        "gauge",
        (*_WINDOW, "state"),
        "1 for the state of the newest closed window, 0 for the others; segments are measured and not judged.",
    ),
    Family("tidegauge_rows_total", "counter", _STREAM, "Rows that landed since the stream began."),
    Family(
        "tidegauge_rejected_rows_total",
        "counter",
        ("stream", "reason"),
        "Rows that were set aside since the stream began, by reason.",
    ),
    Family("tidegauge_new_clusters", "gauge", _STREAM, "New clusters that are followed and not gone."),
    Family(
        "tidegauge_new_cluster_share_ratio",
        "gauge",
        _STREAM,
        "Share of the rows in followed new clusters, in the newest window in which they were counted.",
        "ratio",
    ),
    Family(
        "tidegauge_coverage_ratio",
        "gauge",
        _COVERED,
        "Share of a stream's newest queries that the present documents cover, when last looked at.",
        "ratio",
    ),
    Family(
        "tidegauge_coverage_expected_ratio",
        "gauge",
        _COVERED,
        "The same share by the references of both, where those are not the same.",
        "ratio",
    ),
    Family(
        "tidegauge_outcome_numerator_total",
        "counter",
        _SUMS,
        "Sum of an outcome's numerators over closed panes since the period began; begins anew with each period.",
    ),
    Family(
        "tidegauge_outcome_denominator_total",
        "counter",
        _SUMS,
        "Sum of an outcome's denominators over closed panes since the period began; begins anew with each period.",
    ),
    Family(
        "tidegauge_link",
        "gauge",
        _OUTCOME,
        "1 where an outcome was found associated with drift when last looked at, 0 where not; none where that cannot "
        "be told.",
    ),
    Family("tidegauge_link_q_value", "gauge", _OUTCOME, "False discovery rate at which a link is found."),
    Family(
        "tidegauge_link_slope_ratio",
        "gauge",
        _OUTCOME,
        "Change of an outcome, in its own unit, that goes with one more unit of tidegauge_drift.",
        "ratio",
    ),
    Family("tidegauge_link_lag_seconds", "gauge", _OUTCOME, "By how much an outcome follows drift.", "seconds"),
    Family(
        "tidegauge_link_pending",
        "gauge",
        _STREAM,
        "1 where panes closed since links and coverage were last looked at, or they never were; else 0.",
    ),
    Family("tidegauge_alarm_active", "gauge", _ALARM, "Alarms that last, by kind and severity."),
    Family(
        "tidegauge_alarm_acknowledged", "gauge", _ALARM, "Alarms that last and that somebody acknowledged or snoozed."
    ),
    Family("tidegauge_alarms_opened_total", "counter", _STREAM, "Alarms that were ever opened."),
    Family(
        "tidegauge_calibration_provisional",
        "gauge",
        _STREAM,
        "1 while the history is shorter than what the budget of false alarms promises; else 0.",
    ),
    Family("tidegauge_calibration_panes", "gauge", _STREAM, "Panes of history that taught what is normal."),
    Family(
        "tidegauge_promised_seconds_between_false_alarms",
        "gauge",
        _STREAM,
        f"Mean time {_BETWEEN} that this stream's share of the budget allows, of all rows.",
    ),
    Family(
        "tidegauge_achieved_seconds_between_false_alarms",
        "gauge",
        _STREAM,
        f"Mean time {_BETWEEN} that the threshold in force is known to hold, of all rows.",
    ),
    Family(
        "tidegauge_achieved_seconds_between_false_alarms_lower",
        "gauge",
        _STREAM,
        f"Lower end of the 95 % interval of the mean time {_BETWEEN}.",
    ),
    Family(
        "tidegauge_achieved_seconds_between_false_alarms_upper",
        "gauge",
        _STREAM,
        f"Upper end of the 95 % interval of the mean time {_BETWEEN}.",
    ),
    Family(
        "tidegauge_ingest_lag_seconds",
        "gauge",
        _STREAM,
        "Age of the newest row, by its event time.",
        "seconds",
    ),
    Family("tidegauge_last_event_timestamp_seconds", "gauge", _STREAM, "Event time of the newest row.", "seconds"),
    Family(
        "tidegauge_last_close_timestamp_seconds",
        "gauge",
        _STREAM,
        "Until when panes are closed, in event time; the newest row of the newest pane where panes are of rows, and "
        "the moment when a snapshot was judged.",
        "seconds",
    ),
    Family("tidegauge_silence", "gauge", _STREAM, "1 while no row has come for longer than the settings allow."),
    Family("tidegauge_store_bytes", "gauge", (), "Size of the store.", "bytes"),
    Family("tidegauge_messages_waiting", "gauge", ("endpoint",), "Messages of alarms that have not arrived yet."),
    Family(
        "tidegauge_folded_series_total",
        "counter",
        (),
        "Values of labels that were left out since this process began, as too many had come; each is counted once.",
    ),
)

FAMILIES: Final = {family.name: family for family in _FAMILIES}
"""Every metric that is read from the store, by name, in the order in which they are told."""
