"""What is made of the store at some cost: links, reports of a span, and pictures; once, and then kept for a while."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, NamedTuple

from tidegauge.contracts import Clock, Store
from tidegauge.errors import UsageError
from tidegauge.records import ALL, StreamState
from tidegauge.run.baseline import as_kept, monitor_of
from tidegauge.server.once import Once
from tidegauge.spec import Spec, StreamSpec
from tidegauge.window.spans import ceil, newest

if TYPE_CHECKING:
    from tidegauge.records import Comparison
    from tidegauge.run.link import Linked

FRESH: Final = 60
"""Seconds for which a report of rows that still come is good enough."""
_DAY: Final = 86_400
_WEEKS: Final = 28 * _DAY
_WINDOWS: Final = 700
"""So many windows of a picture can be told apart."""
_HAPPENED: Final = 100
_CHANGES: Final = tuple(f"change-{i}" for i in range(1, 5))
OF_REPORT: Final = ("embedding-drift-pca", "pc1", "scores", *_CHANGES)
OF_LINKS: Final = ("link", "link-study", *(f"link-{each}" for each in _CHANGES))
COURSE: Final = "course"
PICTURES: Final = (COURSE, *OF_REPORT, *OF_LINKS)
"""Every picture that there may be of a stream, by name."""


class Span(NamedTuple):
    """Rows that are looked at: of a stream, or of one segment, from ``first`` until ``last``."""

    stream: str
    first: int
    last: int
    segment: str = ALL


class Views:
    """Makes links, reports and pictures of a store's streams, each once while nothing new is closed.

    Parameters
    ----------
    store : Store
        Only read.
    spec : Spec
    clock : callable
    """

    def __init__(self, store: Store, spec: Spec, clock: Clock) -> None:
        self.store, self.spec, self.clock = store, spec, clock
        self.once = Once(most=32 + 4 * len(spec.streams))

    def linked(self, stream: StreamSpec) -> Future[Linked]:
        """What ties a stream's outcomes to its drift, as of the pane that was closed last."""

        def make() -> Linked:
            from tidegauge.run.link import documents_of, link

            monitor = monitor_of(self.store, stream, self.store.state(stream.name))
            return link(self.store, monitor, documents=documents_of(self.store, self.spec, stream))

        return self.once(("linked", stream.name), self._closed(stream), make)

    def link_files(self, stream: StreamSpec) -> Future[Mapping[str, bytes]]:
        """The page, the JSON and the pictures of links, by the names of their files."""

        def make() -> Mapping[str, bytes]:
            from tidegauge.report.link import forms

            return forms(self.linked(stream).result())

        return self.once(("link files", stream.name), self._closed(stream), make)

    def compared(self, span: Span) -> Future[Comparison]:
        """A span against the reference in force."""

        def make() -> Comparison:
            from tidegauge.run.compare import compared

            monitor = monitor_of(self.store, self.spec.streams[span.stream], self.store.state(span.stream))
            return compared(self.store, monitor, span.first, span.last, span.segment)

        return self.once(("compared", span), self._fresh(span), make)

    def live(self, stream: StreamSpec, state: StreamState) -> Future[Comparison]:
        """The live window against the reference in force."""
        span = Span(stream.name, *live(stream, state))
        return self.once(("live", stream.name), (span, self._fresh(span)), lambda: self.compared(span).result())

    def report_files(self, span: Span) -> Future[Mapping[str, bytes]]:
        """The page, the JSON and the pictures of a span's report, by the names of their files."""

        def make() -> Mapping[str, bytes]:
            from tidegauge.report import forms

            return forms(self.compared(span).result())

        return self.once(("report files", span), self._fresh(span), make)

    def course_files(self, stream: StreamSpec, state: StreamState) -> Future[Mapping[str, bytes]]:
        """Drift and outcomes of the last weeks on one time, as SVG and PNG; anew where something closed or happened."""

        def make() -> Mapping[str, bytes]:
            from tidegauge.report.canvas import png, svg
            from tidegauge.report.link_figure import course_figure
            from tidegauge.run.link import courses

            since, length = recent(stream, state)
            figure = course_figure(courses(self.store, stream, state.reference, since=since, length=length))
            return {f"{COURSE}.svg": svg(figure), f"{COURSE}.png": png(figure)}

        alarms = tuple((each.id, each.state) for each in self.store.alarms(stream.name, newest=_HAPPENED))
        said = tuple(each.id for each in self.store.annotations(stream.name)[-_HAPPENED:])
        return self.once(("course", stream.name), (self._closed(stream), alarms, said), make)

    def _closed(self, stream: StreamSpec) -> Hashable:
        """What tells the present of a stream from its past: the reference, what is closed, and its documents."""
        states = {state.stream: state for state in self.store.streams()}
        state, documents = states.get(stream.name), states.get(stream.documents)
        there = None if documents is None else (documents.reference, documents.version)
        return None if state is None else (state.reference, state.settled, state.segments, there)

    def _fresh(self, span: Span) -> Hashable:
        state = self.store.state(span.stream)
        return state.reference, state.settled, int(self.clock() // FRESH)


def recent(stream: StreamSpec, state: StreamState) -> tuple[int, int]:
    """Since when the last weeks are shown, and in windows of which length: the shortest that can be told apart."""
    lengths = (stream.pane.length, *stream.windows)
    if stream.pane.unit == "rows":
        return max(state.seen - _WINDOWS * stream.pane.length, 0), stream.pane.length
    end = state.settled if state.settled is not None else int(state.watermark or 0)
    length = next((each for each in lengths if _WEEKS / each <= _WINDOWS), lengths[-1])
    return end - min(_WEEKS, _WINDOWS * length), length


def live(stream: StreamSpec, state: StreamState) -> tuple[int, int]:
    """Where the live window begins and ends: as long as the longest that is kept, a day at most, up to the newest row.

    Of a snapshot, its present content.
    """
    if stream.kind == "snapshot":
        return 0, 0
    stream = as_kept(stream, state)
    if stream.pane.unit == "rows":
        length = max(stream.pane.length, *stream.windows, 0)
    else:
        length = max((each for each in stream.windows if each <= _DAY), default=stream.pane.length)
    if stream.pane.unit == "rows" and not state.seen:
        raise UsageError(f"stream {stream.name}", got="no row yet", want="rows to report on")
    last = ceil(newest(stream, state) + 1, stream.pane.length, stream)
    return max(last - max(length, stream.pane.length), 0), last
