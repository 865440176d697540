"""Range queries to a real Prometheus: hours of history loaded at once, and an exporter that is scraped every second."""

from __future__ import annotations

import base64
import os
import random
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.services.test_alertmanager import until
from tidegauge.read.series import PrometheusSeries, SeriesError, SeriesPoint

pytestmark = pytest.mark.service

CONFIG = """
scrape_configs:
- job_name: product
  scrape_interval: 1s
  scrape_timeout: 900ms
  static_configs: [{{targets: ['127.0.0.1:{port}']}}]
"""
WEB = "basic_auth_users: {ada: $2b$04$hNf2lSsxfm0.i4a.1kVpSOUmr4zoGIMCS7mN.g8peHIb.bWBcCoo.}\n"
PASSWORD = "s3cret-word"

PANE, SCRAPE = 300, 15
BEGIN = 1_767_225_600
"""2026-01-01, a pane's start."""
PANES = 72
RATES = {"de": (40.0, 60.0), "fr": (5.0, 50.0)}
"""Successes and requests of a second, by the exporter."""


@dataclass
class Running:
    """A Prometheus behind a path and a password; what its history holds, pane by pane, and the exporter's start."""

    url: str
    open_url: str
    began: float
    increments: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def series(self, numerator: str, denominator: str = "", **more: int | str) -> PrometheusSeries:
        return PrometheusSeries(self.url, numerator, denominator, **{"step": PANE, **more})


def history(running: Running, file: Path) -> None:
    """Write counters that rise by whole numbers, sampled on the grid of panes."""
    rng = random.Random(6)
    lines: list[str] = []
    for name, most in (("success", 40), ("requests", 60)):
        lines.append(f"# TYPE history_{name} counter")
        for locale in ("de", "fr"):
            # Not from nothing: towards the zero of a counter, Prometheus would not extrapolate.
            value, pane = 10_000, [0] * PANES
            for i in range(PANES * PANE // SCRAPE + 1):
                at = BEGIN + i * SCRAPE
                lines.append(f'history_{name}_total{{locale="{locale}"}} {value} {at}')
                step = rng.randrange(most if (at - BEGIN) // PANE % 5 else 1 + most // 9)
                if i < PANES * PANE // SCRAPE:
                    value, pane[(at - BEGIN) // PANE] = value + step, pane[(at - BEGIN) // PANE] + step
            running.increments[name, locale] = pane
    file.write_text("\n".join([*lines, "# EOF", ""]))


@contextmanager
def exporter(began: float) -> Iterator[int]:
    """Serve counters that rise evenly with time; the port."""

    class Counters(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            since = time.time() - began
            lines: list[str] = []
            for i, name in enumerate(("success_total", "requests_total")):
                lines.append(f"# TYPE {name} counter")
                lines += [f'{name}{{locale="{each}"}} {1e6 + RATES[each][i] * since}' for each in RATES]
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write("\n".join([*lines, ""]).encode())

        def log_message(self, *about: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Counters)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def program() -> str:
    found = os.environ.get("PROMETHEUS") or shutil.which("prometheus")
    if not found:
        pytest.fail("no Prometheus found; 'make test-services' installs Debian's where it can")
    return found


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def running(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("prometheus")
    began = time.time()
    with exporter(began) as port, socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
        held.close()
        url = f"http://ada:{PASSWORD}@{address}/gauge"
        found = Running(url, f"http://{address}/gauge", began)
        history(found, folder / "history.om")
        promtool = Path(program).with_name("promtool")
        load = [promtool, "tsdb", "create-blocks-from", "openmetrics", folder / "history.om", folder / "data"]
        subprocess.run(load, check=True, capture_output=True)
        (folder / "config.yml").write_text(CONFIG.format(port=port))
        (folder / "web.yml").write_text(WEB)
        options = {
            "config.file": folder / "config.yml",
            "storage.tsdb.path": folder / "data",
            "storage.tsdb.retention.time": "50y",
            "web.config.file": folder / "web.yml",
            "web.listen-address": address,
            "web.route-prefix": "/gauge",
            "web.external-url": f"http://{address}/gauge",
        }
        with (folder / "log").open("wb") as log:
            command = [program, *(f"--{name}={value}" for name, value in options.items())]
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
        user = base64.b64encode(f"ada:{PASSWORD}".encode()).decode()
        asked = urllib.request.Request(f"http://{address}/gauge/-/ready", headers={"Authorization": f"Basic {user}"})

        def ready() -> bool:
            assert process.poll() is None, (folder / "log").read_text()
            try:
                with urllib.request.urlopen(asked, timeout=5) as response:
                    return response.status == 200
            except OSError:
                return False

        try:
            assert until(ready), (folder / "log").read_text()
            yield found
        finally:
            process.terminate()
            process.wait(20)


def wanted(running: Running, locales: tuple[str, ...], segment: str) -> list[SeriesPoint]:
    above, below = (
        [sum(values) for values in zip(*(running.increments[name, each] for each in locales), strict=True)]
        for name in ("success", "requests")
    )
    return [SeriesPoint(BEGIN + PANE * i, above[i], below[i], segment) for i in range(PANES)]


def test_increments_of_every_pane_are_exact(running: Running) -> None:
    """Of counters sampled at the ends of panes, raw differences are exact, whatever the version."""
    rise = "history_{0}_total - history_{0}_total offset 5m"
    series = running.series(rise.format("success"), rise.format("requests"), segment_label="locale")
    found = list(series.points(BEGIN, BEGIN + PANES * PANE))
    assert [point for point in found if point.segment == "de"] == wanted(running, ("de",), "de")
    assert [point for point in found if point.segment == "fr"] == wanted(running, ("fr",), "fr")
    assert len(found) == 2 * PANES
    assert series.faults() == ()
    both = running.series(rise.format("success"), rise.format("requests"))
    assert list(both.points(BEGIN, BEGIN + PANES * PANE)) == wanted(running, ("de", "fr"), "")


def test_increase_is_of_the_pane_before(running: Running) -> None:
    """``increase`` extrapolates from the samples in its range, by at most one scrape of twenty at each end (10 %)."""
    series = running.series("increase(history_success_total[5m])", "increase(history_requests_total[5m])")
    found = list(series.points(BEGIN, BEGIN + PANES * PANE))
    truth = wanted(running, ("de", "fr"), "")
    assert [point.at for point in found] == [point.at for point in truth]
    for point, true in zip(found, truth, strict=True):
        assert point.numerator == pytest.approx(true.numerator, rel=2 * SCRAPE / PANE)
        assert point.denominator == pytest.approx(true.denominator, rel=2 * SCRAPE / PANE)
    # One pane on or back would be far from it: every fifth is quiet.
    assert min(point.denominator for point in truth[::5]) > 0
    assert 3 * max(point.denominator for point in truth[::5]) < min(point.denominator for point in truth[1::5])


def test_what_lies_beyond_the_history_is_absent(running: Running) -> None:
    series = running.series("increase(history_success_total[5m])", "increase(history_requests_total[5m])")
    found = list(series.points(BEGIN - 10 * PANE, BEGIN + 2 * PANE))
    assert [point.at for point in found] == [BEGIN, BEGIN + PANE]
    [fault] = series.faults()
    assert (fault.reason, fault.count, fault.first) == ("absent", 10, "2025-12-31T23:10:00Z")


def test_many_panes_are_asked_for_in_lots_that_it_gives(running: Running) -> None:
    found = list(running.series("time()", step=1).points(BEGIN, BEGIN + 25_000))
    assert [point.at for point in found] == [BEGIN + i for i in range(25_000)]
    assert all(point.numerator == point.at + 1 for point in found)


def test_weeks_begin_on_mondays(running: Running) -> None:
    week, monday = 604_800, 1_767_571_200 + 604_800
    found = list(running.series("time()", step=week).points(monday - 1, monday + 3 * week))
    assert [point.at for point in found] == [monday, monday + week, monday + 2 * week]
    assert [point.numerator for point in found] == [point.at + week for point in found]


def test_what_is_no_number_is_counted(running: Running) -> None:
    series = running.series("0 * history_success_total / 0", "history_requests_total / 0")
    assert list(series.points(BEGIN, BEGIN + 3 * PANE)) == []
    [fault] = series.faults()
    assert (fault.reason, fault.count, fault.first) == ("not a number", 3, "2026-01-01T00:00:00Z")


def test_it_says_what_is_wrong_with_a_query(running: Running) -> None:
    with pytest.raises(SeriesError, match=r"query sum\(: got .*parse error: .*unclosed left parenthesis") as caught:
        list(running.series("sum(").points(BEGIN, BEGIN + PANE))
    assert not caught.value.transient
    assert PASSWORD not in str(caught.value)
    many_to_many = "history_success_total + on() history_requests_total"
    with pytest.raises(SeriesError, match="many-to-many matching not allowed"):
        list(running.series(many_to_many).points(BEGIN, BEGIN + PANE))


def test_nobody_is_let_in_without_the_password(running: Running) -> None:
    with pytest.raises(SeriesError, match=r"got HTTP 401.*, want to be let in"):
        list(PrometheusSeries(running.open_url, "up", step=PANE).points(BEGIN, BEGIN + PANE))
    with pytest.raises(SeriesError, match="HTTP 404"):
        list(PrometheusSeries(running.url.removesuffix("/gauge"), "up", step=PANE).points(BEGIN, BEGIN + PANE))


def test_an_exporter_that_is_scraped_every_second(running: Running) -> None:
    """Scrapes jitter by milliseconds and ``increase`` extrapolates: each pane is within 5 % of the true increments."""
    step = 4
    since = running.began + 2 * step  # it has been scraped by then
    rise = "increase({}_total[4s])"
    series = running.series(rise.format("success"), rise.format("requests"), step=step, segment_label="locale")

    def scraped() -> list[SeriesPoint]:
        found = list(series.points(since, time.time() - 2))
        return found if len(found) >= 6 else []

    found = until(scraped, 60)
    assert len(found) >= 6
    assert series.faults() == ()
    for point in found:
        above, below = RATES[point.segment]
        assert point.numerator == pytest.approx(above * step, rel=0.05)
        assert point.denominator == pytest.approx(below * step, rel=0.05)
        assert point.numerator / point.denominator == pytest.approx(above / below, rel=1e-3)
