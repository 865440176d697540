"""Range queries to a server of the test's own: which panes they are of, and what is said of whatever it may do."""

from __future__ import annotations

import base64
import gc
import json
import math
import os
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.deliver.receiver import Act, Receiver, answer, drip, flood, hang, hang_up, listening
from tidegauge.errors import UsageError
from tidegauge.read.series import PrometheusSeries, SeriesError, SeriesPoint, prometheus
from tidegauge.window.panes import start_of

Form = dict[str, str]
Sample = tuple[float, str]


class Always:
    """What is done with every request."""

    def __init__(self, act: Act) -> None:
        self.act = act

    def __bool__(self) -> bool:
        return True

    def popleft(self) -> Act:
        return self.act


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def server() -> Iterator[Receiver]:
    with listening() as found:
        yield found


@pytest.fixture
def receiver(server: Receiver) -> Receiver:
    server.requests.clear()
    server.acts = deque()
    return server


def address(receiver: Receiver, path: str = "") -> str:
    return f"http://127.0.0.1:{receiver.port}{path}"


def forms(receiver: Receiver) -> list[Form]:
    return [{name: values[0] for name, values in parse_qs(each.body.decode()).items()} for each in receiver.requests]


def matrix(*series: tuple[dict[str, str], Sequence[Sample]], **more: Any) -> bytes:
    result = [{"metric": labels, "values": [list(sample) for sample in samples]} for labels, samples in series]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}, **more}).encode()


def refused(words: str, kind: str = "bad_data") -> bytes:
    return json.dumps({"status": "error", "errorType": kind, "error": words}).encode()


def serve(receiver: Receiver, said: Callable[[Form], bytes]) -> None:
    """Answer every query by what its form says."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        answer(200, said(forms(receiver)[-1]))(handler)

    receiver.acts = Always(act)  # type: ignore[assignment]


def ends(form: Form) -> list[int]:
    """The moments at which a Prometheus evaluates a range query."""
    return list(range(int(form["start"]), int(form["end"]) + 1, int(form["step"])))


def of(receiver: Receiver, numerator: str = "good", denominator: str = "all", **more: Any) -> PrometheusSeries:
    return PrometheusSeries(address(receiver), numerator, denominator, **{"step": 300, "timeout": 5, **more})


def raised(receiver: Receiver, act: Act, **more: Any) -> SeriesError:
    receiver.acts.append(act)
    with pytest.raises(SeriesError) as caught:
        list(of(receiver, **more).points(0, 3000))
    return caught.value


def test_a_sample_is_of_the_pane_that_ends_with_it(receiver: Receiver) -> None:
    serve(receiver, lambda form: matrix(({}, [(t, str(t if form["query"] == "good" else 2 * t)) for t in ends(form)])))
    found = list(of(receiver).points(600, 1500))
    assert found == [SeriesPoint(600, 900, 1800), SeriesPoint(900, 1200, 2400), SeriesPoint(1200, 1500, 3000)]
    above, below = forms(receiver)
    assert (above["query"], above["start"], above["end"], above["step"]) == ("good", "900", "1500", "300")
    assert below == {**above, "query": "all"}
    assert (above["partial_response"], above["deny_partial_response"]) == ("false", "1")
    assert {request.path for request in receiver.requests} == {"/api/v1/query_range"}
    assert all(each.headers["Content-Type"] == "application/x-www-form-urlencoded" for each in receiver.requests)


@settings(max_examples=60, deadline=None)
@given(
    step=st.sampled_from([1, 7, 300, 86_400, 604_800, 1_209_600]),
    since=st.floats(-2e6, 2e9),
    panes=st.floats(0, 40),
    most=st.integers(1, 9),
)
def test_every_whole_pane_is_asked_for_once(server: Receiver, step: int, since: float, panes: float, most: int) -> None:
    until = since + panes * step
    server.requests.clear()
    serve(server, lambda form: matrix(({}, [(t, str(t)) for t in ends(form)])))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prometheus, "PANES_PER_CALL", most)
        found = list(of(server, denominator="", step=step).points(since, until))
    start = start_of(since, step)
    whole = [at for at in range(start, math.ceil(until), step) if since <= at and at + step <= until]
    assert [point.at for point in found] == whole
    assert [point.numerator for point in found] == [at + step for at in whole]
    asked = [ends(form) for form in forms(server)]
    assert [end for call in asked for end in call] == [at + step for at in whole]
    assert all(len(call) <= most for call in asked)
    assert len(asked) == math.ceil(len(whole) / most)


def test_lots_are_no_longer_than_a_prometheus_gives(receiver: Receiver) -> None:
    serve(receiver, lambda form: matrix(({}, [(t, "1") for t in ends(form)])))
    assert sum(1 for _ in of(receiver, denominator="", step=1).points(0, 25_000)) == 25_000
    assert [len(ends(form)) for form in forms(receiver)] == [11_000, 11_000, 3_000]


def test_several_series_are_summed_or_told_apart_by_a_label(receiver: Receiver) -> None:
    def said(form: Form) -> bytes:
        scale = 1 if form["query"] == "good" else 10
        values = {"de": 1, "fr": 2, "": 4}
        series = [({"locale": name} if name else {}, [(300.0, str(n * scale))]) for name, n in values.items()]
        return matrix(*series, ({"locale": "de", "instance": "b"}, [(300.0, str(8 * scale))]))

    serve(receiver, said)
    assert list(of(receiver).points(0, 300)) == [SeriesPoint(0, 15, 150)]
    assert list(of(receiver, segment_label="locale").points(0, 300)) == [
        SeriesPoint(0, 9, 90, "de"),
        SeriesPoint(0, 2, 20, "fr"),
        SeriesPoint(0, 4, 40, "none"),
    ]
    # A ready rate has one for each of its samples, so that several are averaged.
    assert list(of(receiver, denominator=" ").points(0, 300)) == [SeriesPoint(0, 15, 4)]


def test_what_is_missing_or_no_number_is_counted_and_named(receiver: Receiver) -> None:
    def said(form: Form) -> bytes:
        if form["query"] == "good":
            samples = [(300, "NaN"), (600, "+Inf"), (1200, "7"), (1500, "3")]
        else:
            samples = [(300, "5"), (600, "5"), (900, "5"), (1500, "2"), (2100, "-Inf"), (2400, "NaN")]
        return matrix(({}, [sample for sample in samples if sample[0] in ends(form)]))

    serve(receiver, said)
    series = of(receiver)
    assert list(series.points(0, 2400)) == [SeriesPoint(1200, 3, 2)]  # above its denominator: not for us to judge
    assert [str(fault) for fault in series.faults()] == [
        "1 not a number (first: 1970-01-01T00:00:00Z)",
        "1 infinite (first: 1970-01-01T00:05:00Z)",
        "3 no numerator (first: 1970-01-01T00:10:00Z)",
        "1 no denominator (first: 1970-01-01T00:15:00Z)",
        "1 absent (first: 1970-01-01T00:25:00Z)",
    ]
    assert list(series.points(1200, 1500)) == [SeriesPoint(1200, 3, 2)]
    assert series.faults() == ()


def test_a_fault_of_a_segment_names_it(receiver: Receiver) -> None:
    def said(form: Form) -> bytes:
        bad = "NaN" if form["query"] == "good" else "4"
        return matrix(({"l": "de"}, [(300, "1"), (600, bad)]), ({"l": "fr"}, [(600, "3")]))

    serve(receiver, said)
    series = of(receiver, segment_label="l")
    assert [(point.at, point.segment) for point in series.points(0, 600)] == [(0, "de"), (300, "fr")]
    assert [str(fault) for fault in series.faults()] == ["1 not a number (first: 1970-01-01T00:05:00Z, segment de)"]


def test_nothing_at_all_is_absent(receiver: Receiver) -> None:
    serve(receiver, lambda form: matrix())
    series = of(receiver)
    assert list(series.points(0, 1500)) == []
    assert [(fault.reason, fault.count) for fault in series.faults()] == [("absent", 5)]


def test_an_infinite_sum_of_opposites_is_no_number(receiver: Receiver) -> None:
    serve(receiver, lambda form: matrix(({"a": "1"}, [(300, "+Inf")]), ({"a": "2"}, [(300, "-Inf")])))
    series = of(receiver)
    assert list(series.points(0, 300)) == []
    assert series.faults()[0].reason == "not a number"


@pytest.mark.parametrize(
    ("act", "said", "transient"),
    [
        (answer(400, refused("parse error: unexpected <op:+>")), "query good: got parse error: unexpected <op:+>", 0),
        (answer(422, refused("query processing would load too many samples", "execution")), "too many samples", 0),
        (answer(200, refused("out of bounds")), "got out of bounds", 0),
        (answer(503, refused("query timed out in expression evaluation", "timeout")), "got query timed out", 1),
        (answer(429, b"slow down"), "got HTTP 429, want an answer", 1),
        (answer(500, b"<html>broken</html>"), "got HTTP 500, want an answer", 1),
        (answer(502), "got HTTP 502, want an answer", 1),
        (answer(404, b"404 page not found"), "The address is that of the server, before /api/v1/query_range", 0),
        (answer(401, b"who?"), "got HTTP 401, want to be let in. Look at the token", 0),
        (answer(403, refused("no org id")), "got HTTP 403: no org id, want to be let in", 0),
        (answer(302, Location="http://elsewhere.example/"), "got HTTP 302, want an answer: redirects are not", 0),
        (answer(308, Location="/api/v1/query_range/"), "redirects are not followed", 0),
        (answer(200, b"<html>Welcome</html>"), "what is not the JSON of a Prometheus", 0),
        (answer(200, b""), "what is not the JSON of a Prometheus", 0),
        (answer(200, b"[" * 100_000), "what is not the JSON of a Prometheus", 0),
        (answer(200, b'["success"]'), "what is not the JSON of a Prometheus", 0),
        (answer(200, b"{}"), "what is not the JSON of a Prometheus", 0),
        (answer(200, b'{"status": "success"}'), "JSON without a result", 0),
        (answer(200, b'{"status": "success", "data": {"result": {}}}'), "JSON without a result", 0),
        (answer(200, matrix(({}, [(300, "many")]))), "no series of numbers at the moments asked for", 0),
        (answer(200, matrix(({}, [(450, "1")]))), "no series of numbers at the moments asked for", 0),
        (answer(200, matrix(({}, [(3300, "1")]))), "no series of numbers at the moments asked for", 0),
        (answer(200, matrix(({}, [(math.nan, "1")]))), "no series of numbers at the moments asked for", 0),
        (answer(200, matrix(({}, [(600, "1"), (600, "1")]))), "no series of numbers at the moments asked for", 0),
        (answer(200, matrix().replace(b"[]", b'[{"metric": {}, "histograms": []}]')), "no series of numbers", 0),
        (answer(200, matrix().replace(b"[]", b"[7]")), "no series of numbers", 0),
        (answer(200, matrix(warnings=["store tsdb-7: unavailable"])), "a part of the answer: store tsdb-7: unav", 1),
        (answer(200, matrix(isPartial=True)), "got a part of the answer, want all of it", 1),
        (hang_up, "an answer that was cut short", 1),
        (hang, "no answer within 0.5s", 1),
        (drip(0), "no answer within 0.5s", 1),
        (drip(200), "no answer within 0.5s", 1),
    ],
)
def test_what_is_said_of_it(receiver: Receiver, act: Act, said: str, transient: bool) -> None:
    error = raised(receiver, act, timeout=0.5)
    assert str(error).startswith(f"Prometheus at 127.0.0.1:{receiver.port}")
    assert said in str(error)
    assert error.transient == transient
    assert len(receiver.requests) == 1


def cut_short(handler: BaseHTTPRequestHandler) -> None:
    """Promise more than comes, where what comes looks whole."""
    whole = matrix(({}, [(300, "1")]))
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(whole) + 5) + whole)


def torn_off(handler: BaseHTTPRequestHandler) -> None:
    """Reset the connection in the middle of an answer of no stated length."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n" + matrix())
    time.sleep(0.1)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    socket.close(handler.connection.detach())


def test_an_answer_cut_short_is_none(receiver: Receiver) -> None:
    for act in (cut_short, torn_off):
        assert "an answer that was cut short" in str(raised(receiver, act))


def test_a_flood_is_not_read_to_its_end(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "MOST_BYTES", 1 << 20)
    receiver.acts.append(flood(200))
    with pytest.raises(SeriesError, match="got an answer of more than 1 MiB, want a shorter one"):
        list(of(receiver, timeout=20).points(0, 300))


def test_long_answers_are_asked_for_in_smaller_lots(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "MOST_BYTES", 400)
    serve(receiver, lambda form: matrix(({}, [(t, str(t)) for t in ends(form)])))
    found = list(of(receiver).points(0, 50 * 300))
    assert [(point.at, point.numerator) for point in found] == [(300 * i, 300 * i + 300) for i in range(50)]
    assert max(len(ends(form)) for form in forms(receiver)) == 50


def test_no_point_of_a_lot_is_given_where_its_denominators_fail(receiver: Receiver) -> None:
    receiver.acts.extend([answer(200, matrix(({}, [(300, "1")]))), answer(503)])
    given: list[SeriesPoint] = []
    with pytest.raises(SeriesError):
        given.extend(of(receiver).points(0, 300))
    assert given == []
    assert len(receiver.requests) == 2


def test_remarks_on_the_query_are_counted(receiver: Receiver) -> None:
    remark = 'PromQL info: metric might not be a counter, name does not end in _total: "good"'
    serve(receiver, lambda form: matrix(({}, [(300, "1")]), warnings=[remark]))
    series = of(receiver)
    assert list(series.points(0, 300)) == [SeriesPoint(0, 1, 1)]
    assert [(fault.reason, fault.count, fault.first) for fault in series.faults()] == [("remark", 2, remark)]


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("", "/api/v1/query_range"),
        ("/", "/api/v1/query_range"),
        ("/prometheus", "/prometheus/api/v1/query_range"),
        ("/select/0/prometheus/", "/select/0/prometheus/api/v1/query_range"),
        ("/api/v1", "/api/v1/query_range"),
        ("/p/api/v1/query_range", "/p/api/v1/query_range"),
        ("/p?extra_label=team%3Dsearch", "/p/api/v1/query_range?extra_label=team%3Dsearch"),
    ],
)
def test_where_it_is_asked(receiver: Receiver, path: str, asked: str) -> None:
    serve(receiver, lambda form: matrix(({}, [(300, "1")])))
    list(PrometheusSeries(address(receiver, path), "up", step=300).points(0, 300))
    assert receiver.requests[0].path == asked


def test_secrets_are_sent_and_never_told(receiver: Receiver) -> None:
    secret = "tok3n-of-the-gauge"
    tokens = [secret.encode(), secret]
    receiver.acts.append(answer(200, matrix()))
    series = of(receiver, token=lambda: tokens.pop(0), denominator="")
    assert list(series.points(0, 300)) == []
    assert receiver.requests[0].headers["Authorization"] == f"Bearer {secret}"
    receiver.acts.append(answer(400, refused(f"Bearer {secret} may not")))
    with pytest.raises(SeriesError) as caught:
        list(series.points(0, 300))
    assert "Bearer *** may not" in str(caught.value)
    assert secret not in repr(caught.value) + repr(series.__dict__)

    url = address(receiver, "/tenant/s3cr3t-path").replace("//", "//ada:p%40ss%3Aword@", 1)
    receiver.acts.append(answer(403, refused("no p@ss:word, YWRhOnBAc3M6d29yZA== at /tenant/s3cr3t-path")))
    with pytest.raises(SeriesError) as caught:
        list(PrometheusSeries(url, "up", step=300).points(0, 300))
    sent = receiver.requests[-1].headers["Authorization"]
    assert base64.b64decode(sent.removeprefix("Basic ")) == b"ada:p@ss:word"
    assert "HTTP 403: no ***, *** at ***," in str(caught.value)


@pytest.mark.parametrize("token", ["", "two words", "line\r\nX-Other: 1", "grün", b"\xff\xfe"])
def test_a_token_that_cannot_be_sent_is_not_told(receiver: Receiver, token: str | bytes) -> None:
    with pytest.raises(UsageError) as caught:
        list(of(receiver, token=lambda: token).points(0, 300))
    assert str(caught.value).endswith("token: got what cannot be sent, want printable characters without spaces")
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("url", "more"),
    [
        ("", {}),
        ("prometheus:9090", {}),
        ("file:///etc/passwd", {}),
        ("ftp://ada:secret@prometheus/", {}),
        ("http://", {}),
        ("http://ada:secret@", {}),
        ("http://ada:secret@host:port/", {}),
        ("http://ada:secret@host/\r\nX: 1", {}),
        ("http://ada:secret@host", {"token": lambda: "t"}),
        ("http://host", {"step": 0}),
        ("http://host", {"timeout": 0}),
        ("http://host", {"timeout": math.inf}),
        ("http://host", {"numerator": "  "}),
    ],
)
def test_settings_that_cannot_be_used(url: str, more: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        PrometheusSeries(url, **{"numerator": "up", "step": 300, **more})
    assert "secret" not in str(caught.value)


def test_a_span_has_two_ends(receiver: Receiver) -> None:
    for since, until in ((math.nan, 0), (0, math.inf)):
        with pytest.raises(UsageError, match="want two moments"):
            of(receiver).points(since, until)
    assert list(of(receiver).points(600, 0)) == []
    assert receiver.requests == []


def test_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(SeriesError, match="got a refused connection, want an answer") as caught:
            list(PrometheusSeries(url, "up", step=300).points(0, 300))
    assert caught.value.transient

    def unknown(*about: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(SeriesError, match=r"Prometheus at \[::1\]:9090: got no such host"):
        list(PrometheusSeries("http://[::1]:9090", "up", step=300).points(0, 300))


def test_the_proxy_of_the_environment_is_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:pw@127.0.0.1:{receiver.port}")
    receiver.acts.append(answer(200, matrix(({}, [(300, "1")]))))
    series = PrometheusSeries("http://ada:pw@metrics.example:9090/p", "up", step=300)
    assert list(series.points(0, 300)) == [SeriesPoint(0, 1, 1)]
    [request] = receiver.requests
    assert request.path == "http://metrics.example:9090/p/api/v1/query_range"
    assert base64.b64decode(request.headers["Proxy-Authorization"].removeprefix("Basic ")) == b"me:pw"


def test_what_hangs_leaves_nothing_behind(receiver: Receiver) -> None:
    for act in (drip(0), drip(200), cut_short, torn_off):
        raised(receiver, act, timeout=0.2)
    for thread in threading.enumerate():
        if thread.name == "tidegauge-series":
            thread.join(10)
            assert not thread.is_alive()
    gc.collect()  # a connection that was left open would be told of, which fails a test
