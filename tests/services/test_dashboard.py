"""The whole of it: a service under traffic, a Prometheus that scrapes it, the dashboard's queries, alerts to a webhook.

Nine days of hours were recorded before; from then on each batch that is posted is an hour.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.deliver.receiver import Receiver, listening
from tests.export import promql
from tests.run import measured
from tests.services.test_alertmanager import until
from tidegauge import Reference
from tidegauge.export.deployment import templates
from tidegauge.export.panels import MARKS, ROWS
from tidegauge.export.rules import ALERTS, RECORDED
from tidegauge.records import Batch
from tidegauge.run import Recorder
from tidegauge.server.tokens import new_token
from tidegauge.spec import load_spec
from tidegauge.store import open_store

pytestmark = pytest.mark.service

HOURS, SPIKES, ROWS_AN_HOUR = 200, (33, 71, 96, 143, 170), 120
SETTINGS = """
poll = "1s"
[alarms]
budget = "1 in 20d"
[alarms.endpoints.nobody]
url = "http://127.0.0.1:9/drift"
[server.tokens.product]
scope = "write"
sha256 = "PRODUCT"
[server.tokens.prometheus]
scope = "read"
sha256 = "PROMETHEUS"
[streams.queries]
reference = "normal.tg"
pane = "1h"
windows = ["3h"]
lateness = 0
columns = { id = "id", text = "text", time = "time", segment = "locale" }
quality = { silence = "0s" }
documents = "index"
[streams.queries.outcomes.success]
[streams.queries.outcomes.answered]
[streams.index]
kind = "snapshot"
reference = "index.tg"
columns = { id = "id" }
"""
CHOSEN = {
    "$stream": "queries",
    "$segment": "all|de",
    "$window": "1h",
    "$score": "mmd",
    "$__rate_interval": "20s",
    "$__range": "1m",
}
"""What Grafana puts in the place of variables."""
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def hour(start: int, at: int, new: float) -> Batch:
    batch = measured.batch(ROWS_AN_HOUR, seed=at + 1, new=new)
    times = start + 3600.0 * at + np.linspace(0, 3599, ROWS_AN_HOUR)
    return replace(batch, times=times, segments=np.array(["de", "en"])[np.arange(ROWS_AN_HOUR) % 2])


def recorded(folder: Path, start: int, **digests: str) -> None:
    """Hours with spikes of what is new, and a success that falls with them; and an index."""
    settings = SETTINGS
    for name, digest in digests.items():
        settings = settings.replace(name.upper(), digest)
    measured.reference().save(folder / "normal.tg")
    Reference.fit(measured.batch(1500, seed=77), exchangeable=True, profile="small").save(folder / "index.tg")
    (folder / "tidegauge.toml").write_text(settings)
    spec = load_spec(folder / "tidegauge.toml", {})
    store = open_store(spec.store)
    index = Recorder(store, spec.streams["index"])
    index.observe(measured.batch(300, seed=99), name="index")
    index.settle(whole=True)
    queries = Recorder(store, spec.streams["queries"], alarms=spec.alarms)
    new = {spike + i: share for spike in SPIKES for i, share in enumerate((0.1, 0.2, 0.15, 0.1))}
    for at in range(HOURS):
        queries.observe(hour(start, at, new.get(at, 0.0)), name=f"hour-{at}")
        if at % 10 == 9:
            queries.settle()
    store.close()


@dataclass
class Service:
    """A running service, and a caller who sends it an hour of rows after the other; Prometheus has a token, too."""

    url: str
    start: int
    token: str = field(repr=False)
    reading: str = field(repr=False)
    new: float = 0.0
    refused: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def send(self) -> None:
        for at in range(HOURS, 10_000):
            if self.over.wait(0.4):
                return
            batch = hour(self.start, at, self.new)
            vectors = batch.x.tolist()
            vectors[0][0] = None  # which no number is
            body = {
                "vectors": vectors,
                "ids": [str(each) for each in batch.ids],
                "texts": [str(each) for each in batch.texts],
                "times": batch.times.tolist(),
                "segments": batch.segments.tolist(),
                "outcomes": {name: values.tolist() for name, values in batch.outcomes.items()},
            }
            self.post(json.dumps(body), f"hour-{at}")
            self.post("{", f"damaged-{at}")

    def post(self, body: str, key: str) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key, "Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(f"{self.url}v1/streams/queries/batches", body.encode(), headers)
        try:
            with DIRECT.open(request, timeout=30):
                pass
        except urllib.error.HTTPError as error:
            with error:
                self.refused.append(f"{key}: {error.code} {error.read()[:300]!r}")


@dataclass
class Prometheus:
    url: str

    def ask(self, expr: str) -> list[Any]:
        query = urllib.parse.urlencode({"query": expr})
        try:
            with DIRECT.open(f"{self.url}/api/v1/query?{query}", timeout=10) as response:
                return json.load(response)["data"]["result"]
        except urllib.error.HTTPError as error:
            with error:
                pytest.fail(f"{expr}: {error.read().decode()}")

    def unanswered(self, queries: Mapping[str, str]) -> set[str]:
        return {where for where, expr in queries.items() if not self.ask(expr)}


def program(variable: str, *names: str) -> str:
    found = os.environ.get(variable) or next((path for name in names if (path := shutil.which(name))), None)
    if not found:
        pytest.fail(f"no {names[0]} found; 'make test-services' installs Debian's where it can")
    return found


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


@contextmanager
def running(command: list[str | Path], folder: Path, name: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A program and the file that it logs to."""
    direct = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    log = folder / f"{name}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, cwd=folder, env=direct)
    try:
        yield process, log
    finally:
        process.terminate()
        process.wait(60)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    def ready() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            with DIRECT.open(url, timeout=5) as response:
                return response.status == 200
        except OSError:
            return False

    assert until(ready, 60), log.read_text()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    start = int(time.time()) // 3600 * 3600 - 3600 * 10_000
    (token, digest), (reading, read_digest) = new_token(), new_token()
    recorded(folder, start, product=digest, prometheus=read_digest)
    command = [sys.executable, "-c", "from tidegauge.cli import main; main()", "serve", "--port", "0"]
    with running(command, folder, "tidegauge") as (process, log):

        def address() -> str:
            assert process.poll() is None, log.read_text()
            found = re.search(r"serving .* at (http://\S+/)", log.read_text())
            return found[1] if found else ""

        url = until(address, 60)
        assert url, log.read_text()
        wait_for(f"{url}readyz", process, log)
        gauge = Service(url, start, token, reading)
        callers = threading.Thread(target=gauge.send, daemon=True)
        callers.start()
        yield gauge
        gauge.over.set()
        callers.join()
    refused = [each for each in gauge.refused if not each.startswith("damaged-")]
    assert refused == []


@pytest.fixture(scope="module")
def people() -> Iterator[Receiver]:
    with listening() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def manager(people: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An Alertmanager with the template of its settings, in a hurry, whose receivers are ours."""
    folder, port = tmp_path_factory.mktemp("alertmanager"), free_port()
    config = templates()["alertmanager/alertmanager.yml"]
    config = re.sub(r"https://hooks\.example\.org/\w+", people.url, config)
    config = config.replace("group_wait: 30s", "group_wait: 0s").replace("group_interval: 5m", "group_interval: 1s")
    (folder / "config.yml").write_text(config)
    command = [
        program("ALERTMANAGER", "prometheus-alertmanager", "alertmanager"),
        f"--config.file={folder}/config.yml",
        f"--storage.path={folder}/data",
        "--cluster.listen-address=",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(command, folder, "alertmanager") as (process, log):
        wait_for(f"http://127.0.0.1:{port}/-/ready", process, log)
        yield f"127.0.0.1:{port}"


@contextmanager
def scraping(service: Service, folder: Path, *, manager: str = "", drop: str = "") -> Iterator[Prometheus]:
    """A Prometheus with the templates of its settings and rules, in a hurry; it never sees the metric ``drop``."""
    ready, port = templates(), free_port()
    config = ready["docker/prometheus.yml"].replace("tidegauge:8765", urllib.parse.urlparse(service.url).netloc)
    config = config.replace("alertmanager:9093", manager or f"127.0.0.1:{free_port()}")
    (folder / "token").write_text(f"{service.reading}\n")
    config = config.replace("/run/secrets/read_token", str(folder / "token"))
    config = config.replace("scrape_interval: 30s", "scrape_interval: 2s\n  scrape_timeout: 2s")
    config = config.replace("evaluation_interval: 1m", "evaluation_interval: 1s")
    if drop:
        config += f"  metric_relabel_configs: [{{source_labels: [__name__], regex: {drop}, action: drop}}]\n"
    (folder / "prometheus.yml").write_text(config)
    rules = ready["prometheus/tidegauge.rules.yml"].replace("interval: 1m", "interval: 1s")
    (folder / "tidegauge.rules.yml").write_text(rules)
    command = [
        program("PROMETHEUS", "prometheus"),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(command, folder, "prometheus") as (process, log):
        wait_for(f"http://127.0.0.1:{port}/-/ready", process, log)
        yield Prometheus(f"http://127.0.0.1:{port}")


@pytest.fixture(scope="module")
def prometheus(service: Service, manager: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with scraping(service, tmp_path_factory.mktemp("prometheus"), manager=manager) as found:
        yield found


def filled(expr: str) -> str:
    for variable, value in CHOSEN.items():
        expr = expr.replace(variable, value)
    assert "$" not in expr
    return expr


def shown() -> dict[str, str]:
    """Every query of the dashboard, and all that its rules look at: where all is well, no alert has an answer."""
    panels = {
        f"{row.title}: {panel.title}: {query.legend}": filled(query.expr)
        for row in ROWS
        for panel in row.panels
        for query in panel.queries
    }
    alerts = {f"{alert.name}: {match[0]}": match[0] for alert in ALERTS for match in promql.METRIC.finditer(alert.expr)}
    return {
        **panels,
        **{f"mark: {mark.name}": filled(mark.expr) for mark in MARKS},
        **{rule.name: rule.expr for rule in RECORDED},
        **{f"recorded: {rule.name}": rule.name for rule in RECORDED},
        **alerts,
    }


def told(people: Receiver, alert: str) -> list[dict[str, Any]]:
    """What the webhook heard of an alert, in the order in which it did."""
    notices = [json.loads(each.body) for each in list(people.requests)]
    return [each for notice in notices for each in notice["alerts"] if each["labels"]["alertname"] == alert]


@pytest.fixture(scope="module")
def promtool() -> Path:
    return Path(program("PROMETHEUS", "prometheus")).with_name("promtool")


@pytest.fixture
def written(tmp_path: Path) -> Path:
    for name, text in templates().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_promtool_takes_the_rules_and_their_unit_tests(promtool: Path, written: Path) -> None:
    folder = written / "prometheus"
    for command in (
        ["check", "rules", "--lint=all", "--lint-fatal", "tidegauge.rules.yml"],
        ["check", "config", "prometheus.yml"],
        ["test", "rules", "tidegauge.rules.test.yml", "tidegauge.rules.slow.test.yml"],
    ):
        done = subprocess.run([promtool, *command], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_unit_tests_fail_where_an_alert_never_fires(promtool: Path, written: Path, alert: Any) -> None:
    """Each has a test that it fires: an expression that has no answer fails it."""
    folder = written / "prometheus"
    rules = (folder / "tidegauge.rules.yml").read_text()
    mute = re.sub(rf"(alert: {alert.name}\n\s+expr: )(?:.|\n)*?(\n\s+for: )", r"\1vector(0) > 1\2", rules)
    assert mute != rules
    (folder / "tidegauge.rules.yml").write_text(mute)
    failed: set[str] = set()
    for file in ("tidegauge.rules.test.yml", "tidegauge.rules.slow.test.yml"):
        content = yaml.safe_load((folder / file).read_text())
        content["tests"] = [each for each in content["tests"] if each["alert_rule_test"][0]["alertname"] == alert.name]
        (folder / file).write_text(yaml.safe_dump(content))
        done = subprocess.run(
            [promtool, "test", "rules", file], cwd=folder, capture_output=True, text=True, check=False
        )
        failed |= set(re.findall(r"name: (Tidegauge\w+ fires)", done.stdout + done.stderr))
    assert failed == {f"{alert.name} fires"}


def test_every_query_has_an_answer_while_the_traffic_drifts(service: Service, prometheus: Prometheus) -> None:
    queries, service.new = shown(), 0.3
    missing = set(queries)

    def answered() -> bool:
        missing.intersection_update(prometheus.unanswered({where: queries[where] for where in missing}))
        return not missing

    assert until(answered, 120), sorted(missing)
    [verdict] = prometheus.ask('tidegauge_window_state{segment="all",window="1h",state="drift"}')
    assert verdict["value"][1] == "1"
    # What was answered once is answered still: no gauge comes and goes.
    assert until(lambda: not prometheus.unanswered(queries), 30), sorted(prometheus.unanswered(queries))


@pytest.mark.parametrize("metric", ["tidegauge_drift", "tidegauge_coverage_ratio", "tidegauge_http_requests_total"])
def test_a_metric_that_is_dropped_is_missed(
    service: Service, prometheus: Prometheus, tmp_path: Path, metric: str
) -> None:
    service.new = 0.3
    asking = {where: expr for where, expr in shown().items() if metric in {name for name, _ in promql.named(expr)}}
    assert asking
    assert until(lambda: not prometheus.unanswered(asking), 60)
    with scraping(service, tmp_path, drop=metric) as poorer:
        assert until(lambda: poorer.ask("tidegauge_build_info"))
        time.sleep(5)
        assert poorer.unanswered(asking) == set(asking)


def test_an_alert_of_drift_reaches_people_and_is_resolved(
    service: Service, prometheus: Prometheus, people: Receiver
) -> None:
    service.new = 0.3
    assert until(lambda: told(people, "TidegaugeDriftAlarm"), 90), prometheus.ask("tidegauge_alarm_active > 0")
    fired = told(people, "TidegaugeDriftAlarm")[0]
    assert fired["status"] == "firing"
    assert fired["labels"]["stream"] == "queries"
    assert fired["labels"]["severity"] in ("warning", "critical")
    assert fired["annotations"]["summary"] == "queries drifted"
    assert fired["annotations"]["runbook_url"] == "docs/runbook.md#tidegaugedriftalarm"
    service.new = 0.0

    def over() -> bool:
        return not prometheus.ask('tidegauge_alarm_active{kind="drift"} > 0') and not [
            each
            for each in {json.dumps(each["labels"]): each for each in told(people, "TidegaugeDriftAlarm")}.values()
            if each["status"] != "resolved"
        ]

    assert until(over, 120), [each["status"] for each in told(people, "TidegaugeDriftAlarm")]
