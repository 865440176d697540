"""Vectors and outcomes from OpenTelemetry spans that follow the conventions of OpenInference.

Needs ``opentelemetry-sdk``: ``pip install tidegauge[otel]``.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanContext, get_current_span

from tidegauge.client.client import Client

_VECTOR: Final = re.compile(r"embedding\.embeddings\.(\d{1,6})\.embedding\.vector", re.ASCII)
_TEXT: Final = "embedding.embeddings.{}.embedding.text"
_MODEL: Final = "embedding.model_name"
_KIND: Final = "openinference.span.kind"
_DOCUMENT: Final = re.compile(r"retrieval\.documents\.(\d{1,6})\.", re.ASCII)
_TOP: Final = "retrieval.documents.0.document.score"
_MOST_SPANS: Final = 20_000
_log = logging.getLogger("tidegauge.client")

Attributes = Mapping[str, Any]


@dataclass(slots=True)
class _Row:
    """A vector that waits for the outcomes of its request; ``above`` are the ids of its span and those above it."""

    vector: Any
    about: dict[str, Any]
    above: frozenset[int]
    outcomes: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Request:
    """Spans under one that has no parent in this process, each with its parent; rows in the order of their ends."""

    parents: dict[int, int | None]
    rows: list[_Row] = field(default_factory=list)


class EmbeddingSpanProcessor(SpanProcessor):
    """Gives a client every vector of OpenInference embedding spans, with the outcomes of the request that it is of.

    Rows wait until the outermost span of their request in this process has ended, and then go with all outcomes that
    any of its spans carried. An outcome of a span belongs to the vectors of that span and of those below it; where
    there are none, to those of the embedding span that ended last before it. Of two spans, the inner one is heeded.
    The model that a span names goes before the client's.

    The id of a row is ``TRACE-SPAN-N`` (`row_id`), by which `Client.outcome` adds what becomes known later.

    Parameters
    ----------
    client : Client
        It is flushed, not closed, where the provider is shut down.
    outcome_prefix : str
        Attributes whose name begins so are outcomes: a number, a truth value, or numerator and denominator.
    retrieval : bool
        Whether retriever spans give the outcomes ``retrieved``, the number of documents, and ``top_score``, the score
        of the first. The settings of the stream must have both.
    texts : bool
        Whether texts go with the vectors.
    session, segment : str
        Attributes of embedding spans, or of spans above them, that name the session and the segment; of few values.
    takes : callable, optional
        Says of an embedding span whether its vectors are of the stream: queries, and not documents.

    Examples
    --------
    >>> from opentelemetry.sdk.trace import TracerProvider
    >>> from tidegauge.client import Client
    >>> client, provider = Client(stream="queries"), TracerProvider()
    >>> provider.add_span_processor(EmbeddingSpanProcessor(client))
    >>> tracer = provider.get_tracer("example")
    >>> with tracer.start_as_current_span("embed") as span:
    ...     span.set_attribute("embedding.embeddings.0.embedding.vector", [0.1, 0.2])
    >>> client.stats.rows.given, client.close(timeout=0)  # nobody listens here
    (1, False)
    """

    def __init__(
        self,
        client: Client,
        *,
        outcome_prefix: str = "tidegauge.outcome.",
        retrieval: bool = False,
        texts: bool = False,
        session: str = "session.id",
        segment: str = "",
        takes: Callable[[ReadableSpan], bool] | None = None,
    ) -> None:
        self._client, self._prefix, self._retrieval, self._texts = client, outcome_prefix, retrieval, texts
        self._names = {"session": session, "segment": segment}
        self._takes = takes
        self._begin()
        this = weakref.ref(self)

        def begin_anew() -> None:
            processor = this()
            if processor is not None:
                processor._begin()

        os.register_at_fork(after_in_child=begin_anew)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._requests: dict[int, _Request] = {}
        self._told = False

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Note under which span it is."""
        try:
            above = get_current_span(parent_context).get_span_context()
            own = span.get_span_context()
            with self._lock:
                left = self._evicted() if len(self._requests) >= _MOST_SPANS else []
                request = self._requests.get(above.span_id) if above.is_valid and not above.is_remote else None
                if request is None:
                    request = _Request({})
                request.parents[own.span_id] = above.span_id if request.parents else None
                self._requests[own.span_id] = request
            self._give(left)
        except Exception as error:  # the traced program goes on
            self._failed(error)

    def on_end(self, span: ReadableSpan) -> None:
        """Take its vectors and outcomes."""
        try:
            own, attributes = span.get_span_context(), span.attributes or {}
            if own is None:
                return
            outcomes = dict(outcomes_of(attributes, self._prefix, retrieval=self._retrieval))
            taken = self._takes is None or self._takes(span)
            vectors = dict(vectors_of(attributes)) if taken else {}
            with self._lock:
                request = self._requests.get(own.span_id)
                above = frozenset(_chain(request.parents, own.span_id)) if request else frozenset({own.span_id})
                rows = [
                    _Row(vector, self._about(span, own, attributes, n), above) for n, vector in sorted(vectors.items())
                ]
                left = rows
                if request is not None:
                    request.rows += rows
                    _place(request.rows, own.span_id, outcomes, self._shared(attributes))
                    left = self._over(request) if request.parents.get(own.span_id) is None else []
                else:
                    _place(rows, own.span_id, outcomes, {})
            self._give(left)
        except Exception as error:  # the traced program goes on
            self._failed(error)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is complete: rows of requests that go on wait for their end."""
        return self._client.flush(timeout_millis / 1000)

    def shutdown(self) -> None:
        """Send everything, also of requests that have not ended."""
        with self._lock:
            left: list[_Row] = []
            while self._requests:
                left += self._evicted()
        self._give(left)
        self._client.flush()

    def _about(self, span: ReadableSpan, own: SpanContext, attributes: Attributes, n: int) -> dict[str, Any]:
        about: dict[str, Any] = {
            "id": row_id(own, n),
            "time": (span.start_time or 0) / 1e9 or None,
            "model_id": str(attributes.get(_MODEL) or ""),
            **self._shared(attributes),
        }
        if self._texts:
            about["text"] = attributes.get(_TEXT.format(n)) or ""
        return about

    def _shared(self, attributes: Attributes) -> dict[str, str]:
        """Session and segment, where this span names them."""
        return {what: str(attributes[name]) for what, name in self._names.items() if name and name in attributes}

    def _over(self, request: _Request) -> list[_Row]:
        for span in request.parents:
            self._requests.pop(span, None)
        rows, request.rows = request.rows, []
        return rows

    def _evicted(self) -> list[_Row]:
        """Let the oldest request go as it is: spans that never end must not fill the memory."""
        return self._over(next(iter(self._requests.values())))

    def _give(self, rows: list[_Row]) -> None:
        for row in rows:
            self._client.observe(row.vector, outcomes=row.outcomes, **row.about)

    def _failed(self, error: Exception) -> None:
        if not self._told:
            self._told = True
            _log.warning("a span could not be read (%s: %s); this is said once", type(error).__name__, error)


def row_id(span: SpanContext, n: int = 0) -> str:
    """The id of the n-th vector of a span.

    Examples
    --------
    >>> from opentelemetry.trace import SpanContext
    >>> row_id(SpanContext(1, 2, is_remote=False))
    '00000000000000000000000000000001-0000000000000002-0'
    """
    return f"{span.trace_id:032x}-{span.span_id:016x}-{n}"


def vectors_of(attributes: Attributes) -> Iterator[tuple[int, Any]]:
    """Number and vector of every embedding of a span.

    Examples
    --------
    >>> list(vectors_of({"embedding.embeddings.1.embedding.vector": (0.5, 1.0), "embedding.model_name": "m"}))
    [(1, (0.5, 1.0))]
    """
    for name, value in attributes.items():
        found = _VECTOR.fullmatch(name)
        if found:
            yield int(found[1]), value


def outcomes_of(attributes: Attributes, prefix: str, *, retrieval: bool) -> Iterator[tuple[str, Any]]:
    """Name and value of every outcome of a span.

    Examples
    --------
    >>> found = {"openinference.span.kind": "RETRIEVER", "retrieval.documents.0.document.score": 0.8, "ours.clicks": 2}
    >>> list(outcomes_of(found, "ours.", retrieval=True))
    [('clicks', 2), ('retrieved', 1), ('top_score', 0.8)]
    """
    for name, value in attributes.items():
        if name.startswith(prefix) and len(name) > len(prefix):
            yield name.removeprefix(prefix), value
    if not retrieval:
        return
    documents = [int(found[1]) for found in map(_DOCUMENT.match, attributes) if found]
    if documents or attributes.get(_KIND) == "RETRIEVER":
        # The sdk lets go of the first attributes of a span that has too many, so that the last number tells how many.
        yield "retrieved", max(documents, default=-1) + 1
    if _TOP in attributes:
        yield "top_score", attributes[_TOP]


def _chain(parents: Mapping[int, int | None], span: int) -> Iterator[int]:
    above: int | None = span
    while above is not None:
        yield above
        above = parents.get(above)


def _place(rows: list[_Row], span: int, outcomes: Mapping[str, Any], shared: Mapping[str, str]) -> None:
    """Give what a span tells to the rows that it is about."""
    below = [row for row in rows if span in row.above]
    for row in below:
        for name, value in shared.items():
            row.about.setdefault(name, value)
    about = below or [row for row in rows if row.above == rows[-1].above]
    for row in about:
        for name, value in outcomes.items():
            row.outcomes.setdefault(name, value)
