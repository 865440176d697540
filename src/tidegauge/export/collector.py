"""The metrics as a Collector of prometheus_client, read from the store whenever they are asked for."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final, get_args

from tidegauge.contracts import Clock, Store
from tidegauge.errors import ArtefactError, StoreError, TidegaugeError, UsageError
from tidegauge.export.families import FAMILIES, Family
from tidegauge.export.labels import (
    MOST_ENDPOINTS,
    MOST_OUTCOMES,
    MOST_REASONS,
    MOST_SEGMENTS,
    label,
    largest,
    segment_label,
    window_label,
)
from tidegauge.export.threshold import Thresholds, thresholds
from tidegauge.export.totals import outcome_sums
from tidegauge.records import (
    ALL,
    OF_OUTCOME,
    AlarmKind,
    Coverage,
    FollowedCluster,
    Link,
    LinkState,
    Severity,
    StreamState,
    Window,
    WindowState,
)
from tidegauge.run.baseline import as_kept, check_pane, in_force
from tidegauge.run.watch import silent

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from tidegauge.run.link import Linked
    from tidegauge.run.promise import Promise
    from tidegauge.spec import Spec, StreamSpec

_REFERENCES: Final = 4
"""Newest windows of one length that are looked at for one under the reference in force."""
_ANSWERED: Final = ("acknowledged", "snoozed")
_TOLD: Final[Mapping[LinkState, int]] = {"associated": 1, "not associated": 0}
_DAY: Final = 86_400

Sample = tuple[str, tuple[str, ...], float]
"""Name of a metric, values of its labels, and its value."""
_Read = Callable[["StreamSpec", StreamState], Iterator[Sample]]
"""Reads a part of what a stream says."""


@dataclass(frozen=True, slots=True, eq=False)
class _Linked:
    """What was found when links and coverage were looked at: under which reference, and until where; or the ``fault``
    that kept it from being found.
    """

    seen: tuple[object, ...]
    reference: str
    length: float | None
    links: tuple[Link, ...] = ()
    coverage: Coverage | None = None
    fault: str = ""


class Collector:
    """Tells what a store says of the settings' streams, each time anew: after a restart as before it.

    What changes only as panes close (windows, clusters, sums of outcomes, promises) is read again once that has
    happened, by the version of the stream's state. Links and coverage take up to seconds of a processor: ``collect``
    tells what ``refresh_links`` found last, and never waits for it.

    Parameters
    ----------
    store : Store
        Only read.
    spec : Spec
    clock : Clock
    linked : callable, optional
        What finds the links of a stream, where somebody else needs them too.

    Attributes
    ----------
    faults : mapping of str to str
        By stream, what could not be read when it was asked last, in a person's words.

    Examples
    --------
    >>> import tempfile
    >>> from prometheus_client import CollectorRegistry, generate_latest
    >>> from tidegauge.spec import Spec
    >>> from tidegauge.store import open_store
    >>> registry, spec = CollectorRegistry(), Spec(streams={"queries": {"pane": "1h"}})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = open_store(f"{folder}/drift.db")
    ...     registry.register(Collector(store, spec))
    ...     lines = generate_latest(registry).decode().splitlines()
    ...     store.close()
    >>> next(line for line in lines if line.startswith("tidegauge_rows_total"))
    'tidegauge_rows_total{stream="queries"} 0.0'
    """

    def __init__(
        self,
        store: Store,
        spec: Spec,
        clock: Clock = time.time,
        *,
        linked: Callable[[StreamSpec], Linked] | None = None,
    ) -> None:
        self._store, self._spec, self._clock, self._find = store, spec, clock, linked
        self.faults: Mapping[str, str] = {}
        self._folded: set[tuple[str, ...]] = set()
        self._thresholds: dict[str, tuple[tuple[str, float], Thresholds]] = {}
        self._closed: dict[tuple[str, str], tuple[tuple[int, str], tuple[Sample, ...]]] = {}
        self._linked: dict[str, _Linked] = {}

    def describe(self) -> Iterator[Metric]:
        """Every metric without samples, so that to register it reads no store."""
        yield from (_metric(family, ()) for family in FAMILIES.values())

    def collect(self) -> Iterator[Metric]:
        """Read the store.

        Raises
        ------
        StoreError
            Where the store is out of reach: a scrape that fails tells of it. One stream that cannot be read does not
            make it fail.
        """
        faults: dict[str, str] = {}
        found = defaultdict[str, list[tuple[tuple[str, ...], float]]](list)
        for name, labels, value in self._samples(faults):
            found[name].append((labels, value))
        self.faults = faults
        for family in FAMILIES.values():
            if found[family.name]:
                yield _metric(family, found[family.name])

    def refresh_links(self) -> None:
        """Look at the links and the coverage of each stream of which panes have closed since the last time.

        For whoever has the time: a thread beside a server, or a command before it prints.
        """
        states = self._states({})
        for name, stream in self._spec.streams.items():
            state = states.get(name)
            if state is None or not _has_links(stream) or not state.reference:
                continue
            seen = _seen(stream, states)
            known = self._linked.get(name)
            if known is None or known.seen != seen:
                try:
                    self._linked[name] = self._look(as_kept(stream, state), states, seen)
                except Exception as error:  # as where it is scraped; and not tried again before the next pane
                    _raise_for_store(error)
                    self._linked[name] = _Linked(seen, state.reference, None, fault=_said(error))

    def _look(self, spec: StreamSpec, states: Mapping[str, StreamState], seen: tuple[object, ...]) -> _Linked:
        from tidegauge.run.baseline import monitor_of
        from tidegauge.run.change import changed
        from tidegauge.run.link import NoWindows, documents_of, link

        state, timed = states[spec.name], spec.pane.unit == "seconds"
        monitor, documents = monitor_of(self._store, spec, state), documents_of(self._store, self._spec, spec)
        if spec.declared:
            try:
                found = self._find(spec) if self._find else link(self._store, monitor, documents=documents)
            except NoWindows:
                return _Linked(seen, state.reference, None)
            length = found.length if timed else None
            return _Linked(seen, state.reference, length, found.links, found.changed.coverage)
        windows = [each[0].key for each in _newest(self._store, spec, state)]
        some = [key for key in windows if not timed or key.length <= max(_DAY, spec.pane.length)]
        if not some:
            return _Linked(seen, state.reference, None)
        after = some[-1].start, some[-1].end
        coverage = changed(self._store, monitor, (), after, after, documents=documents).coverage
        return _Linked(seen, state.reference, None, coverage=coverage)

    # One stream after the other

    def _samples(self, faults: dict[str, str]) -> Iterator[Sample]:
        states = self._states(faults)
        yield "tidegauge_build_info", (_version(),), 1
        yield "tidegauge_store_bytes", (), self._store.size()
        for name, stream in self._spec.streams.items():
            if name in states:
                yield from self._of_stream(stream, states, faults)
            elif name not in faults:
                yield from _unrecorded(stream)
            yield "tidegauge_stream_readable", (name,), name not in faults
        yield from self._messages()
        yield "tidegauge_folded_series_total", (), len(self._folded)

    def _states(self, faults: dict[str, str]) -> dict[str, StreamState]:
        """Where the streams stand; one after the other where that of one is damaged."""
        try:
            return {state.stream: state for state in self._store.streams()}
        except ArtefactError:
            states: dict[str, StreamState] = {}
            for name in self._spec.streams:
                try:
                    states[name] = self._store.state(name)
                except UsageError:
                    continue  # nothing was recorded of it yet
                except ArtefactError as error:
                    faults[name] = _said(error)
            return states

    def _of_stream(
        self, stream: StreamSpec, states: Mapping[str, StreamState], faults: dict[str, str]
    ) -> Iterator[Sample]:
        """What one stream says; what cannot be read of it is left out."""
        state = states[stream.name]
        parts: list[_Read] = [self._fits, self._standing]
        if stream.kind == "stream":
            once = (self._info, self._windows, self._promises, self._clusters, self._outcomes)
            parts += [self._alarms, *(partial(self._once, each) for each in once)]
        else:  # a snapshot is judged again without another version
            parts += [self._info, self._windows]
        if _has_links(stream):
            parts.append(partial(self._links, states, faults))
        for read in parts:
            try:
                # What is kept is read as it was cut, whatever the settings say by now: `_fits` tells of that.
                spec = stream if read == self._fits else as_kept(stream, state)
                yield from list(read(spec, state))
            except Exception as error:  # one damaged stream, whatever is wrong with it, must not blind the others
                _raise_for_store(error)
                faults.setdefault(stream.name, _said(error))

    def _once(self, read: _Read, spec: StreamSpec, state: StreamState) -> Iterator[Sample]:
        """What changes only as panes close: read again once the state has another version."""
        key, now = (spec.name, read.__name__), (state.version, state.reference)
        known = self._closed.get(key)
        if known is None or known[0] != now:
            known = self._closed[key] = (now, tuple(read(spec, state)))
        yield from known[1]

    def _fits(self, spec: StreamSpec, state: StreamState) -> Iterator[Sample]:
        check_pane(spec, state)
        yield from ()

    def _standing(self, spec: StreamSpec, state: StreamState) -> Iterator[Sample]:
        name, now, of = spec.name, self._clock(), (spec.name,)
        yield "tidegauge_model_changed", of, bool(state.model)
        yield "tidegauge_rows_total", of, state.seen
        reasons = {reason: n for reason, n in state.aside.items() if not reason.startswith(OF_OUTCOME)}
        for reason in self._told(reasons, list(reasons), MOST_REASONS, name, "reason"):
            yield "tidegauge_rejected_rows_total", (name, label(reason)), reasons[reason]
        if spec.kind == "stream":
            yield "tidegauge_silence", of, silent(spec, state.watermark, now) is not None
        if state.watermark is not None:
            yield "tidegauge_last_event_timestamp_seconds", of, state.watermark
            yield "tidegauge_ingest_lag_seconds", of, max(now - state.watermark, 0.0)

    def _info(self, spec: StreamSpec, state: StreamState) -> Iterator[Sample]:
        model = (self._thresholds_of(spec, state).model if state.reference else "") or spec.model_id
        pane = "" if spec.kind == "snapshot" else str(spec.pane)
        yield "tidegauge_stream_info", (spec.name, state.kind, state.reference[:12], label(model), pane), 1

    def _windows(self, spec: StreamSpec, state: StreamState) -> Iterator[Sample]:
        newest = list(_newest(self._store, spec, state))
        counted = spec.kind == "stream" and spec.pane.unit == "rows"
        closed = None if counted else state.settled
        if closed is None and newest:
            closed = _end(newest[0][0], counted=counted)
        yield from _known("tidegauge_last_close_timestamp_seconds", (spec.name,), closed)
        if not newest:
            return
        at = self._thresholds_of(spec, state)
        told = self._segments(spec, newest)
        for windows in newest:
            for window in windows:
                if window.key.segment in told:
                    yield from _of_window(spec, window, at.of(window.rows * spec.share), counted=counted)

    def _segments(self, spec: StreamSpec, newest: Sequence[Sequence[Window]]) -> set[str]:
        """All rows, and the segments that are largest over the longest windows."""
        rows = {window.key.segment: window.rows for windows in newest for window in windows}
        names = [segment for segment in rows if segment != ALL]
        return {ALL, *self._told(rows, names, MOST_SEGMENTS, spec.name, "segment")}

    def _alarms(self, spec: StreamSpec, state: StreamState) -> Iterator[Sample]:
        every = self._store.alarms(spec.name)
        yield "tidegauge_alarms_opened_total", (spec.name,), len(every)
        for kind in get_args(AlarmKind):
            for severity in get_args(Severity):
                of, mine = (spec.name, kind, severity), (kind, severity)
                lasting = [each for each in every if each.lasts and (each.kind, each.severity) == mine]
                yield "tidegauge_alarm_active", of, len(lasting)
                yield "tidegauge_alarm_acknowledged", of, sum(each.state in _ANSWERED for each in lasting)

    def _promises(self, spec: StreamSpec, state: StreamState) -> Iterator[Sample]:
        """What the budget promises of all rows; nothing where the stream raises no alarms."""
        from tidegauge.run.alarms import lookout_of
        from tidegauge.run.promise import promises

        for promise in promises(self._store, lookout_of(self._spec, spec), state)[:1] if state.reference else ():
            yield from _of_promise(spec.name, promise)

    def _clusters(self, spec: StreamSpec, state: StreamState) -> Iterator[Sample]:
        if state.reference:
            yield from _of_clusters(spec.name, self._store.clusters(spec.name, reference=state.reference))

    def _outcomes(self, spec: StreamSpec, state: StreamState) -> Iterator[Sample]:
        for name in self._told({}, [each.name for each in spec.declared], MOST_OUTCOMES, spec.name, "outcome"):
            below_zero = (spec.name, "outcome", name)
            # Once is for good: the sums of longer windows do not show it any more.
            sums = None if below_zero in self._folded else outcome_sums(self._store, spec, state, name)
            if sums is None:
                self._folded.add(below_zero)
                continue
            rows = {segment: below for segment, (_, below) in sums.items()}
            names = [segment for segment in dict.fromkeys((*state.segments, *sums)) if segment != ALL]
            for segment in (ALL, *self._told(rows, names, MOST_SEGMENTS, spec.name, "segment")):
                above, below = sums.get(segment, (0.0, 0.0))
                of = (spec.name, segment_label(segment), label(name))
                yield "tidegauge_outcome_numerator_total", of, above
                yield "tidegauge_outcome_denominator_total", of, below

    def _links(
        self, states: Mapping[str, StreamState], faults: dict[str, str], spec: StreamSpec, state: StreamState
    ) -> Iterator[Sample]:
        known = self._linked.get(spec.name)
        fresh = known is not None and known.seen == _seen(spec, states) and not known.fault
        yield "tidegauge_link_pending", (spec.name,), not fresh
        if known is not None and known.reference == state.reference:
            yield from _of_links(spec, known)
            if known.fault:
                faults.setdefault(spec.name, known.fault)

    def _messages(self) -> Iterator[Sample]:
        waiting = dict.fromkeys(self._spec.alarms.endpoints, 0)
        for message in self._store.messages(waiting=True):
            waiting[message.endpoint] = waiting.get(message.endpoint, 0) + 1
        for name in self._told(waiting, list(waiting), MOST_ENDPOINTS, "", "endpoint"):
            yield "tidegauge_messages_waiting", (label(name),), waiting[name]

    def _told(self, rows: Mapping[str, float], names: list[str], most: int, *where: str) -> list[str]:
        told, folded = largest(rows, names, most)
        self._folded |= {(*where, name) for name in folded}
        return told

    def _thresholds_of(self, spec: StreamSpec, state: StreamState) -> Thresholds:
        under, known = (state.reference, spec.alpha), self._thresholds.get(spec.name)
        if known is None or known[0] != under:
            known = self._thresholds[spec.name] = (under, thresholds(in_force(self._store, state), spec.alpha))
        return known[1]


def _metric(family: Family, samples: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

    if family.kind == "info":
        info = InfoMetricFamily(family.name.removesuffix("_info"), family.help, labels=())
        for labels, _ in samples:
            info.add_metric((), dict(zip(family.labels, labels, strict=True)))
        return info
    made = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = made(family.name, family.help, labels=family.labels, unit=family.unit)
    for labels, value in samples:
        metric.add_metric(labels, float(value))
    return metric


def _unrecorded(spec: StreamSpec) -> Iterator[Sample]:
    """What there is to say of a stream of the settings of which nothing was recorded yet."""
    pane = "" if spec.kind == "snapshot" else str(spec.pane)
    yield "tidegauge_stream_info", (spec.name, spec.kind, "", label(spec.model_id), pane), 1
    yield "tidegauge_rows_total", (spec.name,), 0


def _newest(store: Store, spec: StreamSpec, state: StreamState) -> Iterator[list[Window]]:
    """The newest closed windows under the reference in force, shortest length first: all rows, then segments."""
    for length in (0,) if spec.kind == "snapshot" else (spec.pane.length, *spec.windows):
        # A window of the reference before may begin where one of this one does.
        some = store.windows(spec.name, length=length, segment=ALL, newest=_REFERENCES)
        mine = [window.key for window in some if window.key.reference == state.reference]
        if mine:
            every = store.windows(spec.name, length=length, since=mine[-1].start, until=mine[-1].end)
            yield [window for window in every if window.key.reference == state.reference]


def _end(window: Window, *, counted: bool) -> float | None:
    """Until when a window is, in seconds; where windows are counted in rows, of when its newest row is."""
    return window.last_time if counted else float(window.key.end)


def _of_window(spec: StreamSpec, window: Window, at: Mapping[str, float], *, counted: bool) -> Iterator[Sample]:
    length = window_label(window.key.length, "rows" if counted else "seconds")
    of = (spec.name, segment_label(window.key.segment), length)
    yield "tidegauge_window_rows", of, window.rows
    if window.rows:
        yield "tidegauge_window_duplicate_ratio", of, window.duplicates / window.rows
    yield from _known("tidegauge_window_end_timestamp_seconds", of, _end(window, counted=counted))
    for state in get_args(WindowState):
        yield "tidegauge_window_state", (*of, state), window.state == state
    if window.drift is not None:
        yield from _known("tidegauge_drift", of, window.drift.value / 100)
    yield from _known("tidegauge_drift_p_value", of, window.p)
    for score in window.scores:
        if score.refused or not (score.member or window.key.segment == ALL):
            continue
        each = (*of, label(score.name))
        yield from _known("tidegauge_score", each, score.value)
        yield from _known("tidegauge_score_null_mean", each, score.null_mean)
        yield from _known("tidegauge_score_null_sd", each, score.null_sd)
        yield from _known("tidegauge_score_threshold", each, at.get(score.name))
        yield from _known("tidegauge_score_z", each, score.z)
        yield from _known("tidegauge_score_effect", each, score.effect)


def _of_promise(name: str, promise: Promise) -> Iterator[Sample]:
    yield "tidegauge_calibration_provisional", (name,), not promise.firm
    yield "tidegauge_calibration_panes", (name,), promise.learned or 0
    if promise.pane is None or promise.panes is None:
        return
    yield "tidegauge_promised_seconds_between_false_alarms", (name,), promise.panes * promise.pane
    if promise.achieved is not None:
        achieved = {"": promise.achieved.panes, "_lower": promise.achieved.low, "_upper": promise.achieved.high}
        for end, panes in achieved.items():
            yield from _known(f"tidegauge_achieved_seconds_between_false_alarms{end}", (name,), panes * promise.pane)


def _of_clusters(name: str, clusters: Sequence[FollowedCluster]) -> Iterator[Sample]:
    alive = [each for each in clusters if each.gone is None]
    newest = max((share.start for each in clusters for share in each.shares), default=None)
    shares = [share for each in alive for share in each.shares if share.start == newest and share.sampled]
    yield "tidegauge_new_clusters", (name,), len(alive)
    yield "tidegauge_new_cluster_share_ratio", (name,), min(sum(each.inside / each.sampled for each in shares), 1.0)


def _has_links(spec: StreamSpec) -> bool:
    return spec.kind == "stream" and bool(spec.declared or spec.documents)


def _seen(spec: StreamSpec, states: Mapping[str, StreamState]) -> tuple[object, ...]:
    """What tells one look at links and coverage from another: what is closed, and what the documents are."""
    state, documents = states[spec.name], states.get(spec.documents)
    there = None if documents is None else (documents.reference, documents.version, documents.seen)
    return state.reference, state.settled, there


def _of_links(spec: StreamSpec, found: _Linked) -> Iterator[Sample]:
    names = [each.name for each in spec.declared][:MOST_OUTCOMES]
    for each in found.links:
        if each.segment != ALL or each.outcome.name not in names or each.state not in _TOLD:
            continue
        of = (spec.name, label(each.outcome.name))
        yield "tidegauge_link", of, _TOLD[each.state]
        yield from _known("tidegauge_link_q_value", of, each.q)
        # Of one more per cent of the traffic; drift is told here as a share of all of it.
        yield from _known("tidegauge_link_slope_ratio", of, 100 * each.slope)
        if each.lag is not None and found.length is not None:
            yield "tidegauge_link_lag_seconds", of, each.lag * found.length
    if found.coverage is not None:
        of = (spec.name, spec.documents)
        yield from _known("tidegauge_coverage_ratio", of, found.coverage.share)
        yield from _known("tidegauge_coverage_expected_ratio", of, found.coverage.before)


def _known(name: str, labels: tuple[str, ...], value: float | None) -> Iterator[Sample]:
    """A sample, where there is a number to tell."""
    if value is not None and not math.isnan(value):
        yield name, labels, value


def _raise_for_store(error: Exception) -> None:
    """Let pass that the store is out of reach, which is the fault of no stream."""
    if isinstance(error, StoreError) and error.transient:
        raise error


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) if isinstance(error, TidegaugeError) else f"a {type(error).__name__}: {error}"


def _version() -> str:
    try:
        return version("tidegauge")
    except PackageNotFoundError:  # a source tree that was never installed
        return "0"
