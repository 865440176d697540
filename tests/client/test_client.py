"""What is sent, and what comes of it whatever the service does."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.client.conftest import Make, check
from tests.client.service import (
    Act,
    Service,
    answer,
    drip,
    flood,
    hang,
    hang_up,
    reset,
    take,
    take_and_close,
    take_and_hang_up,
)
from tidegauge.client import Client, sender, wire
from tidegauge.errors import UsageError

V = np.arange(1, 4, dtype=np.float32)


def test_what_is_sent_beside_a_vector(service: Service, make: Make) -> None:
    client = make(token="s3cret", model_id="my-encoder-1")
    client.observe(
        V,
        id="a",
        time="1970-01-02",
        session="s",
        segment="de",
        text="where is my parcel",
        outcomes={"success": True, "clicks": (1, 4), "stars": None},
    )
    client.observe([4, 5, 6], id=7, time=datetime(1970, 1, 1, 0, 1, tzinfo=UTC))
    assert client.flush(5)
    [request] = service.requests
    assert request.path == "/v1/streams/queries/batches"
    assert (request.headers["Authorization"], request.headers["Model-Id"]) == ("Bearer s3cret", "my-encoder-1")
    assert len(request.key) == 32
    assert request.columns == {
        "vector": [[1, 2, 3], [4, 5, 6]],
        "id": ["a", "7"],
        "time": [86_400, 60],
        "session": ["s", None],
        "segment": ["de", None],
        "text": ["where is my parcel", None],
        "success": [1, None],
        "clicks": [1, None],
        "clicks_denominator": [4, None],
    }
    assert client.stats.rows == type(client.stats.rows)(given=2, sent=2, waiting=0, dropped={})


def test_a_vector_is_copied_and_its_time_is_now(service: Service, make: Make) -> None:
    client, x = make(flush_seconds=60), V.copy()
    before = time.time()
    client.observe(x)
    x[:] = 0
    client.flush(5)
    columns = service.requests[0].columns
    assert columns["vector"] == [[1, 2, 3]]
    assert before <= columns["time"][0] <= time.time()


def test_many_rows_travel_in_batches(service: Service, make: Make) -> None:
    client = make(batch_rows=100)
    x = np.random.default_rng(0).standard_normal((250, 5))
    client.observe_many(
        x, ids=range(250), times=range(250), segments="de", texts=["t"] * 250, outcomes={"n": np.arange(250) / 4}
    )
    assert client.flush(5)
    assert max(request.rows for request in service.requests) <= 100
    np.testing.assert_array_equal(np.array(service.column("vector")), x.astype(np.float32))
    assert service.column("id") == [str(i) for i in range(250)]
    assert set(service.column("segment")) == {"de"}
    assert service.column("n") == [i / 4 for i in range(250)]
    assert service.connections == 1


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_kinds_of_numbers_stay_as_they_are(service: Service, make: Make, dtype: str) -> None:
    import pyarrow as pa

    client = make()
    client.observe(V.astype(dtype))
    assert client.flush(5)
    kind = pa.ipc.open_stream(service.requests[0].body).read_all().schema.field("vector").type
    assert kind == pa.list_(pa.from_numpy_dtype(np.dtype(dtype)), 3)


def test_models_and_kinds_of_numbers_do_not_share_a_batch(service: Service, make: Make) -> None:
    client = make(flush_seconds=60, model_id="a")
    for model in ("", "b", ""):
        client.observe(V, model_id=model)
    client.observe(V.astype(np.int8))
    assert client.flush(5)
    assert sorted((r.headers["Model-Id"], r.rows) for r in service.requests) == [("a", 1), ("a", 2), ("b", 1)]


def test_other_widths_and_what_is_not_finite_are_the_services_to_count(service: Service, make: Make) -> None:
    service.then(answer(202, b'{"aside": {"width": 1, "nan": 2, "bad": "x"}}'))
    client = make(flush_seconds=60)
    client.observe_many([V, V[:2], np.array([np.nan, 1, 1])])
    assert client.flush(5)
    widths = [len(row) for row in service.requests[0].columns["vector"]]
    assert widths == [3, 2, 3]
    assert client.stats.aside == {"width": 1, "nan": 2}


def test_text_that_was_cut_in_a_character_travels(service: Service, make: Make) -> None:
    client = make(flush_seconds=60)
    client.observe(V, text="caf\udce9")
    client.observe(V, text="café")
    assert client.flush(5)
    assert service.column("text") == ["caf?", "café"]


def test_without_pyarrow_rows_are_json(service: Service, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_pyarrow", lambda: None)
    client = make(flush_seconds=60)
    client.observe(V, id="a", time=5, outcomes={"success": True, "clicks": (1, 4)})
    client.observe([1, float("nan"), float("inf")], time=6)
    client.observe(V.astype(np.int8))
    assert client.flush(5)
    [request] = service.requests
    assert request.columns == {
        "vectors": [[1, 2, 3], [1, None, None]],
        "times": [5, 6],
        "ids": ["a", None],
        "success": [1, None],
        "clicks": [[1, 4], None],
    }
    assert client.stats.rows.dropped == {"malformed": 1}


BAD: list[Any] = ["text", None, 5, {}, [], [[1, 2]], ["a", "b"], object(), np.array([1j]), np.zeros(3, np.uint8), b"ab"]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_what_is_no_vector_is_counted(service: Service, make: Make, bad: Any) -> None:
    client = make()
    client.observe(bad)
    client.observe_many(bad)
    client.observe(V)
    assert client.flush(5)
    stats = client.stats.rows
    assert (stats.sent, set(stats.dropped)) == (service.rows(), {"malformed"})
    assert stats.dropped["malformed"] >= 1


class Spiteful:
    """Raises whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise OSError(name)

    def __str__(self) -> str:
        raise RuntimeError

    def __len__(self) -> int:
        raise MemoryError

    def __array__(self, *about: object, **more: object) -> Any:
        raise ValueError


def test_nothing_that_is_given_raises(service: Service, make: Make) -> None:
    client, bad = make(), Spiteful()
    client.observe(bad)
    client.observe_many(bad)
    for name in ("id", "time", "session", "segment", "text", "outcomes", "model_id"):
        client.observe(V, **{name: bad})
    for name in ("ids", "times", "sessions", "segments", "texts", "outcomes"):
        client.observe_many([V, V], **{name: bad})
        client.observe_many([V, V], **{name: ["one"]})
    client.observe(V, model_id="a\nb")
    client.observe(V, time="yesterday")
    client.observe(V, outcomes={"success": bad, 3: 1, "time": 2, "inf": float("inf")})
    client.outcome(bad, success=1)
    client.outcome("", success=1)
    client.outcome("a")
    client.outcome("a", success="yes")
    client.outcome("a", success=10**400)
    client.observe(V, outcomes={"success": 10**400})
    client.observe([10**400])
    assert client.flush(5)
    stats = client.stats
    assert (stats.rows.sent, stats.outcomes.dropped, stats.unfit) == (2, {"malformed": 5}, 5)
    check(client)


def test_late_outcomes_come_after_their_rows_and_apart_from_other_names(service: Service, make: Make) -> None:
    client = make(flush_seconds=60)
    client.observe(V, id="a")
    client.outcome("a", clicked=True, stars=(9, 10))
    client.outcome("b", success=0)
    client.outcome("c", success=1, missing=None)
    assert client.flush(5)
    first, *late = service.requests
    assert first.path.endswith("/batches")
    assert [r.path for r in late] == ["/v1/streams/queries/outcomes"] * 2
    assert [r.columns for r in late] == [
        {"ids": ["a"], "clicked": [1], "stars": [[9, 10]]},
        {"ids": ["b", "c"], "success": [0, 1]},
    ]
    assert client.stats.outcomes.sent == 3


RETRIED: dict[str, Act] = {
    "429": answer(429, Retry_After="0"),
    "503": answer(503),
    "500": answer(500),
    "408": answer(408),
    "hang up": hang_up,
    "reset": reset,
    "lost answer": take_and_hang_up,
}


@pytest.mark.parametrize("act", RETRIED.values(), ids=RETRIED)
def test_what_may_pass_is_tried_again_under_the_same_key(service: Service, make: Make, act: Act) -> None:
    service.then(act, act, act)
    client = make()
    client.observe(V)
    assert client.flush(5)
    assert len({request.key for request in service.requests}) == 1
    assert len({request.body for request in service.requests}) == 1
    assert (len(service.requests), service.rows()) == (4, 1)
    stats = client.stats
    assert (stats.rows.sent, stats.failed, stats.retried) == (1, 3, 3)
    assert stats.last_error.startswith(("HTTP ", "it hung up"))


SLOW: dict[str, Act] = {"hang": hang, "drip": drip}


@pytest.mark.parametrize("act", SLOW.values(), ids=SLOW)
def test_a_try_ends_in_its_time(service: Service, make: Make, act: Act) -> None:
    service.then(act)
    client = make(timeout=0.3)
    client.observe(V)
    assert client.flush(5)
    assert (service.rows(), client.stats.last_error) == (1, "no answer within 0.3 s")


def test_an_answer_without_end_is_no_more_than_an_answer(service: Service, make: Make) -> None:
    service.then(flood)
    client = make()
    for _ in range(2):
        client.observe(V)
        assert client.flush(5)
    assert (client.stats.rows.sent, client.stats.failed, service.connections) == (2, 0, 2)


def test_a_kept_connection_that_was_closed_is_opened_anew(service: Service, make: Make) -> None:
    service.then(take_and_close)
    client = make()
    client.observe(V)
    assert client.flush(5)
    time.sleep(0.05)
    client.observe(V)
    assert client.flush(5)
    assert (client.stats.failed, service.rows(), service.connections) == (0, 2, 2)


@pytest.mark.parametrize("status", [301, 302, 401, 403, 404, 409, 415, 421])
def test_what_is_refused_for_good_is_dropped(service: Service, make: Make, status: int) -> None:
    service.then(answer(status, Location=f"{service.url}/elsewhere"))
    client = make(token="s3cret")
    client.observe(V)
    assert client.flush(5)
    client.observe(V)
    assert client.flush(5)
    assert {request.path for request in service.requests} == {"/v1/streams/queries/batches"}
    assert client.stats.rows.dropped == {f"HTTP {status}": 1}
    assert client.stats.rows.sent == service.rows() == 1


def test_what_is_too_large_is_halved(service: Service, make: Make) -> None:
    def small(handler: Any, request: Any) -> None:
        (take if request.rows <= 3 else answer(413))(handler, request)

    service.then(*[small] * 100)
    client = make(flush_seconds=60, batch_rows=16)
    client.observe_many([V] * 20, ids=range(20))
    assert client.flush(5)
    assert sorted(service.column("id"), key=int) == [str(i) for i in range(20)]
    tries = len(service.requests)
    client.observe_many([V] * 4)
    assert client.flush(5)
    assert len(service.requests) == tries + 2, "it has learned what is small enough"
    service.acts.clear()
    service.then(answer(413))
    client.observe(V)
    assert client.flush(5)
    assert client.stats.rows.dropped == {"HTTP 413": 1}


def test_rows_are_sent_without_outcomes_that_the_service_does_not_expect(service: Service, make: Make) -> None:
    problem = b'{"what": "outcome \'sucess\'", "got": "no such outcome", "want": "one of success"}'
    service.then(answer(422, problem))
    client = make(flush_seconds=60)
    client.observe_many([V, V], outcomes={"sucess": [1, None]})
    assert client.flush(5)
    assert [sorted(request.columns) for request in service.requests][1] == ["time", "vector"]
    assert len({request.key for request in service.requests}) == 2
    stats = client.stats
    assert (stats.rows.sent, stats.rows.dropped, stats.unfit) == (2, {}, 1)
    assert "outcome 'sucess': got no such outcome, want one of success" in stats.last_error


@pytest.mark.parametrize("dated", [False, True])
def test_the_service_is_left_alone_as_long_as_it_asks(service: Service, make: Make, dated: bool) -> None:
    until = format_datetime(datetime.fromtimestamp(time.time() + 2, UTC), usegmt=True) if dated else "1"
    service.then(answer(429, Retry_After=until))
    client = make()
    began = time.monotonic()
    client.observe(V)
    assert client.flush(10)
    assert time.monotonic() - began >= (0.9 if dated else 1.0)  # a date has whole seconds
    assert len(service.requests) == 2


def test_pauses_grow_and_are_bounded(service: Service, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(sender.random, "uniform", lambda low, high: waits.append(high) or high)
    service.then(*[answer(503)] * 6)
    client = make()
    client.observe(V)
    began = time.monotonic()
    assert client.flush(5)
    assert len(waits) == 6
    assert time.monotonic() - began >= 0.005 + 0.01 + 0.02 + 0.04 + 0.05 + 0.05


def test_a_full_queue_drops_what_comes(service: Service, make: Make) -> None:
    service.then(hang)
    client = make(queue_rows=5, timeout=0.5)
    for i in range(9):
        client.observe(V, id=i)
    assert client.stats.rows.dropped == {"queue full": 4}
    client.outcome("0", success=1)
    assert client.stats.outcomes.dropped == {"queue full": 1}
    assert client.flush(5)
    assert sorted(service.column("id")) == list("01234")
    client.observe(V)
    assert client.flush(5)
    assert client.stats.rows.sent == 6


def test_a_queue_has_its_bound_of_bytes(service: Service, make: Make) -> None:
    client = make(queue_bytes=50_000, flush_seconds=60)
    x = np.zeros(2000, np.float32)
    for _ in range(10):
        client.observe(x)
    client.observe(V, text="x" * 100_000)
    stats = client.stats.rows
    assert (stats.waiting, stats.dropped) == (5, {"queue full": 6})


def test_what_is_too_old_is_given_up(service: Service, make: Make) -> None:
    service.then(*[answer(503)] * 1000)
    client = make(patience=0.1)
    client.observe(V)
    assert client.flush(5)
    assert client.stats.rows.dropped == {"gave up": 1}


def test_rows_go_by_themselves(service: Service, make: Make) -> None:
    client = make(batch_rows=4, flush_seconds=0.1)
    client.observe_many([V] * 5)
    until = time.monotonic() + 5
    while service.rows() < 5 and time.monotonic() < until:
        time.sleep(0.01)
    assert [request.rows for request in service.requests] == [4, 1]


def test_closing_sends_what_waits_and_takes_no_more(service: Service, make: Make) -> None:
    with make(flush_seconds=60) as client:
        client.observe(V)
    assert service.rows() == 1
    client.observe(V)
    client.outcome("a", success=1)
    assert client.stats.rows.dropped == {"closed": 1}
    assert client.close()
    assert not [each for each in threading.enumerate() if each.name == "tidegauge-client-queries"]


def test_closing_is_bounded_and_counts_what_is_left(service: Service, make: Make) -> None:
    service.then(*[hang] * 10)
    client = make(batch_rows=2)
    client.observe_many([V] * 7)
    began = time.monotonic()
    assert not client.close(timeout=0.2)
    assert time.monotonic() - began < 3
    stats = client.stats.rows
    assert stats.sent == 0
    assert stats.waiting + stats.dropped["closed"] == 7
    check(client)


def test_closing_does_not_sit_out_a_pause_but_heeds_what_the_service_asks(
    service: Service, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "_FIRST", 60.0)
    monkeypatch.setattr(sender, "_LONGEST", 60.0)
    for asked, closed in (({}, True), ({"Retry_After": "60"}, False)):
        service.then(answer(503, **asked))
        client = make()
        client.observe(V)
        until = time.monotonic() + 5
        while not client.stats.failed and time.monotonic() < until:
            time.sleep(0.01)
        began = time.monotonic()
        assert client.close(timeout=2) is closed
        assert time.monotonic() - began < 3
        check(client)


def test_a_flush_that_cannot_be_says_so(service: Service, make: Make) -> None:
    client = make(url="http://127.0.0.1:9")
    assert client.flush(0.01)
    client.observe(V)
    assert not client.flush(0.1)
    assert client.stats.last_error == "the connection was refused"
    assert client.stats.rows.waiting == 1


def test_what_goes_wrong_is_said_once_and_without_the_token(
    service: Service, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    service.then(*[answer(503, b"no: s3cret-token\n\x1b[31m is not welcome")] * 3)
    client = make(token="s3cret-token")
    with caplog.at_level(logging.DEBUG):
        for _ in range(50):
            client.observe("no vector")
        client.observe(V)
        assert client.flush(5)
        client.close()
    lines = [record.getMessage() for record in caplog.records]
    bad = [line for line in lines if "malformed" in line]
    assert 1 <= len(bad) <= 2, "the first at once, the rest at the end"
    assert "want (d,)" in bad[0]
    assert any("tries failed: 1 (HTTP 503 Service Unavailable: no: ***  [31m is not welcome)" in line for line in lines)
    assert "s3cret" not in f"{lines} {client.stats} {client!r} {vars(client)}"
    assert all(record.name == "tidegauge.client" for record in caplog.records)


def test_the_log_is_not_written_by_callers(service: Service, make: Make) -> None:
    threads: set[str] = set()

    class Slow(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            threads.add(threading.current_thread().name)
            client.observe(V)  # a handler that observes must not be an endless loop, nor a deadlock

    handler, log = Slow(), logging.getLogger("tidegauge.client")
    log.addHandler(handler)
    try:
        client = make(queue_rows=1)
        for _ in range(20):
            client.observe("no vector")
            client.observe(V)
        client.close()
    finally:
        log.removeHandler(handler)
    assert threads == {"tidegauge-client-queries"}


def test_a_log_that_raises_stops_nothing(service: Service, make: Make) -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError

    handler, log = Broken(), logging.getLogger("tidegauge.client")
    log.addHandler(handler)
    try:
        client = make()
        client.observe("no vector")
        for _ in range(2):
            client.observe(V)
            assert client.flush(5)
    finally:
        log.removeHandler(handler)
    assert client.stats.rows.sent == 2


def test_a_message_has_its_bound_of_bytes(service: Service, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "_MESSAGE_BYTES", 20_000)
    client = make(flush_seconds=60)
    client.observe_many(np.ones((10, 2000), np.float32), ids=range(10))
    client.observe(np.ones(10_000, np.float32), id=10)
    assert client.flush(5)
    assert [request.rows for request in service.requests] == [2, 2, 2, 2, 2, 1]
    assert service.column("id") == [str(i) for i in range(11)]


def test_a_defect_loses_one_batch_and_is_counted(service: Service, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    client = make()
    with monkeypatch.context() as patch:
        patch.setattr(wire, "arrow_rows", lambda *_: 1 / 0)
        client.observe(V)
        assert client.flush(5)
    client.observe(V)
    assert client.flush(5)
    assert client.stats.rows.dropped == {"internal error": 1}
    assert client.stats.rows.sent == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "ftp://127.0.0.1"}, "want http://HOST:PORT"),
        ({"url": "http://[::1"}, "cannot be read"),
        ({"url": "http://user:s3cret@127.0.0.1"}, "a user in it"),
        ({"url": "http://127.0.0.1/?a"}, "want http://HOST:PORT"),
        ({"url": "http://127.0.0.1/a\nb"}, "want http://HOST:PORT"),
        ({"stream": "../tokens"}, "the name of a stream"),
        ({"stream": ""}, "the name of a stream"),
        ({"token": "s3cret\r\nX: y"}, "printable ASCII"),
        ({"url": "http://drift.example", "token": "s3cret"}, "want https://"),
        ({"url": "http://localhost.example", "token": "s3cret"}, "want https://"),
        ({"model_id": "a\nb"}, "printable ASCII"),
        ({"queue_rows": 0}, "at least 1"),
        ({"flush_seconds": 0}, "more than 0"),
        ({"timeout": float("nan")}, "more than 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        Client(**{"stream": "queries", **settings})
    assert "s3cret" not in str(caught.value)


def test_a_token_may_travel_in_the_clear_where_told() -> None:
    Client("http://drift.example", stream="queries", token="s3cret", insecure=True).close()
    Client("http://drift.example", stream="queries").close()
    Client("https://drift.example/monitoring/", stream="queries", token="s3cret").close()


def test_the_token_may_come_from_the_environment(service: Service, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGAUGE_TOKEN", "s3cret")
    client = make(url=f"{service.url}/monitoring/")
    client.observe(V)
    assert client.flush(5)
    [request] = service.requests
    assert request.path == "/monitoring/v1/streams/queries/batches"
    assert request.headers["Authorization"] == "Bearer s3cret"


def test_certificates_are_checked(tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    import subprocess

    from tests.client.service import serving

    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make a certificate")
    made, certificate = tmp_path / "both.pem", tmp_path / "certificate.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(made), "-out", str(certificate)]
    subprocess.run([openssl, *words, *names], check=True, capture_output=True)
    made.write_bytes(made.read_bytes() + certificate.read_bytes())
    with serving(made) as service:
        stranger = make(url=service.url, token="s3cret")
        stranger.observe(V)
        stranger.flush(0.3)
        assert stranger.stats.last_error.startswith("its certificate is not trusted: self")
        assert service.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        client = make(url=service.url, token="s3cret")
        for _ in range(2):
            client.observe(V)
            assert client.flush(5)
        assert (service.rows(), client.stats.failed) == (2, 0)


def test_an_embedding_function_is_wrapped(service: Service, make: Make) -> None:
    client = make(flush_seconds=60)

    @client.wrap
    def embed(text: str, scale: float = 1.0) -> list[float]:
        """Embed."""
        return [scale, float(len(text))]

    many = client.wrap(lambda texts: np.array([[1.0, len(text)] for text in texts]), texts=True, segment="de")
    one = client.wrap(embed.__wrapped__, texts=True)
    assert (embed("abc", scale=2.0), embed.__name__, embed.__doc__) == ([2.0, 3.0], "embed", "Embed.")
    assert many(["a", "bc"]).tolist() == [[1, 1], [1, 2]]
    assert one("abcd") == [1, 4]
    for found in (None, "text", Spiteful(), []):
        assert client.wrap(lambda found=found: found)() is found
    with pytest.raises(ZeroDivisionError):
        client.wrap(lambda: 1 / 0)()
    assert client.flush(5)
    assert service.column("vector") == [[2, 3], [1, 1], [1, 2], [1, 4]]
    assert service.column("text") == [None, "a", "bc", "abcd"]
    assert service.column("segment") == [None, "de", "de", None]
