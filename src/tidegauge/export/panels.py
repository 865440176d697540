"""What a dashboard of tidegauge shows: one list of panels that knows nothing of who draws them.

Queries are PromQL as Prometheus 2.42 takes it. They name metrics and their labels, never ``job`` or ``instance``:
replicas that read one store say the same, so what they say is taken by ``max``, and not summed.

Examples
--------
>>> drift = next(panel for row in ROWS for panel in row.panels if panel.title == "Drift")
>>> print(drift.queries[0].expr)
max by (window) (tidegauge_drift{stream="$stream",segment="all"})
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["stat", "timeseries", "table", "state timeline"]


@dataclass(frozen=True, slots=True)
class Query:
    """A question in PromQL, and what its answer is called.

    Attributes
    ----------
    expr : str
        May hold ``$stream``, ``$segment``, ``$window``, ``$score``, ``$__rate_interval`` and ``$__range``.
    legend : str
        Name of a line, which may hold labels such as ``{{segment}}``; of a table, the head of the column.
    unit : str
        Where it is not that of the panel, as Grafana calls units. A line then has its axis on the right.
    """

    expr: str
    legend: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A colour from a value on; ``None`` is below all values."""

    above: float | None
    colour: str


@dataclass(frozen=True, slots=True)
class State:
    """What a number stands for that is no quantity."""

    text: str
    colour: str


@dataclass(frozen=True, slots=True)
class Panel:
    """What is shown, why one looks at it, and how large it is on a grid of 24 columns.

    Attributes
    ----------
    title, description : str
    kind : {"stat", "timeseries", "table", "state timeline"}
    unit : str
        As Grafana calls units, such as ``"percentunit"``.
    queries : tuple of Query
        Of a table they are columns, joined by the labels that all of them have.
    width, height : int
    thresholds : tuple of Threshold
        Lines of a time series; colours of the others.
    states : mapping of int to State
        What values stand for. Of a table, in its first column.
    pointed : bool
        Whether values are of moments, such as one a pane, and lines only lead from one to the next.
    logarithmic : bool
        Whether the axis is.
    """

    title: str
    description: str
    kind: Kind
    unit: str
    queries: tuple[Query, ...]
    width: int = 12
    height: int = 8
    thresholds: tuple[Threshold, ...] = ()
    states: Mapping[int, State] = field(default_factory=dict[int, State])
    pointed: bool = False
    logarithmic: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """What a reader chooses: one of the values that ``label`` has in the answer to ``among``; several if ``multi``."""

    name: str
    title: str
    among: str
    label: str
    multi: bool = False
    first: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """What is drawn over every panel with a time axis, while ``expr`` has an answer."""

    name: str
    expr: str
    text: str
    colour: str


def chosen(metric: str, **labels: str) -> str:
    """Select a metric's series of the chosen stream; of every stream where ``stream`` is empty.

    Examples
    --------
    >>> print(chosen("tidegauge_drift", segment="$segment", window="1h"))
    tidegauge_drift{stream="$stream",segment=~"$segment",window="1h"}
    """
    wanted = {"stream": "$stream", **labels}
    # Several segments may be chosen: Grafana writes them as a regular expression.
    said = [f'{label}{"=~" if value == "$segment" else "="}"{value}"' for label, value in wanted.items() if value]
    return f"{metric}{{{','.join(said)}}}" if said else metric


def newest(metric: str, *by: str, **labels: str) -> str:
    """Ask what a gauge says, whichever replica says it.

    Examples
    --------
    >>> print(newest("tidegauge_silence", "stream", stream=""))
    max by (stream) (tidegauge_silence)
    """
    return f"{_largest(by)}({chosen(metric, **labels)})"


def pace(metric: str, *by: str, **labels: str) -> str:
    """Ask how much a counter of the store rises in a second, whichever replica says it.

    Examples
    --------
    >>> print(pace("tidegauge_rejected_rows_total", "reason"))
    max by (reason) (rate(tidegauge_rejected_rows_total{stream="$stream"}[$__rate_interval]))
    """
    return f"{_largest(by)}(rate({chosen(metric, **labels)}[$__rate_interval]))"


def verdict(*by: str, **labels: str) -> str:
    """Ask for the state of windows, as one of the numbers of ``VERDICTS``.

    Examples
    --------
    >>> print(verdict("window", segment="all").partition(" or ")[0])
    max by (window) (tidegauge_window_state{stream="$stream",segment="all",state="no drift"} == 1) * 1
    """
    return " or ".join(
        f"{_largest(by)}({chosen('tidegauge_window_state', **labels, state=state.text)} == 1) * {number}"
        for number, state in VERDICTS.items()
    )


def _largest(by: tuple[str, ...]) -> str:
    return f"max by ({', '.join(by)}) " if by else "max"


def _outcomes(**labels: str) -> str:
    """Ask for rates of outcomes: only of scrapes between which the denominator rose, as it does with each pane."""
    above, below = (
        f"rate({chosen(f'tidegauge_outcome_{part}_total', **labels)}[$__rate_interval])"
        for part in ("numerator", "denominator")
    )
    return f"avg by (segment, outcome) ({above} / ({below} > 0))"


def _alarms(*by: str) -> str:
    """Ask how many alarms last: they differ in kind and severity, and replicas say the same."""
    kept = f" by ({', '.join(by)}) " if by else ""
    return f"sum{kept}({newest('tidegauge_alarm_active', 'kind', 'severity')})"


_DRIFT: Final = "percentunit"
_ALL: Final = {"segment": "all"}
_WINDOW: Final = {"segment": "all", "window": "$window"}
_SEGMENTS: Final = {"segment": "$segment", "window": "$window"}
_EVERY: Final = {"stream": "", "segment": "all"}
_GREEN, _BLUE, _GREY, _YELLOW, _PURPLE, _RED = "green", "blue", "#8e8e8e", "yellow", "purple", "red"
_NONE_IS_WELL: Final = (Threshold(None, _GREEN), Threshold(1, _RED))
_NO_OR_YES: Final = {0: State("no", _GREEN), 1: State("yes", _RED)}

VERDICTS: Final[Mapping[int, State]] = {
    1: State("no drift", _GREEN),
    2: State("measured", _BLUE),
    3: State("insufficient data", _GREY),
    4: State("data quality", _YELLOW),
    5: State("model changed", _PURPLE),
    6: State("drift", _RED),
}
"""States of a window, by the number that stands for each in a panel."""

VARIABLES: Final = (
    Variable("stream", "Stream", "tidegauge_stream_info", "stream"),
    Variable("segment", "Segment", chosen("tidegauge_window_rows"), "segment", multi=True, first="all"),
    Variable("window", "Window", chosen("tidegauge_window_rows"), "window"),
    Variable("score", "Score", chosen("tidegauge_score", segment="all"), "score"),
)

MARKS: Final = (
    Mark(
        "Alarms",
        f"{newest('tidegauge_alarm_active', 'stream', 'kind', 'severity')} > 0",
        "{{severity}}: {{kind}}",
        _RED,
    ),
    Mark(
        "New reference",
        # Of the first minutes in which it is there.
        f"{newest('tidegauge_stream_info', 'stream', 'reference')} unless "
        f"max by (stream, reference) ({chosen('tidegauge_stream_info')} offset 10m)",
        "reference {{reference}}",
        _BLUE,
    ),
)

_VERDICT = Row(
    "Verdict",
    (
        Panel(
            "Verdict",
            "What the newest closed window of each length says of all rows. A window is judged by itself; "
            "what is worth waking somebody is an alarm.",
            "stat",
            "none",
            (Query(verdict("window", **_ALL), "{{window}}"),),
            width=8,
            height=5,
            states=VERDICTS,
        ),
        Panel(
            "Drift",
            "As if this share of the traffic had moved away from the reference: one unit for every stream and week.",
            "stat",
            _DRIFT,
            (Query(newest("tidegauge_drift", "window", **_ALL), "{{window}}"),),
            width=7,
            height=5,
        ),
        Panel(
            "Alarms that last",
            "Alarms that are not resolved, with those that are acknowledged.",
            "stat",
            "none",
            (Query(_alarms(), "lasting"),),
            width=3,
            height=5,
            thresholds=_NONE_IS_WELL,
        ),
        Panel(
            "Acknowledged",
            "How many of them somebody looks after.",
            "stat",
            "none",
            (Query(f"sum({newest('tidegauge_alarm_acknowledged', 'kind', 'severity')})", "acknowledged"),),
            width=3,
            height=5,
        ),
        Panel(
            "Newest row, ago",
            "How long ago the newest row happened, by its own time.",
            "stat",
            "s",
            (Query(newest("tidegauge_ingest_lag_seconds"), "ago"),),
            width=3,
            height=5,
        ),
        Panel(
            "Verdicts over time",
            "What the newest closed window of each length said at each moment.",
            "state timeline",
            "none",
            (Query(verdict("window", **_ALL), "{{window}}"),),
            height=7,
            states=VERDICTS,
        ),
        Panel(
            "Every stream",
            "The newest closed window of each length, of every stream, whichever is chosen above.",
            "table",
            "short",
            (
                Query(verdict("stream", "window", **_EVERY), "verdict", "none"),
                Query(newest("tidegauge_drift", "stream", "window", **_EVERY), "drift", _DRIFT),
                Query(newest("tidegauge_drift_p_value", "stream", "window", **_EVERY), "p", "none"),
                Query(newest("tidegauge_window_rows", "stream", "window", **_EVERY), "rows"),
                Query(
                    f"time() - {newest('tidegauge_window_end_timestamp_seconds', 'stream', 'window', **_EVERY)}",
                    "ended, ago",
                    "s",
                ),
            ),
            height=7,
            states=VERDICTS,
        ),
    ),
)

_SCORES = Row(
    "Drift and scores against their thresholds",
    (
        Panel(
            "Drift by segment",
            "Segments differ from the reference of all rows by nature: look for a change, not for the height.",
            "timeseries",
            _DRIFT,
            (Query(newest("tidegauge_drift", "segment", **_SEGMENTS), "{{segment}}"),),
        ),
        Panel(
            "Drift by window",
            "All rows. Short windows tell sooner, long ones tell less.",
            "timeseries",
            _DRIFT,
            (Query(newest("tidegauge_drift", "window", **_ALL), "{{window}}"),),
        ),
        Panel(
            "Scores on the way to their thresholds",
            "0 is what unchanged traffic does on average, 1 is the threshold of the score.",
            "timeseries",
            "percentunit",
            (
                Query(
                    "max by (score) (({0} - {1}) / ({2} - {1}))".format(
                        *(chosen(f"tidegauge_score{part}", **_WINDOW) for part in ("", "_null_mean", "_threshold"))
                    ),
                    "{{score}}",
                ),
            ),
            thresholds=(Threshold(None, "transparent"), Threshold(1, _RED)),
        ),
        Panel(
            "Scores in standard deviations",
            "How far each score is from what unchanged traffic does at the same number of rows. It grows with the "
            "number of rows; drift does not.",
            "timeseries",
            "none",
            (Query(newest("tidegauge_score_z", "score", **_WINDOW), "{{score}}"),),
        ),
        Panel(
            "$score",
            "One score in its own unit, with its mean on unchanged traffic, two standard deviations above that, and "
            "its threshold.",
            "timeseries",
            "short",
            (
                Query(newest("tidegauge_score", **_WINDOW, score="$score"), "value"),
                Query(newest("tidegauge_score_null_mean", **_WINDOW, score="$score"), "unchanged, on average"),
                Query(
                    f"max({chosen('tidegauge_score_null_mean', **_WINDOW, score='$score')} + 2 * "
                    f"{chosen('tidegauge_score_null_sd', **_WINDOW, score='$score')})",
                    "unchanged, two sd above",
                ),
                Query(newest("tidegauge_score_threshold", **_WINDOW, score="$score"), "threshold"),
            ),
        ),
        Panel(
            "p",
            "How often unchanged traffic looks at least as different, by the joint test of the panel of scores.",
            "timeseries",
            "none",
            (Query(newest("tidegauge_drift_p_value", "window", **_ALL), "{{window}}"),),
            logarithmic=True,
        ),
        Panel(
            "Scores of the newest window",
            "Each score of all rows: its value, how far it is from unchanged traffic, and its effect in plain units.",
            "table",
            "short",
            (
                Query(newest("tidegauge_score_z", "score", **_WINDOW), "z"),
                Query(newest("tidegauge_score", "score", **_WINDOW), "value"),
                Query(newest("tidegauge_score_null_mean", "score", **_WINDOW), "unchanged"),
                Query(newest("tidegauge_score_threshold", "score", **_WINDOW), "threshold"),
                Query(newest("tidegauge_score_effect", "score", **_WINDOW), "effect"),
            ),
            width=24,
        ),
    ),
)

_OUTCOMES = Row(
    "Drift and outcomes on one time axis",
    (
        Panel(
            "Drift and outcomes",
            "Drift on the left, the rate of each outcome on the right; alarms are marked. That two lines move together "
            "is no evidence: 'tidegauge link' tells what is associated.",
            "timeseries",
            _DRIFT,
            (
                Query(newest("tidegauge_drift", **_WINDOW), "drift"),
                Query(_outcomes(**_ALL), "{{outcome}}", "short"),
            ),
            width=24,
            height=10,
            pointed=True,
        ),
        Panel(
            "Alarms by kind",
            "Alarms that last, on the same time.",
            "state timeline",
            "none",
            (Query(_alarms("kind"), "{{kind}}"),),
            width=24,
            height=5,
            thresholds=_NONE_IS_WELL,
        ),
        Panel(
            "Outcomes by segment",
            "The rate of each outcome in the chosen segments, pane by pane.",
            "timeseries",
            "short",
            (Query(_outcomes(segment="$segment"), "{{segment}}: {{outcome}}"),),
            pointed=True,
        ),
        Panel(
            "Links",
            "Which outcomes are associated with drift: the share of false findings (q), by how much an outcome would "
            "move if all of the traffic had, and how much later. Associated is not caused.",
            "table",
            "short",
            (
                Query(newest("tidegauge_link", "outcome"), "associated", "none"),
                Query(newest("tidegauge_link_q_value", "outcome"), "q", "none"),
                Query(newest("tidegauge_link_slope_ratio", "outcome"), "with all of the traffic"),
                Query(newest("tidegauge_link_lag_seconds", "outcome"), "later by", "s"),
            ),
            states=_NO_OR_YES,
        ),
    ),
)

_CLUSTERS = Row(
    "New clusters",
    (
        Panel(
            "New clusters",
            "Groups of rows where the reference has nothing, that are followed and not gone.",
            "timeseries",
            "none",
            (Query(newest("tidegauge_new_clusters"), "new clusters"),),
            pointed=True,
        ),
        Panel(
            "Traffic in new clusters",
            "How much of the traffic sits in them.",
            "timeseries",
            "percentunit",
            (Query(newest("tidegauge_new_cluster_share_ratio"), "share of the traffic"),),
            pointed=True,
        ),
    ),
)

_COVERAGE = Row(
    "Coverage",
    (
        Panel(
            "Coverage",
            "How much of the traffic has something near it in the documents as they are now; and how much is expected, "
            "where the documents have a reference of their own.",
            "timeseries",
            "percentunit",
            (
                Query(newest("tidegauge_coverage_ratio", "documents"), "by {{documents}}"),
                Query(newest("tidegauge_coverage_expected_ratio", "documents"), "expected of {{documents}}"),
            ),
            width=16,
            pointed=True,
        ),
        Panel(
            "Coverage lost",
            "What is expected, or else the most that was covered in the time that is shown, less what is covered. "
            "Where it rises without drift, look at the index.",
            "stat",
            "percentunit",
            (
                Query(
                    f"({newest('tidegauge_coverage_expected_ratio', 'documents')} or "
                    f"max by (documents) (max_over_time({chosen('tidegauge_coverage_ratio')}[$__range]))) - "
                    f"{newest('tidegauge_coverage_ratio', 'documents')}",
                    "{{documents}}",
                ),
            ),
            width=8,
            thresholds=(Threshold(None, _GREEN), Threshold(0.05, _YELLOW), Threshold(0.1, _RED)),
        ),
    ),
)

_QUALITY = Row(
    "Data quality",
    (
        Panel(
            "Rows",
            "Rows that arrive in a second.",
            "timeseries",
            "rowsps",
            (Query(pace("tidegauge_rows_total"), "rows"),),
        ),
        Panel(
            "Rows set aside",
            "Rows in a second that were not measured, by reason.",
            "timeseries",
            "rowsps",
            (Query(pace("tidegauge_rejected_rows_total", "reason"), "{{reason}}"),),
        ),
        Panel(
            "Repeated vectors",
            "Share of the rows of the newest window that repeat a vector: retries, caches, loops.",
            "timeseries",
            "percentunit",
            (Query(newest("tidegauge_window_duplicate_ratio", "segment", **_SEGMENTS), "{{segment}}"),),
        ),
        Panel(
            "Rows of the newest window",
            "Small windows see only large changes.",
            "timeseries",
            "short",
            (Query(newest("tidegauge_window_rows", "segment", **_SEGMENTS), "{{segment}}"),),
        ),
        Panel(
            "Lag",
            "How long ago the newest row happened, and how long ago a window was closed.",
            "timeseries",
            "s",
            (
                Query(newest("tidegauge_ingest_lag_seconds"), "newest row"),
                Query(f"time() - {newest('tidegauge_last_close_timestamp_seconds')}", "last close"),
            ),
        ),
        Panel(
            "What is wrong with the source",
            "Whether rows stopped, rows of another embedding model were set aside, or what is kept cannot be read.",
            "state timeline",
            "none",
            (
                Query(newest("tidegauge_silence"), "silence"),
                Query(newest("tidegauge_model_changed"), "another model"),
                Query(f"1 - {newest('tidegauge_stream_readable')}", "unreadable"),
            ),
            states=_NO_OR_YES,
        ),
    ),
)

_CALIBRATION = Row(
    "Calibration",
    (
        Panel(
            "Provisional",
            "Whether the threshold of alarms is still learned from too little history to keep its promise for sure.",
            "stat",
            "none",
            (Query(newest("tidegauge_calibration_provisional"), "provisional"),),
            width=4,
            states={0: State("firm", _GREEN), 1: State("provisional", _YELLOW)},
        ),
        Panel(
            "Panes of history",
            "How many panes it was learned from.",
            "stat",
            "none",
            (Query(newest("tidegauge_calibration_panes"), "panes"),),
            width=4,
        ),
        Panel(
            "Opened",
            "Alarms that were opened in the time that is shown.",
            "stat",
            "none",
            (Query(f"max(increase({chosen('tidegauge_alarms_opened_total')}[$__range]))", "alarms"),),
            width=4,
        ),
        Panel(
            "Time between false alarms",
            "What is promised, and what the threshold is known to hold, with its interval. The promise is broken where "
            "all of the interval lies below it.",
            "timeseries",
            "s",
            (
                Query(newest("tidegauge_promised_seconds_between_false_alarms"), "promised"),
                Query(newest("tidegauge_achieved_seconds_between_false_alarms"), "achieved"),
                Query(newest("tidegauge_achieved_seconds_between_false_alarms_lower"), "at least"),
                Query(newest("tidegauge_achieved_seconds_between_false_alarms_upper"), "at most"),
            ),
            logarithmic=True,
        ),
    ),
)

_SERVICE = Row(
    "The service",
    (
        Panel(
            "Requests",
            "Requests in a second by status, over all replicas.",
            "timeseries",
            "reqps",
            (Query("sum by (status) (rate(tidegauge_http_requests_total[$__rate_interval]))", "{{status}}"),),
        ),
        Panel(
            "How long requests take",
            "Within this time 99 in 100 requests are answered, by route.",
            "timeseries",
            "s",
            (
                Query(
                    "histogram_quantile(0.99, sum by (le, route) "
                    "(rate(tidegauge_http_request_seconds_bucket[$__rate_interval])))",
                    "{{route}}",
                ),
            ),
        ),
        Panel(
            "Rows that wait to land",
            "Over all replicas. Too many are refused with 429, and clients try again.",
            "timeseries",
            "short",
            (
                Query("sum by (stream) (tidegauge_ingest_queue_rows)", "{{stream}}"),
                Query(
                    "sum by (stream, reason) (rate(tidegauge_ingest_refused_total[$__rate_interval]))",
                    "{{stream}}, refused: {{reason}}",
                    "reqps",
                ),
            ),
        ),
        Panel(
            "How long landing takes",
            "Within this time 99 in 100 batches are durable in the store.",
            "timeseries",
            "s",
            (
                Query(
                    "histogram_quantile(0.99, sum by (le) (rate(tidegauge_landing_seconds_bucket[$__rate_interval])))",
                    "99 in 100",
                ),
            ),
        ),
        Panel(
            "Store",
            "How large the store is.",
            "timeseries",
            "bytes",
            (Query(newest("tidegauge_store_bytes", stream=""), "store"),),
            width=8,
        ),
        Panel(
            "Messages that wait",
            "What was not yet told, by endpoint.",
            "timeseries",
            "none",
            (Query(newest("tidegauge_messages_waiting", "endpoint", stream=""), "{{endpoint}}"),),
            width=8,
        ),
        Panel(
            "Folded series",
            "Values of labels that were left out of the metrics in the time that is shown, as too many had come.",
            "stat",
            "none",
            (Query("sum(increase(tidegauge_folded_series_total[$__range]))", "values"),),
            width=4,
        ),
        Panel(
            "Versions",
            "Of tidegauge, and of how many replicas.",
            "stat",
            "none",
            (Query("sum by (version) (tidegauge_build_info)", "{{version}}"),),
            width=4,
        ),
    ),
)

ROWS: Final = (_VERDICT, _SCORES, _OUTCOMES, _CLUSTERS, _COVERAGE, _QUALITY, _CALIBRATION, _SERVICE)
