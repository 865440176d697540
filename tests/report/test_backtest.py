"""What budgets would have done, said and drawn."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from tests.run.tallied import HOUR, MONDAY, Incident, fill, opened
from tidegauge.records import Annotation
from tidegauge.report import backtest as said
from tidegauge.report.backtest_figure import backtest_figure
from tidegauge.report.canvas import png, svg
from tidegauge.run.backtest import Backtest, backtest
from tidegauge.spec import Alarms

HOSTILE = "<script>alert('x')</script>\x1b[31m $\\bad{"
Made = Callable[..., Backtest]


def hour(place: float) -> int:
    return int(MONDAY + place * HOUR)


def _made(folder: Path, count: int, since: int, *incidents: Incident, note: str = "new catalogue") -> Backtest:
    store, monitor = opened(folder)
    with closing(store):
        fill(store, monitor, count, *incidents, without={count - 5})
        store.annotate(Annotation("queries", "deploy", hour(count - 12), hour(count - 9), note))
        return backtest(store, monitor, Alarms(budget="1 in 20d"), since=hour(since))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Backtest:
    return _made(tmp_path_factory.mktemp("small"), 250, 200, Incident(237, 242))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Backtest:
    return _made(tmp_path_factory.mktemp("large"), 2200, 200, Incident(1500, 1520), Incident(1900, 1903, 60))


@pytest.fixture(scope="module")
def of_rows(tmp_path_factory: pytest.TempPathFactory) -> Backtest:
    store, monitor = opened(tmp_path_factory.mktemp("rows"), pane="100 rows")
    with closing(store):
        fill(store, monitor, 250, Incident(237, 242), times=False)
        return backtest(store, monitor, Alarms(budget="1 in 500 panes"), since=20_000)


def _texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def test_the_sentence_says_how_many_and_how_many_are_expected(small: Backtest) -> None:
    first = said.plain(said.sentence(small, small.tried[0]))
    assert first == (
        "A budget of 1 in 20 days would have raised 1 alarm in the last 2 days; about 0.1 are expected from unchanged "
        "traffic."
    )
    none = replace(small, latest=False, tried=(replace(small.tried[0], raised=(), expected=1.04),))
    assert said.plain(said.sentence(none, none.tried[0])) == (
        "A budget of 1 in 20 days would have raised no alarm in 2 days from 2024-01-09 08:00 UTC on; about 1 is "
        "expected from unchanged traffic."
    )
    bounded = replace(small, min_effect=2.0)
    assert "; at most about 0.1 are expected" in said.sentence(bounded, bounded.tried[0])


def test_text_has_the_sentence_the_budgets_and_one_line_an_alarm(small: Backtest) -> None:
    lines = said.text(small).splitlines()
    assert lines[0].startswith("A budget of 1 in 20 days would have raised 1 alarm")
    rows = {line[2:16].strip(): line.split()[-1] for line in lines if line.endswith(("firm", "provisional"))}
    assert rows == {"1 in 20 days": "provisional", "1 in 160 hours": "firm", "1 in 60 days": "provisional"}
    [alarm] = [at for at, line in enumerate(lines) if line.startswith("  - 2024-01-10 2") and "began" in line]
    told = " ".join(line.strip() for line in lines[alarm : alarm + 5])
    assert "novelty over" in told
    assert "deploy: new catalogue" in told
    assert "Rows far from everything known changed." in told
    assert "It is louder than unchanged traffic gets in 19 of 20 such spans." in lines
    assert "as loud in unchanged traffic once in" in told
    assert "Provisional: 200 panes taught it, and 480 lie between two false alarms." in lines
    assert "  - 2024-01-11 05:00 UTC to 2024-01-11 06:00 UTC: no rows" in lines
    assert all(len(line) <= 110 for line in lines)


def test_json_says_the_same_as_the_record(small: Backtest) -> None:
    told = json.loads(said.render(small))
    assert list(told)[:2] == ["schema", "sentence"]
    assert told["schema"] == "tidegauge.backtest/1"
    assert told["learned"] == {"how": "before", "panes": 200, "unmarked": 0, "parts": ["2024-01-09T08:00:00Z"]}
    assert [each["budget"] for each in told["budgets"]] == ["1 in 20d", "1 in 160h", "1 in 60d"]
    [alarm], [raised] = told["budgets"][0]["alarms"], small.tried[0].raised
    assert alarm["opened"] == f"2024-01-10T{(raised.alarm.opened - hour(216)) // HOUR:02}:00:00Z"
    assert (alarm["value"], alarm["annotations"]) == (raised.alarm.value, ["deploy: new catalogue"])
    assert len(told["panes"]["statistic"]) == told["judged"] == 49
    assert told["gaps"] == [{"since": "2024-01-11T05:00:00Z", "until": "2024-01-11T06:00:00Z", "why": "no rows"}]


def test_panes_of_rows_are_counted_in_rows(of_rows: Backtest) -> None:
    told = json.loads(said.render(of_rows))
    assert (told["since"], told["until"]) == (20_000, 25_000)
    assert "in the last 5 000 rows" in told["sentence"]
    assert "row 23," in said.text(of_rows)
    assert "UTC" not in said.text(of_rows)
    assert "rows so far" in _texts(backtest_figure(of_rows))


@pytest.mark.parametrize("case", ["small", "large", "of_rows"])
def test_every_picture_is_drawn_small_and_the_same_every_time(case: str, request: pytest.FixtureRequest) -> None:
    b = request.getfixturevalue(case)
    drawn = svg(backtest_figure(b))
    assert drawn == svg(backtest_figure(b))
    assert len(drawn) < 500_000


def test_the_picture_has_a_lane_for_each_budget_and_what_people_marked(large: Backtest) -> None:
    figure = backtest_figure(large)
    texts = _texts(figure)
    for lane in ("1 in 20 days", "1 in 60 days", "marked", "not judged", "deploy: new catalogue"):
        assert lane in texts
    heights = {round(float(line.get_ydata()[0]), 6) for line in figure.axes[0].lines if len(line.get_xdata()) > 1}
    assert {round(each.thresholds[0], 6) for each in large.tried} <= heights
    bars = figure.axes[1].collections[0].get_paths()
    assert len(bars) == len(large.tried[0].raised) >= 2


def test_gaps_break_the_line(small: Backtest) -> None:
    line = max(backtest_figure(small).axes[0].lines, key=lambda line: len(line.get_xdata()))
    heights = np.asarray(line.get_ydata(), np.float64)
    assert np.flatnonzero(np.isnan(heights)).tolist() == [45]
    assert np.nanmax(heights) == small.statistic.max()


def test_the_page_says_all_and_lets_nothing_in(tmp_path: Path) -> None:
    b = _made(tmp_path, 250, 200, Incident(237, 242), note=HOSTILE)
    page = said.html(b, svg(backtest_figure(b)).decode())
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: tags.append(tag)  # type: ignore[method-assign]
    parser.feed(page)
    assert "script" not in tags
    assert "\x1b" not in page
    assert tags.count("img") == 1
    assert tags.index("h1") < tags.index("table")
    assert page.index("would have raised 1 alarm") < page.index("<table>")
    assert page.count('scope="row"') == 3 + sum(len(each.raised) for each in b.tried)


def test_every_file_is_written_the_same_every_time(small: Backtest, tmp_path: Path) -> None:
    paths = said.write(small, tmp_path / "a" / "b")
    assert [path.name for path in paths] == [f"backtest.{kind}" for kind in ("html", "json", "txt", "svg", "png")]
    again = said.write(small, tmp_path / "c")
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
    assert (tmp_path / "c" / "backtest.png").read_bytes() == png(backtest_figure(small))
