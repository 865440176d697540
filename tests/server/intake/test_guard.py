"""Who comes in, under which name, with how much; and what every answer says to a browser."""

from __future__ import annotations

import base64
import contextlib
import logging
import socket
import subprocess
import sys
import time

import pytest
from fastapi.routing import APIRoute

from tests.server.conftest import TestClient
from tidegauge.cli import run
from tidegauge.errors import UsageError
from tidegauge.server import app
from tidegauge.server.app import create_app
from tidegauge.server.guard import OPEN
from tidegauge.server.listen import bound, check_host
from tidegauge.server.service import Service
from tidegauge.server.tokens import caller_of, digest_of, new_token
from tidegauge.spec.server import Server, Token

BATCHES = "/v1/streams/queries/batches"
BODY = {"vectors": [[1.0] * 8]}
MAIN = "import sys; from tidegauge.cli import run; sys.exit(run(sys.argv[1:]))"
JUNK = (
    b"\x16\x03\x01\x02\x00",
    b"GET /\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 70_000,
    b"\r\n" * 50,
)


@pytest.fixture
def guarded(spec, store):
    """A service with a token of each scope."""
    tokens, known = {}, {}
    for scope in ("write", "read", "admin"):
        tokens[scope], digest = new_token()
        known[scope] = Token(scope=scope, sha256=digest)
    spec = spec.model_copy(update={"server": spec.server.model_copy(update={"tokens": known})})
    with TestClient(create_app(Service(spec, store)), base_url="http://gauge.example.org") as client:
        yield client, tokens


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def test_a_scope_lets_in_for_its_own_and_for_no_more(guarded):
    client, tokens = guarded
    scopes = ("write", "read", "admin")
    statuses = [client.post(BATCHES, json=BODY, headers=bearer(tokens[scope])).status_code for scope in scopes]
    assert statuses == [202, 403, 202]
    assert client.post(BATCHES, json=BODY).status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "bearer tg_" + "a" * 43,
        "Bearer " + "a" * 20_000,
        "Basic !!",
        "Basic " + base64.b64encode(b"\xff\xfe").decode(),
        "Negotiate x",
    ],
)
def test_guesses_are_all_answered_alike(guarded, header):
    client, _ = guarded
    answer = client.post(BATCHES, json=BODY, headers={"authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json() == client.post(BATCHES, json=BODY).json()


def test_a_digest_is_no_token_and_every_digest_is_compared(monkeypatch):
    compared = []
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: compared.append(b) or a == b)
    pairs = [new_token() for _ in range(3)]
    known = {f"t{i}": Token(sha256=digest) for i, (_, digest) in enumerate(pairs)}
    assert caller_of(pairs[0][0], known).name == "t0"
    assert len(compared) == 3
    assert caller_of(pairs[0][1], known) is None
    assert caller_of(pairs[0][0] + "x" * 600, known) is None
    assert digest_of("\udcff")


def test_a_password_is_good_for_looking_only(guarded):
    client, tokens = guarded
    both = {"authorization": "Basic " + base64.b64encode(f"me:{tokens['admin']}".encode()).decode()}
    assert client.post(BATCHES, json=BODY, headers=both).status_code == 401


def test_every_route_that_says_or_changes_anything_has_a_scope(service):
    def scopes(route):
        return [each.dependency.scope for each in route.dependencies if hasattr(each.dependency, "scope")]

    routes = [route for make in app._ROUTERS for route in make(service).routes]
    assert all(isinstance(route, APIRoute) for route in routes)
    assert len(routes) >= 4
    for route in routes:
        if route.path in OPEN:
            continue
        assert scopes(route), route.path
        if route.methods & {"POST", "PUT", "DELETE", "PATCH"}:
            assert set(scopes(route)) & {"write", "admin"}, route.path


def test_without_tokens_only_names_of_this_machine_are_answered(client, service):
    """A page of the web whose name was made to point here (DNS rebinding) asks under that name."""
    for host in ("evil.example.org", "localhost.evil.example.org", "", "127.0.0.1.nip.io", "[::2]"):
        assert client.get("/healthz", headers={"host": host}).status_code == 421
    for host in ("localhost", "127.0.0.1:8765", "[::1]:8765", "LOCALHOST:1"):
        assert client.get("/healthz", headers={"host": host}).status_code == 200
    assert client.post(BATCHES, json=BODY, headers={"host": "evil.example.org"}).status_code == 421
    assert service.store.state("queries").seen == 0


def test_a_form_of_another_site_cannot_send(client, service):
    for media in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert client.post(BATCHES, content=b'{"vectors": [[1]]}', headers={"content-type": media}).status_code == 415
    asked = {"origin": "https://evil.example.org", "access-control-request-method": "POST"}
    answer = client.options(BATCHES, headers=asked)
    assert "access-control-allow-origin" not in answer.headers
    assert service.store.state("queries").seen == 0


@pytest.mark.parametrize("path", ["/healthz", "/nothing", "/openapi.json", BATCHES, "/docs", "/redoc"])
def test_every_answer_tells_a_browser_to_be_careful(client, path):
    answer = client.get(path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "unsafe-eval" not in answer.headers["content-security-policy"]
    assert "server" not in answer.headers
    if path in ("/docs", "/redoc"):
        assert answer.status_code == 404  # they would load scripts from elsewhere


@pytest.mark.parametrize("length", ["-1", "99999999999999999999", "1e3", "²"])
def test_odd_lengths_go_no_further(client, length):
    headers = {"content-length": length.encode(), "content-type": "application/json"}
    assert client.post(BATCHES, content=b"{}", headers=headers).status_code in (400, 413)


def test_logs_hold_no_secret_and_no_line_of_a_stranger(guarded, caplog):
    client, tokens = guarded
    with caplog.at_level(logging.DEBUG, logger="tidegauge"):
        client.get("/v1/%0aERROR forged", headers=bearer(tokens["read"]))
        client.post(BATCHES + "?token=s3cret", json=BODY, headers=bearer("tg_s3cret"))
        client.post("/v1/streams/x%0d%0aforged/batches", json=BODY, headers=bearer(tokens["write"]))
    lines = [record.getMessage() for record in caplog.records]
    assert lines
    assert not any("s3cret" in line or "forged" in line or "\n" in line for line in lines)
    assert not any(token in line for token in tokens.values() for line in lines)


def test_an_error_nobody_foresaw_tells_the_log_and_not_the_caller(client, monkeypatch, caplog):
    monkeypatch.setattr("tidegauge.server.ingest.batch_of", lambda *_, **__: 1 / 0)
    answer = client.post(BATCHES, json=BODY)
    assert answer.status_code == 500
    assert "ZeroDivision" not in answer.text
    assert "ZeroDivision" in caplog.text


def test_it_listens_elsewhere_only_with_a_token_or_when_told():
    check_host(Server())
    check_host(Server(host="0.0.0.0", tokens={"a": Token(sha256="ab" * 32)}))
    check_host(Server(host="0.0.0.0", unguarded=True))
    with pytest.raises(UsageError, match="tidegauge token"):
        check_host(Server(host="0.0.0.0"))


def test_an_address_that_is_taken_is_said(capsys):
    with bound(Server(port=0)) as taken:
        taken.listen()
        with pytest.raises(UsageError, match="--port"):
            bound(Server(port=taken.getsockname()[1]))
    with pytest.raises(UsageError):
        bound(Server(host="nowhere.invalid"))


def test_the_command_makes_a_token_that_the_settings_know(capsys):
    assert run(["token", "gateway", "--scope", "read"]) == 0
    out, err = capsys.readouterr()
    digest = err.split("sha256: ")[1].split("}")[0]
    assert caller_of(out.strip(), {"gateway": Token(scope="read", sha256=digest)}) == ("gateway", "read")
    assert out.strip() not in err
    assert run(["token", "../x"]) == 2


@pytest.fixture
def served(spec, tmp_path):
    """A real process that listens, its address, and how to end it."""
    import yaml

    told = spec.model_dump(mode="json", by_alias=True, include={"database", "streams"}, exclude_defaults=True)
    for stream in told["streams"].values():
        stream.pop("name", None)
    settings = tmp_path / "tidegauge.yaml"
    settings.write_text(yaml.safe_dump(told))
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "serve", "--port", "0", "--config", str(settings)],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for line in process.stderr:
            if "serving" in line:
                port = int(line.rstrip("/\n").rpartition(":")[2])
                break
        yield process, port
    finally:
        process.kill()
        process.stderr.close()
        process.wait()


def test_sigterm_answers_what_is_in_hand_and_leaves_in_peace(served):
    process, port = served
    with socket.create_connection(("127.0.0.1", port)) as half:
        half.sendall(
            b"POST /v1/streams/queries/batches HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        )
        half.sendall(b"Content-Length: 31\r\n\r\n")
        time.sleep(0.3)
        process.terminate()
        time.sleep(0.3)
        half.sendall(b'{"vectors":[[1,1,1,1,1,1,1,1]]}')
        half.settimeout(10)
        assert half.recv(4096).startswith(b"HTTP/1.1 202")
    assert process.wait(15) == 0


def test_garbage_on_the_wire_is_answered_and_the_service_goes_on(served):
    _, port = served
    for junk in JUNK:
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(junk)
            line.settimeout(3)
            with contextlib.suppress(OSError):
                line.recv(4096)
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert line.recv(4096).startswith(b"HTTP/1.1 200")
