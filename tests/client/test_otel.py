"""Spans as OpenInference writes them, through the real SDK."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from opentelemetry.sdk.trace import Tracer, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from tests.client.conftest import Make, check
from tests.client.service import Service
from tidegauge.client import Client, otel
from tidegauge.client.otel import EmbeddingSpanProcessor, row_id


class Traced:
    def __init__(self, client: Client, provider: TracerProvider) -> None:
        self.client, self.provider = client, provider
        self.tracer: Tracer = provider.get_tracer("test")

    def span(self, name: str, **more: Any) -> Any:
        return self.tracer.start_as_current_span(name, **more)

    def embedding(self, *vectors: Any, texts: tuple[str, ...] = (), **attributes: Any) -> Any:
        with self.span("embed") as span:
            span.set_attribute("openinference.span.kind", "EMBEDDING")
            span.set_attribute("embedding.model_name", "my-encoder-1")
            for n, vector in enumerate(vectors):
                span.set_attribute(f"embedding.embeddings.{n}.embedding.vector", vector)
            for n, text in enumerate(texts):
                span.set_attribute(f"embedding.embeddings.{n}.embedding.text", text)
            span.set_attributes(attributes)
        return span


@pytest.fixture
def trace(make: Make) -> Iterator[Any]:
    providers = []

    def one(**settings: Any) -> Traced:
        client = make(flush_seconds=60)
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(EmbeddingSpanProcessor(client, **settings))
        providers.append(provider)
        return Traced(client, provider)

    yield one
    for provider in providers:
        provider.shutdown()


def test_a_request_with_its_vectors_and_outcomes(service: Service, trace: Any) -> None:
    traced = trace(retrieval=True, texts=True, segment="locale")
    with traced.span("request", attributes={"session.id": "s1", "locale": "de"}) as root:
        with traced.span("retrieve", attributes={"openinference.span.kind": "RETRIEVER"}) as retriever:
            embedding = traced.embedding([0.5, 1.0], texts=("where is my parcel",))
            for n, score in enumerate((0.75, 0.5)):
                retriever.set_attribute(f"retrieval.documents.{n}.document.score", score)
                retriever.set_attribute(f"retrieval.documents.{n}.document.id", str(n))
        assert traced.client.stats.rows.given == 0, "the request goes on"
        root.set_attribute("tidegauge.outcome.success", True)
        root.set_attribute("tidegauge.outcome.clicks", (1, 4))
    assert traced.provider.force_flush()
    [request] = service.requests
    assert request.headers["Model-Id"] == "my-encoder-1"
    assert request.columns == {
        "vector": [[0.5, 1.0]],
        "id": [row_id(embedding.get_span_context())],
        "time": [pytest.approx(embedding.start_time / 1e9)],
        "session": ["s1"],
        "segment": ["de"],
        "text": ["where is my parcel"],
        "success": [1],
        "clicks": [1],
        "clicks_denominator": [4],
        "retrieved": [2],
        "top_score": [0.75],
    }


def test_each_retrieval_belongs_to_its_own_query(service: Service, trace: Any) -> None:
    """Embedding and retrieval beside each other, twice in one request, and a retrieval that found nothing."""
    traced = trace(retrieval=True)
    with traced.span("request") as root:
        for x, documents in ((1.0, 3), (2.0, 0)):
            traced.embedding([x, 0.0])
            with traced.span("retrieve", attributes={"openinference.span.kind": "RETRIEVER"}) as retriever:
                for n in range(documents):
                    retriever.set_attribute(f"retrieval.documents.{n}.document.score", x / (n + 2))
        root.set_attribute("tidegauge.outcome.success", False)
    assert traced.client.flush(5)
    rows = zip(*(service.column(name) for name in ("vector", "retrieved", "top_score", "success")), strict=True)
    assert list(rows) == [([1, 0], 3, 0.5, 0), ([2, 0], 0, None, 0)]


def test_the_inner_span_is_heeded(service: Service, trace: Any) -> None:
    traced = trace(outcome_prefix="ours.")
    with traced.span("request", attributes={"ours.stars": 1, "tidegauge.outcome.other": 1}):
        traced.embedding([1.0, 2.0], **{"ours.stars": 5})
        traced.embedding([3.0, 4.0])
    assert traced.client.flush(5)
    assert service.column("stars") == [5, 1]
    assert "other" not in service.requests[0].columns


def test_several_vectors_of_a_span(service: Service, trace: Any) -> None:
    traced = trace()
    vectors = [[float(n), 1.0] for n in range(12)]
    span = traced.embedding(*vectors)
    assert traced.client.flush(5)
    assert service.column("vector") == vectors
    assert service.column("id") == [row_id(span.get_span_context(), n) for n in range(12)]
    traced.client.outcome(row_id(span.get_span_context(), 3), clicked=True)
    assert traced.client.flush(5)
    assert service.requests[-1].columns["ids"] == [service.column("id")[3]]


def test_requests_side_by_side_do_not_mix(service: Service, trace: Any) -> None:
    traced, gate = trace(), threading.Barrier(8)

    def request(name: int) -> None:
        with traced.span("request", attributes={"session.id": str(name)}) as root:
            gate.wait()
            traced.embedding([float(name), 1.0])
            gate.wait()
            root.set_attribute("tidegauge.outcome.n", name)

    threads = [threading.Thread(target=request, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert traced.client.flush(5)
    rows = zip(service.column("vector"), service.column("n"), service.column("session"), strict=True)
    assert sorted(rows) == [([n, 1], n, str(n)) for n in range(8)]


def test_the_caller_of_a_request_is_another_process(service: Service, trace: Any) -> None:
    traced = trace()
    remote = SpanContext(5, 6, is_remote=True, trace_flags=TraceFlags(1))
    with traced.span("request", context=set_span_in_context(NonRecordingSpan(remote))):
        traced.embedding([1.0, 2.0])
    assert traced.client.flush(5)
    assert service.column("id")[0].startswith(f"{5:032x}-")


def test_a_span_that_outlives_its_request_comes_by_itself(service: Service, trace: Any) -> None:
    traced = trace()
    with traced.span("request", attributes={"tidegauge.outcome.success": 1}) as root:
        late = traced.tracer.start_span("embed")
        traced.embedding([1.0, 2.0])
    late.set_attribute("embedding.embeddings.0.embedding.vector", [3.0, 4.0])
    late.end()
    with traced.span("later", context=set_span_in_context(root)):
        traced.embedding([5.0, 6.0])
    assert traced.client.flush(5)
    rows = zip(service.column("vector"), service.column("success"), strict=True)
    assert sorted(rows) == [([1, 2], 1), ([3, 4], None), ([5, 6], None)]
    [processor] = traced.provider._active_span_processor._span_processors
    assert processor._requests == {}


def test_spans_that_never_end_do_not_fill_the_memory(
    service: Service, trace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otel, "_MOST_SPANS", 5)
    traced = trace()
    roots = []
    for n in range(20):
        root = traced.tracer.start_span("request")
        roots.append(root)
        with traced.span("inner", context=set_span_in_context(root)):
            traced.embedding([float(n), 1.0])
    [processor] = traced.provider._active_span_processor._span_processors
    assert len(processor._requests) <= 5
    for root in roots:
        root.set_attribute("tidegauge.outcome.success", 1)
        root.end()
    assert traced.client.flush(5)
    assert sorted(x for x, _ in service.column("vector")) == list(range(20))
    assert processor._requests == {}


def test_what_is_not_of_the_stream_is_left(service: Service, trace: Any) -> None:
    traced = trace(takes=lambda span: "index" not in (span.attributes or {}))
    traced.embedding([1.0, 2.0], index=True)
    traced.embedding([3.0, 4.0])
    with traced.span("chain"):
        pass
    assert traced.client.flush(5)
    assert service.column("vector") == [[3, 4]]


def test_nothing_raises_and_redacted_vectors_are_counted(service: Service, trace: Any) -> None:
    traced = trace(takes=lambda span: 1 / len(span.name))
    traced.embedding("__REDACTED__", [1.0, 2.0], **{"tidegauge.outcome.a": "text", "tidegauge.outcome.": 1})
    with traced.span(""):
        pass
    traced.client.flush(5)
    stats = traced.client.stats
    assert (stats.rows.dropped, stats.rows.sent) == ({"malformed": 1}, 1)
    check(traced.client)


def test_what_is_not_sampled_is_not_seen(make: Make) -> None:
    client = make()
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    provider.add_span_processor(EmbeddingSpanProcessor(client))
    Traced(client, provider).embedding([1.0, 2.0])
    provider.shutdown()
    assert client.stats.rows.given == 0


def test_a_shutdown_gives_what_has_not_ended(service: Service, trace: Any) -> None:
    traced = trace()
    root = traced.tracer.start_span("request")
    with traced.span("inner", context=set_span_in_context(root)):
        traced.embedding([1.0, 2.0])
    traced.provider.shutdown()
    assert service.rows() == 1
    root.end()
    assert traced.client.stats.rows.given == 1


def test_documents_are_counted_although_the_sdk_lets_go_of_attributes(service: Service, trace: Any) -> None:
    traced = trace(retrieval=True)
    with traced.span("retrieve", attributes={"openinference.span.kind": "RETRIEVER"}) as retriever:
        traced.embedding(np.arange(3.0).tolist())
        for n in range(100):
            retriever.set_attribute(f"retrieval.documents.{n}.document.id", str(n))
            retriever.set_attribute(f"retrieval.documents.{n}.document.score", 1 / (n + 1))
    assert traced.client.flush(5)
    assert service.column("retrieved") == [100]
    assert "top_score" not in service.requests[0].columns, "it was let go of; another's would be wrong"
