"""Whatever the published document allows, and much that it does not: no answer is an error of the service's own."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import HealthCheck, Phase, given, settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis.generation import GenerationMode

EXAMPLES = 8


@pytest.fixture
def document(client):
    return client.get("/openapi.json").json()


def test_the_document_names_every_route_and_what_it_may_answer(document):
    assert {"/v1/streams/{stream}/batches", "/v1/streams/{stream}/outcomes", "/healthz", "/readyz"} <= set(
        document["paths"]
    )
    for path, methods in document["paths"].items():
        for method, about in methods.items():
            assert about["summary"], path
            assert any(status.startswith("2") for status in about["responses"]), path
            if method != "get":
                assert {"401", "403", "422"} <= set(about["responses"]), path


def test_nothing_that_is_sent_makes_an_error_of_the_service(document, client):
    schema = schemathesis.openapi.from_dict(document)
    schema.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    asked, statuses = 0, set()
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case):
            nonlocal asked
            words = case.as_transport_kwargs(base_url="http://localhost")
            words.pop("cookies", None)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    answer = client.request(
                        words.pop("method"),
                        words.pop("url"),
                        headers={
                            name: value.encode("utf-8") for name, value in (words.pop("headers", None) or {}).items()
                        },
                        params=words.pop("params", None),
                        json=words.get("json"),
                        content=words.get("data") if isinstance(words.get("data"), str | bytes) else None,
                    )
                except (UnicodeError, ValueError):  # what cannot be put on the wire at all
                    return
            asked += 1
            statuses.add(answer.status_code)
            assert answer.status_code < 500, (case.method, case.path, answer.text)

        ask()
    assert asked > 40
    assert len(statuses) > 2
