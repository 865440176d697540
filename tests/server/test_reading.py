"""What the service shows: the documents of the commands, pages and pictures; and nothing else, whatever is asked."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import matplotlib.image
import pytest
from starlette.testclient import TestClient

from tests.run import measured
from tests.server.conftest import ALARMS, HOURS, Caller, Clock
from tidegauge.cli import run
from tidegauge.records import Annotation, Event
from tidegauge.run.link import link
from tidegauge.server import views
from tidegauge.server.once import Busy
from tidegauge.server.service import Service
from tidegauge.spec.server import Scope

Get = Callable[[str], Any]
READ = (
    "/v1/streams",
    "/v1/streams/queries",
    "/v1/streams/queries/windows",
    "/v1/streams/queries/events",
    "/v1/streams/queries/clusters",
    "/v1/streams/queries/links",
    "/v1/streams/queries/link",
    "/v1/streams/queries/report",
    "/v1/streams/queries/pictures/course.png",
    "/v1/annotations",
    "/v1/alarms",
    f"/v1/alarms/{ALARMS[1]}",
    "/metrics",
    "/",
)


@pytest.fixture
def told(service: Service, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """What a command says of the same store, as JSON."""
    stream = json.loads(service.spec.streams["queries"].model_dump_json(exclude_unset=True))
    stream.pop("name", None)
    reference = service.spec.streams["queries"].reference
    settings = f"""
store = "{service.spec.store}"
[streams.queries]
reference = "{reference}"
pane = "1h"
windows = ["2h"]
lateness = 0
columns = {{ id = "id", text = "text", time = "time", segment = "locale" }}
quality = {{ silence = "2h" }}
[streams.queries.outcomes.success]
[streams.queries.outcomes.answered]
unit = "share"
[streams.counted]
reference = "{reference}"
pane = "100 rows"
windows = ["200 rows"]
[streams.bare]
pane = "1h"
"""
    path = tmp_path / "tidegauge.toml"
    path.write_text(settings)

    def call(*words: str) -> Any:
        run([*words, "--config", str(path), "--format", "json"])
        return json.loads(capsys.readouterr().out)

    return call


# ---------------------------------------------------------------- documents


def test_where_streams_stand_is_what_status_says(checked: Get, told: Callable[..., Any]) -> None:
    mine, theirs = checked("/v1/streams"), told("status")
    for each in (*mine["streams"], *theirs["streams"]):
        each.pop("age_seconds", None)
        each.pop("silence", None)  # by another clock
    assert mine == theirs
    assert [each["stream"] for each in mine["streams"]] == ["queries", "counted", "bare"]
    one = checked("/v1/streams/queries")
    assert (one["age_seconds"], one["silence"]) == (60.0, None)
    assert [each["id"] for each in one["alarms"]["lasting"]] == [ALARMS[1]]


def test_windows_are_what_history_says(checked: Get, told: Callable[..., Any]) -> None:
    mine = checked("/v1/streams/queries/windows?length=1h&newest=48")
    theirs = told("history", "queries", "--window", "1h")
    assert (mine["windows"], mine["schema"]) == (theirs["windows"], theirs["schema"])
    segment = checked("/v1/streams/queries/windows?length=1h&segment=de&since=3h")
    assert (
        segment["windows"]
        == told("history", "queries", "--window", "1h", "--segment", "de", "--since", "3h")["windows"]
    )
    assert {each["segment"] for each in segment["windows"]} == {"de"}


def test_all_windows_come_page_by_page_and_each_once(checked: Get) -> None:
    seen, until = list[str](), ""
    while True:
        page = checked(f"/v1/streams/queries/windows?length=1h&newest=36{until}")
        assert len(page["windows"]) <= 36
        seen = [each["start"] for each in page["windows"]] + seen
        if page["next"] is None:
            break
        until = f"&until={page['next']}"
    assert len(seen) == len(set(seen)) == HOURS
    assert seen == sorted(seen)


@pytest.mark.parametrize("since", [str(measured.hour(90)), f"{measured.hour(90)}.5", "2024-01-04T18:00", "6h"])
def test_a_beginning_is_told_in_any_of_these_words(checked: Get, since: str) -> None:
    windows = checked(f"/v1/streams/queries/windows?length=1h&since={since}")["windows"]
    assert [each["start"] for each in windows] == [f"2024-01-04T{hour}:00:00Z" for hour in range(18, 24)]


def test_events_come_page_by_page_though_many_are_of_one_second(checked: Get, service: Service) -> None:
    with service.store.leading("queries") as desk:
        assert desk is not None
        for i in range(30):
            desk.note(Event("queries", "source", 1_704_100_000 + i // 10 + i / 100, f"event {i}"))
    seen, until = list[str](), ""
    while True:
        page = checked(f"/v1/streams/queries/events?newest=4{until}")
        seen = [each["text"] for each in page["events"]] + seen
        if page["next"] is None:
            break
        until = f"&until={page['next']}"
    assert [each for each in seen if each.startswith("event")] == [f"event {i}" for i in range(30)]


def test_clusters_are_those_that_were_followed(checked: Get, told: Callable[..., Any]) -> None:
    mine = checked("/v1/streams/queries/clusters?since=2d")
    assert mine["clusters"] == told("history", "queries", "--clusters", "--since", "2d")["clusters"]


def test_links_are_what_link_says(checked: Get, told: Callable[..., Any]) -> None:
    mine = checked("/v1/streams/queries/links")
    assert mine == told("link", "queries")
    assert mine["state"] == "harmful drift"


def test_annotations_of_one_stream_come_with_those_of_all(checked: Get, service: Service) -> None:
    for i, stream in enumerate(("queries", "", "counted")):
        service.store.annotate(Annotation(stream, "deploy", 60 * i, 60 * i, f"v{i}"))
    assert [each["text"] for each in checked("/v1/annotations")["annotations"]] == ["v0", "v1", "v2"]
    assert [each["text"] for each in checked("/v1/annotations?stream=queries")["annotations"]] == ["v0", "v1"]
    assert [each["text"] for each in checked("/v1/annotations?newest=1")["annotations"]] == ["v2"]


def test_half_a_character_in_a_text_does_no_harm(client: TestClient, service: Service) -> None:
    service.store.annotate(Annotation("queries", "note", 0, 0, "tab\tand \u202e and \x7f"))
    assert client.get("/v1/annotations").json()["annotations"][0]["text"] == "tab\tand \u202e and \x7f"


# ---------------------------------------------------------------- what takes a while


def test_links_are_found_once_until_a_pane_closes(
    client: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[str]()

    def counting(*given: Any, **more: Any) -> Any:
        asked.append(given[1].spec.name)
        return link(*given, **more)

    monkeypatch.setattr("tidegauge.run.link.link", counting)
    for path in ("links", "link", "pictures/link.png", "links"):
        assert client.get(f"/v1/streams/queries/{path}").status_code == 200
    assert asked == ["queries"]
    state = service.store.state("queries")
    with service.store.leading("queries") as desk:
        assert desk is not None
        desk.update(replace(state, settled=measured.hour(HOURS - 1), version=state.version + 1))
    assert client.get("/v1/streams/queries/links").status_code == 200
    assert asked == ["queries", "queries"]


def test_pages_load_nothing(client: TestClient) -> None:
    for path in ("link", "report?since=2024-01-04T20:00&until=2024-01-04T23:00&segment="):
        page = client.get(f"/v1/streams/queries/{path}")
        assert page.status_code == 200, page.text
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        sources = re.findall(r"(?:src|href)=\"([^\"]{0,40})", page.text)
        assert sources
        assert all(each.startswith("data:image/") for each in sources)


def test_the_live_window_is_the_longest_of_a_day_at_most(service: Service) -> None:
    spec, state = service.spec.streams["queries"], service.store.state("queries")
    end = measured.hour(HOURS + 1)  # the newest row is of the first second of the next pane
    assert views.live(spec, state) == (end - 2 * 3600, end)
    longer = spec.model_copy(update={"windows": (7200, 86_400, 604_800)})
    assert views.live(longer, state) == (end - 86_400, end)


def test_pictures_are_pictures(client: TestClient) -> None:
    sizes = set[tuple[int, ...]]()
    for name in ("course", "pc1", "embedding-drift-pca", "scores", "link", "link-study"):
        picture = client.get(f"/v1/streams/queries/pictures/{name}.png?since=3h")
        assert picture.status_code == 200, picture.text
        assert picture.headers["content-type"] == "image/png"
        sizes.add(matplotlib.image.imread(io.BytesIO(picture.content)).shape)
    assert len(sizes) > 2


@pytest.mark.parametrize(
    ("path", "got"),
    [
        ("/v1/streams/bare/windows", "no history yet"),
        ("/v1/streams/bare/links", "no history yet"),
        ("/v1/streams/bare/report", "no history yet"),
        ("/v1/streams/counted/links", "no outcome in the settings"),
        ("/v1/streams/counted/report", "no row yet"),
        ("/v1/streams/counted/pictures/course.png", "no window under the reference in force"),
        ("/v1/streams/queries/report?since=2024-01-01T00:00&until=2024-01-01T02:00", "no row"),
    ],
)
def test_where_there_is_too_little_history_it_says_so(client: TestClient, path: str, got: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert answer.json()["got"] == got


def test_a_report_that_takes_too_long_is_asked_for_again(
    service: Service, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    forever: Future[Any] = Future()
    monkeypatch.setattr(service.views, "report_files", lambda _span: forever)
    monkeypatch.setattr("tidegauge.server.asked.asyncio.wait_for", _impatient)
    late = client.get("/v1/streams/queries/report")
    assert (late.status_code, late.headers["retry-after"]) == (503, "5")

    def busy(_span: Any) -> Any:
        raise Busy

    monkeypatch.setattr(service.views, "report_files", busy)
    assert client.get("/v1/streams/queries/report").json()["got"] == "too many before it"


async def _impatient(what: Any, _timeout: float) -> Any:
    what.cancel()
    raise TimeoutError


# ---------------------------------------------------------------- who may ask, and for what


@pytest.mark.parametrize("path", READ)
def test_reading_is_for_those_who_may_read(callers: dict[Scope | None, Caller], path: str) -> None:
    statuses = {scope: callers[scope].get(path).status_code for scope in (None, "write", "read")}
    assert statuses == {None: 401, "write": 403, "read": 200}


@pytest.mark.parametrize(
    "path",
    [
        "/v1/streams/nope",
        "/v1/streams/nope/windows",
        "/v1/streams/nope/links",
        "/v1/streams/nope/report",
        "/v1/streams/nope/pictures/pc1.png",
        "/v1/streams/queries/pictures/nope.png",
        "/v1/streams/queries/pictures/report.png",
        "/v1/alarms/00000000000f",
        "/v1/alarms?stream=nope",
        "/v1/annotations?stream=nope",
    ],
)
def test_what_is_not_there_is_not_found(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize(
    "name",
    [
        "../../../../etc/passwd",
        "..%2f..%2ftidegauge",
        "%2e%2e%2f%2e%2e%2ftidegauge.db",
        "/etc/passwd",
        "pc1.png%00",
        "pc1%2f..%2f..%2fsecret",
        "C:\\windows\\win.ini",
        "link.html",
        "link.json",
    ],
)
def test_no_name_leads_out_of_the_list(client: TestClient, name: str) -> None:
    for path in (f"/v1/streams/queries/pictures/{name}.png", f"/v1/streams/{name}/pictures/pc1.png"):
        answer = client.get(path)
        assert answer.status_code in (404, 422), answer.status_code
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "query",
    [
        "newest=0",
        "newest=1001",
        "newest=-1",
        "newest=1e9",
        "length=5m",
        "length=0h",
        "length=" + quote("１h"),
        "length=" + "9" * 30 + "d",
        "since=yesterday",
        "since=" + "9" * 12 + "d",
        "since=1e308",
        "since=nan",
        "until=-99999999999",
        "since=2024-01-05&until=2024-01-04",
        "until=" + "9" * 60,
        "until=999999999999",
        "since=" + "x" * 1000,
        "segment=nope",
        "segment=%00",
        "segment=" + "x" * 1000,
        "segment=" + quote("' OR 1=1 --"),
        "since=" + quote("2024-01-01'; DROP TABLE windows; --"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_in_words(client: TestClient, query: str) -> None:
    answer = client.get(f"/v1/streams/queries/windows?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), answer.text
    assert "--" not in answer.json()["what"]


def test_a_span_that_nothing_lies_in_is_empty(client: TestClient) -> None:
    for span in ("since=253402300799", "until=0001-01-02", "since=2000-01-01&until=2000-01-02"):
        assert client.get(f"/v1/streams/queries/windows?{span}").json()["windows"] == []


def test_no_answer_is_kept_by_anybody_between(client: TestClient) -> None:
    for path in ("/", "/v1/streams", "/v1/alarms", "/metrics", "/v1/streams/queries/pictures/course.png"):
        assert client.get(path).headers["cache-control"] == "no-store"


def test_silence_is_by_the_services_clock(client: TestClient, clock: Clock) -> None:
    clock.now += 3 * 3600
    assert client.get("/v1/streams/queries").json()["silence"].startswith("No row since 2024-01-05 00:00 UTC")
