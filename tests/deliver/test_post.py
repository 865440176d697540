"""One try: what is sent, and what is said of whatever a server may do to it."""

from __future__ import annotations

import base64
import http.client
import json
import shutil
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.deliver.receiver import Act, Receiver, answer, drip, flood, hang, hang_up, listening
from tidegauge.deliver import verify
from tidegauge.deliver.post import Answer, post
from tidegauge.spec import Endpoint

NOW = 1_790_000_000.75
BODY = json.dumps({"schema": "tidegauge.alarm/1", "text": "é"})
QUICK = {"timeout": 1}


def to(receiver: Receiver, body: str = BODY, **settings: Any) -> Answer:
    return post(Endpoint.model_validate({"url": receiver.url, **settings}), body, key="a:opened:1", now=NOW)


def test_what_is_sent(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFT_SECRET", "s3cret of the pager")
    assert to(receiver, secret="env:DRIFT_SECRET") == Answer()
    [request] = receiver.requests
    headers = request.headers
    assert (request.path, json.loads(request.body)) == ("/drift", json.loads(BODY))
    assert (headers["Content-Type"], headers["Idempotency-Key"]) == ("application/json", "a:opened:1")
    assert headers["User-Agent"].startswith("tidegauge/")
    assert "Authorization" not in headers
    signed = headers["Tidegauge-Signature"]
    assert signed.startswith("t=1790000000,v1=")
    assert verify(request.body, signed, b"s3cret of the pager", now=NOW)
    assert not verify(request.body.replace(b"alarm", b"Alarm"), signed, b"s3cret of the pager", now=NOW)


def test_without_a_secret_nothing_is_signed(receiver: Receiver) -> None:
    assert post(Endpoint(url=receiver.url), BODY, now=NOW) == Answer()
    assert not {"Tidegauge-Signature", "Idempotency-Key"} & set(receiver.requests[0].headers)


def test_without_its_secret_nothing_is_sent(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DRIFT_SECRET", raising=False)
    said = to(receiver, secret="env:DRIFT_SECRET")
    assert said == Answer("secret env:DRIFT_SECRET: got nothing, want a key", for_people=True)
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("url", "kind", "path"),
    [
        ("", "webhook", "/"),
        ("?a=b", "webhook", "/?a=b"),
        ("/x/y?a=b&c", "webhook", "/x/y?a=b&c"),
        ("", "alertmanager", "/api/v2/alerts"),
        ("/", "alertmanager", "/api/v2/alerts"),
        ("/behind/", "alertmanager", "/behind/api/v2/alerts"),
        ("/api/v2/alerts", "alertmanager", "/api/v2/alerts"),
    ],
)
def test_where_it_is_sent(receiver: Receiver, url: str, kind: str, path: str) -> None:
    assert to(receiver, url=f"http://127.0.0.1:{receiver.port}{url}", kind=kind) == Answer()
    assert receiver.requests[0].path == path


def test_a_user_of_the_address_goes_into_a_header(receiver: Receiver) -> None:
    url = receiver.url.replace("//", "//ada:p%40ss%3Aword@")
    receiver.then(answer(200), answer(403, b"no p@ss:word for ada:p@ss:word, YWRhOnBAc3M6d29yZA=="))
    assert to(receiver, url=url) == Answer()
    sent = receiver.requests[0].headers["Authorization"]
    assert base64.b64decode(sent.removeprefix("Basic ")) == b"ada:p@ss:word"
    assert to(receiver, url=url) == Answer("HTTP 403 Forbidden: no *** for ada:***, ***", for_people=True)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (answer(200), Answer()),
        (answer(204), Answer()),
        (answer(202, b"taken"), Answer()),
        (answer(500, b"broken\n\x1b[31m here"), Answer("HTTP 500 Internal Server Error: broken [31m here", down=True)),
        (answer(503, Retry_After="120"), Answer("HTTP 503 Service Unavailable", after=120, down=True)),
        (answer(429, Retry_After=" 7 "), Answer("HTTP 429 Too Many Requests", after=7, down=True)),
        (answer(429, Retry_After="Mon, 21 Sep 2026 14:14:30 GMT"), Answer("HTTP 429 Too Many Requests", 69.25, True)),
        (answer(429, Retry_After="Mon, 21 Sep 2020 14:14:30 GMT"), Answer("HTTP 429 Too Many Requests", 0, True)),
        (answer(429, Retry_After="-5"), Answer("HTTP 429 Too Many Requests", down=True)),
        (answer(429, Retry_After="soon"), Answer("HTTP 429 Too Many Requests", down=True)),
        (answer(408), Answer("HTTP 408 Request Timeout", down=True)),
        (answer(400, b'{"error": "no"}'), Answer('HTTP 400 Bad Request: {"error": "no"}', for_people=True)),
        (answer(404), Answer("HTTP 404 Not Found", for_people=True)),
        (answer(599), Answer("HTTP 599", down=True)),
        (hang_up, Answer("it hung up without an answer", down=True)),
        (hang, Answer("no answer within 1s", down=True)),
        (drip(0), Answer("no answer within 1s", down=True)),
        (drip(200), Answer()),
        (drip(500), Answer("HTTP 500 Internal Server Error", down=True)),
        (flood(200), Answer()),
        (flood(400), Answer("HTTP 400 Bad Request: " + "x" * 160, for_people=True)),
    ],
)
def test_what_is_said_of_it(receiver: Receiver, act: Act, said: Answer) -> None:
    receiver.then(act)
    assert to(receiver, **QUICK) == said
    assert len(receiver.requests) == 1


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    for status in (301, 302, 307, 308):
        receiver.then(answer(status, Location="/elsewhere"))
        said = to(receiver)
        assert said.fault.startswith(f"HTTP {status} ")
        assert said.fault.endswith(": redirects are not followed")
        assert said.for_people
    assert [request.path for request in receiver.requests] == ["/drift"] * 4


def test_what_hangs_leaves_nothing_behind(receiver: Receiver) -> None:
    for act in (drip(0), drip(200), drip(500), flood(500)):
        receiver.then(act)
        to(receiver, **QUICK)
    for thread in threading.enumerate():
        if thread.name == "tidegauge-post":
            thread.join(10)
            assert not thread.is_alive()


def test_secrets_that_come_back_are_not_told(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFT_SECRET", "s3cret of the pager")
    url = f"http://127.0.0.1:{receiver.port}/T0123/tok3n?key=tok4n-long"
    receiver.then(answer(400, b"POST /T0123/tok3n?key=tok4n-long with s3cret of the pager is wrong"))
    said = to(receiver, url=url, secret="env:DRIFT_SECRET")
    assert said.fault == "HTTP 400 Bad Request: POST /*** with *** is wrong"


SLACK = "/services/T0/B0/s3cr%20t-token?v=k1#part"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("no_service: T0 of B0", "no_***: *** of ***"),
        ('{"url": "\\/services\\/T0\\/B0"}', '{"url": "\\/***"}'),
        ("S3CR T-TOKEN expired", "*** *** expired"),
        ("s3cr%20t-tok... expired, T0_B0?", "***... expired, ***?"),
        ("no such field: 'kind'", "no such field: 'kind'"),
    ],
)
def test_of_an_address_nothing_but_scheme_and_host_is_told(receiver: Receiver, body: str, said: str) -> None:
    receiver.then(answer(404, body.encode()))
    url = f"http://127.0.0.1:{receiver.port}{SLACK}"
    assert to(receiver, url=url).fault == f"HTTP 404 Not Found: {said}"


def test_whatever_goes_wrong_on_the_way_tells_nothing_of_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*about: Any, **more: Any) -> None:
        raise http.client.InvalidURL(f"cannot ask for http://hooks.example{SLACK}")

    monkeypatch.setattr(http.client.HTTPConnection, "connect", broken)
    said = post(Endpoint(url=f"http://hooks.example{SLACK}"), BODY, now=NOW)
    assert said == Answer("InvalidURL: cannot ask for http://hooks.example/***", down=True)


def test_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        said = post(Endpoint(url=f"http://127.0.0.1:{held.getsockname()[1]}/"), BODY, now=NOW)
    assert said == Answer("the connection was refused", down=True)

    def unknown(*about: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert post(Endpoint(url="http://nowhere.example/"), BODY, now=NOW) == Answer("no such host", down=True)


def test_a_name_server_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def slow(*about: Any) -> None:
        over.wait(60)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    try:
        said = post(Endpoint(url="http://slow.example/", timeout=1), BODY, now=NOW)
    finally:
        over.set()
    assert said == Answer("no answer within 1s", down=True)


def test_the_proxy_of_the_environment_is_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:pw@127.0.0.1:{receiver.port}")
    monkeypatch.setenv("no_proxy", "inside.example")
    endpoint = Endpoint(url="http://ada:pw@hooks.example:81/drift?a=b")
    assert post(endpoint, BODY, now=NOW) == Answer()
    [request] = receiver.requests
    assert (request.path, request.headers["Host"]) == ("http://hooks.example:81/drift?a=b", "hooks.example:81")
    assert base64.b64decode(request.headers["Proxy-Authorization"].removeprefix("Basic ")) == b"me:pw"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert to(receiver) == Answer()
    assert receiver.requests[1].path == "/drift"
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", f"127.0.0.1:{receiver.port}")
    said = post(Endpoint(url="https://hooks.example/"), BODY, now=NOW)
    assert said == Answer("OSError: Tunnel connection failed: 501 Unsupported method ('CONNECT')", down=True)


def test_certificates_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make a certificate")
    made = tmp_path / "made.pem"
    command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=here"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(made), "-out", str(tmp_path / "certificate.pem")]
    subprocess.run([openssl, *command.split(), *names], check=True, capture_output=True)
    made.write_bytes(made.read_bytes() + (tmp_path / "certificate.pem").read_bytes())
    with listening(made) as receiver:
        said = to(receiver)
        assert said.fault.startswith("its certificate is not trusted: self")
        assert said.down
        assert receiver.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        assert to(receiver) == Answer()
        said = to(receiver, url=receiver.url.replace("127.0.0.1", "localhost"))
        assert said.fault.startswith("its certificate is not trusted: Hostname mismatch")
        assert len(receiver.requests) == 1
