"""What ties outcomes to drift, said and drawn."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from tests.run.measured import AFFECTED, COUNT, LAG, SPIKES, UNAFFECTED, fill, hour, opened
from tidegauge.records import Annotation, Contribution, Coverage, Example, Explained, Impact, Outcome
from tidegauge.report import link as said
from tidegauge.report.canvas import png, svg
from tidegauge.report.link_figure import course_figure, study_figure
from tidegauge.run.link import Linked, link

HOSTILE = "<script>alert('x')</script>\x1b[31m $\\bad{"


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Linked:
    store, monitor = opened(tmp_path_factory.mktemp("linked"))
    with closing(store):
        fill(store, monitor, lasting=True, new=0.2)
        store.annotate(Annotation("queries", "deploy", hour(120), hour(120), "new ranker"))
        store.annotate(Annotation("queries", "holiday", hour(48), hour(60), "spring"))
        return link(store, monitor)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Linked:
    store, monitor = opened(tmp_path_factory.mktemp("short"))
    with closing(store):
        fill(store, monitor, 30, spikes=(29,), alarms=False)
        return link(store, monitor)


@pytest.fixture(scope="module")
def covered(linked: Linked) -> Linked:
    """The same, with what a snapshot of documents and a segment would add."""
    nan = float("nan")
    gap = Contribution("new", "new cluster 1", nan, nan, nan, 0.0, 0.2, nan, nan, (Example("7", "gift card"),))
    changed = replace(
        linked.changed,
        coverage=Coverage(0.81, 0.78, 0.84, 0.93, 0.001, 400, 900, (gap,), "similarity"),
        documents="documents",
        explained=(
            Explained("segment", "de", 0.1, 0.3, 0.8, 0.6, AFFECTED),
            Explained("segment", "en", 0.9, 0.7, nan, nan),
        ),
    )
    return replace(linked, changed=changed)


def _texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def test_text_begins_with_the_answer_and_has_a_line_for_each_outcome(linked: Linked) -> None:
    text = said.text(linked)
    lines = text.splitlines()
    assert " ".join(text.split()).startswith(" ".join(said.plain(linked.found.sentence).split()))
    rows = {line.split()[0]: line for line in lines if line.startswith(("  success ", "  answered "))}
    assert "associated" in rows[AFFECTED]
    assert "2 hours later" in rows[AFFECTED]
    assert "points" in rows[AFFECTED]
    assert "not associated" in rows[UNAFFECTED]
    assert "later" not in rows[UNAFFECTED]
    told = " ".join(text.split())
    assert "over the 6 hours from the onset of 6 alarms" in told
    assert "Of the 16-point fall of success" in told
    assert "deploy: new ranker" in told
    assert "caused" not in told.replace("never caused", "")
    assert all(len(line) <= 110 for line in lines)


def test_too_short_a_history_is_said(short: Linked) -> None:
    text = " ".join(said.text(short).split())
    assert "not enough history for an association: 30 panes have both, and 60 are wanted" in text
    assert not short.studies
    assert "Around the onsets" not in text


def test_json_says_the_same_as_the_record_and_fits_its_schema(linked: Linked, covered: Linked, short: Linked) -> None:
    schema = _schema()
    for each in (linked, covered, short):
        jsonschema.validate(json.loads(said.render(each)), schema)
    told = json.loads(said.render(covered))
    assert list(told)[:3] == ["schema", "state", "sentence"]
    assert told["schema"] == "tidegauge.link/1"
    [first, second] = told["links"]
    assert (first["outcome"]["name"], first["state"], first["lag"]) == (AFFECTED, "associated", LAG)
    assert second["state"] == "not associated"
    assert told["since"] == "2024-01-01T00:00:00Z"
    assert (told["before"], told["after"][0]) == (None, "2024-01-10T00:00:00Z")
    assert len(told["windows"]["start"]) == COUNT
    [series] = told["windows"]["series"]
    assert series["outcomes"][AFFECTED]["numerator"] == linked.courses[0].numerators.tolist()
    assert told["coverage"]["share"] == 0.81
    assert told["explained"][1]["drift"] is None
    assert [each["id"] for each in told["alarms"]] == [each.id for each in linked.alarms]


def test_the_schema_refuses_what_is_not_so(linked: Linked) -> None:
    told = json.loads(said.render(linked))
    for wrong in ({"state": "fine"}, {"links": [{}]}, {"since": None}, {"more": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(told | wrong, _schema())


def _schema() -> dict[str, Any]:
    return json.loads(resources.files("tidegauge.report").joinpath("schema/link-1.json").read_text("utf-8"))


def test_words_are_of_the_outcomes_own_unit(linked: Linked) -> None:
    clicks = Outcome("clicks", "rises", "count")
    assert said.plain(said.step_said(clicks, -0.25)) == "-0.25"
    assert said.plain(said.steps_said(clicks, -0.5, 0.25)) == "-0.5 to +0.25"
    assert said.rate_said(clicks, 12.5) == "12.5"
    row = said.link_row(replace(linked.links[0], outcome=clicks, slope=0.125, lag=0), linked)
    assert (row.harm, row.slope, row.lag) == ("harm: it rises", "+0.125", "at the same time")


def test_studies_say_what_they_are(linked: Linked) -> None:
    study = linked.studies[0]
    few = replace(study, events=2, state="anecdote")
    assert "an anecdote" in said.study_sentence(few, linked)
    early = replace(study, state="pre-trend", before=0.01)
    assert "had begun before" in said.study_sentence(early, linked)
    none = replace(study, events=1, effect=float("nan"))
    assert said.study_sentence(none, linked) == "success: 1 alarm, too little around them to compare."
    assert "no alarm has enough windows" in said.study_sentence(replace(none, events=0), linked)


def test_coverage_and_properties_are_said(covered: Linked) -> None:
    text = said.plain(" ".join(said.text(covered).split()))
    assert "documents covers 81.0 % of the queries (78.0 % to 84.0 %), 93.0 % before, by their nearest document" in text
    assert "new cluster 1: 20.0 % of the queries, such as “gift card”" in text
    assert "segment de, 10.0 % to 30.0 % of the traffic: 80 % of the drift, 60 % of the loss of success" in text
    assert "segment en, 90.0 % to 70.0 % of the traffic: nothing beyond chance to explain" in text


def test_the_picture_has_drift_and_every_outcome_on_one_time(linked: Linked) -> None:
    figure = course_figure(linked)
    texts = _texts(figure)
    for told in (AFFECTED, UNAFFECTED, "drift", "marked", "holiday: spring", "deploy: new ranker", "harm"):
        assert told in texts
    assert any(each.startswith("associated with drift: ") and each.endswith("2 hours later") for each in texts)
    limits = {tuple(ax.get_xlim()) for ax in figure.axes}
    assert len(limits) == 1
    drift = max(figure.axes[0].lines, key=lambda line: len(line.get_xdata()))
    assert np.asarray(drift.get_ydata()) == pytest.approx(linked.drift[""])
    shaded = [patch for patch in figure.axes[0].patches if patch.get_zorder() == 0.5]
    assert len(shaded) == len(linked.alarms) == len(SPIKES)


def test_arrows_point_to_harm(linked: Linked) -> None:
    def tip(figure: Figure) -> float:
        [arrow] = [each for each in figure.axes[2].texts if getattr(each, "arrow_patch", None) is not None]
        return arrow.xy[1] - arrow.xyann[1]  # type: ignore[attr-defined]

    assert tip(course_figure(linked)) < 0
    rises = tuple(replace(each, outcome=replace(each.outcome, harmful="rises")) for each in linked.courses)
    assert tip(course_figure(replace(linked, courses=rises))) > 0


def test_the_study_is_drawn_with_its_interval(linked: Linked) -> None:
    figure = study_figure(linked)
    ax, study = figure.axes[0], linked.studies[0]
    [curve] = [line for line in ax.lines if line.get_marker() == "o"]
    assert tuple(curve.get_ydata()) == study.curve
    box = ax.collections[0].get_datalim(ax.transData)
    assert (box.y0, box.y1) == pytest.approx((study.low, study.high))


def test_what_did_not_change_beyond_chance_is_not_drawn(linked: Linked) -> None:
    page = said.page(linked)
    assert [each.name for each in page.changes] == [AFFECTED]
    assert len(page.unchanged) == 1
    assert page.unchanged[0].startswith("answered did not change beyond chance")


def test_the_page_says_all_and_lets_nothing_in(covered: Linked) -> None:
    hostile = replace(
        covered,
        found=Impact("harmful drift", HOSTILE, (HOSTILE,), (HOSTILE,)),
        annotations=(Annotation("queries", "deploy", hour(1), hour(2), HOSTILE),),
        alarms=tuple(replace(each, title=HOSTILE) for each in covered.alarms),
    )
    page = said.html(hostile, {"link": "<svg/>", "link-study": "<svg/>", "link-change-1": "<svg/>"})
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: tags.append(tag)  # type: ignore[method-assign]
    parser.feed(page)
    assert "script" not in tags
    assert "\x1b" not in page
    assert tags.count("img") == 3
    assert tags.index("h1") < tags.index("table")
    assert "default-src 'none'" in page
    for told in ("What to do next", "Coverage", "Who and what", "Around the onsets of alarms", "by clusters"):
        assert told in page


def test_every_file_is_written_the_same_every_time(linked: Linked, tmp_path: Path) -> None:
    paths = said.write(linked, tmp_path / "a")
    pictures = [f"{name}.{kind}" for name in ("link", "link-study", "link-change-1") for kind in ("svg", "png")]
    assert [path.name for path in paths] == ["link.html", "link.json", "link.txt", *pictures]
    again = said.write(linked, tmp_path / "b")
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
    assert (tmp_path / "b" / "link.png").read_bytes() == png(course_figure(linked))
    assert len(svg(course_figure(linked))) < 500_000


def test_a_short_history_has_a_page_too(short: Linked, tmp_path: Path) -> None:
    paths = said.write(short, tmp_path)
    page = paths[0].read_text("utf-8")
    assert "not enough history" in page
    assert "link-study.svg" not in [path.name for path in paths]
