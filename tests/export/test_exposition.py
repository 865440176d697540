"""Metrics as text, into a file, and to a Pushgateway."""

from __future__ import annotations

import base64
import math
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from tests.export.place import Place, settings
from tidegauge.errors import DataError, UsageError
from tidegauge.export.exposition import PushError, push, text, write_textfile
from tidegauge.export.families import FAMILIES


@dataclass
class Gateway:
    """A Pushgateway that keeps what it is told."""

    url: str = ""
    status: int = 202
    said: bytes = b""
    pause: float = 0.0
    got: list[tuple[str, str, dict[str, str], str]] = field(default_factory=list)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    found = Gateway()

    class Answers(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            found.got.append((self.command, self.path, dict(self.headers), body))
            if found.pause:
                # Slowly enough for every single read to be in time.
                self.wfile.write(b"HTTP/1.0 202 Accepted\r\n")
                for i in range(int(found.pause / 0.05)):
                    time.sleep(0.05)
                    try:
                        self.wfile.write(f"X-{i}: 1\r\n".encode())
                    except OSError:
                        return
                return
            self.send_response(found.status)
            self.end_headers()
            self.wfile.write(found.said)

        def log_message(self, *about: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


def test_openmetrics_is_parsed_to_the_same_samples(place: Place) -> None:
    place.collector.refresh_links()
    told = {(name, labels): value for name, samples in place.read().items() for labels, value in samples.items()}
    families = list(parse_openmetrics(text(place.collector, openmetrics=True)))
    parsed = {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}
    assert parsed == pytest.approx(told, nan_ok=True)
    units = {family.unit for family in families if family.unit}
    assert units == {"seconds", "ratio", "bytes"}
    assert {family.type for family in families} == {"gauge", "counter", "info"}


def test_text_is_parsed_to_the_same_samples(place: Place) -> None:
    told = {(name, labels) for name, samples in place.read().items() for labels in samples}
    families = list(parse(text(place.collector)))
    assert {(s.name, frozenset(s.labels.items())) for family in families for s in family.samples} == told
    assert all(math.isfinite(sample.value) for family in families for sample in family.samples)
    for family in families:
        said = FAMILIES.get(family.name) or FAMILIES[f"{family.name}_total"]
        assert family.documentation == said.help


def test_a_textfile_is_written_whole_or_not_at_all(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out" / "tidegauge.prom"
    path.parent.mkdir()
    write_textfile(place.collector, path)
    first = path.read_text()
    assert first.endswith("\n")
    assert "tidegauge_drift{" in first
    assert list(path.parent.iterdir()) == [path]

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(DataError, match="No space left on device"):
        write_textfile(place.collector, path)
    assert path.read_text() == first
    assert list(path.parent.iterdir()) == [path]


def test_a_textfile_is_never_seen_half_written(place: Place, tmp_path: Path) -> None:
    path, stop, seen = tmp_path / "tidegauge.prom", threading.Event(), set[bool]()
    write_textfile(place.collector, path)

    def look() -> None:
        while not stop.is_set():
            lines = path.read_text().splitlines()
            seen.add(lines[-1].startswith("tidegauge_folded_series_total "))

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(20):
        write_textfile(place.collector, path)
    stop.set()
    thread.join()
    assert seen == {True}


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("metrics.txt", UsageError, r"want a name that ends in \.prom"),
        ("missing/tidegauge.prom", DataError, "a folder that does not exist"),
    ],
)
def test_a_textfile_that_cannot_be(place: Place, tmp_path: Path, name: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        write_textfile(place.collector, tmp_path / name)
    assert not (tmp_path / name).exists()


def test_it_is_pushed_in_place_of_the_last(place: Place, gateway: Gateway) -> None:
    push(place.collector, gateway.url, "night ly/1", {"instance": "a"})
    [(method, path, headers, body)] = gateway.got
    assert method == "PUT"
    assert path == "/metrics/job@base64/bmlnaHQgbHkvMQ==/instance/a"
    assert headers["Content-Type"].startswith("text/plain")
    assert body == text(place.collector)


def test_a_password_is_sent_and_never_told(place: Place, gateway: Gateway) -> None:
    gateway.status, gateway.said = 401, b"who\x1b[31m are you"
    secret = gateway.url.replace("//", "//ada:s%40crt@")
    with pytest.raises(PushError) as caught:
        push(place.collector, secret, "nightly")
    assert gateway.got[0][2]["Authorization"] == f"Basic {base64.b64encode(b'ada:s@crt').decode()}"
    assert str(caught.value).startswith(f"{gateway.url}: got HTTP 401 Unauthorized: who[31m are you")
    assert "crt" not in str(caught.value)


def test_a_gateway_that_drips_is_given_up(place: Place, gateway: Gateway) -> None:
    gateway.pause = 30.0
    with pytest.raises(PushError, match=r"no answer within 0\.2 s"):
        push(place.collector, gateway.url, "nightly", timeout=0.2)


def test_nobody_listens(place: Place, gateway: Gateway) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(PushError, match="the connection was refused"):
            push(place.collector, url, "nightly")


@pytest.mark.parametrize(
    "url", ["ftp://host", "http://", "http://user:pw@", "http://h:x", "http://h/?a=1", "http://a b"]
)
def test_an_address_that_is_none(place: Place, url: str) -> None:
    with pytest.raises(UsageError, match="want the address of a Pushgateway") as caught:
        push(place.collector, url, "nightly")
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(("job", "grouping"), [("", {}), ("j", {"job": "x"}), ("j", {"a-b": "x"}), ("j", {"__x": "y"})])
def test_a_group_that_is_none(place: Place, job: str, grouping: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        push(place.collector, "http://127.0.0.1:9", job, grouping)


@pytest.mark.parametrize("way", [text, lambda c: write_textfile(c, Path("x.prom")), lambda c: push(c, "http://h", "j")])
def test_without_the_extra(way: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path, settings(tmp_path))
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(UsageError, match=r"pip install 'tidegauge\[server\]'"):
        way(place.collector)
    place.store.close()
